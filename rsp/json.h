/* JSON text for lldb, bounded; private to rsp/. Commas come by themselves. */
#ifndef RSP_JSON_H
#define RSP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
	char *text; /* the caller's room; never terminated */
	size_t length, room;
	bool comma; /* the next member or element needs one before it */
	bool full;  /* sticky: the room was too small */
};

struct json json_init(char *room, size_t size);

/* `[`, `{` and their ends; `key` NULL: as an element. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);

/* Members. Keys are ours, text of any origin: what JSON or ASCII cannot hold becomes '?'. */
void json_number(struct json *j, const char *key, uint64_t value);
void json_text(struct json *j, const char *key, const char *text);
void json_hex(struct json *j, const char *key, const void *bytes, size_t length);

#endif
