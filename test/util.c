#include "test/util.h"

#include <stdio.h>

uint8_t *test_exact_copy(const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

static int digit(char c)
{
	const char digits[] = "0123456789abcdef";
	const char *found = c == '\0' ? NULL : strchr(digits, c | 0x20);
	return found ? (int)(found - digits) : -1;
}

uint8_t *test_hex(const char *hex, size_t *len)
{
	uint8_t *bytes = malloc(strlen(hex) / 2 + 1);
	assert_non_null(bytes);
	*len = 0;
	while (digit(hex[0]) >= 0 && digit(hex[1]) >= 0) {
		bytes[(*len)++] = (uint8_t)(digit(hex[0]) * 16 + digit(hex[1]));
		hex += 2;
	}
	return bytes;
}

char *test_vector_file(const char *name, size_t *len)
{
	char path[1024];
	(void)snprintf(path, sizeof(path), "%s/%s", TEST_VECTORS, name);
	FILE *file = fopen(path, "rb");
	if (!file)
		fail_msg("cannot open %s", path);
	(void)fseek(file, 0, SEEK_END);
	long size = ftell(file);
	assert_true(size >= 0);
	rewind(file);
	char *text = malloc((size_t)size + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)size, file), size);
	text[size] = '\0';
	(void)fclose(file);
	if (len)
		*len = (size_t)size;
	return text;
}

uint64_t test_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}
