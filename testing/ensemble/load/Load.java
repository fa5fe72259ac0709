import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;

/** Load by the Java client, see README.md beside this file. */
public final class Load {
    private static final long GAP_MS = 250;
    private static final int SESSION_TIMEOUT_MS = 20_000;

    private static volatile boolean over;

    public static void main(String[] args) throws Exception {
        String hosts = args[0];
        String root = args[1];
        int clients = Integer.parseInt(args[2]);
        double rate = Double.parseDouble(args[3]);
        List<Writer> writers = new ArrayList<>();
        for (int number = 0; number < clients; number++) {
            writers.add(new Writer(hosts, root, number, rate));
        }
        say("ready");
        List<Thread> threads = writers.stream().map(Thread::new).collect(Collectors.toList());
        threads.forEach(Thread::start);
        System.in.transferTo(java.io.OutputStream.nullOutputStream());
        over = true;
        for (Thread thread : threads) {
            thread.join();
        }
        for (Writer writer : writers) {
            writer.zk.close();
        }
    }

    private static synchronized void say(Object... fields) {
        StringBuilder line = new StringBuilder();
        for (Object field : fields) {
            line.append(line.length() == 0 ? "" : " ").append(field);
        }
        System.out.println(line);
        System.out.flush();
    }

    /** One client. */
    private static final class Writer implements Runnable {
        private final ZooKeeper zk;
        private final int number;
        private final String folder;
        private final long intervalNanos;
        private final long session;
        private final List<Integer> acknowledged = new ArrayList<>();
        private final List<Integer> unknown = new ArrayList<>();

        Writer(String hosts, String root, int number, double rate) throws Exception {
            this.number = number;
            folder = root + "/" + number;
            intervalNanos = (long) (1e9 / rate);
            CountDownLatch connected = new CountDownLatch(1);
            zk = new ZooKeeper(hosts, SESSION_TIMEOUT_MS, event -> listen(event, connected));
            if (!connected.await(30, TimeUnit.SECONDS)) {
                throw new IllegalStateException("no connection");
            }
            session = zk.getSessionId();
            zk.create(folder, new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            zk.create(root + "/alive-" + number, new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        }

        private void listen(WatchedEvent event, CountDownLatch connected) {
            if (event.getState() == KeeperState.SyncConnected) {
                connected.countDown();
            } else if (event.getState() == KeeperState.Expired && !over) {
                say("broken", number, System.currentTimeMillis(), "the session was lost");
            }
        }

        @Override
        public void run() {
            try {
                long last = System.currentTimeMillis();
                long due = System.nanoTime();
                for (int sequence = 0; !over; sequence++) {
                    if (write(sequence)) {
                        long now = System.currentTimeMillis();
                        if (now - last >= GAP_MS) {
                            say("gap", number, last, now);
                        }
                        last = now;
                    }
                    due = Math.max(due + intervalNanos, System.nanoTime());
                    TimeUnit.NANOSECONDS.sleep(due - System.nanoTime());
                }
            } catch (InterruptedException e) {
                say("broken", number, System.currentTimeMillis(), "interrupted");
            }
            String first = Long.toHexString(session);
            String atLast = Long.toHexString(zk.getSessionId());
            say("done", number, first, atLast, ranges(acknowledged), ranges(unknown));
        }

        private boolean write(int sequence) throws InterruptedException {
            String path = String.format("%s/%07d", folder, sequence);
            byte[] data = Integer.toString(sequence).getBytes();
            try {
                zk.create(path, data, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            } catch (KeeperException e) {
                unknown.add(sequence);
                say("error", number, System.currentTimeMillis(), e.code());
                Thread.sleep(20);
                return false;
            }
            acknowledged.add(sequence);
            try {
                if (!java.util.Arrays.equals(zk.getData(path, false, null), data)) {
                    say("broken", number, System.currentTimeMillis(), path + " has other data");
                }
            } catch (KeeperException.NoNodeException e) {
                say("broken", number, System.currentTimeMillis(), path + " was acknowledged and is not there");
            } catch (KeeperException e) {
                // The connection went between the two. The end will show whether the node is there.
            }
            return true;
        }

        /** The numbers, which ascend, as text. */
        private static String ranges(List<Integer> numbers) {
            List<int[]> spans = new ArrayList<>();
            for (int number : numbers) {
                int[] last = spans.isEmpty() ? null : spans.get(spans.size() - 1);
                if (last != null && last[1] == number - 1) {
                    last[1] = number;
                } else {
                    spans.add(new int[] {number, number});
                }
            }
            String text = spans.stream().map(span -> span[0] + "-" + span[1]).collect(Collectors.joining(","));
            return text.isEmpty() ? "-" : text;
        }
    }
}
