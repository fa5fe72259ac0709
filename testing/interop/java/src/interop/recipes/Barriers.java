package interop.recipes;

import static interop.Scenarios.require;
import static interop.Scenarios.say;

import interop.Scenarios;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;

/** Nobody passes early, everybody passes in the end. */
final class Barriers {
    static void register(Scenarios scenarios) {
        scenarios.add("barrier", Barriers::single)
            .add("double-barrier", Barriers::twice);
    }

    private static void single(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            DistributedBarrier barrier = new DistributedBarrier(contenders.first(), root);
            barrier.setBarrier();
            AtomicInteger waiting = new AtomicInteger();
            AtomicInteger passed = new AtomicInteger();
            var running = contenders.start((number, client) -> {
                waiting.incrementAndGet();
                new DistributedBarrier(client, root).waitOnBarrier();
                passed.incrementAndGet();
            });
            Contenders.await("all at the barrier", () -> waiting.get() == Contenders.COUNT);
            Thread.sleep(300);
            say("passed before: %d", passed.get());
            barrier.removeBarrier();
            Contenders.finish(running);
            say("passed after: %d", passed.get());
        }
    }

    private static void twice(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            AtomicInteger arrived = new AtomicInteger();
            AtomicInteger leaving = new AtomicInteger();
            contenders.each((number, client) -> {
                DistributedDoubleBarrier barrier = new DistributedDoubleBarrier(client, root, Contenders.COUNT);
                Thread.sleep(20L * number);
                arrived.incrementAndGet();
                barrier.enter();
                require(arrived.get() == Contenders.COUNT, "entered when %d had arrived", arrived.get());
                Thread.sleep(20L * (Contenders.COUNT - number));
                leaving.incrementAndGet();
                barrier.leave();
                require(leaving.get() == Contenders.COUNT, "left when %d were leaving", leaving.get());
            });
            say("%d entered and left", leaving.get());
        }
    }
}
