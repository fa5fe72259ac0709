import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderLatchListener;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;
import org.apache.zookeeper.data.Stat;

/** Curator's recipes in contention, see README.md in the folder above: {@code Contender NAME WITNESS}. */
public final class Contender {
    private static final int PATIENCE_S = 60;

    public static void main(String[] args) throws Exception {
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        say("ready");
        for (String order = orders.readLine(); order != null; order = orders.readLine()) {
            say(run(args[0], args[1], new Order(order)));
        }
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static String run(String name, String witness, Order order) {
        AtomicInteger suspensions = new AtomicInteger();
        AtomicInteger errors = new AtomicInteger();
        List<String> failures = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < order.number("clients"); i++) {
            int number = i;
            Thread thread = new Thread(() -> {
                try (Client client = new Client(name + "/" + number, witness, order, suspensions, errors)) {
                    client.run(number);
                } catch (Throwable failure) {
                    failure.printStackTrace();
                    synchronized (failures) {
                        failures.add(failure.toString().replace('\n', ' '));
                    }
                }
            });
            thread.start();
            threads.add(thread);
        }
        try {
            for (Thread thread : threads) {
                thread.join();
            }
        } catch (InterruptedException interrupted) {
            return "failed interrupted";
        }
        synchronized (failures) {
            return failures.isEmpty()
                ? "done suspensions=" + suspensions + " errors=" + errors
                : "failed " + failures.get(0);
        }
    }

    /** What to do: a scenario, and {@code key=value} words. */
    private static final class Order {
        final String scenario;
        private final Map<String, String> values = new HashMap<>();

        Order(String line) {
            String[] words = line.trim().split(" ");
            scenario = words[0];
            for (int i = 1; i < words.length; i++) {
                int at = words[i].indexOf('=');
                values.put(words[i].substring(0, at), words[i].substring(at + 1));
            }
        }

        String text(String key) {
            return values.get(key);
        }

        int number(String key) {
            return Integer.parseInt(values.getOrDefault(key, "0"));
        }
    }

    /** The witness, who sees everything. */
    private static final class Witness implements AutoCloseable {
        private final Socket socket;
        private final BufferedReader in;
        private final BufferedWriter out;

        Witness(String address, String who) throws IOException {
            int colon = address.lastIndexOf(':');
            socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
            socket.setTcpNoDelay(true);
            in = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
            out = new BufferedWriter(new OutputStreamWriter(socket.getOutputStream(), StandardCharsets.UTF_8));
            tell("hello " + who);
        }

        synchronized String tell(String line) throws IOException {
            out.write(line + "\n");
            out.flush();
            String answer = in.readLine();
            if (answer == null) {
                throw new IOException("the witness is gone");
            }
            return answer;
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }

    /** One client: a session and a thread. */
    private static final class Client implements AutoCloseable {
        private final Order order;
        private final Witness witness;
        private final CuratorFramework curator;
        private final AtomicInteger errors;
        private final long deadline;
        private final String root;
        private final String who;

        Client(String who, String witness, Order order, AtomicInteger suspensions, AtomicInteger errors)
            throws Exception {
            this.order = order;
            this.errors = errors;
            this.who = who;
            root = order.text("root");
            curator = CuratorFrameworkFactory.newClient(order.text("hosts"), order.number("session"), 5_000,
                new RetryNTimes(300, 50));
            curator.getConnectionStateListenable().addListener((client, state) -> {
                if (state == ConnectionState.SUSPENDED) {
                    suspensions.incrementAndGet();
                }
            });
            curator.start();
            if (!curator.blockUntilConnected(PATIENCE_S, TimeUnit.SECONDS)) {
                throw new IllegalStateException("no connection");
            }
            this.witness = new Witness(witness, who);
            this.witness.tell("await all start 0");
            deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(order.number("millis"));
        }

        @Override
        public void close() throws IOException {
            curator.close();
            witness.close();
        }

        void run(int number) throws Exception {
            switch (order.scenario) {
                case "lock" -> lock();
                case "rwlock" -> readWriteLock();
                case "semaphore" -> semaphore();
                case "election" -> election();
                case "latch" -> latch();
                case "queue" -> queue();
                case "work-queue" -> workQueue();
                case "counter" -> counter();
                case "barrier" -> barrier();
                case "double-barrier" -> doubleBarrier();
                default -> throw new IllegalArgumentException(order.scenario);
            }
        }

        private boolean goesOn() {
            return System.nanoTime() < deadline;
        }

        private void stay() throws InterruptedException {
            int most = Math.max(1, order.number("stay"));
            Thread.sleep(ThreadLocalRandom.current().nextInt(most / 2, most + 1));
        }

        private interface Turn {
            void run() throws Exception;
        }

        /** Takes turns until the time is up. What fails because of a fault is tried again. */
        private void turns(Turn turn) throws Exception {
            while (goesOn()) {
                try {
                    turn.run();
                } catch (IOException | InterruptedException fatal) {
                    throw fatal;
                } catch (Exception failure) {
                    errors.incrementAndGet();
                    Thread.sleep(50);
                }
            }
        }

        /** The fencing token of who holds this node; none when the node is gone. */
        private Long fence(String path) throws Exception {
            Stat stat = path == null ? null : curator.checkExists().forPath(path);
            return stat == null ? null : stat.getCzxid();
        }

        /** Is inside for a while, and writes under the token. */
        private void visit(String resource, String mode, Object fence) throws Exception {
            if (!witness.tell("enter " + resource + " " + mode + " " + fence).equals("ok")) {
                return;
            }
            stay();
            if (mode.equals("x")) {
                witness.tell("write " + resource + " " + fence);
            }
            witness.tell("leave " + resource);
        }

        /** A mutex that shows its node. */
        private static final class Mutex extends InterProcessMutex {
            Mutex(CuratorFramework client, String path) {
                super(client, path);
            }

            String node() {
                return getLockPath();
            }
        }

        private void lock() throws Exception {
            Mutex mutex = new Mutex(curator, root);
            turns(() -> {
                mutex.acquire();
                try {
                    Long fence = fence(mutex.node());
                    if (fence != null) {
                        visit(root, "x", fence);
                    }
                } finally {
                    mutex.release();
                }
            });
        }

        private void readWriteLock() throws Exception {
            InterProcessReadWriteLock locks = new InterProcessReadWriteLock(curator, root);
            turns(() -> {
                boolean writes = ThreadLocalRandom.current().nextInt(3) == 0;
                InterProcessMutex lock = writes ? locks.writeLock() : locks.readLock();
                lock.acquire();
                try {
                    visit(root, writes ? "x" : "s", "-");
                } finally {
                    lock.release();
                }
            });
        }

        private void semaphore() throws Exception {
            int leases = order.number("leases");
            InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(curator, root, leases);
            turns(() -> {
                Lease lease = semaphore.acquire(2, TimeUnit.SECONDS);
                if (lease != null) {
                    try {
                        visit(root, "n" + leases, "-");
                    } finally {
                        semaphore.returnLease(lease);
                    }
                }
            });
        }

        private void election() throws Exception {
            LeaderSelector selector = new LeaderSelector(curator, root, new LeaderSelectorListenerAdapter() {
                @Override
                public void takeLeadership(CuratorFramework client) throws Exception {
                    witness.tell("enter " + root + " x -");
                    try {
                        stay();
                    } finally {
                        witness.tell("leave " + root);
                    }
                }
            });
            selector.setId(who);
            selector.autoRequeue();
            selector.start();
            while (goesOn()) {
                Thread.sleep(20);
            }
            selector.close();
            // The thread that leads may still be on its way out.
            Thread.sleep(300);
        }

        private void latch() throws Exception {
            turns(() -> {
                AtomicBoolean inside = new AtomicBoolean();
                LeaderLatch latch = new LeaderLatch(curator, root, who);
                latch.addListener(new LeaderLatchListener() {
                    @Override
                    public void isLeader() {}

                    @Override
                    public void notLeader() {
                        leave(inside);
                    }
                });
                latch.start();
                try {
                    if (latch.await(4, TimeUnit.SECONDS)) {
                        lead(latch, inside);
                    }
                } finally {
                    leave(inside);
                    latch.close();
                }
            });
        }

        /** Being inside begins only while the latch says so, and ends when it says so. */
        private void lead(LeaderLatch latch, AtomicBoolean inside) throws Exception {
            Long fence = fence(latch.getOurPath());
            synchronized (inside) {
                if (fence == null || !latch.hasLeadership()
                    || !witness.tell("enter " + root + " x " + fence).equals("ok")) {
                    return;
                }
                inside.set(true);
            }
            stay();
        }

        private void leave(AtomicBoolean inside) {
            synchronized (inside) {
                if (inside.getAndSet(false)) {
                    try {
                        witness.tell("leave " + root);
                    } catch (IOException failure) {
                        throw new IllegalStateException(failure);
                    }
                }
            }
        }

        private void queue() throws Exception {
            SimpleDistributedQueue queue = new SimpleDistributedQueue(curator, root);
            AtomicInteger made = new AtomicInteger();
            turns(() -> {
                if (ThreadLocalRandom.current().nextBoolean()) {
                    String item = "curator:" + who + "-" + made.incrementAndGet();
                    boolean sure = false;
                    try {
                        queue.offer(item.getBytes(StandardCharsets.UTF_8));
                        sure = true;
                    } finally {
                        witness.tell("put " + root + " " + item + (sure ? " sure" : " maybe"));
                    }
                } else {
                    take(queue);
                }
            });
            int empty = 0;
            while (empty < 3) {
                try {
                    empty = take(queue) ? 0 : empty + 1;
                } catch (IOException fatal) {
                    throw fatal;
                } catch (Exception failure) {
                    errors.incrementAndGet();
                }
            }
        }

        private boolean take(SimpleDistributedQueue queue) throws Exception {
            byte[] item = queue.poll(200, TimeUnit.MILLISECONDS);
            if (item == null) {
                return false;
            }
            witness.tell("take " + root + " " + new String(item, StandardCharsets.UTF_8));
            return true;
        }

        /** Items as their bytes. */
        private static final class Text implements QueueSerializer<String> {
            @Override
            public byte[] serialize(String item) {
                return item.getBytes(StandardCharsets.UTF_8);
            }

            @Override
            public String deserialize(byte[] bytes) {
                return new String(bytes, StandardCharsets.UTF_8);
            }
        }

        /** The queue that hands an item to one consumer under a lock, and takes it back when that dies. */
        private void workQueue() throws Exception {
            QueueConsumer<String> consumer = new QueueConsumer<>() {
                @Override
                public void consumeMessage(String item) throws Exception {
                    stay();
                    witness.tell("take " + root + " " + item);
                }

                @Override
                public void stateChanged(CuratorFramework client, ConnectionState state) {}
            };
            DistributedQueue<String> queue = QueueBuilder.builder(curator, consumer, new Text(), root)
                .lockPath(root + "-locks")
                .putInBackground(false)
                .buildQueue();
            queue.start();
            AtomicInteger made = new AtomicInteger();
            turns(() -> {
                String item = "curator:" + who + "-" + made.incrementAndGet();
                boolean sure = false;
                try {
                    queue.put(item);
                    sure = true;
                } finally {
                    witness.tell("put " + root + " " + item + (sure ? " sure" : " maybe"));
                }
                Thread.sleep(5);
            });
            int empty = 0;
            while (empty < 3) {
                empty = curator.getChildren().forPath(root).isEmpty() ? empty + 1 : 0;
                Thread.sleep(100);
            }
            queue.close();
        }

        private void counter() throws Exception {
            DistributedAtomicLong counter = new DistributedAtomicLong(curator, root, new RetryNTimes(100, 2));
            turns(() -> {
                boolean known = false;
                try {
                    AtomicValue<Long> value = counter.increment();
                    known = true;
                    if (value.succeeded()) {
                        witness.tell("add " + root + " " + value.postValue());
                    }
                } finally {
                    if (!known) {
                        witness.tell("add " + root + " maybe");
                    }
                }
            });
        }

        private void barrier() throws Exception {
            for (int round = 0; round < order.number("rounds"); round++) {
                witness.tell("await " + root + " closed " + round);
                // Who learned of the barrier past the servers must see what its server may not know yet.
                curator.sync().forPath(root);
                new DistributedBarrier(curator, root + "/" + round).waitOnBarrier();
                witness.tell("passed " + root + " " + round);
            }
        }

        private void doubleBarrier() throws Exception {
            int members = order.number("members");
            for (int round = 0; round < order.number("rounds"); round++) {
                DistributedDoubleBarrier barrier =
                    new DistributedDoubleBarrier(curator, root + "/" + round, members);
                witness.tell("come " + root + " in-" + round);
                barrier.enter();
                witness.tell("all " + root + " in-" + round + " " + members);
                stay();
                witness.tell("come " + root + " out-" + round);
                barrier.leave();
                witness.tell("all " + root + " out-" + round + " " + members);
            }
        }
    }
}
