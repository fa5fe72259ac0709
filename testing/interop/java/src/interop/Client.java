package interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** A plain ZooKeeper handle that remembers, in order, the events it was sent. */
public final class Client implements AutoCloseable {
    public static final int TIMEOUT_MS = 10_000;
    private static final long PATIENCE_S = 60;

    public final ZooKeeper zk;
    private final BlockingQueue<KeeperState> states = new LinkedBlockingQueue<>();
    private final List<String> events = new ArrayList<>();

    /** Connects and waits until connected. */
    public Client(String server) throws Exception {
        this(server, TIMEOUT_MS);
    }

    public Client(String server, int timeoutMs) throws Exception {
        zk = new ZooKeeper(server, timeoutMs, watcher("default"));
        await(KeeperState.SyncConnected);
    }

    public Client(String server, int timeoutMs, boolean canBeReadOnly) throws Exception {
        zk = new ZooKeeper(server, timeoutMs, watcher("default"), canBeReadOnly);
        await(KeeperState.SyncConnected);
    }

    /** Renews an existing session. Does not wait: see {@link #await}. */
    public Client(String server, int timeoutMs, long session, byte[] password) throws Exception {
        zk = new ZooKeeper(server, timeoutMs, watcher("default"), session, password);
    }

    /** A watcher whose events appear in {@link #events} under this label. */
    public Watcher watcher(String label) {
        return new Recorder(label);
    }

    /**
     * Not a lambda: the client compares watchers by identity when it removes them, and calls the watchers of one event
     * in the order of their hash codes, which must therefore not be addresses.
     */
    private final class Recorder implements Watcher {
        private final String label;

        Recorder(String label) {
            this.label = label;
        }

        @Override
        public int hashCode() {
            return label.hashCode();
        }

        @Override
        public boolean equals(Object other) {
            return this == other;
        }

        @Override
        public void process(org.apache.zookeeper.WatchedEvent event) {
            if (event.getType() == EventType.None) {
                // Every watcher hears of state changes; one report is enough.
                if (label.equals("default")) {
                    states.add(event.getState());
                }
                return;
            }
            synchronized (events) {
                events.add(label + ": " + event.getType() + " " + event.getPath());
            }
        }
    }

    /** Waits for one of these states, passing over others; returns it. */
    public KeeperState await(KeeperState... wanted) throws InterruptedException {
        KeeperState seen;
        do {
            seen = states.poll(PATIENCE_S, TimeUnit.SECONDS);
            if (seen == null) {
                throw new IllegalStateException("never became " + List.of(wanted));
            }
        } while (!List.of(wanted).contains(seen));
        return seen;
    }

    /**
     * The events since the last call, in order of delivery.
     *
     * <p>A request is sent first: its completion runs on the event thread, behind every event the server sent before
     * the reply.
     */
    public List<String> events() throws InterruptedException {
        CountDownLatch delivered = new CountDownLatch(1);
        zk.exists("/", false, (code, path, context, stat) -> delivered.countDown(), null);
        if (!delivered.await(PATIENCE_S, TimeUnit.SECONDS)) {
            throw new IllegalStateException("no answer to a read");
        }
        synchronized (events) {
            List<String> seen = List.copyOf(events);
            events.clear();
            return seen;
        }
    }

    /** Says the events since the last call, a line each, or that there were none. */
    public void sayEvents(String occasion) throws InterruptedException {
        List<String> seen = events();
        Scenarios.say("%s -> %s", occasion, seen.isEmpty() ? "no event" : String.join("; ", seen));
    }

    /** Waits until this node is gone. */
    public void awaitGone(String path) throws Exception {
        CountDownLatch gone = new CountDownLatch(1);
        Stat stat = zk.exists(path, event -> {
            if (event.getType() == EventType.NodeDeleted) {
                gone.countDown();
            }
        });
        if (stat != null && !gone.await(PATIENCE_S, TimeUnit.SECONDS)) {
            throw new IllegalStateException(path + " is still there");
        }
    }

    public String create(String path) throws Exception {
        return create(path, CreateMode.PERSISTENT);
    }

    public String create(String path, CreateMode mode) throws Exception {
        return zk.create(path, null, Ids.OPEN_ACL_UNSAFE, mode);
    }

    @Override
    public void close() throws InterruptedException {
        zk.close();
    }

    /** Something that gives a value to show. */
    public interface Step {
        Object run() throws Exception;
    }

    /** Runs a step and says its outcome: the value, or the name of the error code. */
    public static void attempt(String what, Step step) throws Exception {
        Scenarios.say("%s -> %s", what, outcome(step));
    }

    public static String outcome(Step step) throws Exception {
        try {
            return String.valueOf(step.run());
        } catch (KeeperException refused) {
            String path = refused.getPath() == null ? "" : " for " + refused.getPath();
            return refused.code() + path;
        } catch (IllegalArgumentException refused) {
            return "refused by the client: " + refused.getMessage();
        }
    }

    public static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }
}
