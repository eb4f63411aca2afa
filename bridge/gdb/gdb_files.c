/*
 * vFile: the files of served images and the list of modules, and nothing else. No name that a client sends is
 * ever given to this machine's file system. RSP.md §2.
 */
#include "bridge/gdb/gdb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kdnet/wire.h"

/* gdb's own numbers, the same on every host. */
enum file_error {
	FILE_ENOENT = 2,
	FILE_EBADF = 9,
	FILE_EACCES = 13,
	FILE_EINVAL = 22,
	FILE_EMFILE = 24,
};

enum {
	FIRST_NUMBER = 3,
	OPEN_MAX_FILES = 3 * MODULES_MAX + 64, /* gdb opens one three times */
	READ_MAX = RSP_PACKET_MAX / 2,	       /* escaped, it still fits a packet */
	STAT_SIZE = 64,
	STAT_MODE = 0100444, /* a regular file, read-only */
	STAT_BLOCK = 4096,
	OPEN_READ_ONLY = 0,
};

static void reply_error(struct rsp *r, enum file_error error)
{
	char text[16];

	snprintf(text, sizeof(text), "F-1,%x", (unsigned)error);
	rsp_reply_text(r, text);
}

static void reply_number(struct rsp *r, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "F%" PRIx64, number);
	rsp_reply_text(r, text);
}

/* ---- handles ---- */

static bool is_open(const struct open_file *file)
{
	return file->image || file->text;
}

static struct open_file *find(struct gdb *g, uint64_t number)
{
	struct gdb_files *files = &g->files;

	if (number < FIRST_NUMBER || number - FIRST_NUMBER >= files->count ||
	    !is_open(&files->list[number - FIRST_NUMBER]))
		return NULL;
	return &files->list[number - FIRST_NUMBER];
}

static void wipe_file(struct open_file *file)
{
	served_image_free(file->image);
	free(file->text);
	*file = (struct open_file){ .image = NULL };
}

static uint64_t size_of(const struct open_file *file)
{
	return file->image ? served_image_size(file->image) : file->length;
}

static size_t read_file(const struct open_file *file, uint64_t offset, void *out,
			size_t length)
{
	if (file->image)
		return served_image_read(file->image, offset, out, length);
	if (offset >= file->length)
		return 0;
	if (length > file->length - offset)
		length = file->length - (size_t)offset;
	memcpy(out, file->text + offset, length);
	return length;
}

/* A free place; NULL: none. */
static struct open_file *find_free(struct gdb_files *files)
{
	struct open_file *list;

	for (size_t i = 0; i < files->count; i++)
		if (!is_open(&files->list[i]))
			return &files->list[i];
	if (files->count == OPEN_MAX_FILES)
		return NULL;
	list = realloc(files->list, (files->count + 1) * sizeof(*list));
	if (!list)
		return NULL;
	files->list = list;
	return &list[files->count++];
}

/* Takes over what the file holds. */
static void open_file(struct gdb *g, struct rsp *r, struct open_file opened)
{
	struct open_file *file = find_free(&g->files);

	if (!file) {
		wipe_file(&opened);
		reply_error(r, FILE_EMFILE);
		return;
	}
	*file = opened;
	reply_number(r, FIRST_NUMBER + (uint64_t)(file - g->files.list));
}

void gdb_files_forget(struct gdb *g)
{
	for (size_t i = 0; i < g->files.count; i++)
		wipe_file(&g->files.list[i]);
	free(g->files.list);
	g->files = (struct gdb_files){ .list = NULL };
}

/* ---- packets ---- */

static int digit(uint8_t c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* Pairs of digits as a text without NUL; false: none, or too long. */
static bool take_name(struct rsp_text *t, char *out, size_t size)
{
	size_t length = 0;

	while (t->left >= 2 && t->pos[0] != ',') {
		int high = digit(t->pos[0]), low = digit(t->pos[1]);

		if (high < 0 || low < 0 || high + low == 0 || length + 1 >= size)
			return false;
		out[length++] = (char)(high << 4 | low);
		t->pos += 2;
		t->left -= 2;
	}
	out[length] = '\0';
	return length > 0;
}

/* The file of that name; not open: there is none. */
static struct open_file file_named(struct gdb *g, const char *name)
{
	struct open_file file = { .image = NULL };
	const struct library *library = gdb_library(g, name);

	if (library) {
		file.number = library->serial;
		file.image = library->image
				     ? served_image_keep(library->image)
				     : served_image_empty(
					       (uint16_t)target_arch(g->target)->machine);
		return file;
	}
	file.image = gdb_exec_file(name);
	if (!file.image)
		file.text = gdb_maps(g, name, &file.length);
	return file;
}

/* vFile:open:NAME,FLAGS,MODE */
static void on_open(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct gdb *g = rsp_context(r);
	struct rsp_text t = rsp_text_init(arguments, length);
	char name[LIBRARY_NAME_MAX];
	bool named = take_name(&t, name, sizeof(name));
	struct open_file file;
	uint64_t flags;

	rsp_text_expect(&t, ',');
	flags = rsp_text_hex(&t);
	rsp_text_expect(&t, ',');
	(void)rsp_text_hex(&t);
	if (!named || !rsp_text_done(&t)) {
		reply_error(r, named ? FILE_EINVAL : FILE_ENOENT);
		return;
	}
	file = file_named(g, name);
	if (!is_open(&file)) {
		reply_error(r, FILE_ENOENT);
	} else if (flags != OPEN_READ_ONLY) {
		wipe_file(&file);
		reply_error(r, FILE_EACCES);
	} else {
		open_file(g, r, file);
	}
}

/* vFile:pread:FILE,COUNT,OFFSET */
static void on_pread(struct rsp *r, const uint8_t *arguments, size_t length)
{
	uint8_t bytes[READ_MAX];
	struct gdb *g = rsp_context(r);
	struct rsp_text t = rsp_text_init(arguments, length);
	const struct open_file *file = find(g, rsp_text_hex(&t));
	uint64_t count, offset;
	size_t done;
	char prefix[24];

	rsp_text_expect(&t, ',');
	count = rsp_text_hex(&t);
	rsp_text_expect(&t, ',');
	offset = rsp_text_hex(&t);
	if (!rsp_text_done(&t) || !file) {
		reply_error(r, file ? FILE_EINVAL : FILE_EBADF);
		return;
	}
	done = read_file(file, offset, bytes,
			 count < READ_MAX ? (size_t)count : READ_MAX);
	snprintf(prefix, sizeof(prefix), "F%zx;", done);
	rsp_reply_binary(r, prefix, bytes, done);
}

/* Numbers big-endian: dev ino mode nlink uid gid rdev, 4 bytes each; size blksize blocks,
 * 8 each; three times of 4. */
static void encode_stat(uint8_t out[static STAT_SIZE], const struct open_file *file)
{
	struct writer w = wr_init(out, STAT_SIZE);
	uint64_t size = size_of(file);

	wr_zeros(&w, 4);
	wr_be(&w, file->number & UINT32_MAX, 4);
	wr_be(&w, STAT_MODE, 4);
	wr_be(&w, 1, 4);
	wr_zeros(&w, 12);
	wr_be(&w, size, 8);
	wr_be(&w, STAT_BLOCK, 8);
	wr_be(&w, (size + 511) / 512, 8);
	/* gdb takes files of one name, size and time for the same */
	wr_zeros(&w, 4);
	wr_be(&w, file->number & UINT32_MAX, 4);
	wr_zeros(&w, 4);
}

static void on_fstat(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct gdb *g = rsp_context(r);
	struct rsp_text t = rsp_text_init(arguments, length);
	const struct open_file *file = find(g, rsp_text_hex(&t));
	uint8_t status[STAT_SIZE];

	if (!rsp_text_done(&t) || !file) {
		reply_error(r, FILE_EBADF);
		return;
	}
	encode_stat(status, file);
	rsp_reply_binary(r, "F40;", status, sizeof(status));
}

static void on_close(struct rsp *r, const uint8_t *arguments, size_t length)
{
	struct gdb *g = rsp_context(r);
	struct rsp_text t = rsp_text_init(arguments, length);
	struct open_file *file = find(g, rsp_text_hex(&t));

	if (!rsp_text_done(&t) || !file) {
		reply_error(r, FILE_EBADF);
		return;
	}
	wipe_file(file);
	reply_number(r, 0);
}

/* Whose view of the files: there is one. */
static void on_setfs(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	reply_number(r, 0);
}

/* gdb for Windows rebases the exec file by the PEB that it finds with this (RSP.md §9). */
static void on_tib_address(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	rsp_reply_text(r, "0");
}

const struct rsp_packet gdb_packets[] = {
	{ "vFile:open:", RSP_PREFIX, RSP_ALWAYS, on_open },
	{ "vFile:pread:", RSP_PREFIX, RSP_ALWAYS, on_pread },
	{ "vFile:fstat:", RSP_PREFIX, RSP_ALWAYS, on_fstat },
	{ "vFile:close:", RSP_PREFIX, RSP_ALWAYS, on_close },
	{ "vFile:setfs:", RSP_PREFIX, RSP_ALWAYS, on_setfs },
	{ "qGetTIBAddr:", RSP_PREFIX, RSP_ALWAYS, on_tib_address },
	{ NULL, RSP_EXACT, RSP_ALWAYS, NULL },
};
