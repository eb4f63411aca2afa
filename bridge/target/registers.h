/*
 * Registers of each processor: CONTEXT and special registers are fetched once in a
 * stop, when first needed, and written back once, at resume, only if changed.
 */
#ifndef BRIDGE_TARGET_REGISTERS_H
#define BRIDGE_TARGET_REGISTERS_H

#include "bridge/target/arch.h"
#include "bridge/target/target.h"

enum { REGISTER_BYTES_MAX = 64 };

/* The register's bytes in target order, arch_register.bits / 8 of them. */
enum kd_result registers_read(struct target *t, unsigned processor, unsigned number,
			      uint8_t out[static REGISTER_BYTES_MAX]);
enum kd_result registers_write(struct target *t, unsigned processor, unsigned number,
			       const uint8_t *bytes);

/* Has the processor's CONTEXT come already in this stop? */
bool registers_known(const struct target *t, unsigned processor);

/* Registers of at most 64 bits as numbers. */
enum kd_result registers_get(struct target *t, unsigned processor, unsigned number,
			     uint64_t *value);
enum kd_result registers_set(struct target *t, unsigned processor, unsigned number,
			     uint64_t value);

#endif
