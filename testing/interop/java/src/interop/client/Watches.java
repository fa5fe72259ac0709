package interop.client;

import static interop.Client.attempt;
import static interop.Client.bytes;
import static interop.Scenarios.require;
import static interop.Scenarios.say;

import interop.Client;
import interop.Scenarios;
import interop.Show;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;

/** Watches while connected. */
final class Watches {
    static void register(Scenarios scenarios) {
        scenarios.add("watch-standard", Watches::standard)
            .add("watch-persistent", Watches::persistent)
            .add("watch-recursive", Watches::recursive)
            .add("watch-kinds-together", Watches::together)
            .add("watch-removal", Watches::removal)
            .add("watch-session-end", Watches::sessionEnd)
            .add("watch-acl", Watches::acl)
            .add("watch-event-zxid", Watches::eventZxid)
            .add("watch-many", Watches::many);
    }

    private static void standard(String server, String root) throws Exception {
        try (Client client = new Client(server); Client other = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            String node = root + "/node";
            for (Client writer : List.of(client, other)) {
                String who = writer == client ? "own" : "other's";
                zk.exists(node, client.watcher("exists"));
                zk.getChildren(root, client.watcher("children"));
                attempt("data watch on a missing node", () -> zk.getData(node, client.watcher("no node"), null));
                attempt("child watch on a missing node", () -> zk.getChildren(node, client.watcher("no node")));
                writer.create(node);
                client.sayEvents(who + " create");
                writer.zk.setData(node, null, -1);
                client.sayEvents(who + " set, nothing watched any more");
                zk.exists(node, client.watcher("exists"));
                zk.getData(node, client.watcher("data"), null);
                zk.getChildren(node, client.watcher("children of node"));
                writer.zk.setData(node, null, -1);
                client.sayEvents(who + " set");
                zk.exists(node, client.watcher("exists"));
                zk.getData(node, client.watcher("data"), null);
                writer.create(node + "/child");
                client.sayEvents(who + " create of a child");
                zk.getChildren(node, client.watcher("children of node"));
                writer.zk.setACL(node, Ids.OPEN_ACL_UNSAFE, -1);
                client.sayEvents(who + " set ACL");
                writer.zk.setData(node + "/child", null, -1);
                client.sayEvents(who + " set of a child");
                writer.zk.delete(node + "/child", -1);
                client.sayEvents(who + " delete of a child");
                zk.getChildren(node, client.watcher("children of node"));
                zk.getChildren(root, client.watcher("children"));
                writer.zk.delete(node, -1);
                client.sayEvents(who + " delete");
            }
            zk.exists(node, client.watcher("first"));
            zk.exists(node, client.watcher("first again"));
            zk.exists(node, true);
            other.create(node);
            client.sayEvents("three watchers of one node");
        }
    }

    private static void changes(Client watching, Client writer, String node) throws Exception {
        writer.create(node);
        watching.sayEvents("create");
        writer.create(node + "/child");
        watching.sayEvents("create child");
        writer.create(node + "/child/deep", CreateMode.EPHEMERAL);
        watching.sayEvents("create grandchild");
        writer.zk.setData(node, bytes("1"), -1);
        watching.sayEvents("set");
        writer.zk.setData(node + "/child", bytes("1"), -1);
        watching.sayEvents("set child");
        writer.zk.setData(node + "/child/deep", bytes("1"), -1);
        watching.sayEvents("set grandchild");
        writer.zk.delete(node + "/child/deep", -1);
        watching.sayEvents("delete grandchild");
        writer.zk.delete(node + "/child", -1);
        watching.sayEvents("delete child");
        writer.zk.delete(node, -1);
        watching.sayEvents("delete");
    }

    private static void persistent(String server, String root) throws Exception {
        try (Client client = new Client(server); Client other = new Client(server)) {
            Show.from(client, root);
            client.zk.addWatch(root + "/node", client.watcher("persistent"), AddWatchMode.PERSISTENT);
            changes(client, other, root + "/node");
            changes(client, client, root + "/node");
            client.zk.addWatch(root, AddWatchMode.PERSISTENT);
            other.create(root + "/sibling");
            client.sayEvents("default watcher on the parent");
        }
    }

    private static void recursive(String server, String root) throws Exception {
        try (Client client = new Client(server); Client other = new Client(server)) {
            Show.from(client, root);
            client.zk.addWatch(root + "/node", client.watcher("recursive"), AddWatchMode.PERSISTENT_RECURSIVE);
            changes(client, other, root + "/node");
            changes(client, client, root + "/node");
            other.create(root + "/node2");
            client.sayEvents("a sibling with a longer name");
            client.zk.addWatch("/", client.watcher("of /"), AddWatchMode.PERSISTENT_RECURSIVE);
            other.create(root + "/node");
            client.sayEvents("under two recursive watches");
            other.zk.setData("/", new byte[0], -1);
            client.sayEvents("set of /");
        }
    }

    private static void together(String server, String root) throws Exception {
        try (Client client = new Client(server); Client other = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            String node = root + "/node";
            client.create(node);
            zk.addWatch(node, client.watcher("persistent"), AddWatchMode.PERSISTENT);
            zk.addWatch(root, client.watcher("recursive"), AddWatchMode.PERSISTENT_RECURSIVE);
            zk.getData(node, client.watcher("data"), null);
            zk.getChildren(node, client.watcher("children"));
            other.zk.setData(node, null, -1);
            client.sayEvents("set");
            other.zk.setData(node, null, -1);
            client.sayEvents("set again");
            other.create(node + "/child");
            client.sayEvents("create child");
            zk.getData(node, client.watcher("data"), null);
            zk.getChildren(node, client.watcher("children"));
            zk.getChildren(root, client.watcher("children of root"));
            other.zk.delete(node + "/child", -1);
            zk.getChildren(node, client.watcher("children"));
            other.zk.delete(node, -1);
            client.sayEvents("deletes");
            zk.addWatch(node, client.watcher("now recursive"), AddWatchMode.PERSISTENT_RECURSIVE);
            zk.exists(node, client.watcher("exists"));
            other.create(node);
            client.sayEvents("create");
            other.create(node + "/child");
            client.sayEvents("create child");
        }
    }

    private static void removal(String server, String root) throws Exception {
        try (Client client = new Client(server); Client other = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            for (WatcherType type : WatcherType.values()) {
                for (boolean all : new boolean[] {false, true}) {
                    String node = root + "/" + type + (all ? "-all" : "-one");
                    client.create(node);
                    Watcher data = client.watcher("data");
                    zk.getData(node, data, null);
                    zk.getData(node, client.watcher("second data"), null);
                    Watcher children = client.watcher("children");
                    zk.getChildren(node, children);
                    Watcher persistent = client.watcher("persistent");
                    zk.addWatch(node, persistent, AddWatchMode.PERSISTENT);
                    Watcher recursive = client.watcher("recursive");
                    zk.addWatch(node, recursive, AddWatchMode.PERSISTENT_RECURSIVE);
                    Watcher one = switch (type) {
                        case Children -> children;
                        case Data, Any -> data;
                        case Persistent -> persistent;
                        case PersistentRecursive -> recursive;
                    };
                    String what = "remove " + (all ? "all " : "one ") + type;
                    attempt(what, () -> remove(zk, node, all ? null : one, type, false));
                    // Removals are reported kind by kind, in no particular order.
                    say("%s -> %s", what, Show.sorted(client.events()));
                    attempt(what + " again", () -> remove(zk, node, all ? null : one, type, false));
                    client.events();
                    other.zk.setData(node, null, -1);
                    other.create(node + "/child");
                    other.zk.delete(node + "/child", -1);
                    other.zk.delete(node, -1);
                    client.sayEvents("what is left");
                }
            }
            attempt("remove a watch nobody set", () -> remove(zk, root, null, WatcherType.Any, false));
            attempt("of a missing node", () -> remove(zk, root + "/missing", null, WatcherType.Data, true));
            zk.exists(root + "/missing", client.watcher("exists"));
            attempt("exists watch as data", () -> remove(zk, root + "/missing", null, WatcherType.Data, false));
            client.sayEvents("removed");
        }
    }

    private static String remove(ZooKeeper zk, String path, Watcher one, WatcherType type, boolean local)
            throws Exception {
        if (one == null) {
            zk.removeAllWatches(path, type, local);
        } else {
            zk.removeWatches(path, one, type, local);
        }
        return "removed";
    }

    private static void sessionEnd(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            Client other = new Client(server);
            client.create(root + "/parent");
            other.create(root + "/parent/e", CreateMode.EPHEMERAL);
            other.create(root + "/unwatched", CreateMode.EPHEMERAL);
            zk.exists(root + "/parent/e", client.watcher("exists"));
            zk.getChildren(root + "/parent", client.watcher("children"));
            zk.addWatch(root + "/parent", client.watcher("recursive"), AddWatchMode.PERSISTENT_RECURSIVE);
            other.close();
            client.sayEvents("close of the owner");
            say("children %s", Show.sorted(zk.getChildren(root, false)));
        }
    }

    /** Events are only for those who may read. */
    private static void acl(String server, String root) throws Exception {
        try (Client client = new Client(server); Client owner = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            owner.zk.addAuthInfo("digest", bytes("owner:pw"));
            String node = root + "/private";
            zk.exists(node, client.watcher("exists"));
            zk.getChildren(root, client.watcher("children"));
            zk.addWatch(root, client.watcher("recursive"), AddWatchMode.PERSISTENT_RECURSIVE);
            owner.zk.create(node, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
            client.sayEvents("create of an unreadable node");
            attempt("exists", () -> zk.exists(node, client.watcher("exists")));
            owner.zk.setData(node, null, -1);
            client.sayEvents("set of an unreadable node");
            owner.zk.setACL(node, Ids.OPEN_ACL_UNSAFE, -1);
            zk.getData(node, client.watcher("data"), null);
            owner.zk.setACL(node, Arrays.asList(new ACL(Perms.ALL & ~Perms.READ, Ids.ANYONE_ID_UNSAFE)), -1);
            owner.zk.setData(node, null, -1);
            client.sayEvents("set after the right to read went");
            owner.zk.delete(node, -1);
            client.sayEvents("delete of an unreadable node");
        }
    }

    private static void eventZxid(String server, String root) throws Exception {
        try (Client client = new Client(server); Client other = new Client(server)) {
            Show show = Show.from(client, root);
            AtomicLong seen = new AtomicLong();
            client.zk.exists(root + "/node", event -> seen.set(event.getZxid()));
            other.create(root + "/node");
            client.events();
            say("event of %s, node of %s", show.zxid(seen.get()), show.zxid(other.zk.exists(root + "/node", false).getCzxid()));
        }
    }

    private static void many(String server, String root) throws Exception {
        try (Client client = new Client(server); Client other = new Client(server)) {
            Show.from(client, root);
            int count = 300;
            for (int i = 0; i < count; i++) {
                client.zk.exists(root + "/" + i, client.watcher("exists"));
            }
            for (int i = 0; i < count; i++) {
                other.create(root + "/" + i);
            }
            List<String> events = client.events();
            say("%d events", events.size());
            for (int i = 0; i < Math.min(count, events.size()); i++) {
                require(events.get(i).equals("exists: NodeCreated " + root + "/" + i), "event %d is %s", i, events.get(i));
            }
        }
    }
}
