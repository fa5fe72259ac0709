package interop.recipes;

import static interop.Scenarios.require;
import static interop.Scenarios.say;

import interop.Scenarios;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;

/** One leader at a time. */
final class Elections {
    static void register(Scenarios scenarios) {
        scenarios.add("leader-latch", Elections::latch)
            .add("leader-latch-expired", Elections::expiredLeader)
            .add("leader-selector", Elections::selector);
    }

    private static List<LeaderLatch> latches(Contenders contenders, String root) throws Exception {
        List<LeaderLatch> latches = new ArrayList<>();
        for (CuratorFramework client : contenders.clients) {
            LeaderLatch latch = new LeaderLatch(client, root, "id " + latches.size());
            latch.start();
            latches.add(latch);
        }
        return latches;
    }

    private static LeaderLatch leader(List<LeaderLatch> latches) throws InterruptedException {
        Contenders.await("a leader", () -> latches.stream().anyMatch(LeaderLatch::hasLeadership));
        List<LeaderLatch> leaders = latches.stream().filter(LeaderLatch::hasLeadership).toList();
        require(leaders.size() == 1, "%d leaders", leaders.size());
        return leaders.get(0);
    }

    private static void latch(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            List<LeaderLatch> latches = latches(contenders, root);
            Contenders.await("all participants", () -> participants(latches.get(0)) == latches.size());
            int terms = 0;
            while (!latches.isEmpty()) {
                LeaderLatch leader = leader(latches);
                for (LeaderLatch latch : latches) {
                    require(latch.getLeader().getId().equals(leader.getId()), "%s is thought to lead", latch.getLeader());
                }
                latches.remove(leader);
                leader.close();
                terms++;
            }
            say("%d terms", terms);
        }
    }

    private static int participants(LeaderLatch latch) {
        try {
            return latch.getParticipants().size();
        } catch (Exception failure) {
            return -1;
        }
    }

    private static void expiredLeader(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            List<LeaderLatch> latches = latches(contenders, root);
            Contenders.await("all participants", () -> participants(latches.get(0)) == latches.size());
            LeaderLatch old = leader(latches);
            contenders.endSession(contenders.clients.get(latches.indexOf(old)));
            Contenders.await("the end of the term", () -> !old.hasLeadership());
            say("another leader: %b", leader(latches) != old);
            Contenders.await("the old leader in the queue", () -> participants(old) == latches.size());
            for (LeaderLatch latch : latches) {
                latch.close();
            }
        }
    }

    private static void selector(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            int terms = 40;
            Overlap overlap = new Overlap(1);
            Set<Integer> elected = ConcurrentHashMap.newKeySet();
            CountDownLatch done = new CountDownLatch(terms);
            List<LeaderSelector> selectors = new ArrayList<>();
            for (CuratorFramework client : contenders.clients) {
                int number = selectors.size();
                LeaderSelector selector = new LeaderSelector(client, root, new LeaderSelectorListenerAdapter() {
                    @Override
                    public void takeLeadership(CuratorFramework leader) throws InterruptedException {
                        overlap.visit();
                        elected.add(number);
                        done.countDown();
                    }
                });
                selector.autoRequeue();
                selector.start();
                selectors.add(selector);
            }
            require(done.await(60, TimeUnit.SECONDS), "%d terms are missing", done.getCount());
            selectors.forEach(LeaderSelector::close);
            say("every contender was elected: %b", elected.size() == Contenders.COUNT);
        }
    }
}
