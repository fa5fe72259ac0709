package interop.client;

import interop.Scenarios;

/** The plain Java client: {@code Main HOST:PORT [scenario...]}. */
public final class Main {
    public static void main(String[] args) {
        Scenarios scenarios = new Scenarios();
        Nodes.register(scenarios);
        Transactions.register(scenarios);
        Reads.register(scenarios);
        Watches.register(scenarios);
        Reconnects.register(scenarios);
        Sessions.register(scenarios);
        Acls.register(scenarios);
        QuotaLimits.register(scenarios);
        scenarios.main(args);
    }
}
