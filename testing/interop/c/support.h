/* What the C scenarios share: clients, watch events, normalised printing, the control port. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stdbool.h>
#include <zookeeper/zookeeper.h>

#define PATH_LEN 256

/* Where a scenario works, and where its server is. */
extern char root[PATH_LEN];
extern const char *hostport;

/* Forgets the names and clients of the previous scenario and sets `root`. */
void begin(const char *scenario);
/* Closes the scenario's clients. */
void end(void);

/* A connected client; `root` exists afterwards. Ends the program when there is no connection. */
zhandle_t *client(void);
/* A client that is to live through a restart of the server: it comes through the gate. */
zhandle_t *gated_client(void);
/* Closes one client early. */
void close_client(zhandle_t *zh);

/* `root` with a suffix; eight results may be in use at once. */
const char *at(const char *suffix);

/* Prints a line that fails the scenario. */
void broken(const char *why);
/* Prints `label: result`, the result by its name; returns it. */
int say(const char *label, int rc);
/* Prints `label:` and a Stat, or the error in its place. */
void say_stat(const char *label, int rc, const struct Stat *stat);
/* Gets a node and prints data and Stat. */
void say_get(zhandle_t *zh, const char *path);

/* A watcher (with NULL as context): every event it is told of goes into one queue. */
void watch(zhandle_t *zh, int type, int state, const char *path, void *context);
/* Prints the next queued event, waiting for it. */
void say_event(const char *label);
/* Prints that nothing is queued, or what is, behind a round trip of the client. */
void say_silent(const char *label, zhandle_t *zh);

/* Commands the server: kill, stop, start, restart, bounce. */
void control(const char *word);
/* Waits until the client is answered again. */
void back(zhandle_t *zh);

#endif
