package interop.shell;

import interop.Scenarios;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.ZooKeeperMain;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.util.ServiceUtils;

/**
 * Runs the genuine shell's commands: {@code Main HOST:PORT [script...]}, the scripts being {@code shell/*.txt}.
 *
 * <p>Most scripts run inside this process, command by command, so that the events a command causes stand behind its
 * output.
 */
public final class Main {
    private static final ByteArrayOutputStream PRINTED = new ByteArrayOutputStream();

    public static void main(String[] args) throws IOException {
        PrintStream both = new PrintStream(PRINTED, true, StandardCharsets.UTF_8);
        System.setOut(both);
        System.setErr(both);
        ServiceUtils.setSystemExitProcedure(code -> System.out.println("exit status " + code));
        Scenarios scenarios = new Scenarios();
        try (Stream<Path> scripts = Files.list(Path.of("shell"))) {
            for (Path script : scripts.sorted().toList()) {
                String name = script.getFileName().toString().replace(".txt", "");
                scenarios.add(name, (server, root) -> play(server, root, script));
            }
        }
        scenarios.main(args);
    }

    private static void play(String server, String root, Path script) throws Exception {
        List<String> lines = Files.readAllLines(script).stream().filter(line -> !line.isBlank() && !line.startsWith("#"))
            .toList();
        Shell shell = new Shell(server);
        Stat created = new Stat();
        shell.handle().create(root, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, created);
        Normal normal = new Normal(created.getCzxid(), server);
        shell.settle();
        PRINTED.reset();
        if (root.equals("/piped")) {
            normal.say("(piped)", pipe(server, lines));
        } else {
            for (String line : lines) {
                if (line.startsWith("$ ")) {
                    once(server, line.substring(2));
                } else {
                    try {
                        shell.executeLine(line.replace("HOST", server));
                    } catch (RuntimeException uncaught) {
                        System.out.println("the shell would end with " + uncaught);
                    }
                    shell.settle();
                }
                normal.say(line, PRINTED.toString(StandardCharsets.UTF_8));
                PRINTED.reset();
            }
        }
        shell.handle().close();
    }

    /** The shell with the command among its arguments. */
    private static void once(String server, String command) throws Exception {
        Stream<String> words = Arrays.stream(command.split(" (?=([^\"]*\"[^\"]*\")*[^\"]*$)"))
            .map(word -> word.replace("\"", ""));
        ZooKeeperMain.main(Stream.concat(Stream.of("-server", server, "-waitforconnection"), words).toArray(String[]::new));
    }

    /** The shell as a process that reads commands from a pipe, without a line editor. */
    private static String pipe(String server, List<String> lines) throws Exception {
        String jars = Arrays.stream(System.getProperty("java.class.path").split(":"))
            .filter(jar -> !jar.contains("jline")).collect(Collectors.joining(":"));
        Process process = new ProcessBuilder("java", "-Xmx128m", "-Dlogback.configurationFile=../logback.xml",
            "-Dinterop.log=OFF", "-cp", jars, "org.apache.zookeeper.ZooKeeperMain", "-server", server,
            "-waitforconnection").redirectErrorStream(true).start();
        process.getOutputStream().write((String.join("\n", lines) + "\n").getBytes(StandardCharsets.UTF_8));
        process.getOutputStream().close();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return printed + "exit status " + process.waitFor();
    }

    /** The genuine shell; its handle is open to the scripts' runner. */
    private static final class Shell extends ZooKeeperMain {
        Shell(String server) throws Exception {
            super(new String[] {"-server", server, "-waitforconnection"});
        }

        ZooKeeper handle() {
            return zk;
        }

        /** Returns when the events of earlier commands have been printed. */
        void settle() throws InterruptedException {
            if (!zk.getState().isAlive()) {
                return;
            }
            CountDownLatch delivered = new CountDownLatch(1);
            zk.exists("/", false, (code, path, context, stat) -> delivered.countDown(), null);
            Scenarios.require(delivered.await(30, TimeUnit.SECONDS), "no answer to a read");
        }
    }
}
