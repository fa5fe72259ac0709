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
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;

/** multi, its failures, and multiRead. */
final class Transactions {
    static void register(Scenarios scenarios) {
        scenarios.add("multi", Transactions::succeeding)
            .add("multi-failures", Transactions::failing)
            .add("multi-watches", Transactions::watches)
            .add("multi-async", Transactions::async)
            .add("multi-read", Transactions::reads);
    }

    private static Op create(String path, CreateMode mode) {
        return mode.isTTL() ? Op.create(path, bytes("m"), Ids.OPEN_ACL_UNSAFE, mode, 1_000_000L)
            : Op.create(path, bytes("m"), Ids.OPEN_ACL_UNSAFE, mode);
    }

    private static Op create(String path) {
        return create(path, CreateMode.PERSISTENT);
    }

    private static void succeeding(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            List<Op> every = new ArrayList<>();
            for (CreateMode mode : CreateMode.values()) {
                every.add(create(root + "/" + mode + "-", mode));
            }
            attempt("every mode", () -> show.results(zk.multi(every)));
            attempt("a life in one", () -> show.results(zk.multi(List.of(create(root + "/life"),
                create(root + "/life/child"), Op.setData(root + "/life", bytes("2"), 0), Op.check(root + "/life", 1),
                Op.delete(root + "/life/child", -1), Op.delete(root + "/life", 1)))));
            attempt("set twice", () -> show.results(zk.multi(List.of(Op.setData(root, bytes("a"), 0),
                Op.setData(root, null, 1)))));
            attempt("sequences", () -> show.results(zk.multi(List.of(
                create(root + "/s-", CreateMode.PERSISTENT_SEQUENTIAL),
                create(root + "/s-", CreateMode.EPHEMERAL_SEQUENTIAL),
                create(root + "/s-", CreateMode.PERSISTENT_SEQUENTIAL)))));
            attempt("check alone", () -> show.results(zk.multi(List.of(Op.check(root, -1)))));
            attempt("nothing", () -> show.results(zk.multi(List.of())));
            attempt("builder", () -> show.results(zk.transaction().create(root + "/t", null, Ids.OPEN_ACL_UNSAFE,
                CreateMode.PERSISTENT).setData(root + "/t", bytes("t"), 0).check(root + "/t", 1).delete(root + "/t", 1)
                .commit()));
            say("children %s", Show.sorted(zk.getChildren(root, false)));
            say("parent {%s}", show.stat(zk.exists(root, false)));
        }
    }

    private static void failing(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            client.create(root + "/exists");
            client.create(root + "/parent");
            client.create(root + "/parent/child");
            client.create(root + "/ephemeral", CreateMode.EPHEMERAL);
            zk.create(root + "/closed", null, Arrays.asList(new ACL(Perms.READ, Ids.ANYONE_ID_UNSAFE)),
                CreateMode.PERSISTENT);
            zk.create(root + "/secret", null, Arrays.asList(new ACL(Perms.WRITE, Ids.ANYONE_ID_UNSAFE)),
                CreateMode.PERSISTENT);
            Op good = create(root + "/never");
            Op after = Op.setData(root, bytes("never"), -1);
            List<Op> bad = List.of(create(root + "/exists"), create(root + "/missing/child"),
                create(root + "/ephemeral/child"), create(root + "/closed/child"),
                Op.create(root + "/x", null, List.of(), CreateMode.PERSISTENT), Op.delete(root + "/missing", -1),
                Op.delete(root + "/parent", -1), Op.delete(root + "/exists", 5), Op.delete("/zookeeper", -1),
                Op.setData(root + "/missing", null, -1), Op.setData(root, null, 5),
                Op.setData(root + "/closed", null, -1), Op.check(root, 5), Op.check(root + "/missing", -1),
                Op.check(root + "/secret", -1), Op.create(root + "/ttl", null, Ids.OPEN_ACL_UNSAFE,
                    CreateMode.PERSISTENT_WITH_TTL, 0x100_0000_0000L));
            for (Op op : bad) {
                fail(zk, show, List.of(good, op, after));
                fail(zk, show, List.of(op));
            }
            fail(zk, show, List.of(good, good));
            fail(zk, show, List.of(good, Op.delete(root + "/never", -1), Op.check(root + "/never", -1), after, after));
            say("%s {%s}", Show.sorted(zk.getChildren(root, false)), show.stat(zk.exists(root, false)));
            say("next sequence %s", client.create(root + "/s-", CreateMode.PERSISTENT_SEQUENTIAL));
        }
    }

    private static void fail(ZooKeeper zk, Show show, List<Op> ops) throws Exception {
        String what = ops.stream().map(op -> op.getType() + " " + op.getPath()).toList().toString();
        try {
            Scenarios.broken("%s succeeded: %s", what, show.results(zk.multi(ops)));
        } catch (KeeperException refused) {
            String results = refused.getResults() == null ? "no results" : show.results(refused.getResults());
            say("%s -> %s %s", what, refused.code(), results);
        } catch (IllegalArgumentException refused) {
            say("%s -> refused by the client: %s", what, refused.getMessage());
        }
    }

    private static void watches(String server, String root) throws Exception {
        try (Client client = new Client(server); Client other = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            client.create(root + "/set");
            client.create(root + "/delete");
            for (Client each : List.of(client, other)) {
                each.zk.getChildren(root, each.watcher("children"));
                each.zk.exists(root + "/new", each.watcher("exists"));
                each.zk.getData(root + "/set", each.watcher("data"), null);
                each.zk.getData(root + "/delete", each.watcher("data"), null);
            }
            zk.multi(List.of(create(root + "/new"), Op.setData(root + "/set", bytes("1"), -1),
                Op.setData(root + "/set", bytes("2"), -1), Op.delete(root + "/delete", -1)));
            client.sayEvents("own multi");
            other.sayEvents("multi of another session");
            zk.exists(root + "/gone", client.watcher("exists"));
            zk.exists(root + "/set", client.watcher("exists"));
            Client.attempt("failed multi", () -> zk.multi(List.of(create(root + "/gone"),
                Op.setData(root + "/set", null, -1), Op.check(root, 9))));
            client.sayEvents("failed multi");
            zk.multi(List.of(create(root + "/gone"), Op.delete(root + "/gone", -1)));
            client.sayEvents("create and delete in one");
        }
    }

    private static void async(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            CountDownLatch done = new CountDownLatch(3);
            List<String> answers = new ArrayList<>();
            List<List<Op>> batches = List.of(List.of(create(root + "/a"), create(root + "/b")),
                List.of(create(root + "/c"), create(root + "/b"), create(root + "/d")),
                List.of(Op.delete(root + "/a", 0), Op.check(root + "/b", 0)));
            for (List<Op> batch : batches) {
                zk.multi(batch, (code, path, context, results) -> {
                    synchronized (answers) {
                        answers.add(KeeperException.Code.get(code) + " " + show.results(results));
                    }
                    done.countDown();
                }, null);
            }
            require(done.await(30, TimeUnit.SECONDS), "no answer");
            answers.forEach(answer -> say("%s", answer));
        }
    }

    private static void reads(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            zk.create(root + "/a", bytes("A"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            zk.create(root + "/n", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            zk.create(root + "/secret", bytes("S"), Arrays.asList(new ACL(Perms.WRITE, Ids.ANYONE_ID_UNSAFE)),
                CreateMode.PERSISTENT);
            attempt("data and children", () -> show.results(zk.multi(List.of(Op.getData(root + "/a"),
                Op.getChildren(root), Op.getData(root + "/n"), Op.getChildren(root + "/a")))));
            List<OpResult> mixed = zk.multi(List.of(Op.getData(root + "/missing"), Op.getData(root + "/a"),
                Op.getChildren(root + "/missing"), Op.getData(root + "/secret"), Op.getChildren(root + "/secret"),
                Op.getChildren(root)));
            say("with errors -> %s", show.results(mixed));
            attempt("reads and writes", () -> zk.multi(List.of(Op.getData(root), Op.check(root, -1))));
            List<Op> many = new ArrayList<>();
            for (int i = 0; i < 1000; i++) {
                many.add(i % 2 == 0 ? Op.getData(root + "/a") : Op.getChildren(root));
            }
            attempt("a thousand", () -> zk.multi(many).size());
        }
    }
}
