/* The KDNET key: its text form and its bytes. Wire: KDNET.md §2 [capture]. */
#ifndef KDNET_KEY_H
#define KDNET_KEY_H

#include <stdint.h>

enum {
	KDNET_KEY_SIZE = 32,
	KDNET_KEY_PARTS = 4,
	KDNET_KEY_PART_DIGITS = 13,
	/* four parts, three dots and the end */
	KDNET_KEY_TEXT_SIZE = KDNET_KEY_PARTS * KDNET_KEY_PART_DIGITS + 4,
};

/* Why a text is not a key. */
enum kdnet_key_error {
	KDNET_KEY_OK,
	KDNET_KEY_PARTS_WRONG, /* not four parts separated by dots */
	KDNET_KEY_PART_EMPTY,
	KDNET_KEY_CHARACTER, /* other than 0-9 a-z A-Z */
	KDNET_KEY_TOO_LARGE, /* a part of over 13 digits, or over 64 bits */
};

/*
 * Turns "1.2.3.4" into the 32-byte control key: four base-36 parts, each a
 * little-endian 64-bit number. On an error the key is all zeros.
 */
enum kdnet_key_error kdnet_key_parse(uint8_t key[static KDNET_KEY_SIZE],
				     const char *text);

/* A sentence without the key in it, for the user. */
const char *kdnet_key_error_text(enum kdnet_key_error error);

/* The control key as text, lower case, as bcdedit takes it. */
void kdnet_key_format(char text[static KDNET_KEY_TEXT_SIZE],
		      const uint8_t key[static KDNET_KEY_SIZE]);

#endif
