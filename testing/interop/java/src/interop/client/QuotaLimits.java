package interop.client;

import static interop.Client.attempt;
import static interop.Client.bytes;

import interop.Client;
import interop.Scenarios;
import interop.Show;
import java.util.List;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.Quotas;
import org.apache.zookeeper.StatsTrack;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.cli.DelQuotaCommand;
import org.apache.zookeeper.cli.ListQuotaCommand;
import org.apache.zookeeper.cli.SetQuotaCommand;

/** Quotas: what is counted and what a hard limit refuses. */
final class QuotaLimits {
    static void register(Scenarios scenarios) {
        scenarios.add("quota-usage", QuotaLimits::usage)
            .add("quota-hard-limits", QuotaLimits::hardLimits);
    }

    private static StatsTrack limits(int count, long bytes, int hardCount, long hardBytes) {
        StatsTrack track = new StatsTrack();
        track.setCount(count);
        track.setBytes(bytes);
        track.setCountHardLimit(hardCount);
        track.setByteHardLimit(hardBytes);
        return track;
    }

    private static String usage(ZooKeeper zk, String path) throws Exception {
        return Show.data(zk.getData(Quotas.statPath(path), false, null));
    }

    private static void usage(String server, String root) throws Exception {
        try (Client client = new Client(server); Client other = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show show = Show.from(client, root);
            zk.setData(root, bytes("12345"), -1);
            client.create(root + "/before");
            attempt("set", () -> SetQuotaCommand.createQuota(zk, root, limits(3, 10, -1, -1)));
            attempt("limits", () -> Show.data(zk.getData(Quotas.limitPath(root), false, null)));
            attempt("usage at once", () -> usage(zk, root));
            zk.create(root + "/a", bytes("abc"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            attempt("usage after a create", () -> usage(zk, root));
            zk.setData(root + "/a", bytes("abcdefgh"), -1);
            attempt("usage after a set", () -> usage(zk, root));
            zk.setData(root + "/a", null, -1);
            attempt("usage after a set to null", () -> usage(zk, root));
            other.create(root + "/a/e", CreateMode.EPHEMERAL);
            attempt("usage with an ephemeral node", () -> usage(zk, root));
            other.close();
            attempt("usage after its session", () -> usage(zk, root));
            zk.multi(List.of(Op.create(root + "/m", bytes("m"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                Op.delete(root + "/before", -1)));
            attempt("usage after a multi", () -> usage(zk, root));
            attempt("stat of the usage node", () -> show.stat(zk.exists(Quotas.statPath(root), false)));
            attempt("a quota inside", () -> SetQuotaCommand.createQuota(zk, root + "/a", limits(5, -1, -1, -1)));
            attempt("list", () -> ListQuotaCommand.listQuota(zk, root));
            attempt("change", () -> SetQuotaCommand.createQuota(zk, root, limits(-1, -1, 100, 1000)));
            attempt("limits", () -> Show.data(zk.getData(Quotas.limitPath(root), false, null)));
            attempt("remove", () -> DelQuotaCommand.delQuota(zk, root, null));
            attempt("after removal", () -> Show.sorted(zk.getChildren(Quotas.quotaPath(root), false)));
            client.create(root + "/later");
            attempt("of a missing node", () -> SetQuotaCommand.createQuota(zk, root + "/missing", limits(1, 1, -1, -1)));
        }
    }

    private static void hardLimits(String server, String root) throws Exception {
        try (Client client = new Client(server)) {
            ZooKeeper zk = client.zk;
            Show.from(client, root);
            SetQuotaCommand.createQuota(zk, root, limits(-1, -1, 3, 20));
            attempt("second", () -> client.create(root + "/a"));
            attempt("third", () -> client.create(root + "/b"));
            attempt("fourth", () -> client.create(root + "/c"));
            attempt("fourth, ephemeral", () -> client.create(root + "/c", CreateMode.EPHEMERAL_SEQUENTIAL));
            attempt("20 bytes", () -> zk.setData(root + "/a", new byte[20], -1).getVersion());
            attempt("21 bytes", () -> zk.setData(root + "/b", new byte[1], -1).getVersion());
            attempt("21 bytes with a wrong version", () -> zk.setData(root + "/b", new byte[1], 9).getVersion());
            attempt("fewer bytes", () -> zk.setData(root + "/a", new byte[19], -1).getVersion());
            zk.delete(root + "/b", -1);
            attempt("create with too many bytes", () -> zk.create(root + "/b", new byte[2], Ids.OPEN_ACL_UNSAFE,
                CreateMode.PERSISTENT));
            attempt("multi", () -> zk.multi(List.of(Op.setData(root + "/a", new byte[21], -1))));
            attempt("two creates in one multi", () -> zk.multi(List.of(
                Op.create(root + "/b", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                Op.create(root + "/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT))).size());
            attempt("usage", () -> usage(zk, root));
            attempt("remove", () -> DelQuotaCommand.delQuota(zk, root, null));
            attempt("without limits", () -> client.create(root + "/free"));
        }
    }
}
