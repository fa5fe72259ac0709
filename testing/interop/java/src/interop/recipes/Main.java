package interop.recipes;

import interop.Scenarios;

/** Curator's recipes among many clients: {@code Main HOST:PORT [scenario...]}. */
public final class Main {
    public static void main(String[] args) {
        Scenarios scenarios = new Scenarios();
        Locks.register(scenarios);
        Elections.register(scenarios);
        Barriers.register(scenarios);
        Queues.register(scenarios);
        Counters.register(scenarios);
        Caches.register(scenarios);
        Presence.register(scenarios);
        scenarios.main(args);
    }
}
