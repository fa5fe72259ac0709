package interop.datadir;

import java.io.File;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.jute.BinaryInputArchive;
import org.apache.jute.Record;
import org.apache.zookeeper.ZooDefs.OpCode;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.StatPersisted;
import org.apache.zookeeper.server.DataNode;
import org.apache.zookeeper.server.DataTree;
import org.apache.zookeeper.server.Request;
import org.apache.zookeeper.server.persistence.FileTxnLog;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;
import org.apache.zookeeper.server.persistence.TxnLog.TxnIterator;
import org.apache.zookeeper.txn.CheckVersionTxn;
import org.apache.zookeeper.txn.CloseSessionTxn;
import org.apache.zookeeper.txn.CreateContainerTxn;
import org.apache.zookeeper.txn.CreateSessionTxn;
import org.apache.zookeeper.txn.CreateTTLTxn;
import org.apache.zookeeper.txn.CreateTxn;
import org.apache.zookeeper.txn.DeleteTxn;
import org.apache.zookeeper.txn.ErrorTxn;
import org.apache.zookeeper.txn.MultiTxn;
import org.apache.zookeeper.txn.SetACLTxn;
import org.apache.zookeeper.txn.SetDataTxn;
import org.apache.zookeeper.txn.Txn;
import org.apache.zookeeper.txn.TxnDigest;
import org.apache.zookeeper.txn.TxnHeader;

/**
 * Prints what the genuine server's own loader makes of a data directory.
 *
 * <p>{@code DumpDir tree DIR}: last zxid, tree digest, sessions and every node with its persisted stat.
 * {@code DumpDir txns DIR}: every transaction of the logs, one a line. Fields are separated by tabs; the
 * columns are described in {@code testing/fixtures/README.md}.
 */
public final class DumpDir {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] args) throws Exception {
        File dir = new File(args[1]);
        switch (args[0]) {
            case "tree" -> tree(dir);
            case "txns" -> txns(dir);
            default -> throw new IllegalArgumentException("tree or txns, not " + args[0]);
        }
    }

    private static void tree(File dir) throws Exception {
        DataTree tree = new DataTree();
        Map<Long, Integer> sessions = new ConcurrentHashMap<>();
        FileTxnSnapLog log = new FileTxnSnapLog(dir, dir);
        long zxid = log.restore(tree, sessions, (header, record, digest) -> { });
        log.close();
        OUT.printf("zxid\t0x%x%n", zxid);
        OUT.printf("digest\t0x%x%n", tree.getTreeDigest());
        new TreeMap<>(sessions).forEach((id, timeout) -> OUT.printf("session\t0x%x\t%d%n", id, timeout));
        List<String> paths = new ArrayList<>();
        collect(tree, "/", paths);
        paths.sort(Comparator.naturalOrder());
        for (String path : paths) {
            DataNode node = tree.getNode(path);
            StatPersisted s = node.stat;
            OUT.println(String.join("\t", "node", path, data(node.getData()), acl(tree.getACL(node)),
                hex(s.getCzxid()), hex(s.getMzxid()), hex(s.getPzxid()), "" + s.getCtime(), "" + s.getMtime(),
                "" + s.getVersion(), "" + s.getCversion(), "" + s.getAversion(), hex(s.getEphemeralOwner())));
        }
    }

    private static void collect(DataTree tree, String path, List<String> into) {
        into.add(path);
        for (String child : tree.getNode(path).getChildren()) {
            collect(tree, path.equals("/") ? "/" + child : path + "/" + child, into);
        }
    }

    private static void txns(File dir) throws Exception {
        try (TxnIterator it = new FileTxnLog(new File(dir, "version-2")).read(0)) {
            while (it.getHeader() != null) {
                TxnHeader h = it.getHeader();
                TxnDigest digest = it.getDigest();
                OUT.println(String.join("\t", hex(h.getZxid()), Request.op2String(h.getType()), hex(h.getClientId()),
                    "" + h.getCxid(), "" + h.getTime(), digest == null ? "none" : hex(digest.getTreeDigest()),
                    record(h.getType(), it.getTxn())));
                if (!it.next()) {
                    break;
                }
            }
        }
    }

    private static String record(int type, Record r) throws Exception {
        if (r == null) {
            return "";
        } else if (r instanceof CreateTxn t) {
            return t.getPath() + " " + data(t.getData()) + " " + acl(t.getAcl()) + " ephemeral=" + t.getEphemeral()
                + " parentCVersion=" + t.getParentCVersion();
        } else if (r instanceof CreateTTLTxn t) {
            return t.getPath() + " " + data(t.getData()) + " " + acl(t.getAcl()) + " parentCVersion="
                + t.getParentCVersion() + " ttl=" + t.getTtl();
        } else if (r instanceof CreateContainerTxn t) {
            return t.getPath() + " " + data(t.getData()) + " " + acl(t.getAcl()) + " parentCVersion="
                + t.getParentCVersion();
        } else if (r instanceof DeleteTxn t) {
            return t.getPath();
        } else if (r instanceof SetDataTxn t) {
            return t.getPath() + " " + data(t.getData()) + " version=" + t.getVersion();
        } else if (r instanceof SetACLTxn t) {
            return t.getPath() + " " + acl(t.getAcl()) + " version=" + t.getVersion();
        } else if (r instanceof CheckVersionTxn t) {
            return t.getPath() + " version=" + t.getVersion();
        } else if (r instanceof CreateSessionTxn t) {
            return "timeout=" + t.getTimeOut();
        } else if (r instanceof CloseSessionTxn t) {
            return String.join(" ", t.getPaths2Delete());
        } else if (r instanceof ErrorTxn t) {
            return "error=" + t.getErr();
        } else if (r instanceof MultiTxn t) {
            List<String> parts = new ArrayList<>();
            for (Txn sub : t.getTxns()) {
                Record subRecord = emptyRecord(sub.getType());
                subRecord.deserialize(BinaryInputArchive.getArchive(
                    new java.io.ByteArrayInputStream(sub.getData())), "txn");
                parts.add("[" + Request.op2String(sub.getType()) + " " + record(sub.getType(), subRecord) + "]");
            }
            return String.join(" ", parts);
        }
        throw new IllegalStateException("no rendering for type " + type);
    }

    private static Record emptyRecord(int type) {
        return switch (type) {
            case OpCode.create, OpCode.create2 -> new CreateTxn();
            case OpCode.createTTL -> new CreateTTLTxn();
            case OpCode.createContainer -> new CreateContainerTxn();
            case OpCode.delete, OpCode.deleteContainer -> new DeleteTxn();
            case OpCode.setData -> new SetDataTxn();
            case OpCode.check -> new CheckVersionTxn();
            case OpCode.error -> new ErrorTxn();
            default -> throw new IllegalStateException("type " + type + " inside a multi");
        };
    }

    private static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }

    static String data(byte[] bytes) {
        if (bytes == null) {
            return "null";
        }
        return bytes.length == 0 ? "empty" : java.util.HexFormat.of().formatHex(bytes);
    }

    static String acl(List<ACL> acl) {
        if (acl == null) {
            return "null";
        }
        List<String> parts = new ArrayList<>();
        for (ACL a : acl) {
            parts.add(a.getPerms() + ":" + a.getId().getScheme() + ":" + a.getId().getId());
        }
        return parts.isEmpty() ? "none" : String.join("|", parts);
    }
}
