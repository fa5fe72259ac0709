package interop.client;

import static interop.Client.attempt;
import static interop.Client.bytes;
import static interop.Scenarios.say;

import interop.Client;
import interop.Scenarios;
import interop.Show;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

/** Permissions, identities and what counts as a valid ACL. */
final class Acls {
    static void register(Scenarios scenarios) {
        scenarios.add("acl-permissions", Acls::permissions)
            .add("acl-digest", Acls::digest)
            .add("acl-auth", Acls::auth)
            .add("acl-ip", Acls::ip)
            .add("acl-super", Acls::superUser)
            .add("acl-validity", Acls::validity)
            .add("acl-versions", Acls::versions)
            .add("auth-refused", Acls::authRefused);
    }

    private static List<ACL> world(int perms) {
        return Arrays.asList(new ACL(perms, Ids.ANYONE_ID_UNSAFE));
    }

    private static ACL entry(int perms, String scheme, String id) {
        return new ACL(perms, new Id(scheme, id));
    }

    /** Every operation on a node that grants exactly one permission, or all but one. */
    private static void permissions(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            int[] all = IntStream.concat(IntStream.of(0, Perms.ALL), IntStream.range(0, 5)
                .flatMap(bit -> IntStream.of(1 << bit, Perms.ALL & ~(1 << bit)))).toArray();
            for (int perms : all) {
                String node = root + "/" + perms;
                client.create(node);
                client.create(node + "/child");
                zk.setACL(node, world(perms), -1);
                List<String> outcomes = new ArrayList<>();
                outcomes.add("exists " + code(() -> zk.exists(node, false)));
                outcomes.add("getData " + code(() -> zk.getData(node, false, null)));
                outcomes.add("getChildren " + code(() -> zk.getChildren(node, false)));
                outcomes.add("count " + code(() -> zk.getAllChildrenNumber(node)));
                outcomes.add("getACL " + code(() -> zk.getACL(node, null)));
                outcomes.add("setData " + code(() -> zk.setData(node, null, -1)));
                outcomes.add("create " + code(() -> client.create(node + "/new")));
                outcomes.add("delete " + code(() -> {
                    zk.delete(node + "/child", -1);
                    return null;
                }));
                outcomes.add("check " + code(() -> zk.multi(List.of(Op.check(node, -1)))));
                outcomes.add("setACL " + code(() -> zk.setACL(node, world(perms), -1)));
                say("%d: %s", perms, String.join(", ", outcomes));
            }
        }
    }

    private static String code(Client.Step step) throws Exception {
        try {
            step.run();
            return "ok";
        } catch (KeeperException refused) {
            return refused.code().toString();
        }
    }

    private static void digest(String server, String root) throws Exception {
        try (Client client = new Client(server); Client stranger = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            String id = DigestAuthenticationProvider.generateDigest("alice:secret");
            zk.create(root + "/d", bytes("d"), Arrays.asList(entry(Perms.ALL, "digest", id), entry(Perms.READ, "digest",
                DigestAuthenticationProvider.generateDigest("bob:pw"))), CreateMode.PERSISTENT);
            attempt("creator without auth", () -> zk.getData(root + "/d", false, null));
            zk.addAuthInfo("digest", bytes("alice:wrong"));
            attempt("wrong password", () -> zk.getData(root + "/d", false, null));
            zk.addAuthInfo("digest", bytes("alice:secret"));
            Stat stat = new Stat();
            attempt("right password", () -> Show.data(zk.getData(root + "/d", false, stat)));
            attempt("ACL for an administrator", () -> Show.acl(zk.getACL(root + "/d", stat)));
            stranger.zk.addAuthInfo("digest", bytes("bob:pw"));
            attempt("ACL for a reader", () -> Show.acl(stranger.zk.getACL(root + "/d", stat)));
            attempt("write by a reader", () -> stranger.zk.setData(root + "/d", null, -1));
            attempt("ACL change by a reader", () -> stranger.zk.setACL(root + "/d", Ids.OPEN_ACL_UNSAFE, -1));
            attempt("delete needs the parent only", () -> {
                stranger.zk.delete(root + "/d", -1);
                return show.stat(stranger.zk.exists(root, false));
            });
        }
    }

    private static void auth(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            attempt("auth without identity", () -> zk.create(root + "/a", null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT));
            zk.addAuthInfo("digest", bytes("alice:secret"));
            zk.create(root + "/a", null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
            attempt("one identity", () -> Show.acl(zk.getACL(root + "/a", null)));
            zk.addAuthInfo("digest", bytes("bob:pw"));
            zk.create(root + "/b", null, Arrays.asList(entry(Perms.READ, "auth", "ignored"),
                entry(Perms.ALL, "auth", "")), CreateMode.PERSISTENT);
            attempt("two identities, two entries",
                () -> Show.sorted(zk.getACL(root + "/b", null).stream().map(a -> Show.acl(List.of(a))).toList()));
            zk.create(root + "/c", null, Arrays.asList(entry(Perms.READ, "world", "anyone"),
                entry(Perms.READ, "world", "anyone"), entry(Perms.WRITE, "world", "anyone")), CreateMode.PERSISTENT);
            attempt("duplicates", () -> Show.acl(zk.getACL(root + "/c", null)));
            attempt("set", () -> zk.setACL(root + "/c", Ids.CREATOR_ALL_ACL, 0).getAversion());
            attempt("in a multi", () -> zk.multi(List.of(Op.create(root + "/m", null, Ids.CREATOR_ALL_ACL,
                CreateMode.PERSISTENT))).size());
            attempt("of the multi", () -> zk.getACL(root + "/m", null).size());
        }
    }

    private static void ip(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            String[] ids = {"127.0.0.1", "127.0.0.0/8", "127.0.0.1/32", "0.0.0.0/0", "127.0.0.2", "10.0.0.0/8", "127.0.0.2/31",
                "::1", "::/0"};
            for (String id : ids) {
                String node = root + "/" + id.replace('/', '_');
                attempt("create for " + id, () -> zk.create(node, null, Arrays.asList(entry(Perms.READ, "ip", id)),
                    CreateMode.PERSISTENT));
                attempt("read for " + id, () -> Show.data(zk.getData(node, false, null)));
                attempt("write for " + id, () -> zk.setData(node, null, -1));
            }
        }
    }

    private static void superUser(String server, String root) throws Exception {
        try (Client client = new Client(server); Client owner = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            zk.create(root + "/none", bytes("x"), world(0), CreateMode.PERSISTENT);
            owner.zk.addAuthInfo("digest", bytes("owner:pw"));
            owner.zk.create(root + "/private", bytes("y"), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
            attempt("before", () -> zk.getData(root + "/none", false, null));
            zk.addAuthInfo("digest", bytes("super:wrong"));
            attempt("wrong password", () -> zk.getData(root + "/none", false, null));
            zk.addAuthInfo("digest", bytes("super:admin"));
            attempt("read", () -> Show.data(zk.getData(root + "/none", false, null)));
            attempt("read private", () -> Show.data(zk.getData(root + "/private", false, null)));
            attempt("private ACL", () -> Show.acl(zk.getACL(root + "/private", null)));
            attempt("write", () -> zk.setData(root + "/private", null, -1).getVersion());
            attempt("change", () -> zk.setACL(root + "/private", Ids.READ_ACL_UNSAFE, -1).getAversion());
            attempt("create below", () -> client.create(root + "/none/child"));
            attempt("set /zookeeper/config", () -> zk.setData("/zookeeper/config", new byte[0], -1).getDataLength());
            attempt("what auth means for super", () -> {
                zk.create(root + "/auth", null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
                return Show.sorted(zk.getACL(root + "/auth", null).stream().map(a -> Show.acl(List.of(a))).toList());
            });
        }
    }

    private static void validity(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            String[][] ids = {{"world", "anyone"}, {"world", "someone"}, {"world", ""}, {"auth", "x"}, {"digest", "a:b"},
                {"digest", "a"}, {"digest", "a:"}, {"digest", ":b"}, {"digest", "a:b:c"}, {"digest", ""}, {"ip", "1.2.3.4"},
                {"ip", "1.2.3"}, {"ip", "1.2.3.256"}, {"ip", "1.2.3.4/0"}, {"ip", "1.2.3.4/32"}, {"ip", "1.2.3.4/33"},
                {"ip", "1.2.3.4/-1"}, {"ip", "1.2.3.4/x"}, {"ip", "1.2.3.4/"}, {"ip", "host"}, {"ip", ""}, {"ip", "::1"},
                {"ip", "::1/128"}, {"ip", "::1/129"}, {"ip", "fe80::1%lo"}, {"ip", "1:2:3:4:5:6:7:8"}, {"ip", "1::2::3"},
                {"sasl", "user"}, {"x509", "CN=a"}, {"super", ""}, {"unknown", "x"}, {"", "x"}};
            int number = 0;
            for (String[] id : ids) {
                String node = root + "/" + number++;
                List<ACL> acl = Arrays.asList(entry(Perms.ALL, id[0], id[1]), entry(Perms.READ, "world", "anyone"));
                attempt(id[0] + ":" + id[1], () -> {
                    zk.create(node, null, acl, CreateMode.PERSISTENT);
                    return Show.acl(zk.getACL(node, null));
                });
                attempt(id[0] + ":" + id[1] + " set", () -> zk.setACL(root, acl, 99));
            }
            for (int perms : new int[] {0, 32, 255, -1, Integer.MIN_VALUE}) {
                attempt("perms " + perms, () -> {
                    String node = client.create(root + "/p" + perms);
                    zk.setACL(node, world(perms), -1);
                    zk.addAuthInfo("digest", bytes("super:admin"));
                    return Show.acl(zk.getACL(node, null));
                });
            }
            attempt("empty list", () -> zk.create(root + "/empty", null, List.of(), CreateMode.PERSISTENT));
            attempt("no list", () -> zk.create(root + "/none", null, null, CreateMode.PERSISTENT));
            attempt("empty list, no parent", () -> zk.create(root + "/x/y", null, Arrays.asList(entry(1, "no", "no")),
                CreateMode.PERSISTENT));
        }
    }

    private static void versions(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            attempt("any", () -> show.stat(zk.setACL(root, Ids.OPEN_ACL_UNSAFE, -1)));
            attempt("1", () -> show.stat(zk.setACL(root, Ids.OPEN_ACL_UNSAFE, 1)));
            attempt("old", () -> zk.setACL(root, Ids.OPEN_ACL_UNSAFE, 1));
            attempt("-2", () -> zk.setACL(root, Ids.OPEN_ACL_UNSAFE, -2));
            attempt("missing", () -> zk.setACL(root + "/missing", Ids.OPEN_ACL_UNSAFE, -1));
            attempt("data version untouched", () -> show.stat(zk.setData(root, null, 0)));
        }
    }

    private static void authRefused(String server, String root) throws Exception {
        for (String scheme : List.of("unknown", "world", "auth", "sasl", "super")) {
            Client client = new Client(server);
            client.zk.addAuthInfo(scheme, bytes("x:y"));
            client.await(KeeperState.AuthFailed);
            attempt(scheme, () -> client.zk.exists("/", false));
            say("%s: %s", scheme, client.zk.getState());
            // The connection is lost, the session is not.
            try (Client again = new Client(server, Client.TIMEOUT_MS, client.zk.getSessionId(), client.zk.getSessionPasswd())) {
                say("%s: renewed as %s", scheme, again.await(KeeperState.SyncConnected, KeeperState.Expired));
            }
            client.close();
        }
    }
}
