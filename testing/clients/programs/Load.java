import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import org.apache.zookeeper.AsyncCallback.DataCallback;
import org.apache.zookeeper.AsyncCallback.StatCallback;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooKeeper;

/** A load by the Java client, see README.md in the folder above. */
public final class Load {
    private static final int NODES = 1000;
    private static final byte[] DATA = "x".repeat(100).getBytes(StandardCharsets.UTF_8);
    private static final int LATENCIES_MAX = 1 << 22;

    private static volatile int phase;

    public static void main(String[] args) throws Exception {
        String hosts = args[0];
        String op = args[1];
        int sessions = Integer.parseInt(args[2]);
        int depth = Integer.parseInt(args[3]);
        long warmUp = Long.parseLong(args[4]);
        long measured = Long.parseLong(args[5]);
        List<ZooKeeper> clients = new ArrayList<>();
        long rssOne = 0;
        for (int i = 0; i < sessions; i++) {
            CountDownLatch connected = new CountDownLatch(1);
            clients.add(new ZooKeeper(hosts, 30_000, event -> {
                if (event.getState() == KeeperState.SyncConnected) {
                    connected.countDown();
                }
            }));
            connected.await();
            if (i == 0) {
                System.gc();
                rssOne = rss();
            }
        }
        if (op.equals("idle")) {
            Thread.sleep(measured);
            System.gc();
            print(0, measured / 1e3, 0, new int[0], rssOne);
            System.exit(0);
        }
        List<Session> running = new ArrayList<>();
        for (int i = 0; i < sessions; i++) {
            Session session = new Session(clients.get(i), op.equals("set"), i);
            running.add(session);
            for (int j = 0; j < depth; j++) {
                session.send();
            }
        }
        Thread.sleep(warmUp);
        long cpu = cpu();
        long began = System.nanoTime();
        phase = 1;
        Thread.sleep(measured);
        phase = 2;
        double seconds = (System.nanoTime() - began) / 1e9;
        double used = (cpu() - cpu) / 1e9;
        long ops = 0;
        int kept = 0;
        for (Session session : running) {
            ops += session.ops;
            kept += session.kept;
        }
        int[] latencies = new int[kept];
        int at = 0;
        for (Session session : running) {
            System.arraycopy(session.latencies, 0, latencies, at, session.kept);
            at += session.kept;
        }
        print(ops, seconds, used, latencies, rssOne);
        System.exit(0);
    }

    /** Callbacks of a session come one after the other. */
    private static final class Session {
        private final ZooKeeper zk;
        private final boolean sets;
        private final int[] latencies = new int[LATENCIES_MAX];
        private final DataCallback got = (code, path, sent, data, stat) -> done(code, (Long) sent);
        private final StatCallback set = (code, path, sent, stat) -> done(code, (Long) sent);
        private int at;
        private long ops;
        private int kept;

        Session(ZooKeeper zk, boolean sets, int at) {
            this.zk = zk;
            this.sets = sets;
            this.at = at;
        }

        synchronized void send() {
            String path = "/clients/" + (++at % NODES);
            Long now = System.nanoTime();
            if (sets) {
                zk.setData(path, DATA, -1, set, now);
            } else {
                zk.getData(path, false, got, now);
            }
        }

        private void done(int code, long sent) {
            if (code != 0) {
                System.err.println("code " + code);
                System.exit(1);
            }
            if (phase == 1) {
                ops++;
                if (kept < latencies.length) {
                    latencies[kept++] = (int) Math.min(Integer.MAX_VALUE, System.nanoTime() - sent);
                }
            }
            if (phase < 2) {
                send();
            }
        }
    }

    private static void print(long ops, double seconds, double cpu, int[] latencies, long rssOne) throws Exception {
        Arrays.sort(latencies);
        System.out.printf(Locale.ROOT,
            "{\"ops\":%d,\"seconds\":%f,\"cpu\":%f,\"p50\":%f,\"p99\":%f,\"rss_one\":%d,\"rss_all\":%d}%n",
            ops, seconds, cpu, percentile(latencies, 0.5), percentile(latencies, 0.99), rssOne, rss());
    }

    private static double percentile(int[] sorted, double share) {
        return sorted.length == 0 ? 0 : sorted[(int) ((sorted.length - 1) * share)] / 1e3;
    }

    private static long cpu() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
            .getProcessCpuTime();
    }

    private static long rss() throws Exception {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        throw new IllegalStateException("no VmRSS");
    }
}
