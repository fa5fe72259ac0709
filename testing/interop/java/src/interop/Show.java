package interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;

/** Text for values, the same in every run: zxids count from a base, sessions are "me" or "other", times are checked. */
public final class Show {
    private final long base;
    private final long session;

    /** Zxids are shown as their distance from {@code base}, owners compared with {@code session}. */
    public Show(long base, long session) {
        this.base = base;
        this.session = session;
    }

    /** Counts from the creation of {@code root}, which this makes. */
    public static Show from(Client client, String root) throws Exception {
        Stat stat = new Stat();
        client.zk.create(root, null, org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE,
            org.apache.zookeeper.CreateMode.PERSISTENT, stat);
        return new Show(stat.getCzxid(), client.zk.getSessionId());
    }

    public String zxid(long zxid) {
        return zxid <= 0 ? "" + zxid : zxid < base ? "earlier" : "+" + (zxid - base);
    }

    public String stat(Stat s) {
        if (s == null) {
            return "no node";
        }
        long owner = s.getEphemeralOwner();
        return "c" + zxid(s.getCzxid()) + " m" + zxid(s.getMzxid()) + " p" + zxid(s.getPzxid())
            + " versions " + s.getVersion() + "/" + s.getCversion() + "/" + s.getAversion()
            + " owner " + (owner == 0 ? "none" : owner == session ? "me" : "other")
            + " length " + s.getDataLength() + " children " + s.getNumChildren() + times(s);
    }

    /** Wall-clock times cannot be compared, but they can be wrong. */
    private static String times(Stat s) {
        long now = System.currentTimeMillis();
        boolean changed = s.getMzxid() != s.getCzxid();
        if (s.getCzxid() == 0) {
            return s.getCtime() == 0 ? "" : " ctime " + s.getCtime();
        }
        boolean plausible = Math.abs(now - s.getCtime()) < 600_000 && s.getMtime() >= s.getCtime()
            && s.getMtime() <= now + 1_000 && (changed || s.getMtime() == s.getCtime());
        return plausible ? "" : " implausible times " + s.getCtime() + " " + s.getMtime();
    }

    public static String data(byte[] data) {
        if (data == null) {
            return "null";
        }
        return data.length > 80 ? data.length + " bytes" : "'" + new String(data, StandardCharsets.UTF_8) + "'";
    }

    public static String acl(List<ACL> acl) {
        List<String> parts = new ArrayList<>();
        for (ACL entry : acl) {
            parts.add(entry.getPerms() + ":" + entry.getId().getScheme() + ":" + entry.getId().getId());
        }
        return parts.toString();
    }

    public String results(Collection<OpResult> results) {
        List<String> parts = new ArrayList<>();
        for (OpResult result : results) {
            parts.add(result(result));
        }
        return parts.toString();
    }

    private String result(OpResult result) {
        if (result instanceof OpResult.CreateResult r) {
            return "created " + r.getPath() + (r.getStat() == null ? "" : " {" + stat(r.getStat()) + "}");
        } else if (result instanceof OpResult.SetDataResult r) {
            return "set {" + stat(r.getStat()) + "}";
        } else if (result instanceof OpResult.DeleteResult) {
            return "deleted";
        } else if (result instanceof OpResult.CheckResult) {
            return "checked";
        } else if (result instanceof OpResult.GetDataResult r) {
            return "data " + data(r.getData()) + " {" + stat(r.getStat()) + "}";
        } else if (result instanceof OpResult.GetChildrenResult r) {
            return "children " + sorted(r.getChildren());
        } else if (result instanceof OpResult.ErrorResult r) {
            return "error " + r.getErr();
        }
        return "unknown result " + result.getClass();
    }

    /** A list whose order the server does not promise. */
    public static List<String> sorted(Collection<String> names) {
        return names.stream().sorted().toList();
    }
}
