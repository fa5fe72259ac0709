package interop.recipes;

import static interop.Scenarios.require;
import static interop.Scenarios.say;

import interop.Scenarios;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMultiLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;

/** Nobody is inside who must not be, and everybody gets in. */
final class Locks {
    private static final int ROUNDS = 15;

    static void register(Scenarios scenarios) {
        scenarios.add("mutex", (server, root) -> exclusive(server, client -> new InterProcessMutex(client, root)))
            .add("semaphore-mutex", (server, root) -> exclusive(server, client -> new InterProcessSemaphoreMutex(client, root)))
            .add("multi-lock", (server, root) -> exclusive(server,
                client -> new InterProcessMultiLock(client, List.of(root + "/a", root + "/b"))))
            .add("mutex-reentrant", Locks::reentrant)
            .add("mutex-expired-holder", Locks::expiredHolder)
            .add("read-write-lock", Locks::readWrite)
            .add("semaphore", Locks::semaphore);
    }

    private interface Maker {
        InterProcessLock make(CuratorFramework client) throws Exception;
    }

    private static void exclusive(String server, Maker maker) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            Overlap overlap = new Overlap(1);
            contenders.each((number, client) -> {
                InterProcessLock lock = maker.make(client);
                for (int i = 0; i < ROUNDS; i++) {
                    lock.acquire();
                    overlap.visit();
                    lock.release();
                }
            });
            say("%d turns", overlap.entered());
        }
    }

    private static void reentrant(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server, 2)) {
            InterProcessMutex lock = new InterProcessMutex(contenders.first(), root);
            lock.acquire();
            lock.acquire();
            lock.release();
            InterProcessMutex other = new InterProcessMutex(contenders.clients.get(1), root);
            say("held once more: %b", !other.acquire(300, TimeUnit.MILLISECONDS));
            lock.release();
            say("free: %b", other.acquire(10, TimeUnit.SECONDS));
            say("participants %d", other.getParticipantNodes().size());
            other.release();
            say("participants %d", other.getParticipantNodes().size());
        }
    }

    /** The lock of a dead session goes to the next in the queue. */
    private static void expiredHolder(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            InterProcessMutex held = new InterProcessMutex(contenders.first(), root);
            held.acquire();
            Overlap overlap = new Overlap(1);
            var running = contenders.start((number, client) -> {
                if (number > 0) {
                    InterProcessMutex lock = new InterProcessMutex(client, root);
                    lock.acquire();
                    overlap.visit();
                    lock.release();
                }
            });
            Contenders.await("the queue", () -> participants(held) == Contenders.COUNT);
            say("entered before: %d", overlap.entered());
            contenders.endSession(contenders.first());
            Contenders.finish(running);
            say("entered after: %d", overlap.entered());
        }
    }

    private static int participants(InterProcessMutex lock) {
        try {
            return lock.getParticipantNodes().size();
        } catch (Exception failure) {
            return -1;
        }
    }

    private static void readWrite(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            Overlap writers = new Overlap(1);
            Overlap readers = new Overlap(Contenders.COUNT);
            CountDownLatch together = new CountDownLatch(Contenders.COUNT);
            contenders.each((number, client) -> {
                InterProcessReadWriteLock lock = new InterProcessReadWriteLock(client, root);
                // All readers at once: this ends only if nobody shuts out the others.
                lock.readLock().acquire();
                together.countDown();
                require(together.await(30, TimeUnit.SECONDS), "readers exclude each other");
                lock.readLock().release();
                for (int i = 0; i < ROUNDS; i++) {
                    if ((number + i) % 3 == 0) {
                        lock.writeLock().acquire();
                        require(readers.inside() == 0, "a reader beside a writer");
                        writers.visit();
                        lock.writeLock().release();
                    } else {
                        lock.readLock().acquire();
                        require(writers.inside() == 0, "a writer beside a reader");
                        readers.visit();
                        lock.readLock().release();
                    }
                }
            });
            say("%d writes, %d reads", writers.entered(), readers.entered());
        }
    }

    private static void semaphore(String server, String root) throws Exception {
        try (Contenders contenders = new Contenders(server)) {
            int leases = 3;
            Overlap overlap = new Overlap(leases);
            contenders.each((number, client) -> {
                InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, root, leases);
                for (int i = 0; i < ROUNDS; i++) {
                    Lease lease = semaphore.acquire();
                    overlap.visit();
                    semaphore.returnLease(lease);
                }
            });
            say("%d leases", overlap.entered());
            InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(contenders.first(), root, leases);
            say("all at once: %d", semaphore.acquire(leases).size());
            say("one more: %s", semaphore.acquire(300, TimeUnit.MILLISECONDS));
        }
    }
}
