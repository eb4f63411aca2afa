/*
 * One line of text for one datagram in the clear: what it is and its important fields.
 * All that comes out of a datagram is escaped: nothing of it reaches a terminal raw.
 */
#ifndef BRIDGE_CAPTURE_TEXT_H
#define BRIDGE_CAPTURE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kdnet/kd.h"
#include "kdnet/kdnet.h"

/* Bytes of data that a line shows; "and N more" stands for the rest. */
enum { TEXT_DATA_MAX = 32 };

/*
 * Describes d, without an end of line. `machine` is what the session's version reply
 * said, UNKNOWN before; `session` numbers the session that a response begins.
 */
void text_datagram(FILE *out, const struct kdnet_datagram *d, enum kd_machine machine,
		   unsigned session);

/* Parts of lines. */

/* " 4d5a90 |MZ.|", the first TEXT_DATA_MAX bytes; nothing for no bytes. */
void text_data(FILE *out, const uint8_t *bytes, size_t length);
/* In quotation marks, all but printable ASCII as \n, \r, \t or \xNN. */
void text_quoted(FILE *out, const char *text, size_t length);
/* The same of UTF-16, \uNNNN for what is not ASCII. */
void text_quoted_wide(FILE *out, const uint8_t *text, size_t length);

#endif
