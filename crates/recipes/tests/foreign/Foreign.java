import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.retry.RetryOneTime;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.ServiceType;
import org.apache.curator.x.discovery.UriSpec;
import org.apache.zookeeper.CreateMode;

/** Does with Curator what it is told, one line of words separated by tabs after another, and answers in one line. */
public class Foreign {
    private final CuratorFramework client;
    private final BlockingQueue<String> events = new LinkedBlockingQueue<>();
    private ServiceDiscovery<String> discovery;
    private ServiceInstance<String> registered;
    private ServiceProvider<String> provider;
    private GroupMember member;
    private PersistentNode node;

    private Foreign(String hosts) {
        client = CuratorFrameworkFactory.newClient(hosts, 10000, 10000, new RetryOneTime(100));
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
            System.out.println(answer);
            System.out.flush();
        }
        System.exit(0);
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
            case "follow":
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
                node = new PersistentNode(client, CreateMode.valueOf(words[1]), words[2].equals("protected"), words[3],
                        bytes(words[4]));
                node.start();
                return node.waitForInitialCreate(10, TimeUnit.SECONDS) ? node.getActualPath() : "never";
            case "ttl":
                PersistentTtlNode ttl = new PersistentTtlNode(client, words[1], Long.parseLong(words[2]), bytes(words[3]));
                ttl.start();
                return ttl.waitForInitialCreate(10, TimeUnit.SECONDS) ? "ok" : "never";
            case "cache":
                CuratorCache cache = words[2].equals("single")
                        ? CuratorCache.build(client, words[1], CuratorCache.Options.SINGLE_NODE_CACHE)
                        : CuratorCache.build(client, words[1]);
                cache.listenable().addListener(new CuratorCacheListener() {
                    @Override
                    public void event(Type type, ChildData old, ChildData now) {
                        switch (type) {
                            case NODE_CREATED:
                                events.add("+" + now.getPath() + "=" + text(now.getData()));
                                break;
                            case NODE_CHANGED:
                                events.add(now.getPath() + "=" + text(old.getData()) + "->" + text(now.getData()));
                                break;
                            default:
                                events.add("-" + old.getPath() + "=" + text(old.getData()));
                        }
                    }

                    @Override
                    public void initialized() {
                        events.add("Initialized");
                    }
                });
                cache.start();
                return "ok";
            case "events":
                List<String> heard = new ArrayList<>();
                for (int i = Integer.parseInt(words[1]); i > 0; i--) {
                    String event = events.poll(20, TimeUnit.SECONDS);
                    heard.add(event == null ? "nothing" : event);
                }
                return String.join(" ", heard);
            default:
                return "unknown: " + words[0];
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
}
