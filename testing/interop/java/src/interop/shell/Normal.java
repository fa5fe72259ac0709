package interop.shell;

import interop.Scenarios;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What the shell printed, without what differs in every run. */
final class Normal {
    private static final Pattern HEX_ZXID = Pattern.compile("(?<=[cmp]Zxid = )0x([0-9a-f]+)");
    private static final Pattern DECIMAL_ZXID = Pattern.compile("(?<=zxid: )(-?[0-9]+)");
    private static final Pattern TIME = Pattern.compile("(?<=[cm]time = )(?!Thu Jan 01 00:00:00)\\S.*");
    private static final Pattern OWNER = Pattern.compile("(?<=ephemeralOwner = )0x[0-9a-f]{4,}");
    private static final Pattern PATHS = Pattern.compile("\\[(/[^\\]]*, [^\\]]*)\\]");

    private static final String EVENT = "WatchedEvent ";

    private final long base;
    private final String server;

    /** Zxids are shown as their distance from {@code base}. */
    Normal(long base, String server) {
        this.base = base;
        this.server = server;
    }

    /** Says what a command printed, then the events: those come from another thread, at any point of the output. */
    void say(String command, String printed) {
        Scenarios.say("> %s", command);
        List<String> lines = text(printed).lines().filter(line -> !line.isBlank() && !line.equals("WATCHER::"))
            // The client announces its own end at some later time.
            .filter(line -> !line.startsWith(EVENT + "state:Closed")).toList();
        List<String> events = lines.stream().filter(line -> line.startsWith(EVENT)).toList();
        // Identities come from a set, too.
        Stream<String> rest = lines.stream().filter(line -> !line.startsWith(EVENT));
        (command.equals("whoami") ? rest.sorted() : rest).forEach(line -> Scenarios.say("  %s", line));
        // Removed watches are reported kind by kind, in no particular order.
        (command.startsWith("removewatches") ? events.stream().sorted() : events.stream())
            .forEach(line -> Scenarios.say("  %s", line));
    }

    private String text(String printed) {
        String text = printed.replace(server, "HOST");
        text = replace(HEX_ZXID, text, found -> zxid(Long.parseLong(found.group(1), 16)));
        text = replace(DECIMAL_ZXID, text, found -> zxid(Long.parseLong(found.group(1))));
        text = TIME.matcher(text).replaceAll("TIME");
        text = OWNER.matcher(text).replaceAll("SESSION");
        // Lists of paths come from sets of the server.
        return replace(PATHS, text, found -> Arrays.stream(found.group(1).split(", ")).sorted()
            .collect(Collectors.joining(", ", "[", "]")));
    }

    private static String replace(Pattern pattern, String text, Function<MatchResult, String> with) {
        return pattern.matcher(text).replaceAll(found -> java.util.regex.Matcher.quoteReplacement(with.apply(found)));
    }

    private String zxid(long zxid) {
        return zxid <= 0 ? "" + zxid : zxid < base ? "earlier" : "+" + (zxid - base);
    }
}
