#include "kdnet/window.h"

static void advance(struct kdnet_window *w, uint64_t sequence)
{
	uint64_t step = sequence - w->highest;
	if (step < KDNET_WINDOW_SIZE)
		w->seen = w->seen << step | UINT64_C(1) << (step - 1);
	else if (step == KDNET_WINDOW_SIZE)
		w->seen = UINT64_C(1) << (step - 1);
	else
		w->seen = 0;
	w->highest = sequence;
}

enum kdnet_order kdnet_window_accept(struct kdnet_window *w, uint64_t sequence)
{
	if (!w->started) {
		*w = (struct kdnet_window){ .started = true, .highest = sequence };
		return KDNET_NEWEST;
	}
	if (sequence > w->highest) {
		advance(w, sequence);
		return KDNET_NEWEST;
	}
	uint64_t behind = w->highest - sequence;
	if (behind == 0 || behind > KDNET_WINDOW_SIZE)
		return KDNET_REPLAYED;
	uint64_t bit = UINT64_C(1) << (behind - 1);
	if (w->seen & bit)
		return KDNET_REPLAYED;
	w->seen |= bit;
	return KDNET_BEHIND;
}
