/*
 * One row per KD API: what a request and its reply carry and what is checked before
 * a request may leave. Internal to kdnet/. Wire: KD.md §3.
 */
#ifndef KDNET_KD_API_H
#define KDNET_KD_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdnet/kd.h"

enum kd_direction { KD_IN_REQUEST = 1, KD_IN_REPLY = 2, KD_IN_BOTH = 3 };

/* One number: where it lies in u on the wire, and where in union kd_arguments. */
struct kd_field {
	uint8_t at;
	uint8_t size; /* on the wire: 1, 2, 4 or 8; 0 ends a list */
	uint8_t in;   /* directions in which it is defined, of enum kd_direction */
	uint8_t place;
	uint8_t width; /* in the union: 1, 2, 4 or 8 */
	bool flag;     /* any other number than 0 is true */
};

enum kd_trailing_rule {
	KD_TRAILING_NONE,    /* none; what comes nevertheless is ignored */
	KD_TRAILING_ALL,     /* all that follows u */
	KD_TRAILING_COUNTED, /* as many units as a number in u says */
};

struct kd_trailing {
	enum kd_trailing_rule rule;
	uint8_t place; /* of that number in union kd_arguments */
	uint8_t width;
	uint8_t unit; /* bytes */
};

enum kd_machines {
	KD_ON_ANY,  /* also before the machine is known */
	KD_ON_FULL, /* i386, amd64, arm64 */
	KD_ON_PORTS /* i386, amd64: they have I/O ports and 3144's buses */
};

typedef enum kd_refusal kd_guard_check(const struct kd_request *request,
				       const struct kd_guard *guard);

struct kd_api_row {
	enum kd_api api;
	const char *name;
	/* NULL: nothing in u */
	const struct kd_field *fields;
	struct kd_trailing request;
	struct kd_trailing reply;
	enum kd_machines machines;
	/* NULL: nothing that could hurt */
	kd_guard_check *check;
	bool no_reply;
	/* Replies repeat the first field: a late answer to another request shows. */
	bool first_repeated;
};

/* Is `length` what the rule and the numbers in u say? */
bool kd_trailing_fits(const struct kd_trailing *t, const union kd_arguments *u,
		      size_t length);

/* NULL for a number that is not ours, 3147 included. */
const struct kd_api_row *kd_api_row(uint32_t api);
/* The n-th row, NULL behind the last. */
const struct kd_api_row *kd_api_row_at(size_t n);

#endif
