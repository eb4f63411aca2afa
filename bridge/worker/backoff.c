#include "bridge/worker/backoff.h"

#define FIRST_SECONDS .5
#define MOST_SECONDS  60.
#define SOUND_SECONDS 60.

unsigned backoff_count(unsigned failures_before, double lived_seconds)
{
	return lived_seconds >= SOUND_SECONDS ? 1 : failures_before + 1;
}

double backoff_delay(unsigned failures)
{
	double delay = FIRST_SECONDS;

	while (--failures > 0 && delay < MOST_SECONDS)
		delay *= 2;
	return delay < MOST_SECONDS ? delay : MOST_SECONDS;
}
