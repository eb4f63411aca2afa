#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/gdb/monitor.h"

/*
 * The files of images for lldb, through the connection: for an lldb on another host, which
 * cannot open them (RSP.md §13). scripts/kdbridge.py reads what is printed here.
 */

enum {
	PIECE = 512, /* bytes of a line; a multiple of what files leave out as zeros */
	PIECES_MAX = 256, /* of one answer */
	END = 64, /* the bytes that tell one file from another: the cache's own trailer */
	BASE64 = sodium_base64_VARIANT_ORIGINAL,
};

static uint64_t size_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static size_t read_at(int fd, uint8_t *out, size_t length, uint64_t offset)
{
	ssize_t done = pread(fd, out, length, (off_t)offset);

	return done > 0 ? (size_t)done : 0;
}

/* A number that changes with the file: FNV-1a of its end. */
static uint64_t tag_of(int fd, uint64_t size)
{
	uint64_t tag = UINT64_C(0xcbf29ce484222325);
	uint8_t end[END];
	size_t n = read_at(fd, end, END, size > END ? size - END : 0);

	for (size_t i = 0; i < n; i++)
		tag = (tag ^ end[i]) * UINT64_C(0x100000001b3);
	return tag;
}

/* ---- the list ---- */

static bool print_file(struct gdb *g, const struct image_entry *entry)
{
	int fd = entry->file ? open(entry->file, O_RDONLY | O_CLOEXEC) : -1;
	uint64_t size;

	if (fd < 0)
		return false;
	size = size_of(fd);
	monitor_print(g, "%016" PRIx64 " %8" PRIx64 " %016" PRIx64 " %s\n",
		      entry->module.base, size, tag_of(fd, size), entry->file);
	close(fd);
	return true;
}

/* Grows with each change of the list. */
static uint64_t state_of(const struct images *images)
{
	return images->synced + images->version;
}

/* The last line is to be named the next time: nothing is listed twice. */
static void list_files(struct gdb *g, uint64_t since)
{
	size_t waiting = images_waiting(&g->images), shown = 0;

	if (since == state_of(&g->images)) {
		monitor_print(g, "since %" PRIu64 "\n", since);
		return;
	}
	for (size_t i = 0; i < g->images.count; i++)
		shown += print_file(g, &g->images.list[i]);
	if (waiting > 0)
		monitor_print(g, "%zu still to be read, see \"monitor images\"\n",
			      waiting);
	else if (shown == 0)
		monitor_print(g, "There are none: they are made for lldb.\n");
	monitor_print(g, "since %" PRIu64 "\n", state_of(&g->images));
}

/* "since NUMBER", or nothing. */
static bool take_since(const char *arguments, uint64_t *since)
{
	static const char word[] = "since ";

	*since = UINT64_MAX;
	if (!arguments[0])
		return true;
	if (strncmp(arguments, word, sizeof(word) - 1) != 0)
		return false;
	arguments += sizeof(word) - 1;
	return monitor_take_number(&arguments, UINT64_MAX - 1, since) && !*arguments;
}

/* ---- a part of one ---- */

static bool is_zero(const uint8_t *bytes, size_t length)
{
	return sodium_is_zero(bytes, length) == 1;
}

/* Lines "OFFSET BASE64", zeros left out, up to "next OFFSET" or "end". */
static void print_part(struct gdb *g, int fd, uint64_t offset)
{
	char text[sodium_base64_ENCODED_LEN(PIECE, BASE64)];
	uint8_t piece[PIECE];
	uint64_t size = size_of(fd);

	for (unsigned printed = 0; offset < size && printed < PIECES_MAX;) {
		size_t n = read_at(fd, piece, PIECE, offset);

		if (n == 0)
			break;
		if (!is_zero(piece, n)) {
			sodium_bin2base64(text, sizeof(text), piece, n, BASE64);
			monitor_print(g, "%" PRIx64 " %s\n", offset, text);
			printed++;
		}
		offset += n;
	}
	if (offset < size)
		monitor_print(g, "next %" PRIx64 "\n", offset);
	else
		monitor_print(g, "end\n");
}

void monitor_image(struct gdb *g, const char *arguments)
{
	uint64_t base, offset, since;
	const struct image_entry *entry;
	int fd;

	if (take_since(arguments, &since)) {
		list_files(g, since);
		return;
	}
	if (!monitor_take_number(&arguments, UINT64_MAX, &base) ||
	    !monitor_take_number(&arguments, INT64_MAX, &offset) || *arguments) {
		monitor_usage(g, "image");
		return;
	}
	entry = images_at(&g->images, base);
	fd = entry && entry->file ? open(entry->file, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0) {
		monitor_print(g, "There is no such file.\n");
		return;
	}
	print_part(g, fd, offset);
	close(fd);
}
