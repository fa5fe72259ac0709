/* The C suite: every scenario through libzookeeper_mt against one server.
 *
 *   c-client <host:port> [scenario...]
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "scenarios.h"
#include "support.h"

static bool wanted(const char *name, int count, char **chosen) {
  for (int i = 0; i < count; i++) {
    if (strcmp(chosen[i], name) == 0) return true;
  }
  return count == 0;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: c-client <host:port> [scenario...]\n");
    return 2;
  }
  hostport = argv[1];
  zoo_set_debug_level(0);
  setvbuf(stdout, NULL, _IOLBF, 0);
  int ran = 0;
  for (const struct scenario *s = scenarios; s->name; s++) {
    if (!wanted(s->name, argc - 2, argv + 2)) continue;
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    printf("== %s\n", s->name);
    begin(s->name);
    s->run();
    end();
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("# %.2f s\n", (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    ran++;
  }
  return ran ? 0 : 2;
}
