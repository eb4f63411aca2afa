/* What every test uses: cmocka with its prerequisites, hex, vectors, exact copies. */
#ifndef TEST_UTIL_H
#define TEST_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A heap copy of exactly len bytes, so that ASan sees one byte too many. free() it. */
uint8_t *test_exact_copy(const void *bytes, size_t len);

/* Bytes from hex digits up to the first other character; malloc'ed, *len is set. */
uint8_t *test_hex(const char *hex, size_t *len);

/* Whole file of test/vectors/, NUL-terminated, malloc'ed; fails the test when missing. */
char *test_vector_file(const char *name, size_t *len);

/* A small deterministic generator for property tests (splitmix64). */
uint64_t test_random(uint64_t *state);

#endif
