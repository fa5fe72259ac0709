package interop.datadir;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.StatsTrack;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.cli.SetQuotaCommand;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

/** A short history that contains every kind of transaction and every kind of node. */
final class GoldenHistory {
    private static final int SESSION_TIMEOUT_MS = 30_000;

    /** Writes it; the handles returned have sessions with ephemeral nodes. */
    static List<Handle> write(String server) throws Exception {
        Handle zk = Handle.open(server, SESSION_TIMEOUT_MS);
        createEveryKind(zk);
        data(zk);
        acls(zk);
        multis(zk);
        errors(zk);
        closedSession(server);
        quotas(zk);
        reaped(zk);
        Handle second = Handle.open(server, 40_000);
        staysOpen(zk, second);
        return List.of(zk, second);
    }

    private static void createEveryKind(ZooKeeper zk) throws Exception {
        zk.create("/kinds", bytes("root"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create("/kinds/create2", bytes("with stat"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, new Stat());
        zk.create("/kinds/sequential-", bytes("0"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL);
        zk.create("/kinds/sequential-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL);
        zk.create("/kinds/container", bytes("c"), Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER, new Stat());
        zk.create("/kinds/container/child", new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create("/kinds/ttl", bytes("t"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, new Stat(),
            TimeUnit.DAYS.toMillis(365));
        zk.create("/kinds/ttl-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, new Stat(),
            0xFF_FFFF_FFFFL);
        zk.create("/kinds/ephemeral", bytes("e"), Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        zk.create("/kinds/ephemeral-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL_SEQUENTIAL);
    }

    private static void data(ZooKeeper zk) throws Exception {
        zk.create("/data", new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create("/data/null", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create("/data/empty", new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        byte[] all = new byte[256];
        for (int i = 0; i < all.length; i++) {
            all[i] = (byte) i;
        }
        zk.create("/data/all bytes", all, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        byte[] large = new byte[6000];
        Arrays.fill(large, (byte) 'z');
        zk.create("/data/large", large, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create("/data/é漢 字", bytes("ünï"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.setData("/data/empty", bytes("one"), -1);
        zk.setData("/data/empty", bytes("two"), 1);
        zk.setData("/data/empty", new byte[0], 2);
        zk.setData("/data/null", bytes("now set"), 0);
        zk.setData("/data/null", null, 1);
        zk.create("/data/gone", bytes("gone"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.delete("/data/gone", 0);
        zk.create("/data/gone", bytes("again"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.delete("/data/gone", -1);
    }

    private static void acls(ZooKeeper zk) throws Exception {
        String digest = DigestAuthenticationProvider.generateDigest("user:secret");
        List<ACL> mixed = Arrays.asList(new ACL(Perms.ALL, new Id("digest", digest)),
            new ACL(Perms.READ | Perms.WRITE, new Id("ip", "127.0.0.1")),
            new ACL(Perms.READ, new Id("ip", "10.0.0.0/8")), new ACL(Perms.READ, Ids.ANYONE_ID_UNSAFE));
        zk.create("/acls", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create("/acls/read only", bytes("r"), Ids.READ_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create("/acls/mixed", bytes("m"), mixed, CreateMode.PERSISTENT);
        zk.create("/acls/same mixed", bytes("m"), mixed, CreateMode.PERSISTENT);
        zk.addAuthInfo("digest", bytes("owner:pw"));
        zk.create("/acls/creator", bytes("a"), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        zk.create("/acls/changed", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.setACL("/acls/changed", Arrays.asList(
            new ACL(Perms.ALL, new Id("digest", DigestAuthenticationProvider.generateDigest("owner:pw"))),
            new ACL(Perms.READ | Perms.CREATE, Ids.ANYONE_ID_UNSAFE)), 0);
        zk.setACL("/acls/changed", mixed, 1);
    }

    private static void multis(ZooKeeper zk) throws Exception {
        zk.multi(List.of(Op.create("/multi", bytes("1"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
            Op.create("/multi/sequential-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL),
            Op.create("/multi/container", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER),
            Op.create("/multi/ttl", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, 1_000_000_000L),
            Op.create("/multi/gone", new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
            Op.setData("/multi", bytes("2"), 0), Op.check("/multi", 1), Op.delete("/multi/gone", -1)));
        refused(() -> zk.multi(List.of(
            Op.create("/multi/never", bytes("x"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
            Op.setData("/multi", bytes("never"), -1), Op.check("/missing", 0), Op.delete("/multi", -1))));
        refused(() -> zk.multi(List.of(Op.setData("/multi", bytes("never"), 17))));
        zk.multi(List.of(Op.check("/multi", 1)));
    }

    private static void errors(ZooKeeper zk) throws Exception {
        refused(() -> zk.create("/kinds", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        refused(() -> zk.delete("/kinds", -1));
        refused(() -> zk.delete("/missing", -1));
        refused(() -> zk.setData("/multi", null, 99));
        refused(() -> zk.setData("/acls/read only", null, -1));
        refused(() -> zk.setACL("/multi", Ids.OPEN_ACL_UNSAFE, 99));
    }

    private static void closedSession(String server) throws Exception {
        ZooKeeper other = Handle.open(server, SESSION_TIMEOUT_MS);
        other.create("/closed", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        other.create("/kinds/closed-", bytes("e"), Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL_SEQUENTIAL);
        other.create("/deleted early", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        other.delete("/deleted early", -1);
        other.close();
        Handle.open(server, SESSION_TIMEOUT_MS).close();
    }

    private static void quotas(ZooKeeper zk) throws Exception {
        zk.create("/quota", bytes("12345"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create("/quota/child", bytes("678"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        StatsTrack limits = new StatsTrack();
        limits.setCount(10);
        limits.setBytes(-1L);
        limits.setCountHardLimit(-1);
        limits.setByteHardLimit(100_000L);
        SetQuotaCommand.createQuota(zk, "/quota", limits);
        zk.create("/quota/after", bytes("90"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.setData("/quota/child", null, -1);
    }

    /** A container and a TTL node that the server itself deletes. */
    private static void reaped(ZooKeeper zk) throws Exception {
        zk.create("/reaped", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create("/reaped/container", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER);
        zk.create("/reaped/container/child", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.delete("/reaped/container/child", -1);
        zk.create("/reaped/ttl", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 1);
        for (String path : List.of("/reaped/container", "/reaped/ttl")) {
            CountDownLatch gone = new CountDownLatch(1);
            if (zk.exists(path, event -> gone.countDown()) != null && !gone.await(30, TimeUnit.SECONDS)) {
                throw new IllegalStateException(path + " was not reaped; is znode.container.checkIntervalMs small?");
            }
        }
    }

    private static void staysOpen(ZooKeeper first, ZooKeeper second) throws Exception {
        first.create("/open", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        first.create("/open/first", bytes("1"), Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        second.create("/open/second", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        second.create("/open/second-", new byte[0], Ids.READ_ACL_UNSAFE, CreateMode.EPHEMERAL_SEQUENTIAL);
        second.setData("/open/second", bytes("touched"), 0);
    }

    private interface Step {
        void run() throws Exception;
    }

    private static void refused(Step step) throws Exception {
        try {
            step.run();
        } catch (KeeperException expected) {
            return;
        }
        throw new IllegalStateException("the server accepted what it must refuse");
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
