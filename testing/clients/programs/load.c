/* A load by the C client, see README.md in the folder above. */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

enum { NODES = 1000, DATA_LEN = 100, LATENCIES_MAX = 1 << 22 };

static char data[DATA_LEN];
static int sets;
static atomic_int phase;

/* The callbacks of a session come one after the other, from its own thread. */
struct session {
    zhandle_t *zk;
    atomic_int connected;
    unsigned at;
    long ops;
    int kept;
    unsigned *latencies;
};

struct request {
    struct session *session;
    struct timespec sent;
};

static void send_next(struct request *request);

static double seconds_between(const struct timespec *from, const struct timespec *to) {
    return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

static void done(int code, struct request *request) {
    struct session *session = request->session;
    if (code != ZOK) {
        fprintf(stderr, "code %d\n", code);
        exit(1);
    }
    int now_in = atomic_load_explicit(&phase, memory_order_relaxed);
    if (now_in == 1) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        session->ops++;
        if (session->kept < LATENCIES_MAX) {
            session->latencies[session->kept++] = (unsigned)(seconds_between(&request->sent, &now) * 1e9);
        }
    }
    if (now_in < 2) {
        send_next(request);
    }
}

static void got(int code, const char *value, int len, const struct Stat *stat, const void *request) {
    (void)value;
    (void)len;
    (void)stat;
    done(code, (struct request *)request);
}

static void set(int code, const struct Stat *stat, const void *request) {
    (void)stat;
    done(code, (struct request *)request);
}

static void send_next(struct request *request) {
    struct session *session = request->session;
    char path[32];
    snprintf(path, sizeof path, "/clients/%u", ++session->at % NODES);
    clock_gettime(CLOCK_MONOTONIC, &request->sent);
    int code = sets ? zoo_aset(session->zk, path, data, DATA_LEN, -1, set, request)
                    : zoo_aget(session->zk, path, 0, got, request);
    if (code != ZOK) {
        fprintf(stderr, "cannot send: %d\n", code);
        exit(1);
    }
}

static void watch(zhandle_t *zk, int type, int state, const char *path, void *context) {
    (void)zk;
    (void)path;
    if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE) {
        atomic_store(&((struct session *)context)->connected, 1);
    }
}

static long rss(void) {
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;
    while (status && fgets(line, sizeof line, status)) {
        sscanf(line, "VmRSS: %ld", &kib);
    }
    if (status) {
        fclose(status);
    }
    return kib;
}

static double cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int compare(const void *one, const void *other) {
    unsigned a = *(const unsigned *)one, b = *(const unsigned *)other;
    return (a > b) - (a < b);
}

static void pause_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) && errno == EINTR) {
    }
}

int main(int argc, char **argv) {
    if (argc != 7) {
        return 2;
    }
    int sessions = atoi(argv[3]), depth = atoi(argv[4]);
    long warm_up = atol(argv[5]), measured = atol(argv[6]), rss_one = 0;
    int idle = !strcmp(argv[2], "idle");
    sets = !strcmp(argv[2], "set");
    memset(data, 'x', sizeof data);
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    struct session *all = calloc((size_t)sessions, sizeof *all);
    for (int i = 0; i < sessions; i++) {
        all[i].at = (unsigned)i;
        all[i].zk = zookeeper_init(argv[1], watch, 30000, NULL, &all[i], 0);
        while (all[i].zk && !atomic_load(&all[i].connected)) {
            pause_ms(1);
        }
        if (i == 0) {
            rss_one = rss();
        }
    }
    for (int i = 0; i < sessions && !idle; i++) {
        all[i].latencies = malloc(LATENCIES_MAX * sizeof *all[i].latencies);
    }
    for (int i = 0; i < sessions && !idle; i++) {
        for (int j = 0; j < depth; j++) {
            struct request *request = malloc(sizeof *request);
            request->session = &all[i];
            send_next(request);
        }
    }
    if (!idle) {
        pause_ms(warm_up);
    }
    struct timespec began, ended;
    double used = cpu();
    clock_gettime(CLOCK_MONOTONIC, &began);
    atomic_store(&phase, 1);
    pause_ms(measured);
    atomic_store(&phase, 2);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    used = cpu() - used;
    /* What is still in flight does not count any more. */
    pause_ms(100);
    long ops = 0;
    size_t kept = 0;
    for (int i = 0; i < sessions; i++) {
        ops += all[i].ops;
        kept += (size_t)all[i].kept;
    }
    unsigned *latencies = malloc((kept + 1) * sizeof *latencies);
    size_t at = 0;
    latencies[0] = 0;
    for (int i = 0; i < sessions; i++) {
        if (all[i].kept) {
            memcpy(latencies + at, all[i].latencies, (size_t)all[i].kept * sizeof *latencies);
        }
        at += (size_t)all[i].kept;
    }
    qsort(latencies, kept, sizeof *latencies, compare);
    size_t last = kept ? kept - 1 : 0;
    printf("{\"ops\":%ld,\"seconds\":%f,\"cpu\":%f,\"p50\":%f,\"p99\":%f,\"rss_one\":%ld,\"rss_all\":%ld}\n", ops,
        seconds_between(&began, &ended), used, latencies[last / 2] / 1e3,
        latencies[(size_t)((double)last * 0.99)] / 1e3, rss_one, rss());
    fflush(stdout);
    _exit(0);
}
