package interop.recipes;

import static interop.Scenarios.say;

import interop.Scenarios;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.zookeeper.CreateMode;

/** Who is there is seen by all, who has gone disappears. */
final class Presence {
    static void register(Scenarios scenarios) {
        scenarios.add("persistent-node", Presence::persistentNode)
            .add("persistent-ttl-node", Presence::ttlNode)
            .add("group-member", Presence::group)
            .add("service-discovery", Presence::discovery);
    }

    private static boolean exists(CuratorFramework client, String path) {
        try {
            return client.checkExists().forPath(path) != null;
        } catch (Exception failure) {
            throw new IllegalStateException(failure);
        }
    }

    private static int count(CuratorFramework client, String path) {
        try {
            return client.getChildren().forPath(path).size();
        } catch (Exception failure) {
            throw new IllegalStateException(failure);
        }
    }

    private static void persistentNode(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            List<PersistentNode> nodes = new ArrayList<>();
            for (CuratorFramework client : contenders.clients) {
                PersistentNode node = new PersistentNode(client, CreateMode.EPHEMERAL, false, root + "/" + nodes.size(),
                    new byte[] {(byte) nodes.size()}, true);
                node.start();
                nodes.add(node);
            }
            for (PersistentNode node : nodes) {
                node.waitForInitialCreate(30, TimeUnit.SECONDS);
            }
            CuratorFramework last = contenders.clients.get(Contenders.COUNT - 1);
            say("%d nodes", count(last, root));
            last.delete().forPath(root + "/0");
            Contenders.await("the node after its deletion", () -> exists(last, root + "/0"));
            say("back after a deletion");
            long owner = last.checkExists().forPath(root + "/1").getEphemeralOwner();
            contenders.endSession(contenders.clients.get(1));
            Contenders.await("the node in a new session", () -> {
                try {
                    var stat = last.checkExists().forPath(root + "/1");
                    return stat != null && stat.getEphemeralOwner() != owner;
                } catch (Exception failure) {
                    throw new IllegalStateException(failure);
                }
            });
            say("back in a new session");
            for (PersistentNode node : nodes) {
                node.close();
            }
            say("%d nodes", exists(last, root) ? count(last, root) : 0);
        }
    }

    private static void ttlNode(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server, 2)) {
            CuratorFramework other = contenders.clients.get(1);
            PersistentTtlNode node = new PersistentTtlNode(contenders.first(), root + "/node", 3_000, new byte[] {7});
            node.start();
            node.waitForInitialCreate(30, TimeUnit.SECONDS);
            Thread.sleep(5_000);
            say("kept by touching: %b", exists(other, root + "/node"));
            node.close();
            Contenders.await("the end of the node", () -> !exists(other, root + "/node"));
            say("reaped");
        }
    }

    private static void group(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            List<GroupMember> members = new ArrayList<>();
            for (CuratorFramework client : contenders.clients) {
                GroupMember member = new GroupMember(client, root, "member " + members.size(),
                    new byte[] {(byte) members.size()});
                member.start();
                members.add(member);
            }
            for (GroupMember member : members) {
                Contenders.await("all members", () -> member.getCurrentMembers().size() == Contenders.COUNT);
            }
            say("every member sees %s", members.get(0).getCurrentMembers().keySet().stream().sorted().toList());
            GroupMember gone = members.remove(3);
            gone.close();
            for (GroupMember member : members) {
                Contenders.await("one fewer", () -> member.getCurrentMembers().size() == Contenders.COUNT - 1);
            }
            say("one left");
            for (GroupMember member : members) {
                member.close();
            }
        }
    }

    private static void discovery(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            List<ServiceDiscovery<String>> services = new ArrayList<>();
            for (CuratorFramework client : contenders.clients) {
                int number = services.size();
                ServiceInstance<String> instance = ServiceInstance.<String>builder().name(number % 2 == 0 ? "even" : "odd")
                    .id("id " + number).address("127.0.0.1").port(1000 + number).payload("payload " + number).build();
                ServiceDiscovery<String> service = ServiceDiscoveryBuilder.builder(String.class).client(client).basePath(root)
                    .thisInstance(instance).build();
                service.start();
                services.add(service);
            }
            ServiceDiscovery<String> last = services.get(Contenders.COUNT - 1);
            say("names %s", last.queryForNames().stream().sorted().toList());
            say("even %s", last.queryForInstances("even").stream().map(i -> i.getId() + " " + i.getPort() + " " + i.getPayload())
                .sorted().toList());
            ServiceCache<String> cache = last.serviceCacheBuilder().name("even").build();
            cache.start();
            Contenders.await("the cache", () -> cache.getInstances().size() == Contenders.COUNT / 2);
            services.get(0).close();
            contenders.clients.get(2).close();
            Contenders.await("two fewer", () -> cache.getInstances().size() == Contenders.COUNT / 2 - 2);
            say("after two have gone %s", cache.getInstances().stream().map(ServiceInstance::getId).sorted().toList());
            cache.close();
            last.close();
        }
    }
}
