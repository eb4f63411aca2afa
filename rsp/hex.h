/* Hex digits, binary escapes and the parts of a packet's text; private to rsp/. */
#ifndef RSP_HEX_H
#define RSP_HEX_H

#include "rsp/rsp.h"

enum { RSP_ESCAPE = '}', RSP_ESCAPE_XOR = 0x20 };

/* 0 to 15; -1 when it is no hex digit. */
int hex_digit(uint8_t c);
/* Lower-case digit of the low four bits. */
char hex_char(unsigned value);

/* Two digits a byte; `out` has room for 2 * length. Returns what was written. */
size_t hex_encode(uint8_t *out, const uint8_t *bytes, size_t length);
/* False unless `hex` is exactly 2 * length digits. `out` has room for length. */
bool hex_decode(uint8_t *out, size_t length, const uint8_t *hex, size_t hex_length);
/* A number without leading zeros; returns how many of the 16 characters were used. */
size_t hex_number(uint8_t out[static 16], uint64_t value);

/* May this byte not stand for itself in a reply? */
bool escape_needed(uint8_t c);
/* In place; false when the last byte is an escape of nothing. */
bool escape_decode(uint8_t *bytes, size_t *length);

/* The bytes up to `c` or the end; takes the c, too. */
struct rsp_text text_until(struct rsp_text *t, char c);
/* Is this text exactly the word? */
bool text_is(const struct rsp_text *t, const char *word);
/* All that is left. */
struct rsp_text text_rest(struct rsp_text *t);

/*
 * A thread id, plain (`2`, `-1`, `0`) or of a process (`p1.2`, `p1.-1`, `p1`, `p-1.-1`).
 * Gives the thread, RSP_ALL_THREADS or RSP_ANY_THREAD; another process fails.
 */
int text_thread(struct rsp_text *t);

#endif
