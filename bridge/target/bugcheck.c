#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/target/internal.h"
#include "kdnet/wire.h"

enum { WORDS = 5 }; /* the code and four parameters */

static struct target_bugcheck of_words(const uint64_t words[static WORDS])
{
	struct target_bugcheck b = { .known = true, .code = (uint32_t)words[0] };
	memcpy(b.parameters, words + 1, sizeof(b.parameters));
	return b;
}

/* KiBugcheckData, KD.md §4. */
static bool from_memory(struct target *t, struct target_bugcheck *b)
{
	const struct kdbg *kdbg = target_kdbg(t);
	uint64_t address = kdbg ? kdbg_address(kdbg, KDBG_BUGCHECK_DATA) : 0;
	size_t size = memory_pointer_size(t);
	uint8_t bytes[WORDS * 8];
	uint64_t words[WORDS];
	if (address == 0 || memory_read_all(t, address, bytes, WORDS * size) != KD_DONE)
		return false;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = load_le(bytes + i * size, size);
	*b = of_words(words);
	return words[0] != 0;
}

/* "0x0000001e\n   (0xFFFFFFFFC0000005,0x…,0x…,0x…)" */
static bool from_print(const char *text, struct target_bugcheck *b)
{
	uint64_t words[WORDS] = { 0 };
	size_t found = 0;
	while (found < WORDS && (text = strstr(text, "0x")) != NULL) {
		char *end;
		words[found++] = strtoull(text, &end, 16);
		text = end;
	}
	*b = of_words(words);
	return found > 0;
}

/*
 * "Driver at fault: \n***  x.sys - Address …", in a print of its own, and not for every
 * bugcheck. Nothing when the kernel named none.
 */
static void find_driver(const char *text, struct target_bugcheck *b)
{
	const char *found = strstr(text, "Driver at fault:");
	size_t n = 0;
	found = found ? strstr(found, "***") : NULL;
	if (!found)
		return;
	found += strspn(found, "* ");
	while (n + 1 < sizeof(b->driver) && found[n] > ' ' && found[n] <= '~') {
		b->driver[n] = found[n];
		n++;
	}
	b->driver[n] = '\0';
}

static const char *printed(const struct target *t)
{
	return t->stop.fatal_length > 0 ? t->stop.fatal : "";
}

/* The one at hand becomes the last one. */
static bool take(struct target *t)
{
	struct target_bugcheck b;
	if (!from_memory(t, &b) && !from_print(printed(t), &b))
		return false;
	find_driver(printed(t), &b);
	t->bugcheck = b;
	return true;
}

void bugcheck_describe(struct target *t, char *out, size_t size)
{
	out[0] = '\0';
	if (!take(t))
		return;
	const struct target_bugcheck *b = &t->bugcheck;
	const char *name = bugcheck_name(b->code);
	(void)snprintf(out, size,
		       "%08" PRIx32 " %s (%016" PRIx64 ", %016" PRIx64 ", %016" PRIx64
		       ", %016" PRIx64 ")",
		       b->code, name ? name : "(no documented name)", b->parameters[0],
		       b->parameters[1], b->parameters[2], b->parameters[3]);
	size_t length = strlen(out);
	if (b->driver[0] != '\0')
		(void)snprintf(out + length, size - length, ", driver at fault: %s,",
			       b->driver);
}

void bugcheck_on_session_end(struct target *t, bool reboot)
{
	struct target_bugcheck b;
	bool seen = t->bugcheck.known && !t->bugcheck.earlier_boot;
	if (!seen && from_print(printed(t), &b)) {
		find_driver(printed(t), &b);
		t->bugcheck = b;
	}
	if (reboot)
		t->bugcheck.earlier_boot = true;
}

const struct target_bugcheck *target_seen_bugcheck(const struct target *t)
{
	return t->bugcheck.known ? &t->bugcheck : NULL;
}

bool target_last_bugcheck(struct target *t, struct target_bugcheck *out)
{
	bool seen = t->bugcheck.known && !t->bugcheck.earlier_boot;
	if (!seen && t->life == LIFE_STOPPED)
		(void)take(t);
	*out = t->bugcheck;
	return out->known;
}
