/* How long a worker that died stays dead. */
#ifndef BRIDGE_WORKER_BACKOFF_H
#define BRIDGE_WORKER_BACKOFF_H

/* Failures in a row, this one included; one that lived for a minute begins a new row. */
unsigned backoff_count(unsigned failures_before, double lived_seconds);
/* Seconds until the next start: half a second, then twice as long each time, at most 60. */
double backoff_delay(unsigned failures);

#endif
