package interop.client;

import static interop.Client.attempt;
import static interop.Client.bytes;
import static interop.Scenarios.require;
import static interop.Scenarios.say;

import interop.Client;
import interop.Scenarios;
import interop.Show;
import interop.TcpProxy;
import java.util.List;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooKeeper;

/** How sessions begin, move between handles and end. */
final class Sessions {
    static void register(Scenarios scenarios) {
        scenarios.add("session-timeouts", Sessions::timeouts)
            .add("session-close", Sessions::close)
            .add("session-stolen", Sessions::stolen)
            .add("session-wrong-password", Sessions::wrongPassword)
            .add("session-expiry", Sessions::expiry)
            .add("session-moves-many-times", Sessions::moves)
            .add("read-only-client", Sessions::readOnly);
    }

    private static void timeouts(String server, String root) throws Exception {
        for (int asked : new int[] {400, 999, 1000, 4321, 10_000, 10_001, 1_000_000_000}) {
            try (Client client = new Client(server, asked)) {
                say("asked for %d, got %d", asked, client.zk.getSessionTimeout());
                require(client.zk.getSessionId() != 0 && client.zk.getSessionPasswd().length == 16, "odd session");
            }
        }
        try (Client first = new Client(server); Client second = new Client(server)) {
            long step = second.zk.getSessionId() - first.zk.getSessionId();
            say("sessions count up: %b, server 1: %b", step == 1, first.zk.getSessionId() >>> 56 == 1);
        }
    }

    private static void close(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            Show show = Show.from(client, root);
            Client other = new Client(server);
            for (int i = 0; i < 5; i++) {
                other.create(root + "/e" + i, CreateMode.EPHEMERAL);
            }
            other.create(root + "/stays");
            other.zk.delete(root + "/e0", -1);
            long session = other.zk.getSessionId();
            byte[] password = other.zk.getSessionPasswd();
            other.close();
            say("children %s {%s}", client.zk.getChildren(root, false), show.stat(client.zk.exists(root, false)));
            Client late = new Client(server, Client.TIMEOUT_MS, session, password);
            late.await(KeeperState.Expired);
            say("renewing a closed session: %s", late.zk.getState());
            attempt("using it", () -> late.zk.exists(root, false));
        }
    }

    private static void stolen(String server, String root) throws Exception {
        try (TcpProxy proxy = new TcpProxy(server); Client watching = new Client(server)) {
            Client first = new Client(proxy.address());
            Show show = Show.from(first, root);
            first.create(root + "/e", CreateMode.EPHEMERAL);
            first.zk.getData(root, first.watcher("data of the first handle"), null);
            // The proxy stands still, so the first handle cannot come back before it is told to.
            proxy.block();
            first.await(KeeperState.Disconnected);
            Client second = new Client(server, 5_000, first.zk.getSessionId(), first.zk.getSessionPasswd());
            second.await(KeeperState.SyncConnected);
            say("same session: %b, timeout %d", first.zk.getSessionId() == second.zk.getSessionId(),
                second.zk.getSessionTimeout());
            say("its node {%s}", show.stat(second.zk.exists(root + "/e", false)));
            second.zk.setData(root, null, -1);
            second.sayEvents("watches stay with the first handle");
            second.create(root + "/e2", CreateMode.EPHEMERAL);
            say("ephemerals %s", Show.sorted(second.zk.getEphemerals()));
            watching.zk.exists(root + "/e", watching.watcher("exists"));
            second.close();
            watching.sayEvents("close of the second handle");
            proxy.heal();
            first.await(KeeperState.Expired);
            say("first handle: %s", first.zk.getState());
            say("children %s", watching.zk.getChildren(root, false));
        }
    }

    private static void wrongPassword(String server, String root) throws Exception {
        try (TcpProxy proxy = new TcpProxy(server); Client client = new Client(proxy.address())) {
            Show.from(client, root);
            client.create(root + "/e", CreateMode.EPHEMERAL);
            byte[] wrong = client.zk.getSessionPasswd().clone();
            wrong[3] ^= 1;
            proxy.block();
            client.await(KeeperState.Disconnected);
            for (byte[] password : List.of(wrong, new byte[16], new byte[0], new byte[] {1})) {
                Client thief = new Client(server, Client.TIMEOUT_MS, client.zk.getSessionId(), password);
                thief.await(KeeperState.Expired);
                say("password of %d bytes: %s", password.length, thief.zk.getState());
            }
            Client unknown = new Client(server, Client.TIMEOUT_MS, 0x1234_5678_9abcL, client.zk.getSessionPasswd());
            unknown.await(KeeperState.Expired);
            say("unknown session: %s", unknown.zk.getState());
            proxy.heal();
            client.await(KeeperState.SyncConnected);
            say("the owner still has %s", client.zk.getEphemerals());
        }
    }

    private static void expiry(String server, String root) throws Exception {
        try (TcpProxy proxy = new TcpProxy(server); Client watching = new Client(server)) {
            Show show = Show.from(watching, root);
            Client client = new Client(proxy.address(), 2_000);
            client.create(root + "/e", CreateMode.EPHEMERAL);
            long touched = System.nanoTime();
            client.create(root + "/e-", CreateMode.EPHEMERAL_SEQUENTIAL);
            watching.zk.getChildren(root, watching.watcher("children"));
            proxy.silence();
            watching.awaitGone(root + "/e");
            long elapsedMs = (System.nanoTime() - touched) / 1_000_000;
            // The timeout, plus a ping before the silence, a tick (500 ms) of rounding and some load.
            require(elapsedMs >= 2_000 && elapsedMs < 8_000, "expired after %d ms", elapsedMs);
            watching.sayEvents("expiry");
            say("parent {%s}", show.stat(watching.zk.exists(root, false)));
            proxy.heal();
            client.await(KeeperState.Expired);
            say("the client is %s", client.zk.getState());
            try (Client idle = new Client(server, 4_000)) {
                idle.create(root + "/kept", CreateMode.EPHEMERAL);
                Thread.sleep(7_000);
                say("kept alive by pings: %b", watching.zk.exists(root + "/kept", false) != null);
            }
        }
    }

    /** Each handle is cut off behind a proxy of its own before the next one takes the session. */
    private static void moves(String server, String root) throws Exception {
        try (Client watching = new Client(server)) {
            Show show = Show.from(watching, root);
            TcpProxy proxy = new TcpProxy(server);
            Client current = new Client(proxy.address());
            current.create(root + "/e", CreateMode.EPHEMERAL);
            for (int i = 0; i < 5; i++) {
                proxy.block();
                proxy = new TcpProxy(server);
                ZooKeeper old = current.zk;
                current = new Client(proxy.address(), Client.TIMEOUT_MS, old.getSessionId(), old.getSessionPasswd());
                current.await(KeeperState.SyncConnected);
                current.zk.setData(root + "/e", bytes("" + i), i);
            }
            say("node {%s}", show.stat(watching.zk.exists(root + "/e", false)));
            current.close();
            say("children %s", watching.zk.getChildren(root, false));
        }
    }

    private static void readOnly(String server, String root) throws Exception {
        try (Client client = new Client(server, Client.TIMEOUT_MS, true)) {
            Show.from(client, root);
            say("state %s", client.zk.getState());
            client.zk.setData(root, bytes("written"), -1);
            say("data %s", Show.data(client.zk.getData(root, false, null)));
        }
    }
}
