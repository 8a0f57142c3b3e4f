/* What a measured process tells callgrind. Does nothing outside valgrind. */

#include <valgrind/callgrind.h>

void start_instrumentation(void) { CALLGRIND_START_INSTRUMENTATION; }

void toggle_collect(void) { CALLGRIND_TOGGLE_COLLECT; }

/* Writes what was collected, under `name`, and begins from zero. */
void dump(const char *name) { CALLGRIND_DUMP_STATS_AT(name); }
