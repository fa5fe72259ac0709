//! Keys that tune threads, sockets and caches of the Java server.

use super::Parse::{Bool, Int, Long};
use super::{Key, java};

const OWN_THREADS: &str = "this server sizes its threads by the cores of the machine";
const OWN_BUFFERS: &str = "buffers grow and shrink by themselves";
const OWN_WATCHES: &str = "there is one watch table, compact from the start";
const NO_CACHE: &str = "replies are encoded straight from the tree, without a cache";
const NO_JVM: &str = "there is no Java machine that could pause";
const ONE_NETWORK: &str = "there is one network layer, for plain and TLS";

pub(super) static KEYS: &[Key] = &[
    java("serverCnxnFactory", ONE_NETWORK),
    java("nio.numSelectorThreads", OWN_THREADS),
    java("nio.numWorkerThreads", OWN_THREADS),
    java("nio.directBufferBytes", OWN_BUFFERS),
    java("nio.shutdownTimeout", OWN_THREADS),
    java("netty.advancedFlowControl.enabled", "a connection that is throttled is never read from")
        .also(&["advancedFlowControlEnabled"]),
    java("commitProcessor.numWorkerThreads", OWN_THREADS),
    java("commitProcessor.maxReadBatchSize", "reads do not wait for commits of other sessions"),
    java("commitProcessor.maxCommitBatchSize", "commits are applied as they come, all at once"),
    java("commitProcessor.shutdownTimeout", OWN_THREADS),
    java("maxResponseCacheSize", NO_CACHE),
    java("maxGetChildrenResponseCacheSize", NO_CACHE),
    java("watchManagerName", OWN_WATCHES),
    java("watcherCleanThreadsNum", OWN_WATCHES),
    java("watcherCleanThreshold", OWN_WATCHES),
    java("watcherCleanIntervalInSeconds", OWN_WATCHES),
    java("maxInProcessingDeadWatchers", OWN_WATCHES),
    java("bitHashCacheSize", OWN_WATCHES),
    java("intBufferStartingSizeBytes", OWN_BUFFERS),
    java("quorum.cnxn.threads.size", OWN_THREADS).file().reading(Int(|_, _| ())),
    java("jvm.pause.monitor", NO_JVM).file().reading(Bool(|_, _| ())),
    java("jvm.pause.sleep.time.ms", NO_JVM).file().reading(Long(|_, _| ())),
    java("jvm.pause.warn-threshold.ms", NO_JVM).file().reading(Long(|_, _| ())),
    java("jvm.pause.info-threshold.ms", NO_JVM).file().reading(Long(|_, _| ())),
    java("leader.nodelay", "packets between servers are never held back").bare(),
    java("follower.nodelay", "packets between servers are never held back").bare(),
    java("leader.ackLoggingFrequency", "acknowledgement latency is measured always"),
    java("leader.closeSocketAsync", "closing a socket never holds up anything"),
    java("learner.closeSocketAsync", "closing a socket never holds up anything"),
    java("learner.asyncSending", "sending never holds up anything"),
    java(
        "forward_learner_requests_to_commit_processor_disabled",
        "requests of learners never pass through the leader's read path",
    ),
    java(
        "follower.skipLearnerRequestToNextProcessor",
        "requests of observers never pass through the follower's read path",
    ),
];
