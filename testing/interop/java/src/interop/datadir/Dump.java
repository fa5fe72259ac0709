package interop.datadir;

import java.io.File;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.DataTree;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;

/**
 * Everything a client can see, a line for each node and each session, in one form from a running server and from a
 * data directory read by the genuine loader.
 */
final class Dump {
    private static final int TIMEOUT_MS = 30_000;

    /** Asks a server. The sessions, given by their credentials, are renewed and left open. */
    static List<String> ofServer(String server, List<String> sessions) throws Exception {
        List<String> lines = new ArrayList<>();
        Handle zk = Handle.openSuper(server, TIMEOUT_MS);
        nodes(zk, "/", lines);
        zk.close();
        Map<Long, Collection<String>> ephemerals = new TreeMap<>();
        for (String credentials : sessions) {
            String[] parts = credentials.split(":");
            long id = Long.parseUnsignedLong(parts[0], 16);
            Handle handle = Handle.renew(server, Integer.parseInt(parts[2]), id, HexFormat.of().parseHex(parts[1]));
            ephemerals.put(id, handle.getEphemerals("/"));
            handle.abandon();
        }
        ephemerals.forEach((id, paths) -> lines.add(session(id, paths)));
        return lines;
    }

    private static void nodes(ZooKeeper zk, String path, List<String> lines) throws Exception {
        Stat stat = new Stat();
        byte[] data = zk.getData(path, false, stat);
        lines.add(node(path, data, zk.getACL(path, null), stat));
        for (String child : zk.getChildren(path, false).stream().sorted().toList()) {
            nodes(zk, path.equals("/") ? "/" + child : path + "/" + child, lines);
        }
    }

    /**
     * Reads a directory, which the loader may change. Transactions whose digest does not fit the tree appear as lines of
     * their own.
     */
    static List<String> ofDirectory(File dir) throws Exception {
        List<String> lines = new ArrayList<>();
        DataTree tree = new DataTree();
        tree.addDigestWatcher(zxid -> lines.add("digest mismatch at 0x" + Long.toHexString(zxid)));
        Map<Long, Integer> sessions = new ConcurrentHashMap<>();
        FileTxnSnapLog files = new FileTxnSnapLog(dir, dir);
        files.restore(tree, sessions, (header, record, digest) -> { });
        files.close();
        nodes(tree, "/", lines);
        new TreeMap<>(sessions).forEach((id, timeout) -> lines.add(session(id, tree.getEphemerals(id))));
        return lines;
    }

    private static void nodes(DataTree tree, String path, List<String> lines) throws Exception {
        Stat stat = new Stat();
        byte[] data = tree.getData(path, stat, null);
        lines.add(node(path, data, tree.getACL(path, new Stat()), stat));
        for (String child : tree.getChildren(path, null, null).stream().sorted().toList()) {
            nodes(tree, path.equals("/") ? "/" + child : path + "/" + child, lines);
        }
    }

    private static String node(String path, byte[] data, List<ACL> acl, Stat s) {
        return String.join("\t", "node", path, DumpDir.data(data), DumpDir.acl(acl), hex(s.getCzxid()), hex(s.getMzxid()),
            hex(s.getPzxid()), "" + s.getCtime(), "" + s.getMtime(), "" + s.getVersion(), "" + s.getCversion(),
            "" + s.getAversion(), hex(s.getEphemeralOwner()), "" + s.getDataLength(), "" + s.getNumChildren());
    }

    private static String session(long id, Collection<String> ephemerals) {
        return "session\t" + hex(id) + "\t" + ephemerals.stream().sorted().toList();
    }

    private static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }
}
