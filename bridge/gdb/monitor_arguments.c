#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/gdb/monitor.h"
#include "bridge/gdb/symbolize.h"
#include "bridge/target/processors.h"

/* Arguments of commands, and what all of them say when something is wrong. */

/* ---- words and numbers ---- */

static void skip_blanks(const char **text)
{
	*text += strspn(*text, " \t");
}

bool monitor_take_number(const char **text, uint64_t most, uint64_t *value)
{
	char *end;

	skip_blanks(text);
	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	*value = strtoull(*text, &end, 0);
	if (errno != 0 || *value > most || (*end != '\0' && !strchr(" \t=", *end)))
		return false;
	*text = end;
	skip_blanks(text);
	return true;
}

bool monitor_take_word(const char **text, char *word, size_t size)
{
	size_t length;

	skip_blanks(text);
	length = strcspn(*text, " \t");
	if (length == 0 || length >= size)
		return false;
	memcpy(word, *text, length);
	word[length] = '\0';
	*text += length;
	skip_blanks(text);
	return true;
}

/* ---- addresses ---- */

/* "$pc", "rip": of the stopped processor. */
static bool register_value(struct gdb *g, const char *word, uint64_t *value)
{
	const struct arch *arch = target_arch(g->target);
	const struct target_stop *stop = target_stopped(g->target);
	const struct arch_register *row;
	bool dollar = word[0] == '$';

	word += dollar;
	if (dollar && !strcmp(word, "pc"))
		row = &arch->registers[arch->pc];
	else if (dollar && !strcmp(word, "sp"))
		row = &arch->registers[arch->sp];
	else
		row = arch_register_named(arch, word);
	return stop && row && row->bits <= 64 &&
	       registers_get(g->target, stop->processor, row->number, value) == KD_DONE;
}

static bool plain_number(const char *word, uint64_t *value)
{
	return monitor_take_number(&word, UINT64_MAX, value) && *word == '\0';
}

/* As the lists of commands print it: sixteen digits without a prefix. */
static bool long_hex(const char *word, uint64_t *value)
{
	enum { DIGITS = 16 };

	if (strlen(word) != DIGITS || strspn(word, "0123456789abcdefABCDEF") != DIGITS)
		return false;
	*value = strtoull(word, NULL, 16);
	return true;
}

/* Cuts "+0x12" off; what stands before it may have such a sign in itself. */
static uint64_t cut_offset(char *word)
{
	char *sign = strrchr(word, '+') ? strrchr(word, '+') : strrchr(word, '-');
	uint64_t offset;

	if (!sign || sign == word || !plain_number(sign + 1, &offset))
		return 0;
	offset = *sign == '-' ? 0 - offset : offset;
	*sign = '\0';
	return offset;
}

bool monitor_take_address(struct gdb *g, const char **text, uint64_t *address)
{
	char word[SYMBOLIZED_MAX], whole[SYMBOLIZED_MAX];
	uint64_t offset;

	if (!monitor_take_word(text, word, sizeof(word))) {
		monitor_print(g, "An address is missing, or too long.\n");
		return false;
	}
	memcpy(whole, word, sizeof(whole));
	offset = cut_offset(word);
	if (!long_hex(word, address) && !plain_number(word, address) &&
	    !register_value(g, word, address) && !symbol_address(g, word, address)) {
		monitor_print(
			g, "\"%s\" is no number, no register and no name known here%s\n",
			whole,
			images_waiting(&g->images) > 0
				? ": \"monitor images wait\" reads more names."
				: ".");
		return false;
	}
	*address += offset;
	return true;
}

/* ---- processors ---- */

bool monitor_take_processor(struct gdb *g, const char *name, char *text,
			    unsigned *processor)
{
	const struct target_stop *stop = target_stopped(g->target);
	char *at = strstr(text, "cpu");
	const char *rest;
	uint64_t number;

	*processor = stop ? stop->processor : 0;
	if (!at)
		return true;
	rest = at + strlen("cpu");
	if ((at != text && !strchr(" \t", at[-1])) ||
	    !monitor_take_number(&rest, UINT32_MAX, &number) || *rest) {
		monitor_usage(g, name);
		return false;
	}
	*at = '\0';
	*processor = (unsigned)number;
	if (number < processors_count(g->target))
		return true;
	monitor_print(g, "There is no processor %u: the target has %u.\n", *processor,
		      processors_count(g->target));
	return false;
}

/* ---- what all of them say ---- */

void monitor_usage(struct gdb *g, const char *name)
{
	const char *rest;
	const struct monitor_command *command = monitor_find(name, &rest);

	monitor_print(g, "Usage: monitor %s %s; numbers are decimal or 0x…\n",
		      command->name, command->arguments);
}

bool monitor_is_stopped(struct gdb *g)
{
	if (gdb_is_live(g))
		return true;
	monitor_print(g, "The target is not stopped.\n");
	return false;
}

void monitor_say_failed(struct gdb *g, enum kd_result result)
{
	monitor_print(g, result == KD_REFUSED ? "The target refuses that.\n"
					      : "The target did not answer.\n");
}
