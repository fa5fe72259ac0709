package interop.client;

import static interop.Client.attempt;
import static interop.Client.bytes;
import static interop.Scenarios.require;
import static interop.Scenarios.say;

import interop.Client;
import interop.Scenarios;
import interop.Show;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** Creating, changing and deleting nodes. */
final class Nodes {
    static void register(Scenarios scenarios) {
        scenarios.add("create-modes", Nodes::createModes)
            .add("create-errors", Nodes::createErrors)
            .add("sequences", Nodes::sequences)
            .add("reaping", Nodes::reaping)
            .add("set-and-delete", Nodes::setAndDelete)
            .add("data-values", Nodes::dataValues)
            .add("paths", Nodes::paths)
            .add("pipelining", Nodes::pipelining)
            .add("chroot", Nodes::chroot);
    }

    private static void createModes(String server, String root) throws Exception {
        try (Client client = new Client(server); Client other = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            for (CreateMode mode : CreateMode.values()) {
                long ttl = mode.isTTL() ? 1_000_000_000L : -1;
                Stat stat = new Stat();
                String path = zk.create(root + "/" + mode + "-", bytes("x"), Ids.OPEN_ACL_UNSAFE, mode, stat, ttl);
                say("%s %s {%s}", mode, path, show.stat(stat));
                say("  seen by another session {%s}", show.stat(other.zk.exists(path, false)));
            }
            for (CreateMode mode : CreateMode.values()) {
                if (!mode.isTTL()) {
                    String path = zk.create(root + "/plain-" + mode + "-", null, Ids.OPEN_ACL_UNSAFE, mode);
                    say("%s %s {%s}", mode, path, show.stat(zk.exists(path, false)));
                }
            }
            say("parent {%s}", show.stat(zk.exists(root, false)));
            say("children %s", Show.sorted(zk.getChildren(root, false)));
            client.close();
            say("after the session {%s}", show.stat(other.zk.exists(root, false)));
            say("children %s", Show.sorted(other.zk.getChildren(root, false)));
        }
    }

    private static void createErrors(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            attempt("create twice", () -> client.create(root));
            attempt("no parent", () -> client.create(root + "/missing/child"));
            attempt("no parent, sequential",
                () -> client.create(root + "/missing/child-", CreateMode.PERSISTENT_SEQUENTIAL));
            client.create(root + "/ephemeral", CreateMode.EPHEMERAL);
            for (CreateMode mode : CreateMode.values()) {
                attempt(mode + " below an ephemeral node", () -> zk.create(root + "/ephemeral/child", null,
                    Ids.OPEN_ACL_UNSAFE, mode, new Stat(), mode.isTTL() ? 1000 : -1));
            }
            for (long ttl : new long[] {-1, 0, 1, 0xFF_FFFF_FFFFL, 0x100_0000_0000L}) {
                attempt("ttl " + ttl, () -> zk.create(root + "/ttl" + ttl, null, Ids.OPEN_ACL_UNSAFE,
                    CreateMode.PERSISTENT_WITH_TTL, new Stat(), ttl));
                attempt("ttl " + ttl + " on a persistent node", () -> zk.create(root + "/p" + ttl, null,
                    Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, new Stat(), ttl));
            }
            attempt("the root", () -> client.create("/"));
            attempt("the root, sequential",
                () -> client.create("/", CreateMode.PERSISTENT_SEQUENTIAL).replaceAll("[0-9]", "#"));
            attempt("/zookeeper", () -> client.create("/zookeeper"));
            attempt("/zookeeper/config", () -> client.create("/zookeeper/config"));
        }
    }

    private static void sequences(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            say("first %s", client.create(root + "/a-", CreateMode.PERSISTENT_SEQUENTIAL));
            client.create(root + "/not counted by name");
            say("after a plain create %s", client.create(root + "/a-", CreateMode.PERSISTENT_SEQUENTIAL));
            zk.delete(root + "/not counted by name", -1);
            say("after a delete %s", client.create(root + "/b", CreateMode.EPHEMERAL_SEQUENTIAL));
            attempt("a failed create", () -> client.create(root + "/a-0000000000"));
            say("after a failed create %s", client.create(root + "/", CreateMode.PERSISTENT_SEQUENTIAL));
            say("a long name %s", client.create(root + "/0123456789", CreateMode.PERSISTENT_SEQUENTIAL));
            say("parent {%s}", show.stat(zk.exists(root, false)));
        }
    }

    /** Containers and TTL nodes disappear by themselves, with the events of a delete. */
    private static void reaping(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            client.create(root + "/used", CreateMode.CONTAINER);
            client.create(root + "/unused", CreateMode.CONTAINER);
            client.create(root + "/used/child");
            zk.getChildren(root + "/used", client.watcher("children of the container"));
            zk.delete(root + "/used/child", -1);
            client.awaitGone(root + "/used");
            zk.create(root + "/ttl", bytes("short"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 50);
            client.awaitGone(root + "/ttl");
            // Long enough for the child to come in time, on a slow disk, too.
            zk.create(root + "/ttl parent", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 1_000);
            client.create(root + "/ttl parent/child");
            zk.create(root + "/clock", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 1_300);
            client.awaitGone(root + "/clock");
            say("a TTL node with a child stays: %b", zk.exists(root + "/ttl parent", false) != null);
            zk.delete(root + "/ttl parent/child", -1);
            client.awaitGone(root + "/ttl parent");
            client.sayEvents("container");
            say("left: %s", Show.sorted(zk.getChildren(root, false)));
            say("parent {%s}", show.stat(zk.exists(root, false)));
        }
    }

    private static void setAndDelete(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            attempt("set any", () -> show.stat(zk.setData(root, bytes("1"), -1)));
            attempt("set 1", () -> show.stat(zk.setData(root, bytes("2"), 1)));
            attempt("set with an old version", () -> show.stat(zk.setData(root, bytes("3"), 1)));
            attempt("set with version -2", () -> show.stat(zk.setData(root, bytes("3"), -2)));
            attempt("set the same data", () -> show.stat(zk.setData(root, bytes("2"), 2)));
            attempt("set a missing node", () -> zk.setData(root + "/missing", null, -1));
            attempt("set the root", () -> zk.setData("/", bytes("root"), -1).getDataLength());
            attempt("unset the root", () -> zk.setData("/", new byte[0], -1).getDataLength());
            client.create(root + "/child");
            client.create(root + "/child/grandchild");
            attempt("delete with children", () -> delete(zk, root + "/child", -1));
            attempt("delete with a wrong version", () -> delete(zk, root + "/child/grandchild", 1));
            attempt("delete with the version", () -> delete(zk, root + "/child/grandchild", 0));
            attempt("delete twice", () -> delete(zk, root + "/child/grandchild", 0));
            attempt("delete below a missing parent", () -> delete(zk, root + "/missing/child", -1));
            attempt("stat after the delete of a child", () -> show.stat(zk.exists(root + "/child", false)));
            for (String path : List.of("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config")) {
                attempt("delete " + path, () -> delete(zk, path, -1));
            }
            attempt("set /zookeeper/config", () -> zk.setData("/zookeeper/config", bytes("x"), -1));
        }
    }

    private static String delete(ZooKeeper zk, String path, int version) throws Exception {
        zk.delete(path, version);
        return "deleted";
    }

    private static void dataValues(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            byte[] all = new byte[256];
            for (int i = 0; i < all.length; i++) {
                all[i] = (byte) i;
            }
            byte[] big = new byte[1_000_000];
            Arrays.fill(big, (byte) 7);
            byte[][] values = {null, {}, {0}, all, big};
            for (byte[] value : values) {
                zk.setData(root, value, -1);
                Stat stat = new Stat();
                byte[] back = zk.getData(root, false, stat);
                say("%s length %d", back == null ? "null" : back.length + " bytes", stat.getDataLength());
                require(Arrays.equals(value, back), "read something else than was written");
            }
            attempt("more than the server reads", () -> zk.setData(root, new byte[1_100_000], -1));
            // A handle that is closed while disconnected leaves its session to expire in the middle of another scenario.
            client.await(KeeperState.Disconnected);
            client.await(KeeperState.SyncConnected);
        }
    }

    private static void paths(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            Show.from(client, root);
            String[] names = {"a b", "...", ".a", "%2e", "é漢", "\u00a0", "\uffef", "a:b", "a,b", "\\", "\"", "-", "zookeeper",
                "x".repeat(2000)};
            for (String name : names) {
                attempt("'" + (name.length() > 20 ? name.length() + " characters" : name) + "'",
                    () -> client.create(root + "/" + name).equals(root + "/" + name) ? "created" : "renamed");
            }
            List<String> back = Show.sorted(client.zk.getChildren(root, false));
            require(back.equals(Show.sorted(List.of(names))), "children differ: %s", back);
            for (String bad : List.of(root + "/", root + "//x", root + "/./x", root + "/../x", root + "/\u0001", root
                + "/\ue000", "relative", "")) {
                attempt("'" + bad.replace("\u0001", "U+0001").replace("\ue000", "U+E000") + "'",
                    () -> client.create(bad));
            }
        }
    }

    /** Many requests in flight: completions come in order, each operation sees those before it. */
    private static void pipelining(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            int count = 500;
            List<Integer> order = Collections.synchronizedList(new ArrayList<>());
            List<String> wrong = Collections.synchronizedList(new ArrayList<>());
            CountDownLatch done = new CountDownLatch(4 * count);
            for (int i = 0; i < count; i++) {
                int number = i;
                String path = root + "/" + i;
                byte[] data = bytes("" + i);
                zk.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (code, p, context, name) -> {
                    order.add(4 * number);
                    done.countDown();
                }, null);
                zk.setData(path, data, 0, (code, p, context, stat) -> {
                    order.add(4 * number + 1);
                    done.countDown();
                }, null);
                zk.getData(path, false, (code, p, context, read, stat) -> {
                    order.add(4 * number + 2);
                    if (code != 0 || !Arrays.equals(read, data) || stat.getVersion() != 1) {
                        wrong.add(p + " " + code);
                    }
                    done.countDown();
                }, null);
                zk.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (code, p, context, name) -> {
                    order.add(4 * number + 3);
                    if (code != KeeperException.Code.NODEEXISTS.intValue()) {
                        wrong.add(p + " " + code);
                    }
                    done.countDown();
                }, null);
            }
            require(done.await(60, TimeUnit.SECONDS), "%d answers are missing", done.getCount());
            require(order.equals(order.stream().sorted().toList()), "answers out of order");
            require(wrong.isEmpty(), "unexpected answers: %s", wrong);
            say("%d answers, %d children", order.size(), zk.getChildren(root, false).size());
        }
    }

    private static void chroot(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            Show.from(client, root);
            client.create(root + "/inside");
            try (Client inner = new Client(server + root + "/inside")) {
                say("created %s", inner.create("/a"));
                say("created %s", inner.create("/a/s-", CreateMode.PERSISTENT_SEQUENTIAL));
                say("children of / %s", inner.zk.getChildren("/", inner.watcher("inner")));
                client.zk.delete(root + "/inside/a/s-0000000000", -1);
                client.zk.delete(root + "/inside/a", -1);
                inner.sayEvents("delete from outside");
                inner.create("/e", CreateMode.EPHEMERAL);
                say("ephemerals inside %s", inner.zk.getEphemerals("/"));
                say("below /e %s", inner.zk.getEphemerals("/e"));
            }
            attempt("a missing chroot", () -> {
                try (Client lost = new Client(server + root + "/missing")) {
                    return lost.create("/a");
                }
            });
        }
    }
}
