#include "support.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 16
#define NAMES_MAX 512
#define EVENTS_MAX 64
#define PATIENCE_SECONDS 60

char root[PATH_LEN];
const char *hostport;

static zhandle_t *clients[CLIENTS_MAX];
static int client_count;

/* ---- names: numbers in order of appearance for what differs from run to run */

struct names {
  int64_t ids[NAMES_MAX];
  int count;
};

static struct names sessions, zxids;

static const char *name(struct names *names, char prefix, int64_t id) {
  static char out[8][16];
  static int next;
  char *text = out[next = (next + 1) % 8];
  if (id == 0) return "0";
  int at = 0;
  while (at < names->count && names->ids[at] != id) at++;
  if (at == NAMES_MAX) {
    fprintf(stderr, "too many names\n");
    exit(1);
  }
  if (at == names->count) names->ids[names->count++] = id;
  snprintf(text, 16, "%c%d", prefix, at + 1);
  return text;
}

/* ---- events */

struct event {
  int type;
  char path[PATH_LEN];
};

static struct event events[EVENTS_MAX];
static int event_head, event_tail;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

void watch(zhandle_t *zh, int type, int state, const char *path, void *context) {
  (void)zh, (void)state, (void)context;
  if (type == ZOO_SESSION_EVENT) return;
  pthread_mutex_lock(&lock);
  if (event_tail - event_head < EVENTS_MAX) {
    struct event *event = &events[event_tail++ % EVENTS_MAX];
    event->type = type;
    snprintf(event->path, sizeof event->path, "%s", path);
  }
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

static const char *event_name(int type) {
  if (type == ZOO_CREATED_EVENT) return "created";
  if (type == ZOO_DELETED_EVENT) return "deleted";
  if (type == ZOO_CHANGED_EVENT) return "changed";
  if (type == ZOO_CHILD_EVENT) return "child";
  if (type == ZOO_NOTWATCHING_EVENT) return "not watching";
  return "another";
}

static struct timespec deadline(int seconds) {
  struct timespec at;
  clock_gettime(CLOCK_REALTIME, &at);
  at.tv_sec += seconds;
  return at;
}

void say_event(const char *label) {
  struct timespec until = deadline(PATIENCE_SECONDS);
  int late = 0;
  pthread_mutex_lock(&lock);
  while (event_head == event_tail && !late) late = pthread_cond_timedwait(&changed, &lock, &until);
  if (event_head == event_tail) {
    printf("!! %s: no event\n", label);
  } else {
    struct event *event = &events[event_head++ % EVENTS_MAX];
    printf("%s: %s %s\n", label, event_name(event->type), event->path);
  }
  pthread_mutex_unlock(&lock);
}

void say_silent(const char *label, zhandle_t *zh) {
  struct Stat stat;
  /* The library delivers events and completions from one queue, in order. */
  zoo_exists(zh, "/", 0, &stat);
  pthread_mutex_lock(&lock);
  bool none = event_head == event_tail;
  pthread_mutex_unlock(&lock);
  if (none) {
    printf("%s: nothing\n", label);
  } else {
    say_event(label);
  }
}

/* ---- clients */

static zhandle_t *open_client(const char *where, int timeout_ms) {
  if (client_count == CLIENTS_MAX) {
    fprintf(stderr, "too many clients\n");
    exit(1);
  }
  zhandle_t *zh = zookeeper_init(where, watch, timeout_ms, NULL, NULL, 0);
  for (int wait = 0; zh && zoo_state(zh) != ZOO_CONNECTED_STATE && wait < PATIENCE_SECONDS * 1000; wait++) usleep(1000);
  if (!zh || zoo_state(zh) != ZOO_CONNECTED_STATE) {
    fprintf(stderr, "no connection to %s\n", where);
    exit(1);
  }
  clients[client_count++] = zh;
  int rc = zoo_create(zh, root, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
  if (rc != ZOK && rc != ZNODEEXISTS) broken(zerror(rc));
  return zh;
}

zhandle_t *client(void) { return open_client(hostport, 20000); }

zhandle_t *gated_client(void) {
  const char *gate = getenv("INTEROP_GATE");
  return open_client(gate ? gate : hostport, 30000);
}

void close_client(zhandle_t *zh) {
  for (int i = 0; i < client_count; i++) {
    if (clients[i] == zh) clients[i] = NULL;
  }
  zookeeper_close(zh);
}

void begin(const char *scenario) {
  snprintf(root, sizeof root, "/c-%s", scenario);
  sessions.count = zxids.count = 0;
  event_head = event_tail = 0;
}

void end(void) {
  for (int i = 0; i < client_count; i++) {
    if (clients[i]) zookeeper_close(clients[i]);
  }
  client_count = 0;
}

const char *at(const char *suffix) {
  static char out[8][PATH_LEN];
  static int next;
  char *path = out[next = (next + 1) % 8];
  if (snprintf(path, PATH_LEN, "%s%s", root, suffix) >= PATH_LEN) {
    fprintf(stderr, "path too long: %s\n", suffix);
    exit(1);
  }
  return path;
}

/* ---- printing */

void broken(const char *why) { printf("!! %s\n", why); }

int say(const char *label, int rc) {
  printf("%s: %s (%d)\n", label, zerror(rc), rc);
  return rc;
}

static void print_stat(const struct Stat *stat) {
  int64_t now = (int64_t)time(NULL) * 1000;
  if (stat->ctime != 0 && (llabs(now - stat->ctime) > 300000 || llabs(now - stat->mtime) > 300000)) broken("a time is not near now");
  printf("v=%d cv=%d av=%d owner=%s len=%d kids=%d c=%s m=%s p=%s\n", stat->version, stat->cversion, stat->aversion,
         name(&sessions, 's', stat->ephemeralOwner), stat->dataLength, stat->numChildren, name(&zxids, 'z', stat->czxid),
         name(&zxids, 'z', stat->mzxid), name(&zxids, 'z', stat->pzxid));
}

void say_stat(const char *label, int rc, const struct Stat *stat) {
  if (rc != ZOK) {
    say(label, rc);
    return;
  }
  printf("%s: ", label);
  print_stat(stat);
}

void say_get(zhandle_t *zh, const char *path) {
  static char data[1 << 21];
  struct Stat stat;
  int len = sizeof data;
  int rc = zoo_get(zh, path, 0, data, &len, &stat);
  if (rc != ZOK) {
    say(path, rc);
    return;
  }
  if (len < 0) {
    printf("%s: null ", path);
  } else if (len <= 60) {
    printf("%s: \"%.*s\" ", path, len, data);
  } else {
    long sum = 0;
    for (int i = 0; i < len; i++) sum += (unsigned char)data[i];
    printf("%s: <%d bytes, sum %ld> ", path, len, sum);
  }
  print_stat(&stat);
}

/* ---- the server */

void control(const char *word) {
  const char *address = getenv("INTEROP_CONTROL");
  const char *colon = address ? strrchr(address, ':') : NULL;
  char answer[512] = "no control port";
  int sock = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(colon ? atoi(colon + 1) : 0), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (colon && connect(sock, (struct sockaddr *)&to, sizeof to) == 0) {
    dprintf(sock, "%s\n", word);
    ssize_t got = read(sock, answer, sizeof answer - 1);
    answer[got > 0 ? got : 0] = 0;
  }
  close(sock);
  if (strcmp(answer, "ok\n") != 0) {
    fprintf(stderr, "control %s: %s\n", word, answer);
    exit(1);
  }
}

void back(zhandle_t *zh) {
  struct Stat stat;
  for (int wait = 0; wait < 25000; wait++) {
    if (zoo_state(zh) == ZOO_CONNECTED_STATE && zoo_exists(zh, "/", 0, &stat) == ZOK) return;
    usleep(1000);
  }
  broken("the client is not back");
}
