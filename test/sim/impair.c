#include "test/sim/impair.h"

#include <stdlib.h>
#include <string.h>

bool impair_init(struct impair *i, const struct impair_options *options, uint64_t seed)
{
	memset(i, 0, sizeof(*i));
	i->options = *options;
	i->random = seed;
	i->held = calloc(IMPAIR_HELD_MAX, sizeof(*i->held));
	return i->held != NULL;
}

void impair_wipe(struct impair *i)
{
	free(i->held);
	i->held = NULL;
	i->count = 0;
}

bool impair_is_active(const struct impair_options *options)
{
	return options->loss > 0 || options->dup > 0 || options->reorder > 0 ||
	       options->corrupt > 0 || options->delay_us > 0;
}

/* splitmix64 */
static uint64_t random_next(struct impair *i)
{
	uint64_t z = (i->random += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static bool happens(struct impair *i, double percent)
{
	double draw = (double)(random_next(i) >> 11) / (double)(UINT64_C(1) << 53);
	return draw * 100 < percent;
}

static void hold(struct impair *i, const struct net_address *address,
		 const uint8_t *datagram, size_t length, uint64_t now_us)
{
	if (i->count == IMPAIR_HELD_MAX || length > KDNET_DATAGRAM_MAX)
		return;
	struct impair_datagram *d = &i->held[i->count++];
	d->due_us = now_us + i->options.delay_us;
	if (happens(i, i->options.reorder))
		d->due_us += IMPAIR_REORDER_US;
	d->order = i->order++;
	d->address = *address;
	d->length = length;
	memcpy(d->bytes, datagram, length);
	if (happens(i, i->options.corrupt) && length > 0) {
		uint64_t bit = random_next(i) % (length * 8);
		d->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

void impair_push(struct impair *i, const struct net_address *address,
		 const uint8_t *datagram, size_t length, uint64_t now_us)
{
	if (now_us < i->silent_until_us || happens(i, i->options.loss))
		return;
	hold(i, address, datagram, length, now_us);
	if (happens(i, i->options.dup))
		hold(i, address, datagram, length, now_us);
}

static const struct impair_datagram *next(const struct impair *i)
{
	const struct impair_datagram *best = NULL;
	for (unsigned n = 0; n < i->count; n++) {
		const struct impair_datagram *d = &i->held[n];
		if (!best || d->due_us < best->due_us ||
		    (d->due_us == best->due_us && d->order < best->order))
			best = d;
	}
	return best;
}

bool impair_pop(struct impair *i, struct impair_datagram *out, uint64_t now_us)
{
	const struct impair_datagram *d = next(i);
	if (!d || d->due_us > now_us)
		return false;
	size_t index = (size_t)(d - i->held);
	*out = *d;
	i->held[index] = i->held[--i->count];
	return true;
}

uint64_t impair_deadline(const struct impair *i)
{
	const struct impair_datagram *d = next(i);
	return d ? d->due_us : UINT64_MAX;
}

bool impair_set(struct impair_options *options, const char *name, const char *value)
{
	char *end;
	double number = strtod(value, &end);
	double *percent = NULL;

	if (end == value || *end != '\0' || !(number >= 0))
		return false;
	if (strcmp(name, "delay") == 0 && number <= 60000) {
		options->delay_us = (uint64_t)(number * 1000);
		return true;
	}
	if (strcmp(name, "loss") == 0)
		percent = &options->loss;
	else if (strcmp(name, "dup") == 0)
		percent = &options->dup;
	else if (strcmp(name, "reorder") == 0)
		percent = &options->reorder;
	else if (strcmp(name, "corrupt") == 0)
		percent = &options->corrupt;
	if (!percent || number > 100)
		return false;
	*percent = number;
	return true;
}
