package interop.datadir;

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;

/**
 * Obeys one command a line from stdin. Answers with lines, of which the last is {@code ok} or {@code error WHY}.
 *
 * <table>
 * <tr><td>{@code golden SERVER}</td><td>writes the golden history; credentials of the sessions left open</td></tr>
 * <tr><td>{@code random SERVER SEED COUNT}</td><td>random operations; credentials of the session left open</td></tr>
 * <tr><td>{@code load SERVER SEED}</td><td>random operations until the server dies; answers at once</td></tr>
 * <tr><td>{@code lost}</td><td>waits for the end of the load; its sessions and the markers acknowledged</td></tr>
 * <tr><td>{@code dump SERVER CREDENTIALS...}</td><td>{@link Dump#ofServer}</td></tr>
 * <tr><td>{@code read DIR}</td><td>{@link Dump#ofDirectory}</td></tr>
 * <tr><td>{@code close SERVER CREDENTIALS}</td><td>renews a session and closes it</td></tr>
 * </table>
 */
public final class Tool {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private static FutureTask<List<String>> load;

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        String line;
        while ((line = in.readLine()) != null) {
            try {
                obey(line.split(" ")).forEach(OUT::println);
                OUT.println("ok");
            } catch (Exception failure) {
                failure.printStackTrace();
                OUT.println("error " + String.valueOf(failure).replace('\n', ' '));
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static List<String> obey(String[] words) throws Exception {
        switch (words[0]) {
            case "golden":
                return leave(GoldenHistory.write(words[1]));
            case "random":
                return leave(List.of(new RandomHistory(words[1], Long.parseLong(words[2])).play(Integer.parseInt(words[3]))));
            case "load":
                RandomHistory history = new RandomHistory(words[1], Long.parseLong(words[2]));
                Callable<List<String>> body = history::playUntilLost;
                load = new FutureTask<>(body);
                new Thread(load, "load").start();
                return List.of();
            case "lost":
                return load.get();
            case "dump":
                return Dump.ofServer(words[1], Arrays.asList(words).subList(2, words.length));
            case "read":
                return Dump.ofDirectory(new File(words[1]));
            case "close":
                String[] parts = words[2].split(":");
                Handle.renew(words[1], Integer.parseInt(parts[2]), Long.parseUnsignedLong(parts[0], 16),
                    HexFormat.of().parseHex(parts[1])).close();
                return List.of();
            default:
                throw new IllegalArgumentException("unknown command " + words[0]);
        }
    }

    private static List<String> leave(List<Handle> handles) {
        List<String> credentials = handles.stream().map(Handle::credentials).toList();
        handles.forEach(Handle::abandon);
        return credentials;
    }
}
