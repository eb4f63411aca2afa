#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/target/internal.h"
#include "kdnet/wire.h"

enum {
	WORDS = 5,	 /* the code and four parameters */
	DRIVER_MAX = 48, /* of its name */
};

/* KiBugcheckData, KD.md §4. */
static bool from_memory(struct target *t, uint64_t words[static WORDS])
{
	const struct kdbg *kdbg = target_kdbg(t);
	uint64_t address = kdbg ? kdbg_address(kdbg, KDBG_BUGCHECK_DATA) : 0;
	size_t size = t->arch->pointer_size;
	uint8_t bytes[WORDS * 8];
	if (address == 0 || memory_read_all(t, address, bytes, WORDS * size) != KD_DONE)
		return false;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = load_le(bytes + i * size, size);
	return words[0] != 0;
}

/* "0x0000001e\n   (0xFFFFFFFFC0000005,0x…,0x…,0x…)" */
static bool from_print(const char *text, uint64_t words[static WORDS])
{
	size_t found = 0;
	while (found < WORDS && (text = strstr(text, "0x")) != NULL) {
		char *end;
		words[found++] = strtoull(text, &end, 16);
		text = end;
	}
	for (size_t i = found; i < WORDS; i++)
		words[i] = 0;
	return found > 0;
}

/*
 * "Driver at fault: \n***  x.sys - Address …", in a print of its own, and not for every
 * bugcheck. False: the kernel named none.
 */
static bool find_driver(const char *text, char *out, size_t size)
{
	const char *found = strstr(text, "Driver at fault:");
	size_t n = 0;
	found = found ? strstr(found, "***") : NULL;
	if (!found)
		return false;
	found += strspn(found, "* ");
	while (n + 1 < size && found[n] > ' ' && found[n] <= '~') {
		out[n] = found[n];
		n++;
	}
	out[n] = '\0';
	return n > 0;
}

void bugcheck_describe(struct target *t, char *out, size_t size)
{
	uint64_t words[WORDS];
	char driver[DRIVER_MAX];
	out[0] = '\0';
	if (!from_memory(t, words) &&
	    !(t->stop.fatal_length > 0 && from_print(t->stop.fatal, words)))
		return;
	const char *name = bugcheck_name((uint32_t)words[0]);
	(void)snprintf(out, size,
		       "%08" PRIx32 " %s (%016" PRIx64 ", %016" PRIx64 ", %016" PRIx64
		       ", %016" PRIx64 ")",
		       (uint32_t)words[0], name ? name : "(no documented name)", words[1],
		       words[2], words[3], words[4]);
	size_t length = strlen(out);
	if (t->stop.fatal_length > 0 &&
	    find_driver(t->stop.fatal, driver, sizeof(driver)))
		(void)snprintf(out + length, size - length, ", driver at fault: %s,",
			       driver);
}
