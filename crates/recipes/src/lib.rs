//! Locks, elections, barriers, counters, queues, caches, membership and discovery over zabra-client.
