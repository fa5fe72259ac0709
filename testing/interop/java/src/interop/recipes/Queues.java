package interop.recipes;

import static interop.Scenarios.require;
import static interop.Scenarios.say;

import interop.Scenarios;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.queue.DistributedDelayQueue;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.state.ConnectionState;

/** No item is lost and none comes twice. */
final class Queues {
    private static final int PER_PRODUCER = 25;

    static void register(Scenarios scenarios) {
        scenarios.add("queue", Queues::queue)
            .add("simple-queue", Queues::simple)
            .add("priority-queue", Queues::priority)
            .add("delay-queue", Queues::delay);
    }

    private static final class Collector implements QueueConsumer<String> {
        final List<String> items = Collections.synchronizedList(new ArrayList<>());

        @Override
        public void consumeMessage(String item) {
            items.add(item);
        }

        @Override
        public void stateChanged(CuratorFramework client, ConnectionState state) {
        }
    }

    private static final QueueSerializer<String> TEXT = new QueueSerializer<>() {
        @Override
        public byte[] serialize(String item) {
            return item.getBytes(StandardCharsets.UTF_8);
        }

        @Override
        public String deserialize(byte[] bytes) {
            return new String(bytes, StandardCharsets.UTF_8);
        }
    };

    private static void complete(List<String> items, int producers) {
        List<String> expected = IntStream.range(0, producers).boxed().flatMap(
            producer -> IntStream.range(0, PER_PRODUCER).mapToObj(i -> producer + ":" + i)).sorted().toList();
        List<String> got = List.copyOf(items);
        require(got.stream().sorted().toList().equals(expected), "items lost or doubled: %s", got);
        say("%d items, each once", got.size());
    }

    private static void queue(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            Collector collector = new Collector();
            int producers = Contenders.COUNT / 2;
            List<DistributedQueue<String>> queues = Collections.synchronizedList(new ArrayList<>());
            contenders.each((number, client) -> {
                boolean produces = number < producers;
                // The lock path makes a consumer keep an item to itself.
                DistributedQueue<String> queue = QueueBuilder.builder(client, produces ? null : collector, TEXT, root + "/queue")
                    .lockPath(root + "/locks").buildQueue();
                queue.start();
                queues.add(queue);
                for (int i = 0; produces && i < PER_PRODUCER; i++) {
                    queue.put(number + ":" + i);
                }
                if (produces) {
                    queue.flushPuts(30, TimeUnit.SECONDS);
                }
            });
            Contenders.await("all items", () -> collector.items.size() >= producers * PER_PRODUCER);
            for (DistributedQueue<String> queue : queues) {
                queue.close();
            }
            complete(collector.items, producers);
        }
    }

    private static void simple(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            List<String> items = Collections.synchronizedList(new ArrayList<>());
            int producers = Contenders.COUNT / 2;
            contenders.each((number, client) -> {
                SimpleDistributedQueue queue = new SimpleDistributedQueue(client, root);
                for (int i = 0; i < PER_PRODUCER; i++) {
                    if (number < producers) {
                        queue.offer(TEXT.serialize(number + ":" + i));
                    } else {
                        items.add(TEXT.deserialize(queue.take()));
                    }
                }
            });
            complete(items, producers);
            say("left: %s", (Object) new SimpleDistributedQueue(contenders.first(), root).poll());
        }
    }

    private static void priority(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server, 2)) {
            DistributedPriorityQueue<String> producer = QueueBuilder.builder(contenders.first(), null, TEXT, root)
                .buildPriorityQueue(0);
            producer.start();
            for (int i = 0; i < 20; i++) {
                producer.put("item " + i, (i * 7) % 20);
            }
            producer.flushPuts(30, TimeUnit.SECONDS);
            Collector collector = new Collector();
            DistributedPriorityQueue<String> consumer = QueueBuilder.builder(contenders.clients.get(1), collector, TEXT, root)
                .buildPriorityQueue(0);
            consumer.start();
            Contenders.await("all items", () -> collector.items.size() == 20);
            say("%s", collector.items);
            producer.close();
            consumer.close();
        }
    }

    private static void delay(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server, 2)) {
            Collector collector = new Collector();
            DistributedDelayQueue<String> producer = QueueBuilder.builder(contenders.first(), null, TEXT, root).buildDelayQueue();
            DistributedDelayQueue<String> consumer = QueueBuilder.builder(contenders.clients.get(1), collector, TEXT, root)
                .buildDelayQueue();
            producer.start();
            long now = System.currentTimeMillis();
            for (int i = 0; i < 5; i++) {
                producer.put("item " + i, now + 1_500 - 200 * i);
            }
            producer.flushPuts(30, TimeUnit.SECONDS);
            consumer.start();
            Contenders.await("the first item", () -> !collector.items.isEmpty());
            require(System.currentTimeMillis() >= now + 700, "an item came early");
            Contenders.await("all items", () -> collector.items.size() == 5);
            require(System.currentTimeMillis() >= now + 1_500, "the last item came early");
            say("%s", collector.items);
            producer.close();
            consumer.close();
        }
    }
}
