package interop;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A network between a client and the server that can be cut, blocked and made silent.
 *
 * <p>Reconnects happen when a scenario says so and not when a timer fires, which is what makes their transcripts equal.
 */
public final class TcpProxy implements AutoCloseable {
    private final ServerSocket listener = new ServerSocket(0, 16, InetAddress.getLoopbackAddress());
    private final String targetHost;
    private final int targetPort;
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    private boolean blocked;
    private boolean silent;

    public TcpProxy(String server) throws IOException {
        int colon = server.lastIndexOf(':');
        targetHost = server.substring(0, colon);
        targetPort = Integer.parseInt(server.substring(colon + 1));
        daemon(this::accept);
    }

    public String address() {
        return "127.0.0.1:" + listener.getLocalPort();
    }

    /** Closes every connection; new ones are refused until {@link #heal}. */
    public synchronized void block() {
        blocked = true;
        sockets.forEach(TcpProxy::close);
        sockets.clear();
    }

    /** Keeps the connections but passes nothing on, as a dead link would. */
    public synchronized void silence() {
        silent = true;
    }

    /** Ends {@link #block} and {@link #silence}; what was sent during a silence arrives now. */
    public synchronized void heal() {
        blocked = false;
        silent = false;
        notifyAll();
    }

    private void accept() {
        while (!listener.isClosed()) {
            try {
                Socket client = listener.accept();
                synchronized (this) {
                    if (blocked) {
                        close(client);
                        continue;
                    }
                    Socket server = new Socket(targetHost, targetPort);
                    client.setTcpNoDelay(true);
                    server.setTcpNoDelay(true);
                    sockets.add(client);
                    sockets.add(server);
                    daemon(() -> pump(client, server));
                    daemon(() -> pump(server, client));
                }
            } catch (IOException lost) {
                // The client sees a refused connection and tries again.
            }
        }
    }

    private void pump(Socket from, Socket to) {
        byte[] buffer = new byte[65536];
        try (from; to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            int read;
            while ((read = in.read(buffer)) >= 0) {
                synchronized (this) {
                    while (silent) {
                        wait();
                    }
                }
                out.write(buffer, 0, read);
                out.flush();
            }
        } catch (IOException | InterruptedException ended) {
            // Either side hung up; try-with-resources closes the other.
        }
        sockets.remove(from);
        sockets.remove(to);
    }

    private static void close(Socket socket) {
        try {
            socket.close();
        } catch (IOException ignored) {
            // It is gone either way.
        }
    }

    private static void daemon(Runnable body) {
        Thread thread = new Thread(body, "proxy");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws IOException {
        listener.close();
        block();
    }
}
