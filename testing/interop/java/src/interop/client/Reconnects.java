package interop.client;

import static interop.Client.bytes;
import static interop.Scenarios.say;

import interop.Client;
import interop.Scenarios;
import interop.Show;
import interop.TcpProxy;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;

/** Watches, sessions and identities across a lost connection. */
final class Reconnects {
    static void register(Scenarios scenarios) {
        scenarios.add("reconnect-watches", Reconnects::watches)
            .add("reconnect-nothing-changed", Reconnects::nothingChanged)
            .add("reconnect-many-watches", Reconnects::manyWatches)
            .add("reconnect-auth", Reconnects::auth);
    }

    private interface Change {
        void make() throws Exception;
    }

    private static void whileDisconnected(TcpProxy proxy, Client client, Change change) throws Exception {
        proxy.block();
        client.await(KeeperState.Disconnected);
        change.make();
        proxy.heal();
        client.await(KeeperState.SyncConnected);
    }

    private static void watches(String server, String root) throws Exception {
        try (TcpProxy proxy = new TcpProxy(server);
                Client client = new Client(proxy.address());
                Client other = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            String[] names = {"changed", "deleted", "recreated", "same", "child added", "child removed", "parent deleted"};
            for (String name : names) {
                client.create(root + "/" + name);
            }
            client.create(root + "/child removed/child");
            for (String name : names) {
                zk.getData(root + "/" + name, client.watcher("data"), null);
                zk.exists(root + "/" + name, client.watcher("exists"));
                zk.getChildren(root + "/" + name, client.watcher("children"));
            }
            for (String name : new String[] {"created", "created and deleted", "never"}) {
                zk.exists(root + "/" + name, client.watcher("exists missing"));
            }
            zk.addWatch(root + "/persistent", client.watcher("persistent"), AddWatchMode.PERSISTENT);
            zk.addWatch(root + "/recursive", client.watcher("recursive"), AddWatchMode.PERSISTENT_RECURSIVE);
            client.create(root + "/mine", CreateMode.EPHEMERAL);
            whileDisconnected(proxy, client, () -> {
                other.zk.setData(root + "/changed", bytes("x"), -1);
                other.zk.delete(root + "/deleted", -1);
                other.zk.delete(root + "/recreated", -1);
                other.create(root + "/recreated");
                other.create(root + "/child added/child");
                other.zk.delete(root + "/child removed/child", -1);
                other.zk.delete(root + "/parent deleted", -1);
                other.create(root + "/created");
                other.create(root + "/created and deleted");
                other.zk.delete(root + "/created and deleted", -1);
                other.create(root + "/persistent");
                other.create(root + "/recursive");
            });
            // One batch of events comes back; its order follows the client's hash maps, so the set counts.
            Show.sorted(client.events()).forEach(event -> say("missed: %s", event));
            say("ephemeral kept: %b", other.zk.exists(root + "/mine", false) != null);
            for (String name : new String[] {"changed", "recreated", "same", "child added", "child removed", "created"}) {
                other.zk.setData(root + "/" + name, bytes("later"), -1);
            }
            client.sayEvents("later sets");
            other.create(root + "/same/child");
            other.create(root + "/never");
            client.sayEvents("later creates");
            other.create(root + "/persistent/child");
            other.create(root + "/recursive/child");
            client.sayEvents("persistent watches live on");
        }
    }

    private static void nothingChanged(String server, String root) throws Exception {
        try (TcpProxy proxy = new TcpProxy(server);
                Client client = new Client(proxy.address());
                Client other = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            long session = zk.getSessionId();
            zk.getData(root, client.watcher("data"), null);
            zk.getChildren(root, client.watcher("children"));
            for (int i = 0; i < 3; i++) {
                whileDisconnected(proxy, client, () -> { });
                client.sayEvents("reconnect " + i);
            }
            say("same session: %b, timeout %d", session == zk.getSessionId(), zk.getSessionTimeout());
            other.create(root + "/child");
            other.zk.setData(root, null, -1);
            client.sayEvents("change afterwards");
            // Renewing takes no transaction: the session creations of this scenario are all there is.
            say("next zxid {%s}", show.stat(other.zk.setData(root, null, -1)));
        }
    }

    /** More paths than fit into one SetWatches request. */
    private static void manyWatches(String server, String root) throws Exception {
        try (TcpProxy proxy = new TcpProxy(server);
                Client client = new Client(proxy.address());
                Client other = new Client(server)) {
            Show.from(client, root);
            int count = 2_000;
            String prefix = root + "/" + "x".repeat(100) + "-";
            for (int i = 0; i < count; i++) {
                client.zk.exists(prefix + i, client.watcher("exists"));
            }
            client.create(prefix + "data");
            client.zk.getData(prefix + "data", client.watcher("data"), null);
            client.zk.addWatch(root, client.watcher("recursive"), AddWatchMode.PERSISTENT_RECURSIVE);
            client.events();
            whileDisconnected(proxy, client, () -> {
                for (int i = 0; i < count; i += 10) {
                    other.create(prefix + i);
                }
                other.zk.setData(prefix + "data", null, -1);
            });
            say("%d events after the reconnect", client.events().size());
            other.create(prefix + "1");
            say("%d events after a create", client.events().size());
        }
    }

    private static void auth(String server, String root) throws Exception {
        try (TcpProxy proxy = new TcpProxy(server); Client client = new Client(proxy.address())) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            zk.addAuthInfo("digest", bytes("owner:pw"));
            zk.create(root + "/private", bytes("secret"), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
            zk.getData(root + "/private", client.watcher("data"), null);
            whileDisconnected(proxy, client, () -> { });
            say("read again %s", Show.data(zk.getData(root + "/private", false, null)));
            zk.setData(root + "/private", null, -1);
            client.sayEvents("set");
        }
    }
}
