import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.*;
import java.util.concurrent.*;
import org.apache.curator.framework.*;
import org.apache.curator.framework.recipes.atomic.*;
import org.apache.curator.framework.recipes.barriers.*;
import org.apache.curator.framework.recipes.queue.*;
import org.apache.curator.framework.recipes.shared.*;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.*;
import org.apache.zookeeper.server.*;

/**
 * Lets Curator 5.9.0 write what its queues, counters and barriers keep, and prints every znode: path, kind, data in hex.
 * Run in this folder, CLASSPATH holding the jars of Curator and Apache ZooKeeper:
 * java -Dlogback.configurationFile=../../../../testing/interop/logback.xml Golden.java | grep -a '^/' > curator.txt
 */
public class Golden {
    static final QueueSerializer<String> UTF8 = new QueueSerializer<>() {
        public byte[] serialize(String s) { return s.getBytes(StandardCharsets.UTF_8); }
        public String deserialize(byte[] b) { return new String(b, StandardCharsets.UTF_8); }
    };

    static ZooKeeperServer server;

    static MultiItem<String> multi(String... items) {
        Iterator<String> it = List.of(items).iterator();
        return () -> it.hasNext() ? it.next() : null;
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("zookeeper.extendedTypesEnabled", "true");
        File dir = Files.createTempDirectory("golden").toFile();
        server = new ZooKeeperServer(dir, dir, 2000);
        ServerCnxnFactory listener = ServerCnxnFactory.createFactory(new java.net.InetSocketAddress("127.0.0.1", 0), 10);
        listener.startup(server);
        CuratorFramework client = CuratorFrameworkFactory.newClient(
                "127.0.0.1:" + listener.getLocalPort(), new RetryNTimes(3, 100));
        client.start();

        DistributedQueue<String> queue = QueueBuilder.builder(client, null, UTF8, "/queue")
                .putInBackground(false).buildQueue();
        queue.start();
        queue.put("hello");
        queue.put("");
        queue.put("\u00e4\u20ac");
        queue.putMulti(multi("one", "", "three"));
        queue.putMulti(multi());

        DistributedPriorityQueue<String> priority = QueueBuilder.builder(client, null, UTF8, "/priority")
                .putInBackground(false).buildPriorityQueue(1);
        priority.start();
        for (int p : new int[] {0, 1, -1, 255, Integer.MAX_VALUE, Integer.MIN_VALUE}) priority.put("p" + p, p);

        DistributedDelayQueue<String> delay = QueueBuilder.builder(client, null, UTF8, "/delay")
                .putInBackground(false).buildDelayQueue();
        delay.start();
        for (long t : new long[] {1, 0xabcdef12L, 1700000000000L, Long.MAX_VALUE}) delay.put("d" + t, t);

        DistributedIdQueue<String> ids = QueueBuilder.builder(client, null, UTF8, "/id")
                .putInBackground(false).buildIdQueue();
        ids.start();
        ids.put("first", "alpha");
        ids.put("second", "b/c|d");

        SimpleDistributedQueue simple = new SimpleDistributedQueue(client, "/simple");
        simple.offer(new byte[] {1, 2, 3});
        simple.offer(new byte[0]);

        // An item in hand under a lock, and one put back after a failure.
        CountDownLatch failed = new CountDownLatch(1);
        CountDownLatch second = new CountDownLatch(1);
        QueueConsumer<String> consumer = new QueueConsumer<>() {
            int seen;
            public void consumeMessage(String s) throws Exception {
                if (seen++ == 0) { failed.countDown(); throw new Exception("once"); }
                second.countDown();
                new CountDownLatch(1).await();
            }
            public void stateChanged(CuratorFramework c, ConnectionState s) {}
        };
        DistributedQueue<String> locked = QueueBuilder.builder(client, consumer, UTF8, "/locked")
                .lockPath("/locked-locks").putInBackground(false).buildQueue();
        locked.start();
        locked.put("again");
        failed.await();
        second.await();

        org.apache.curator.RetryPolicy retry = new RetryNTimes(3, 10);
        new DistributedAtomicInteger(client, "/atomic-int", retry).add(-2);
        new DistributedAtomicLong(client, "/atomic-long", retry).add(0x0102030405060708L);
        new DistributedAtomicValue(client, "/atomic-value", retry).trySet("bytes".getBytes());
        SharedCount count = new SharedCount(client, "/shared-count", 7);
        count.start();
        count.trySetCount(count.getVersionedValue(), -8);
        SharedValue value = new SharedValue(client, "/shared-value", "seed".getBytes());
        value.start();

        new DistributedBarrier(client, "/barriers/barrier").setBarrier();
        DistributedDoubleBarrier both = new DistributedDoubleBarrier(client, "/barriers/double", 1);
        both.enter();

        for (String top : sorted(client, "/")) {
            if (!top.equals("zookeeper")) print(client, "/" + top);
        }
        System.exit(0);
    }

    static List<String> sorted(CuratorFramework client, String path) throws Exception {
        List<String> children = new ArrayList<>(client.getChildren().forPath(path));
        Collections.sort(children);
        return children;
    }

    static void print(CuratorFramework client, String path) throws Exception {
        org.apache.zookeeper.data.Stat stat = new org.apache.zookeeper.data.Stat();
        byte[] data = client.getData().storingStatIn(stat).forPath(path);
        // A container's stat does not show that it is one: only the server knows.
        String kind = stat.getEphemeralOwner() != 0 ? "ephemeral"
                : server.getZKDatabase().getDataTree().getContainers().contains(path) ? "container" : "persistent";
        // The names of members of a double barrier and of addresses are chance: printed as such.
        String shown = path.replaceAll("[0-9a-f]{8}-[0-9a-f-]{27}", "UUID");
        String address = java.net.InetAddress.getLocalHost().getHostAddress();
        boolean isAddress = data != null && new String(data).equals(address);
        System.out.println(shown + " " + kind + " " + (data == null ? "null" : isAddress ? "ADDRESS" : HexFormat.of().formatHex(data)));
        for (String child : sorted(client, path)) print(client, path + "/" + child);
    }
}
