/* What fuzzers share: a check that stays, the input as text, as a file, in parts. */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sodium.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool condition)
{
	if (!condition)
		abort();
}

/* Before locked memory is asked for, as main does. */
static inline void fuzz_sodium(void)
{
	must(sodium_init() >= 0);
}

/* The caller frees it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = calloc(size + 1, 1);
	must(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	return text;
}

/* Without a name on any disk; the caller closes it. */
static inline int fuzz_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	must(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
	return fd;
}

/* Takes one byte; 0 when there is none left. */
static inline uint8_t fuzz_byte(const uint8_t **data, size_t *size)
{
	if (*size == 0)
		return 0;
	(*size)--;
	return *(*data)++;
}

#endif
