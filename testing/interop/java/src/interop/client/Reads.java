package interop.client;

import static interop.Client.attempt;
import static interop.Client.bytes;
import static interop.Scenarios.require;
import static interop.Scenarios.say;

import interop.Client;
import interop.Scenarios;
import interop.Show;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.admin.ZooKeeperAdmin;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Stat;

/** What can be asked without changing anything. */
final class Reads {
    static void register(Scenarios scenarios) {
        scenarios.add("reads", Reads::reads)
            .add("counts-and-ephemerals", Reads::countsAndEphemerals)
            .add("who-am-i", Reads::whoAmI)
            .add("config-and-reconfig", Reads::config)
            .add("sync", Reads::sync)
            .add("many-children", Reads::manyChildren);
    }

    private static void reads(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            client.create(root + "/a");
            client.create(root + "/b");
            client.create(root + "/a/deep");
            zk.setData(root + "/a", bytes("data"), -1);
            Stat stat = new Stat();
            attempt("data", () -> Show.data(zk.getData(root + "/a", false, stat)) + " {" + show.stat(stat) + "}");
            attempt("children", () -> Show.sorted(zk.getChildren(root, false)));
            attempt("children with stat", () -> Show.sorted(zk.getChildren(root, false, stat)) + " {" + show.stat(stat) + "}");
            attempt("children of a leaf", () -> zk.getChildren(root + "/b", false));
            attempt("exists", () -> show.stat(zk.exists(root, false)));
            attempt("exists, missing", () -> show.stat(zk.exists(root + "/missing", false)));
            attempt("data, missing", () -> zk.getData(root + "/missing", false, null));
            attempt("children, missing", () -> zk.getChildren(root + "/missing", false));
            attempt("children with stat, missing", () -> zk.getChildren(root + "/missing", false, stat));
            attempt("acl, missing", () -> zk.getACL(root + "/missing", stat));
            attempt("acl", () -> Show.acl(zk.getACL(root + "/a", stat)) + " {" + show.stat(stat) + "}");
            attempt("/zookeeper", () -> show.stat(zk.exists("/zookeeper", false)).replaceAll(" c\\S+", ""));
            attempt("/zookeeper/config", () -> show.stat(zk.exists("/zookeeper/config", false)));
            attempt("/zookeeper children", () -> Show.sorted(zk.getChildren("/zookeeper", false)));
            attempt("/zookeeper/config acl", () -> Show.acl(zk.getACL("/zookeeper/config", stat)));
            attempt("/ acl", () -> Show.acl(zk.getACL("/", stat)));
        }
    }

    private static void countsAndEphemerals(String server, String root) throws Exception {
        try (Client client = new Client(server); Client other = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            attempt("count of a leaf", () -> zk.getAllChildrenNumber(root));
            for (String path : List.of("/a", "/a/b", "/a/b/c", "/ab", "/ab/c")) {
                client.create(root + path);
            }
            attempt("count", () -> zk.getAllChildrenNumber(root));
            attempt("count below /a, not /ab", () -> zk.getAllChildrenNumber(root + "/a"));
            attempt("count of a missing node", () -> zk.getAllChildrenNumber(root + "/missing"));
            attempt("count of / is more", () -> zk.getAllChildrenNumber("/") > zk.getAllChildrenNumber(root));
            for (String path : List.of("/a/e1", "/a/b/e2", "/ab/e3")) {
                client.create(root + path, CreateMode.EPHEMERAL);
            }
            other.create(root + "/e4", CreateMode.EPHEMERAL);
            attempt("ephemerals", () -> Show.sorted(zk.getEphemerals()));
            attempt("ephemerals of another session", () -> Show.sorted(other.zk.getEphemerals()));
            attempt("ephemerals by prefix", () -> Show.sorted(zk.getEphemerals(root + "/a")));
            attempt("ephemerals by a node's path", () -> Show.sorted(zk.getEphemerals(root + "/ab/e3")));
            attempt("ephemerals by a missing prefix", () -> Show.sorted(zk.getEphemerals(root + "/z")));
            zk.delete(root + "/ab/e3", -1);
            attempt("ephemerals after a delete", () -> Show.sorted(zk.getEphemerals("/")));
        }
    }

    private static void whoAmI(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            attempt("new", () -> identities(client.zk.whoAmI()));
            client.zk.addAuthInfo("digest", bytes("alice:secret"));
            attempt("alice", () -> identities(client.zk.whoAmI()));
            client.zk.addAuthInfo("digest", bytes("bob:other"));
            client.zk.addAuthInfo("digest", bytes("alice:secret"));
            attempt("alice and bob", () -> identities(client.zk.whoAmI()));
            client.zk.addAuthInfo("ip", bytes("ignored"));
            attempt("ip again", () -> identities(client.zk.whoAmI()));
            client.zk.addAuthInfo("digest", bytes("super:admin"));
            attempt("super", () -> identities(client.zk.whoAmI()));
        }
    }

    private static List<String> identities(List<ClientInfo> infos) {
        return infos.stream().map(info -> info.getAuthScheme() + ":" + info.getUser()).sorted().toList();
    }

    private static void config(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            Stat stat = new Stat();
            attempt("config", () -> Show.data(client.zk.getConfig(false, stat)) + " version " + stat.getVersion());
        }
        ZooKeeperAdmin admin = new ZooKeeperAdmin(server, Client.TIMEOUT_MS, event -> { });
        attempt("reconfig", () -> admin.reconfigure("server.2=127.0.0.1:1:2;3", null, null, -1, new Stat()));
        admin.addAuthInfo("digest", bytes("super:admin"));
        attempt("reconfig as super", () -> admin.reconfigure(null, "1", null, -1, new Stat()));
        admin.close();
    }

    private static void sync(String server, String root) throws Exception {
        try (Client client = new Client(server); Client other = new Client(server)) {
            Show.from(client, root);
            for (String path : List.of(root, "/", root + "/missing")) {
                CountDownLatch done = new CountDownLatch(1);
                client.zk.sync(path, (code, p, context) -> {
                    say("sync %s -> %s %s", path, KeeperException.Code.get(code), p);
                    done.countDown();
                }, null);
                require(done.await(30, TimeUnit.SECONDS), "no answer");
            }
            other.create(root + "/new");
            CountDownLatch done = new CountDownLatch(1);
            client.zk.sync(root, (code, p, context) -> done.countDown(), null);
            client.zk.exists(root + "/new", false);
            require(done.await(30, TimeUnit.SECONDS), "no answer");
            say("seen after sync: %b", client.zk.exists(root + "/new", false) != null);
        }
    }

    private static void manyChildren(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            Show show = Show.from(client, root);
            int count = 5_000;
            CountDownLatch done = new CountDownLatch(count);
            for (int i = 0; i < count; i++) {
                client.zk.create(root + "/child-with-a-longer-name-", null, org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE,
                    CreateMode.PERSISTENT_SEQUENTIAL, (code, path, context, name) -> done.countDown(), null);
            }
            require(done.await(60, TimeUnit.SECONDS), "%d creates are unanswered", done.getCount());
            List<String> children = new ArrayList<>(Show.sorted(client.zk.getChildren(root, false)));
            say("%d children, %s to %s", children.size(), children.get(0), children.get(count - 1));
            say("parent {%s}", show.stat(client.zk.exists(root, false)));
            say("descendants %d", client.zk.getAllChildrenNumber(root));
        }
    }
}
