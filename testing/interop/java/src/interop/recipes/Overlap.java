package interop.recipes;

import interop.Scenarios;
import java.util.concurrent.atomic.AtomicInteger;

/** Counts who is inside at the same time, and reports when they are more than may be. */
final class Overlap {
    private final int limit;
    private final AtomicInteger inside = new AtomicInteger();
    private final AtomicInteger entered = new AtomicInteger();

    Overlap(int limit) {
        this.limit = limit;
    }

    /** Stays inside for a moment, long enough for an intruder to be caught. */
    void visit() throws InterruptedException {
        enter();
        Thread.sleep(1);
        leave();
    }

    void enter() {
        int now = inside.incrementAndGet();
        Scenarios.require(now <= limit, "%d inside, at most %d may be", now, limit);
        entered.incrementAndGet();
    }

    void leave() {
        inside.decrementAndGet();
    }

    int inside() {
        return inside.get();
    }

    int entered() {
        return entered.get();
    }
}
