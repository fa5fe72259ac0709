package interop.recipes;

import static interop.Scenarios.require;
import static interop.Scenarios.say;

import interop.Scenarios;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.NodeCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.EventType;

/** A cache ends up with what the server has. */
@SuppressWarnings("deprecation")
final class Caches {
    private static final int CHANGES = 60;

    static void register(Scenarios scenarios) {
        scenarios.add("curator-cache", Caches::tree)
            .add("path-children-cache", Caches::children)
            .add("node-cache", Caches::node)
            .add("persistent-watcher", Caches::watcher);
    }

    /** Every contender changes random nodes below root/0 to root/5, two levels deep. */
    private static void change(Contenders contenders, String root, boolean deep) throws Exception {
        contenders.each((number, client) -> {
            Random random = new Random(number);
            for (int i = 0; i < CHANGES; i++) {
                String path = root + "/" + random.nextInt(6) + (deep && random.nextBoolean() ? "/" + random.nextInt(3) : "");
                byte[] data = {(byte) number, (byte) i};
                try {
                    switch (random.nextInt(4)) {
                        case 0 -> client.delete().deletingChildrenIfNeeded().forPath(path);
                        case 1 -> client.setData().forPath(path, data);
                        default -> client.create().creatingParentsIfNeeded().forPath(path, data);
                    }
                } catch (KeeperException.NoNodeException | KeeperException.NodeExistsException
                        | KeeperException.NotEmptyException expected) {
                    // The contenders get in each other's way; that is the point.
                }
            }
        });
    }

    private static Map<String, String> onServer(CuratorFramework client, String path) throws Exception {
        Map<String, String> tree = new TreeMap<>();
        tree.put(path, Arrays.toString(client.getData().forPath(path)));
        for (String child : client.getChildren().forPath(path)) {
            tree.putAll(onServer(client, path + "/" + child));
        }
        return tree;
    }

    private static void tree(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            contenders.first().create().forPath(root);
            List<CuratorCache> caches = new ArrayList<>();
            for (CuratorFramework client : contenders.clients) {
                CuratorCache cache = CuratorCache.build(client, root);
                cache.start();
                caches.add(cache);
            }
            change(contenders, root, true);
            Map<String, String> truth = onServer(contenders.first(), root);
            for (CuratorCache cache : caches) {
                Contenders.await("a cache equal to the tree", () -> {
                    Map<String, String> cached = new TreeMap<>();
                    cache.stream().forEach(child -> cached.put(child.getPath(), Arrays.toString(child.getData())));
                    return cached.equals(truth);
                });
                cache.close();
            }
            say("%d caches equal the tree", caches.size());
        }
    }

    private static void children(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            contenders.first().create().forPath(root);
            List<PathChildrenCache> caches = new ArrayList<>();
            for (CuratorFramework client : contenders.clients) {
                PathChildrenCache cache = new PathChildrenCache(client, root, true);
                cache.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
                caches.add(cache);
            }
            change(contenders, root, false);
            Map<String, String> truth = onServer(contenders.first(), root);
            truth.remove(root);
            for (PathChildrenCache cache : caches) {
                Contenders.await("a cache equal to the children", () -> {
                    Map<String, String> cached = new TreeMap<>();
                    cache.getCurrentData().forEach(child -> cached.put(child.getPath(), Arrays.toString(child.getData())));
                    return cached.equals(truth);
                });
                cache.close();
            }
            say("%d caches equal the children", caches.size());
        }
    }

    private static void node(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            NodeCache cache = new NodeCache(contenders.first(), root);
            cache.start(true);
            say("missing: %s", cache.getCurrentData());
            contenders.clients.get(1).create().forPath(root, new byte[] {0});
            contenders.each((number, client) -> {
                for (int i = 0; i < CHANGES; i++) {
                    client.setData().forPath(root, new byte[] {(byte) number, (byte) i});
                }
            });
            byte[] last = contenders.first().getData().forPath(root);
            Contenders.await("the last value",
                () -> cache.getCurrentData() != null && Arrays.equals(cache.getCurrentData().getData(), last));
            say("version %d", cache.getCurrentData().getStat().getVersion());
            contenders.clients.get(1).delete().forPath(root);
            Contenders.await("the deletion", () -> cache.getCurrentData() == null);
            say("deleted");
            cache.close();
        }
    }

    private static void watcher(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            contenders.first().create().forPath(root);
            List<String> events = Collections.synchronizedList(new ArrayList<>());
            PersistentWatcher watcher = new PersistentWatcher(contenders.first(), root, true);
            watcher.getListenable().addListener(event -> {
                if (event.getType() != EventType.None) {
                    events.add(event.getType() + " " + event.getPath());
                }
            });
            watcher.start();
            // The watch is set in the background; a change is sure to be seen once another one was.
            Contenders.await("the watch", () -> {
                try {
                    contenders.first().setData().forPath(root, new byte[0]);
                } catch (Exception failure) {
                    return false;
                }
                return !events.isEmpty();
            });
            contenders.each((number, client) -> {
                String path = root + "/" + number;
                client.create().forPath(path);
                client.create().forPath(path + "/child");
                client.setData().forPath(path + "/child", new byte[] {1});
                client.delete().forPath(path + "/child");
                client.delete().forPath(path);
            });
            Contenders.await("all events", () -> below(events, root).size() >= 5 * Contenders.COUNT);
            for (int i = 0; i < Contenders.COUNT; i++) {
                String path = root + "/" + i;
                List<String> expected = List.of("NodeCreated " + path, "NodeCreated " + path + "/child",
                    "NodeDataChanged " + path + "/child", "NodeDeleted " + path + "/child", "NodeDeleted " + path);
                require(below(events, path).equals(expected), "events of %s: %s", path, below(events, path));
            }
            say("%d events, in order for every node", below(events, root + "/").size());
            watcher.close();
        }
    }

    /** The events of a path and what is below it; those of the watched node itself are left out. */
    private static List<String> below(List<String> events, String path) {
        synchronized (events) {
            return events.stream().filter(event -> event.contains(" " + path) && event.indexOf('/', event.indexOf('/') + 1) > 0)
                .toList();
        }
    }
}
