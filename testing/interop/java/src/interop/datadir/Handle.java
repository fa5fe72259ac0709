package interop.datadir;

import java.util.HexFormat;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooKeeper;

/** A handle that can leave without closing its session, as a client that was killed does. */
final class Handle extends ZooKeeper {
    private static final byte[] SUPER = "super:admin".getBytes();
    private static final int PATIENCE_S = 60;

    private Handle(String server, int timeoutMs, Watcher watcher) throws Exception {
        super(server, timeoutMs, watcher);
    }

    private Handle(String server, int timeoutMs, Watcher watcher, long session, byte[] password) throws Exception {
        super(server, timeoutMs, watcher, session, password);
    }

    static Handle open(String server, int timeoutMs) throws Exception {
        return open(server, timeoutMs, PATIENCE_S);
    }

    private static Handle open(String server, int timeoutMs, int patienceS) throws Exception {
        Opened opened = new Opened();
        return opened.await(new Handle(server, timeoutMs, opened), server, patienceS);
    }

    /** Opens a session that passes every ACL check; see {@code superDigest} in the server's configuration. */
    static Handle openSuper(String server, int timeoutMs) throws Exception {
        return openSuper(server, timeoutMs, PATIENCE_S);
    }

    /** The same; fails when the server has not answered after {@code patienceS} seconds. */
    static Handle openSuper(String server, int timeoutMs, int patienceS) throws Exception {
        Handle handle = open(server, timeoutMs, patienceS);
        handle.addAuthInfo("digest", SUPER);
        return handle;
    }

    /** Renews a session; fails when the server does not know it. */
    static Handle renew(String server, int timeoutMs, long session, byte[] password) throws Exception {
        Opened opened = new Opened();
        return opened.await(new Handle(server, timeoutMs, opened, session, password), server,
            PATIENCE_S);
    }

    /** Ends the connection and keeps the session. */
    void abandon() {
        cnxn.disconnect();
    }

    /** What {@link #renew} needs: id, password and timeout, separated by colons. */
    String credentials() {
        return Long.toHexString(getSessionId()) + ":" + HexFormat.of().formatHex(getSessionPasswd()) + ":"
            + getSessionTimeout();
    }

    private static final class Opened implements Watcher {
        private final CountDownLatch settled = new CountDownLatch(1);
        private volatile boolean refused;

        @Override
        public void process(org.apache.zookeeper.WatchedEvent event) {
            if (event.getState() == KeeperState.Expired) {
                refused = true;
                settled.countDown();
            } else if (event.getState() == KeeperState.SyncConnected) {
                settled.countDown();
            }
        }

        Handle await(Handle handle, String server, int patienceS) throws Exception {
            boolean answered = settled.await(patienceS, TimeUnit.SECONDS);
            if (!answered || refused) {
                handle.close();
                throw new IllegalStateException(answered ? "session refused" : "no connection to " + server);
            }
            return handle;
        }
    }
}
