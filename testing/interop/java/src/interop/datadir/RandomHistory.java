package interop.datadir;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.StatsTrack;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.cli.SetQuotaCommand;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;

/**
 * Random operations by a few sessions at once, many in flight, so that snapshots are taken while the tree changes.
 *
 * <p>Most succeed, some fail; what matters is that every reader of the files arrives at the same tree.
 */
final class RandomHistory {
    private static final int SESSIONS = 3;
    private static final int IN_FLIGHT = 64;
    private static final int TIMEOUT_MS = 60_000;
    private static final long FAR_TTL_MS = 1_000_000_000L;
    private static final List<List<ACL>> ACLS = List.of(Ids.OPEN_ACL_UNSAFE, Ids.READ_ACL_UNSAFE, Ids.CREATOR_ALL_ACL,
        Arrays.asList(new ACL(Perms.ALL, new Id("ip", "127.0.0.1")), new ACL(Perms.READ, Ids.ANYONE_ID_UNSAFE)),
        Arrays.asList(new ACL(Perms.WRITE | Perms.CREATE, new Id("ip", "10.0.0.0/8"))),
        Arrays.asList(new ACL(0, Ids.ANYONE_ID_UNSAFE)));
    private static final String[] NAMES = {"a", "b", "c d", "é漢", "zookeeper", "..."};

    private final String server;
    private final Random random;
    private final Semaphore inFlight = new Semaphore(IN_FLIGHT);
    private final List<Handle> handles = new ArrayList<>();
    private final List<String> acknowledged = Collections.synchronizedList(new ArrayList<>());
    private int marker;

    RandomHistory(String server, long seed) throws Exception {
        this.server = server;
        this.random = new Random(seed);
        for (int i = 0; i < SESSIONS; i++) {
            handles.add(Handle.openSuper(server, TIMEOUT_MS));
        }
    }

    /** Plays so many operations to the end. The handle returned has a session with ephemeral nodes; the others closed. */
    Handle play(int count) throws Exception {
        for (int i = 0; i < count; i++) {
            step(i);
        }
        awaitAnswers();
        quota();
        for (Handle handle : handles.subList(1, handles.size())) {
            handle.close();
        }
        Handle kept = handles.get(0);
        kept.create("/kept-", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL_SEQUENTIAL);
        return kept;
    }

    /** Plays until the server dies. Returns credentials of the sessions and the markers that were acknowledged. */
    List<String> playUntilLost() throws Exception {
        for (int i = 0; handles.get(0).getState().isConnected(); i++) {
            step(i);
            mark();
        }
        // Requests that were in flight get an answer, too: a lost connection.
        awaitAnswers();
        List<String> report = new ArrayList<>();
        handles.forEach(handle -> report.add("session " + handle.credentials()));
        acknowledged.forEach(path -> report.add("marker " + path));
        handles.forEach(Handle::abandon);
        return report;
    }

    private void awaitAnswers() throws InterruptedException {
        if (!inFlight.tryAcquire(IN_FLIGHT, 60, TimeUnit.SECONDS)) {
            throw new IllegalStateException((IN_FLIGHT - inFlight.availablePermits()) + " requests are unanswered");
        }
        inFlight.release(IN_FLIGHT);
    }

    /** A node that nothing deletes. */
    private void mark() throws InterruptedException {
        inFlight.acquire();
        String path = "/marker-" + Long.toHexString(handles.get(0).getSessionId()) + "-" + marker++;
        handles.get(0).create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (code, p, context, name) -> {
            if (code == 0) {
                acknowledged.add(path);
            }
            inFlight.release();
        }, null);
    }

    private void step(int number) throws Exception {
        Handle zk = handles.get(random.nextInt(handles.size()));
        inFlight.acquire();
        switch (random.nextInt(10)) {
            case 0, 1, 2, 3 -> {
                CreateMode mode = mode();
                if (mode.isTTL()) {
                    zk.create(path(), data(), acl(), mode, (code, path, context, name, stat) -> inFlight.release(), null,
                        FAR_TTL_MS);
                } else {
                    zk.create(path(), data(), acl(), mode, (code, path, context, name, stat) -> inFlight.release(), null);
                }
            }
            case 4, 5 -> zk.setData(path(), data(), version(), (code, path, context, stat) -> inFlight.release(), null);
            case 6 -> zk.setACL(path(), acl(), version(), (code, path, context, stat) -> inFlight.release(), null);
            case 7 -> zk.delete(path(), version(), (code, path, context) -> inFlight.release(), null);
            case 8 -> zk.multi(ops(), (code, path, context, results) -> inFlight.release(), null);
            default -> {
                if (number % 10 == 0) {
                    replaceSession();
                }
                inFlight.release();
            }
        }
    }

    /** Closes a session, with all its ephemeral nodes, while the others go on. */
    private void replaceSession() throws Exception {
        int which = 1 + random.nextInt(SESSIONS - 1);
        Handle old = handles.get(which);
        if (!old.getState().isConnected()) {
            return;
        }
        old.close();
        try {
            handles.set(which, Handle.openSuper(server, TIMEOUT_MS, 2));
        } catch (IllegalStateException lost) {
            // The server died in between; the loop will notice.
        }
    }

    private void quota() {
        String path = path();
        if (path.startsWith("/zookeeper")) {
            // Such a quota counts its own bookkeeping; the genuine server arrives at other sums when it restarts.
            return;
        }
        StatsTrack limits = new StatsTrack();
        limits.setCount(1000);
        limits.setBytes(1_000_000L);
        limits.setCountHardLimit(-1);
        limits.setByteHardLimit(-1);
        try {
            SetQuotaCommand.createQuota(handles.get(0), path, limits);
        } catch (Exception refused) {
            // The node is missing, or a parent has a quota already.
        }
    }

    private List<Op> ops() {
        List<Op> ops = new ArrayList<>();
        for (int i = 1 + random.nextInt(4); i > 0; i--) {
            ops.add(switch (random.nextInt(4)) {
                case 0 -> {
                    CreateMode mode = mode();
                    yield mode.isTTL() ? Op.create(path(), data(), acl(), mode, FAR_TTL_MS)
                        : Op.create(path(), data(), acl(), mode);
                }
                case 1 -> Op.setData(path(), data(), -1);
                case 2 -> Op.delete(path(), -1);
                default -> Op.check(path(), version());
            });
        }
        return ops;
    }

    private CreateMode mode() {
        CreateMode[] modes = CreateMode.values();
        return modes[random.nextInt(modes.length)];
    }

    private String path() {
        StringBuilder path = new StringBuilder();
        for (int depth = 1 + random.nextInt(3); depth > 0; depth--) {
            path.append('/').append(NAMES[random.nextInt(NAMES.length)]);
        }
        return path.toString();
    }

    private byte[] data() {
        int kind = random.nextInt(20);
        if (kind == 0) {
            return null;
        }
        byte[] data = new byte[kind == 1 ? 0 : kind == 2 ? 20_000 : random.nextInt(50)];
        random.nextBytes(data);
        return data;
    }

    private List<ACL> acl() {
        return random.nextInt(3) == 0 ? ACLS.get(random.nextInt(ACLS.size())) : Ids.OPEN_ACL_UNSAFE;
    }

    private int version() {
        return random.nextInt(4) - 1;
    }
}
