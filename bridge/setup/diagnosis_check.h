/* What the checks of a diagnosis are made of; for diagnosis*.c alone. */
#ifndef BRIDGE_SETUP_DIAGNOSIS_CHECK_H
#define BRIDGE_SETUP_DIAGNOSIS_CHECK_H

#include "bridge/setup/diagnosis.h"

/* One thing to look at; false: nothing to say about it. */
struct diagnosis_check {
	const char *name; /* NULL ends a list */
	bool (*check)(struct diagnosis_finding *f, const struct diagnosis_facts *d);
};

/* Of what came in, for facts that were watched (diagnosis_wire.c). */
extern const struct diagnosis_check diagnosis_wire_checks[];

__attribute__((format(printf, 3, 4))) void diagnosis_say(struct diagnosis_finding *f,
							 enum diagnosis_weight weight,
							 const char *format, ...);
__attribute__((format(printf, 2, 3))) void diagnosis_advise(struct diagnosis_finding *f,
							    const char *format, ...);

#endif
