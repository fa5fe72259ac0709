import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.*;
import org.apache.curator.framework.recipes.atomic.*;
import org.apache.curator.framework.recipes.barriers.*;
import org.apache.curator.framework.recipes.queue.*;
import org.apache.curator.framework.recipes.shared.*;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;

/** Curator's side: what to do, hosts, path, number; tells what it sees line by line. */
public class Foreign {
    static final QueueSerializer<String> UTF8 = new QueueSerializer<>() {
        public byte[] serialize(String s) { return s.getBytes(StandardCharsets.UTF_8); }
        public String deserialize(byte[] b) { return new String(b, StandardCharsets.UTF_8); }
    };
    static final QueueConsumer<String> TELL = new QueueConsumer<>() {
        public void consumeMessage(String s) { tell(s); }
        public void stateChanged(CuratorFramework c, ConnectionState s) {}
    };

    static void tell(String line) {
        System.out.println("> " + line);
        System.out.flush();
    }

    public static void main(String[] args) throws Exception {
        String what = args[0], path = args[2];
        int number = Integer.parseInt(args[3]);
        CuratorFramework client = CuratorFrameworkFactory.newClient(args[1], new RetryNTimes(5, 100));
        client.start();
        QueueBuilder<String> puts = QueueBuilder.builder(client, null, UTF8, path).putInBackground(false);
        QueueBuilder<String> takes = QueueBuilder.builder(client, TELL, UTF8, path);
        RetryNTimes retry = new RetryNTimes(10000, 1);
        switch (what) {
            case "put" -> {
                DistributedQueue<String> queue = puts.buildQueue();
                queue.start();
                for (int i = 0; i < number; i += 2) {
                    queue.put("java " + i);
                    Iterator<String> pair = List.of("java " + (i + 1)).iterator();
                    queue.putMulti(() -> pair.hasNext() ? pair.next() : null);
                }
            }
            case "take" -> { takes.lockPath(path + "-locks").buildQueue().start(); Thread.sleep(Long.MAX_VALUE); }
            case "put-priority" -> {
                DistributedPriorityQueue<String> queue = puts.buildPriorityQueue(0);
                queue.start();
                for (int i = 0; i < number; i++) { int p = number / 2 - i; queue.put("java " + p, p); }
            }
            case "take-priority" -> { takes.buildPriorityQueue(0).start(); Thread.sleep(Long.MAX_VALUE); }
            case "put-delay" -> {
                DistributedDelayQueue<String> queue = puts.buildDelayQueue();
                queue.start();
                for (int i = number; i > 0; i--) queue.put("java " + i, i);
            }
            case "take-delay" -> { takes.buildDelayQueue().start(); Thread.sleep(Long.MAX_VALUE); }
            case "put-id" -> {
                DistributedIdQueue<String> queue = puts.buildIdQueue();
                queue.start();
                for (int i = 0; i < number; i++) queue.put("java " + i, "id " + i % 2);
                tell("removed " + queue.remove("rust"));
            }
            case "add" -> {
                DistributedAtomicLong n = new DistributedAtomicLong(client, path, retry);
                for (int i = 0; i < number; i++) if (!n.increment().succeeded()) throw new Exception("not counted");
                tell("done");
            }
            case "share" -> {
                SharedCount n = new SharedCount(client, path, 0);
                n.start();
                for (int i = 0; i < number; ) {
                    VersionedValue<Integer> now = n.getVersionedValue();
                    if (n.trySetCount(now, now.getValue() + 1)) i++;
                }
                tell("done");
            }
            case "meet" -> {
                for (int round = 0; round < number; round++) {
                    DistributedDoubleBarrier group = new DistributedDoubleBarrier(client, path + "/" + round, 3);
                    if (!group.enter(30, TimeUnit.SECONDS)) throw new Exception("nobody came");
                    tell("in " + round);
                    if (!group.leave(30, TimeUnit.SECONDS)) throw new Exception("nobody left");
                    tell("out " + round);
                }
            }
            case "follow" -> {
                SharedValue value = new SharedValue(client, path, "seed".getBytes());
                value.start();
                tell(new String(value.getValue()));
                value.getListenable().addListener(new SharedValueListener() {
                    public void valueHasChanged(SharedValueReader r, byte[] v) { tell(new String(v)); }
                    public void stateChanged(CuratorFramework c, ConnectionState s) {}
                });
                Thread.sleep(Long.MAX_VALUE);
            }
            default -> throw new Exception(what);
        }
        System.exit(0);
    }
}
