package interop.recipes;

import static interop.Scenarios.require;
import static interop.Scenarios.say;

import interop.Scenarios;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.atomic.PromotedToLock;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedCountListener;
import org.apache.curator.framework.recipes.shared.SharedCountReader;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;

/** No increment is lost. */
final class Counters {
    private static final int ROUNDS = 15;

    static void register(Scenarios scenarios) {
        scenarios.add("shared-count", Counters::sharedCount)
            .add("atomic-long", Counters::atomicLong);
    }

    private static void sharedCount(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            AtomicInteger lastHeard = new AtomicInteger();
            SharedCount watching = new SharedCount(contenders.first(), root, 0);
            watching.start();
            watching.addListener(new SharedCountListener() {
                @Override
                public void countHasChanged(SharedCountReader count, int value) {
                    lastHeard.set(value);
                }

                @Override
                public void stateChanged(CuratorFramework client, ConnectionState state) {
                }
            });
            contenders.each((number, client) -> {
                SharedCount count = new SharedCount(client, root, 0);
                count.start();
                for (int i = 0; i < ROUNDS; i++) {
                    // A refusal means that another contender was faster; the count is up to date again.
                    while (!count.trySetCount(count.getVersionedValue(), count.getCount() + 1)) {
                        Thread.onSpinWait();
                    }
                }
                count.close();
            });
            int total = ROUNDS * Contenders.COUNT;
            Contenders.await("the listener", () -> lastHeard.get() == total);
            say("count %d", watching.getCount());
            watching.close();
        }
    }

    private static void atomicLong(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            contenders.each((number, client) -> {
                DistributedAtomicLong counter = new DistributedAtomicLong(client, root + "/value", new RetryNTimes(3, 5),
                    PromotedToLock.builder().lockPath(root + "/lock").retryPolicy(new RetryNTimes(10, 10)).build());
                for (int i = 0; i < ROUNDS; i++) {
                    AtomicValue<Long> result;
                    do {
                        result = counter.add(number + 1L);
                    } while (!result.succeeded());
                    require(result.postValue() == result.preValue() + number + 1, "%d became %d", result.preValue(),
                        result.postValue());
                }
            });
            DistributedAtomicLong counter = new DistributedAtomicLong(contenders.first(), root + "/value", new RetryNTimes(3, 5));
            say("value %d", counter.get().postValue());
            say("compare and set: %b %b", counter.compareAndSet(0L, 1L).succeeded(),
                counter.compareAndSet(counter.get().postValue(), 1L).succeeded());
        }
    }
}
