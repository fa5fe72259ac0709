#ifndef SCENARIOS_H
#define SCENARIOS_H

struct scenario {
  const char *name;
  void (*run)(void);
};

/* Ends with an entry whose name is NULL. */
extern const struct scenario scenarios[];

#endif
