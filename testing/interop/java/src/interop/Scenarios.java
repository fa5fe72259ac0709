package interop;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The scenarios of one suite, by name, and the transcript they write.
 *
 * <p>A scenario prints what it saw through {@link #say}; whatever may differ between two runs against the same kind of
 * server (ids, times) has to be normalised first. {@link #broken} reports an invariant that does not hold.
 */
public final class Scenarios {
    private static final PrintStream OUT =
        new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true, StandardCharsets.UTF_8);

    private final Map<String, Scenario> byName = new LinkedHashMap<>();

    /** One scenario: works below {@code root}, a path of its own that does not exist yet. */
    public interface Scenario {
        void play(String server, String root) throws Exception;
    }

    public Scenarios add(String name, Scenario scenario) {
        if (byName.put(name, scenario) != null) {
            throw new IllegalArgumentException("two scenarios are called " + name);
        }
        return this;
    }

    /** Plays the scenarios named in {@code args} after the server's host:port, all of them when none is named. */
    public void main(String[] args) {
        List<String> chosen = args.length > 1 ? List.of(args).subList(1, args.length) : List.copyOf(byName.keySet());
        for (String name : chosen) {
            Scenario scenario = byName.get(name);
            if (scenario == null) {
                continue;
            }
            OUT.println("== " + name);
            long began = System.nanoTime();
            try {
                scenario.play(args[0], "/" + name);
            } catch (Throwable failure) {
                broken("%s", failure);
                failure.printStackTrace();
            }
            OUT.printf("# %d ms%n", (System.nanoTime() - began) / 1_000_000);
        }
        // Client threads of a failed scenario must not keep the process alive.
        OUT.flush();
        Runtime.getRuntime().halt(0);
    }

    /** A line of the transcript. */
    public static synchronized void say(String format, Object... args) {
        OUT.println(String.format(format, args));
    }

    /** A line that fails the scenario, whatever the other server says. */
    public static synchronized void broken(String format, Object... args) {
        OUT.println("!! " + String.format(format, args).replace('\n', ' '));
    }

    /** Checks an invariant; says nothing when it holds. */
    public static void require(boolean holds, String format, Object... args) {
        if (!holds) {
            broken(format, args);
        }
    }
}
