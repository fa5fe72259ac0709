#include "scenarios.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

#define OPEN (&ZOO_OPEN_ACL_UNSAFE)

/* Creates and prints the final path with its Stat. */
static void create(zhandle_t *zh, const char *label, const char *path, const char *data, int mode) {
  char final[PATH_LEN] = "";
  struct Stat stat;
  int rc = zoo_create2(zh, path, data, data ? (int)strlen(data) : -1, OPEN, mode, final, sizeof final, &stat);
  if (rc == ZOK) printf("%s ", final);
  say_stat(label, rc, &stat);
}

static void make(zhandle_t *zh, const char *path) {
  int rc = zoo_create(zh, path, "", 0, OPEN, ZOO_PERSISTENT, NULL, 0);
  if (rc != ZOK) broken(zerror(rc));
}

static int by_name(const void *left, const void *right) { return strcmp(*(char *const *)left, *(char *const *)right); }

static void say_children(zhandle_t *zh, const char *label, const char *path) {
  struct String_vector names;
  struct Stat stat;
  int rc = zoo_get_children2(zh, path, 0, &names, &stat);
  if (rc != ZOK) {
    say(label, rc);
    return;
  }
  qsort(names.data, names.count, sizeof *names.data, by_name);
  printf("%s:", label);
  for (int i = 0; i < names.count; i++) printf(" %s", names.data[i]);
  printf("\n");
  say_stat("  stat", rc, &stat);
  deallocate_String_vector(&names);
}

static void say_acl(zhandle_t *zh, const char *label, const char *path) {
  struct ACL_vector acl;
  struct Stat stat;
  int rc = zoo_get_acl(zh, path, &acl, &stat);
  if (rc != ZOK) {
    say(label, rc);
    return;
  }
  printf("%s:", label);
  for (int i = 0; i < acl.count; i++) printf(" %d:%s:%s", acl.data[i].perms, acl.data[i].id.scheme, acl.data[i].id.id);
  printf("\n");
  deallocate_ACL_vector(&acl);
}

static void create_modes(void) {
  zhandle_t *zh = client();
  create(zh, "persistent", at("/persistent"), "p", ZOO_PERSISTENT);
  create(zh, "ephemeral", at("/ephemeral"), "e", ZOO_EPHEMERAL);
  create(zh, "sequential", at("/s-"), "s", ZOO_PERSISTENT_SEQUENTIAL);
  create(zh, "ephemeral sequential", at("/es-"), "es", ZOO_EPHEMERAL_SEQUENTIAL);
  create(zh, "container", at("/container"), "c", ZOO_CONTAINER);
  char path[PATH_LEN];
  struct Stat stat;
  say_stat("ttl", zoo_create2_ttl(zh, at("/ttl"), "t", 1, OPEN, ZOO_PERSISTENT_WITH_TTL, 3600000, path, sizeof path, &stat), &stat);
  int rc = zoo_create2_ttl(zh, at("/ttl-"), "t", 1, OPEN, ZOO_PERSISTENT_SEQUENTIAL_WITH_TTL, 3600000, path, sizeof path, &stat);
  say_stat(path, rc, &stat);
  say_children(zh, "all", root);
}

static void errors(void) {
  zhandle_t *zh = client();
  struct Stat stat;
  struct String_vector names;
  char buffer[16];
  int len = sizeof buffer;
  make(zh, at("/there"));
  make(zh, at("/there/child"));
  say("ephemeral", zoo_create(zh, at("/eph"), "", 0, OPEN, ZOO_EPHEMERAL, NULL, 0));
  say("create existing", zoo_create(zh, at("/there"), "", 0, OPEN, 0, NULL, 0));
  say("create without parent", zoo_create(zh, at("/no/parent"), "", 0, OPEN, 0, NULL, 0));
  say("create below ephemeral", zoo_create(zh, at("/eph/child"), "", 0, OPEN, 0, NULL, 0));
  say("exists", zoo_exists(zh, at("/none"), 0, &stat));
  say("get", zoo_get(zh, at("/none"), 0, buffer, &len, &stat));
  say("children", zoo_get_children(zh, at("/none"), 0, &names));
  say("set", zoo_set(zh, at("/none"), "", 0, -1));
  say("delete", zoo_delete(zh, at("/none"), -1));
  say("delete with children", zoo_delete(zh, at("/there"), -1));
  say("delete config", zoo_delete(zh, "/zookeeper/config", -1));
  say("ttl of nothing", zoo_create_ttl(zh, at("/t"), "", 0, OPEN, ZOO_PERSISTENT_WITH_TTL, 0, NULL, 0));
  struct ACL_vector none = {0, NULL};
  say("empty ACL", zoo_create(zh, at("/acl"), "", 0, &none, 0, NULL, 0));
  len = sizeof buffer;
  say("reconfig", zoo_reconfig(zh, NULL, "2", NULL, -1, buffer, &len, &stat));
  say_get(zh, "/zookeeper/config");
}

static void versions(void) {
  zhandle_t *zh = client();
  struct Stat stat;
  char label[32];
  const char *path = at("/n");
  make(zh, path);
  for (const int *v = (const int[]){0, 0, 1, -1, 9, 3, -99}; *v != -99; v++) {
    snprintf(label, sizeof label, "set %d", *v);
    int rc = zoo_set2(zh, path, "x", 1, *v, &stat);
    say_stat(label, rc, &stat);
  }
  for (const int *v = (const int[]){0, 0, -1, 9, -99}; *v != -99; v++) {
    snprintf(label, sizeof label, "set acl %d", *v);
    say(label, zoo_set_acl(zh, path, *v, OPEN));
  }
  say_get(zh, path);
  for (const int *v = (const int[]){0, 9, 4, -99}; *v != -99; v++) {
    snprintf(label, sizeof label, "delete %d", *v);
    say(label, zoo_delete(zh, path, *v));
  }
}

static void values(void) {
  zhandle_t *zh = client();
  say("null", zoo_create(zh, at("/null"), NULL, -1, OPEN, 0, NULL, 0));
  say_get(zh, at("/null"));
  say("empty", zoo_create(zh, at("/empty"), "", 0, OPEN, 0, NULL, 0));
  say_get(zh, at("/empty"));
  say("set null", zoo_set(zh, at("/empty"), NULL, -1, -1));
  say_get(zh, at("/empty"));
  char *large = malloc(1000000);
  memset(large, 'x', 1000000);
  say("large", zoo_create(zh, at("/large"), large, 1000000, OPEN, 0, NULL, 0));
  free(large);
  say_get(zh, at("/large"));
}

static void say_results(const char *label, int rc, int count, const zoo_op_result_t *results) {
  printf("%s: %s\n ", label, zerror(rc));
  for (int i = 0; i < count; i++) printf(" %d", results[i].err);
  printf("\n");
}

static void multi(void) {
  zhandle_t *zh = client();
  char first[PATH_LEN], second[PATH_LEN], third[PATH_LEN];
  struct Stat stat;
  make(zh, at("/old"));
  zoo_op_t ops[6];
  zoo_op_result_t results[6];
  zoo_create_op_init(&ops[0], at("/a"), "1", 1, OPEN, 0, first, sizeof first);
  zoo_create_op_init(&ops[1], at("/a/b"), "2", 1, OPEN, ZOO_EPHEMERAL, second, sizeof second);
  zoo_create_op_init(&ops[2], at("/s-"), "3", 1, OPEN, ZOO_SEQUENCE, third, sizeof third);
  zoo_set_op_init(&ops[3], at("/old"), "new", 3, 0, &stat);
  zoo_check_op_init(&ops[4], at("/old"), 1);
  zoo_delete_op_init(&ops[5], at("/old"), 1);
  int rc = zoo_multi(zh, 6, ops, results);
  say_results("succeeds", rc, 6, results);
  printf("%s %s %s\n", first, second, third);
  say_stat("set", rc, &stat);
  say_children(zh, "all", root);
  say_get(zh, at("/a/b"));
}

static void multi_failures(void) {
  zhandle_t *zh = client();
  char buffer[PATH_LEN];
  struct Stat stat;
  make(zh, at("/there"));
  make(zh, at("/there/child"));
  for (int failing = 0; failing < 8; failing++) {
    zoo_op_t ops[3];
    zoo_op_result_t results[3];
    const char *label = "";
    zoo_create_op_init(&ops[0], at("/new"), "", 0, OPEN, 0, buffer, sizeof buffer);
    switch (failing) {
      case 0: label = "create existing", zoo_create_op_init(&ops[1], at("/there"), "", 0, OPEN, 0, buffer, sizeof buffer); break;
      case 1: label = "create without parent", zoo_create_op_init(&ops[1], at("/no/x"), "", 0, OPEN, 0, buffer, sizeof buffer); break;
      case 2: label = "delete missing", zoo_delete_op_init(&ops[1], at("/none"), -1); break;
      case 3: label = "delete with children", zoo_delete_op_init(&ops[1], at("/there"), -1); break;
      case 4: label = "delete wrong version", zoo_delete_op_init(&ops[1], at("/there"), 7); break;
      case 5: label = "set wrong version", zoo_set_op_init(&ops[1], at("/there"), "x", 1, 7, &stat); break;
      case 6: label = "check missing", zoo_check_op_init(&ops[1], at("/none"), 0); break;
      case 7: label = "check wrong version", zoo_check_op_init(&ops[1], at("/there"), 7); break;
    }
    zoo_delete_op_init(&ops[2], at("/there/child"), -1);
    int rc = zoo_multi(zh, 3, ops, results);
    say_results(label, rc, 3, results);
  }
  say_children(zh, "all", root);
}

static void say_auth(int rc, const void *context) {
  int *answer = (int *)context;
  __atomic_store_n(answer, rc, __ATOMIC_SEQ_CST);
}

/* Authenticates and waits for the answer. */
static int authenticate(zhandle_t *zh, const char *scheme, const char *credentials) {
  int answer = 1;
  int rc = zoo_add_auth(zh, scheme, credentials, (int)strlen(credentials), say_auth, &answer);
  for (int wait = 0; rc == ZOK && __atomic_load_n(&answer, __ATOMIC_SEQ_CST) == 1 && wait < 60000; wait++) usleep(1000);
  return rc == ZOK ? answer : rc;
}

static void acl(void) {
  zhandle_t *owner = client(), *other = client();
  char buffer[16];
  int len = sizeof buffer;
  struct Stat stat;
  say("auth", authenticate(owner, "digest", "owner:secret"));
  say("create", zoo_create(owner, at("/mine"), "x", 1, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
  say_acl(owner, "acl", at("/mine"));
  say("another gets", zoo_get(other, at("/mine"), 0, buffer, &len, &stat));
  say("another sets", zoo_set(other, at("/mine"), "y", 1, -1));
  say_acl(other, "another reads the ACL", at("/mine"));
  say("auth without identity", zoo_create(other, at("/theirs"), "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
  say("the same identity", authenticate(other, "digest", "owner:secret"));
  say_get(other, at("/mine"));
  say("read-only node", zoo_create(owner, at("/readable"), "", 0, &ZOO_READ_ACL_UNSAFE, 0, NULL, 0));
  say("set it", zoo_set(owner, at("/readable"), "", 0, -1));
  say("set its ACL", zoo_set_acl(owner, at("/readable"), -1, OPEN));
  zhandle_t *refused = client();
  say("unknown scheme", authenticate(refused, "nosuch", "x"));
  for (int wait = 0; zoo_state(refused) != ZOO_AUTH_FAILED_STATE && wait < 60000; wait++) usleep(1000);
  printf("state is auth failed: %d\n", zoo_state(refused) == ZOO_AUTH_FAILED_STATE);
}

static void watches(void) {
  zhandle_t *see = client(), *doer = client();
  struct Stat stat;
  struct String_vector names;
  char buffer[16];
  int len = sizeof buffer;
  const char *n = at("/n");
  say("exists", zoo_wexists(see, n, watch, NULL, &stat));
  make(doer, n);
  say_event("created");
  say("get", zoo_wget(see, n, watch, NULL, buffer, &len, &stat));
  zoo_set(doer, n, "1", 1, -1);
  say_event("changed");
  zoo_set(doer, n, "2", 1, -1);
  say_silent("one-shot", see);
  say("children", zoo_wget_children(see, n, watch, NULL, &names));
  deallocate_String_vector(&names);
  zoo_create(doer, at("/n/c"), "", 0, OPEN, 0, NULL, 0);
  say_event("child");
  zoo_delete(doer, at("/n/c"), -1);
  say_silent("one-shot", see);
  say("get", zoo_wget(see, n, watch, NULL, buffer, &len, &stat));
  say("parent", zoo_wget_children(see, root, watch, NULL, &names));
  deallocate_String_vector(&names);
  zoo_delete(doer, n, -1);
  say_event("deleted");
  say_event("and its parent");
  say("get of a missing node", zoo_wget(see, n, watch, NULL, buffer, &len, &stat));
  make(doer, n);
  say_silent("sets no watch", see);
  say("get", zoo_wget(see, n, watch, NULL, buffer, &len, &stat));
  say("remove", zoo_remove_watches(see, n, ZWATCHTYPE_DATA, watch, NULL, 0));
  say("remove again", zoo_remove_watches(see, n, ZWATCHTYPE_DATA, watch, NULL, 0));
  zoo_set(doer, n, "3", 1, -1);
  say_silent("removed", see);
}

/* The library sends its watches again after a reconnect. */
static void after_kill(void) {
  zhandle_t *zh = gated_client();
  int64_t session = zoo_client_id(zh)->client_id;
  struct Stat stat;
  struct String_vector names;
  char buffer[16];
  int len = sizeof buffer;
  const char *same = at("/same"), *later = at("/later"), *missing = at("/missing");
  make(zh, same);
  make(zh, later);
  say("ephemeral", zoo_create(zh, at("/eph"), "", 0, OPEN, ZOO_EPHEMERAL, NULL, 0));
  say("watch", zoo_wget(zh, same, watch, NULL, buffer, &len, &stat));
  say("watch", zoo_wget(zh, later, watch, NULL, buffer, &len, &stat));
  say("watch", zoo_wexists(zh, missing, watch, NULL, &stat));
  say("watch", zoo_wget_children(zh, root, watch, NULL, &names));
  deallocate_String_vector(&names);
  control("bounce");
  back(zh);
  if (zoo_client_id(zh)->client_id != session) broken("another session");
  say_get(zh, at("/eph"));
  say_silent("nothing changed", zh);
  zoo_set(zh, later, "1", 1, -1);
  say_event("changed");
  make(zh, missing);
  say_event("created");
  say_event("child");
  say_silent("the unchanged one", zh);
  zoo_delete(zh, same, -1);
  say_event("deleted");
}

static void reap(void) {
  zhandle_t *zh = client();
  struct Stat stat;
  say("container", zoo_create(zh, at("/c"), "", 0, OPEN, ZOO_CONTAINER, NULL, 0));
  make(zh, at("/c/x"));
  say("ttl", zoo_create_ttl(zh, at("/t"), "", 0, OPEN, ZOO_PERSISTENT_WITH_TTL, 400, NULL, 0));
  say("watch", zoo_wexists(zh, at("/t"), watch, NULL, &stat));
  say_event("ttl");
  say("watch", zoo_wexists(zh, at("/c"), watch, NULL, &stat));
  zoo_delete(zh, at("/c/x"), -1);
  say_event("container");
}

static void ephemerals(void) {
  zhandle_t *owner = client(), *other = client();
  struct Stat stat;
  zoo_create(owner, at("/e"), "", 0, OPEN, ZOO_EPHEMERAL, NULL, 0);
  say_stat("seen by another", zoo_wexists(other, at("/e"), watch, NULL, &stat), &stat);
  close_client(owner);
  say_event("after close");
  say_children(other, "left", root);
}

static int completed, failed;

static void count(int rc, const char *value, const void *data) {
  (void)value, (void)data;
  if (rc != ZOK) __atomic_fetch_add(&failed, 1, __ATOMIC_SEQ_CST);
  __atomic_fetch_add(&completed, 1, __ATOMIC_SEQ_CST);
}

static void pipelined(void) {
  zhandle_t *zh = client();
  const int total = 20000;
  completed = failed = 0;
  for (int i = 0; i < total; i++) {
    if (zoo_acreate(zh, at("/n-"), "", 0, OPEN, ZOO_SEQUENCE, count, NULL) != ZOK) broken("not sent");
  }
  for (int wait = 0; __atomic_load_n(&completed, __ATOMIC_SEQ_CST) < total && wait < 60000; wait++) usleep(1000);
  printf("completed %d failed %d\n", completed, failed);
  struct Stat stat;
  say_stat("root", zoo_exists(zh, root, 0, &stat), &stat);
}

const struct scenario scenarios[] = {
    {"create-modes", create_modes},
    {"errors", errors},
    {"versions", versions},
    {"values", values},
    {"multi", multi},
    {"multi-failures", multi_failures},
    {"acl", acl},
    {"watches", watches},
    {"after-kill", after_kill},
    {"containers-and-ttl", reap},
    {"ephemerals", ephemerals},
    {"pipelined", pipelined},
    {NULL, NULL},
};
