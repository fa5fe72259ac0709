import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.queue.DistributedDelayQueue;
import org.apache.curator.framework.recipes.queue.DistributedIdQueue;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedValue;
import org.apache.curator.framework.recipes.shared.SharedValueListener;
import org.apache.curator.framework.recipes.shared.SharedValueReader;
import org.apache.curator.framework.recipes.shared.VersionedValue;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.ServiceType;
import org.apache.curator.x.discovery.UriSpec;
import org.apache.zookeeper.CreateMode;

/**
 * Does with Curator what it is told, one line of words separated by tabs after another, and answers each in one line that begins
 * with "= ". What it hears meanwhile and afterwards it tells in lines that begin with "> ".
 */
public class Foreign {
    private static final QueueSerializer<String> TEXT = new QueueSerializer<>() {
        @Override
        public byte[] serialize(String item) {
            return bytes(item);
        }

        @Override
        public String deserialize(byte[] data) {
            return text(data);
        }
    };

    private static final QueueConsumer<String> TELL = new QueueConsumer<>() {
        @Override
        public void consumeMessage(String item) {
            tell(item);
        }

        @Override
        public void stateChanged(CuratorFramework client, ConnectionState state) {}
    };

    private final CuratorFramework client;
    private ServiceDiscovery<String> discovery;
    private ServiceInstance<String> registered;
    private ServiceProvider<String> provider;
    private GroupMember member;

    private Foreign(String hosts) {
        client = CuratorFrameworkFactory.newClient(hosts, 10000, 10000, new RetryNTimes(5, 100));
        client.start();
    }

    public static void main(String[] args) throws Exception {
        Foreign foreign = new Foreign(args[0]);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String answer;
            try {
                answer = foreign.answer(line.split("\t", -1));
            } catch (Exception e) {
                answer = "failed: " + e;
            }
            say("= " + answer);
        }
        System.exit(0);
    }

    private static void tell(String line) {
        say("> " + line);
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] data) {
        return new String(data, StandardCharsets.UTF_8);
    }

    private String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "discovery":
                discovery = ServiceDiscoveryBuilder.builder(String.class).client(client).basePath(words[1]).build();
                discovery.start();
                return "ok";
            case "register":
                registered = new ServiceInstance<>(words[1], words[2], words[3], Integer.valueOf(words[4]), null, words[5],
                        7L, ServiceType.valueOf(words[6]), new UriSpec("{scheme}://{address}:{port}"));
                discovery.registerService(registered);
                return "ok";
            case "unregister":
                discovery.unregisterService(registered);
                return "ok";
            case "instances":
                return shown(discovery.queryForInstances(words[1]));
            case "names":
                return String.join(",", discovery.queryForNames());
            case "provide":
                provider = discovery.serviceProviderBuilder().serviceName(words[1]).build();
                provider.start();
                return "ok";
            case "up":
                return shown(provider.getAllInstances());
            case "join":
                member = new GroupMember(client, words[1], words[2], bytes(words[3]));
                member.start();
                return "ok";
            case "members":
                TreeMap<String, String> members = new TreeMap<>();
                member.getCurrentMembers().forEach((id, data) -> members.put(id, text(data)));
                return members.toString();
            case "leave":
                member.close();
                return "ok";
            case "node":
                PersistentNode node = new PersistentNode(client, CreateMode.valueOf(words[1]), words[2].equals("protected"),
                        words[3], bytes(words[4]));
                node.start();
                return node.waitForInitialCreate(10, TimeUnit.SECONDS) ? node.getActualPath() : "never";
            case "ttl":
                PersistentTtlNode ttl = new PersistentTtlNode(client, words[1], Long.parseLong(words[2]), bytes(words[3]));
                ttl.start();
                return ttl.waitForInitialCreate(10, TimeUnit.SECONDS) ? "ok" : "never";
            case "cache":
                cache(words[1], words[2].equals("single"));
                return "ok";
            default:
                if (words[0].endsWith("queue")) {
                    return queue(words);
                }
                together(words[0], words[1], Integer.parseInt(words[2]));
                return "ok";
        }
    }

    private static String shown(Iterable<ServiceInstance<String>> instances) {
        TreeMap<String, String> shown = new TreeMap<>();
        for (ServiceInstance<String> i : instances) {
            shown.put(i.getId(), i.buildUriSpec() + " " + i.getSslPort() + " " + i.getPayload() + " "
                    + i.getRegistrationTimeUTC() + " " + i.getServiceType());
        }
        return shown.toString();
    }

    /** Tells what a cache sees. */
    private void cache(String path, boolean single) {
        CuratorCache cache = single
                ? CuratorCache.build(client, path, CuratorCache.Options.SINGLE_NODE_CACHE)
                : CuratorCache.build(client, path);
        cache.listenable().addListener(new CuratorCacheListener() {
            @Override
            public void event(Type type, ChildData old, ChildData now) {
                switch (type) {
                    case NODE_CREATED:
                        tell("+" + now.getPath() + "=" + text(now.getData()));
                        break;
                    case NODE_CHANGED:
                        tell(now.getPath() + "=" + text(old.getData()) + "->" + text(now.getData()));
                        break;
                    default:
                        tell("-" + old.getPath() + "=" + text(old.getData()));
                }
            }

            @Override
            public void initialized() {
                tell("Initialized");
            }
        });
        cache.start();
    }

    /** The kind of queue, its path, what to do, and how many items or which. */
    private String queue(String[] words) throws Exception {
        String path = words[1];
        if (words[2].equals("take")) {
            QueueBuilder<String> takes = QueueBuilder.builder(client, TELL, TEXT, path);
            switch (words[0]) {
                case "queue" -> takes.lockPath(path + "-locks").buildQueue().start();
                case "priority-queue" -> takes.buildPriorityQueue(0).start();
                case "delay-queue" -> takes.buildDelayQueue().start();
                default -> throw new Exception("nothing to take from: " + words[0]);
            }
            return "ok";
        }
        QueueBuilder<String> puts = QueueBuilder.builder(client, null, TEXT, path).putInBackground(false);
        if (words[2].equals("remove")) {
            DistributedIdQueue<String> queue = puts.buildIdQueue();
            queue.start();
            return String.valueOf(queue.remove(words[3]));
        }
        int number = Integer.parseInt(words[3]);
        switch (words[0]) {
            case "queue" -> {
                DistributedQueue<String> queue = puts.buildQueue();
                queue.start();
                for (int i = 0; i < number; i += 2) {
                    queue.put("java " + i);
                    Iterator<String> pair = List.of("java " + (i + 1)).iterator();
                    queue.putMulti(() -> pair.hasNext() ? pair.next() : null);
                }
            }
            case "priority-queue" -> {
                DistributedPriorityQueue<String> queue = puts.buildPriorityQueue(0);
                queue.start();
                for (int priority = number / 2; priority > number / 2 - number; priority--) {
                    queue.put("java " + priority, priority);
                }
            }
            case "delay-queue" -> {
                DistributedDelayQueue<String> queue = puts.buildDelayQueue();
                queue.start();
                for (int time = number; time > 0; time--) {
                    queue.put("java " + time, time);
                }
            }
            case "id-queue" -> {
                DistributedIdQueue<String> queue = puts.buildIdQueue();
                queue.start();
                for (int i = 0; i < number; i++) {
                    queue.put("java " + i, "id " + i % 2);
                }
            }
            default -> throw new Exception("no queue: " + words[0]);
        }
        return "ok";
    }

    /** What several do to the same number, value or barrier, so often. */
    private void together(String what, String path, int number) throws Exception {
        switch (what) {
            case "add" -> {
                DistributedAtomicLong n = new DistributedAtomicLong(client, path, new RetryNTimes(10000, 1));
                for (int i = 0; i < number; i++) {
                    if (!n.increment().succeeded()) {
                        throw new Exception("not counted");
                    }
                }
            }
            case "share" -> {
                SharedCount n = new SharedCount(client, path, 0);
                n.start();
                for (int i = 0; i < number; ) {
                    VersionedValue<Integer> now = n.getVersionedValue();
                    if (n.trySetCount(now, now.getValue() + 1)) {
                        i++;
                    }
                }
                n.close();
            }
            case "meet" -> {
                for (int round = 0; round < number; round++) {
                    DistributedDoubleBarrier group = new DistributedDoubleBarrier(client, path + "/" + round, 3);
                    if (!group.enter(30, TimeUnit.SECONDS)) {
                        throw new Exception("nobody came");
                    }
                    tell("in " + round);
                    if (!group.leave(30, TimeUnit.SECONDS)) {
                        throw new Exception("nobody left");
                    }
                    tell("out " + round);
                }
            }
            case "value" -> {
                SharedValue value = new SharedValue(client, path, bytes("seed"));
                value.start();
                tell(text(value.getValue()));
                value.getListenable().addListener(new SharedValueListener() {
                    @Override
                    public void valueHasChanged(SharedValueReader reader, byte[] data) {
                        tell(text(data));
                    }

                    @Override
                    public void stateChanged(CuratorFramework client, ConnectionState state) {}
                });
            }
            default -> throw new Exception("unknown: " + what);
        }
    }
}
