package interop.recipes;

import interop.Client;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooKeeper;

/** Several clients, each with a connection and a thread of its own. */
final class Contenders implements AutoCloseable {
    static final int COUNT = 8;
    private static final int PATIENCE_S = 60;

    final String server;
    final List<CuratorFramework> clients = new ArrayList<>();
    private final ExecutorService threads = Executors.newCachedThreadPool();

    Contenders(String server) throws InterruptedException {
        this(server, COUNT);
    }

    Contenders(String server, int count) throws InterruptedException {
        this.server = server;
        for (int i = 0; i < count; i++) {
            CuratorFramework client = CuratorFrameworkFactory.newClient(server, 10_000, 5_000,
                new ExponentialBackoffRetry(100, 5));
            client.start();
            clients.add(client);
        }
        for (CuratorFramework client : clients) {
            client.blockUntilConnected(PATIENCE_S, TimeUnit.SECONDS);
        }
    }

    CuratorFramework first() {
        return clients.get(0);
    }

    interface Work {
        void run(int number, CuratorFramework client) throws Exception;
    }

    /** Starts the work of each client and returns at once. */
    List<Future<?>> start(Work work) {
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < clients.size(); i++) {
            int number = i;
            running.add(threads.submit(() -> {
                work.run(number, clients.get(number));
                return null;
            }));
        }
        return running;
    }

    /** Runs the work of all clients at once, to the end. */
    void each(Work work) throws Exception {
        finish(start(work));
    }

    static void finish(List<Future<?>> running) throws Exception {
        for (Future<?> one : running) {
            try {
                one.get(PATIENCE_S, TimeUnit.SECONDS);
            } catch (ExecutionException failure) {
                throw new IllegalStateException("a contender failed: " + failure.getCause(), failure.getCause());
            }
        }
    }

    /** Ends a client's session on the server, as an expiry would. */
    void endSession(CuratorFramework client) throws Exception {
        ZooKeeper zk = client.getZookeeperClient().getZooKeeper();
        long session = zk.getSessionId();
        byte[] password = zk.getSessionPasswd();
        while (true) {
            Client thief = new Client(server, Client.TIMEOUT_MS, session, password);
            // The client may win the session back before the thief closes it; then once more.
            if (thief.await(KeeperState.SyncConnected, KeeperState.Expired) == KeeperState.Expired) {
                return;
            }
            thief.close();
        }
    }

    static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("still waiting: " + what);
            }
            Thread.sleep(5);
        }
    }

    @Override
    public void close() {
        clients.forEach(CuratorFramework::close);
        threads.shutdownNow();
    }
}
