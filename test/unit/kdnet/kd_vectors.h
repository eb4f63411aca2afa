/* The KD packets of the vector files, one at a time, for the tests of kd.h. */
#ifndef TEST_KD_VECTORS_H
#define TEST_KD_VECTORS_H

#include <stdio.h>

#include "kdnet/kd.h"
#include "kdnet/wire.h"
#include "test/util.h"

struct kd_vector {
	const char *line; /* the whole line, NUL-terminated */
	unsigned number;  /* of the line in its file */
	bool note;	  /* "seconds -- text" of nt-clone-kd.txt; nothing below then */
	bool to_target;
	enum kd_machine machine;
	enum kd_packet_type type;
	const uint8_t *data; /* exactly as long as it says: a copy for ASan */
	size_t length;
};

typedef void kd_vector_visit(const struct kd_vector *v, void *context);

enum { KD_VECTOR_HEADER = 16 };

/* Takes the packet of `hex`, header included, and visits it when it carries data. */
static inline void kd_vector_packet(struct kd_vector *v, const char *hex,
				    kd_vector_visit *visit, void *context)
{
	size_t length;
	uint8_t *packet = test_hex(hex, &length);
	if (length >= KD_VECTOR_HEADER && load_le(packet + 6, 2) > 0) {
		v->type = (enum kd_packet_type)load_le(packet + 4, 2);
		v->length = (size_t)load_le(packet + 6, 2);
		assert_int_equal(v->length, length - KD_VECTOR_HEADER);
		uint8_t *exact = test_exact_copy(packet + KD_VECTOR_HEADER, v->length);
		v->data = exact;
		visit(v, context);
		free(exact);
	}
	free(packet);
}

static inline void nt_clone_line(struct kd_vector *v, kd_vector_visit *visit,
				 void *context)
{
	const char *mark = strchr(v->line, ' ');
	v->note = mark && strncmp(mark, " -- ", 4) == 0;
	v->to_target = mark && strncmp(mark, " > ", 3) == 0;
	if (v->line[0] == '#' && strstr(v->line, "x86: a session"))
		v->machine = KD_MACHINE_I386;
	if (v->note)
		visit(v, context);
	else if (v->to_target || (mark && strncmp(mark, " < ", 3) == 0))
		kd_vector_packet(v, strrchr(v->line, ' ') + 1, visit, context);
}

static inline void win10_line(struct kd_vector *v, kd_vector_visit *visit, void *context)
{
	char direction[4];
	int channel;
	int payload = 0;
	if (sscanf(v->line, "%*u %*f %3s %d %*u %n", direction, &channel, &payload) < 2)
		return;
	v->to_target = strcmp(direction, "H>T") == 0;
	if (channel == 0 && payload > 0)
		kd_vector_packet(v, v->line + payload, visit, context);
}

static inline void kd_vector_lines(const char *file,
				   void (*each)(struct kd_vector *, kd_vector_visit *,
						void *),
				   kd_vector_visit *visit, void *context)
{
	char *text = test_vector_file(file, NULL);
	struct kd_vector v = { .machine = KD_MACHINE_AMD64 };
	for (char *line = text; line && *line;) {
		char *end = strchr(line, '\n');
		if (end)
			*end = '\0';
		v.line = line;
		v.number++;
		if (each == nt_clone_line || line[0] != '#')
			each(&v, visit, context);
		line = end ? end + 1 : NULL;
	}
	free(text);
}

/* Notes and data packets of a running NT-like kernel, amd64 and then i386. */
static inline void nt_clone_each(kd_vector_visit *visit, void *context)
{
	kd_vector_lines("nt-clone-kd.txt", nt_clone_line, visit, context);
}

/* Data packets of a real boot debugger and WinDbg. */
static inline void win10_each(kd_vector_visit *visit, void *context)
{
	kd_vector_lines("win10-v4.txt", win10_line, visit, context);
}

/* Data of the KD packet in one block of win81-v2.txt; free() it. */
static inline uint8_t *win81_packet(const char *name, size_t *length)
{
	char *text = test_vector_file("win81-v2.txt", NULL);
	char wanted[64];
	(void)snprintf(wanted, sizeof(wanted), "\nname %s\n", name);
	const char *block = strstr(text, wanted);
	assert_non_null(block);
	const char *line = strstr(block, "\nplaintext ");
	assert_non_null(line);
	size_t plain;
	uint8_t *bytes = test_hex(line + strlen("\nplaintext "), &plain);
	const size_t prefix = 8; /* sequence, direction and padding */
	assert_true(plain >= prefix + KD_VECTOR_HEADER);
	*length = plain - prefix - (bytes[7] & 0x7f) - KD_VECTOR_HEADER;
	uint8_t *data = test_exact_copy(bytes + prefix + KD_VECTOR_HEADER, *length);
	free(bytes);
	free(text);
	return data;
}

/*
 * The number behind `key` in a note: "pc fffff80000497568", a whole word. False when
 * the key is not there, or its number was cut off at the end of the line.
 */
static inline bool note_number(const char *note, const char *key, int base,
			       uint64_t *value)
{
	size_t length = strlen(key);
	for (const char *at = strstr(note, key); at; at = strstr(at + 1, key)) {
		if (at == note || (at[-1] != ' ' && at[-1] != '<') || at[length] != ' ')
			continue;
		char *end;
		*value = strtoull(at + length + 1, &end, base);
		if (end > at + length + 1 && (*end == ' ' || *end == '>' || *end == '/'))
			return true;
	}
	return false;
}

#endif
