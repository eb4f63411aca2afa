#include "bridge/image/sparse.h"

#include <stdlib.h>
#include <string.h>

struct served_image {
	unsigned references;
	uint64_t size;
	uint32_t first_section;
	struct sparse_extent *extents; /* ascending */
	size_t count, capacity;
};

struct served_image *sparse_new(uint64_t size, uint32_t first_section)
{
	struct served_image *image = calloc(1, sizeof(*image));
	if (!image)
		return NULL;
	image->references = 1;
	image->size = size;
	image->first_section = first_section;
	return image;
}

static uint64_t end_of(const struct served_image *image)
{
	if (image->count == 0)
		return 0;
	const struct sparse_extent *last = &image->extents[image->count - 1];
	return last->offset + last->length;
}

static bool make_room(struct served_image *image)
{
	if (image->count < image->capacity)
		return true;
	size_t wanted = image->capacity ? image->capacity * 2 : 16;
	struct sparse_extent *grown = realloc(image->extents, wanted * sizeof(*grown));
	if (!grown)
		return false;
	image->extents = grown;
	image->capacity = wanted;
	return true;
}

bool sparse_add(struct served_image *image, uint64_t offset, uint8_t *bytes,
		size_t length)
{
	if (!bytes || offset < end_of(image) || offset > image->size ||
	    length > image->size - offset || !make_room(image)) {
		free(bytes);
		return false;
	}
	image->extents[image->count++] = (struct sparse_extent){ offset, length, bytes };
	return true;
}

bool sparse_add_copy(struct served_image *image, uint64_t offset, const void *bytes,
		     size_t length)
{
	uint8_t *copy = malloc(length ? length : 1);
	if (copy && length > 0)
		memcpy(copy, bytes, length);
	return sparse_add(image, offset, copy, length);
}

const struct sparse_extent *sparse_extent(const struct served_image *image, size_t number)
{
	return number < image->count ? &image->extents[number] : NULL;
}

struct served_image *served_image_keep(struct served_image *image)
{
	image->references++;
	return image;
}

void served_image_free(struct served_image *image)
{
	if (!image || --image->references > 0)
		return;
	for (size_t i = 0; i < image->count; i++)
		free(image->extents[i].bytes);
	free(image->extents);
	free(image);
}

uint64_t served_image_size(const struct served_image *image)
{
	return image->size;
}

uint32_t served_image_first_section(const struct served_image *image)
{
	return image->first_section;
}

/* The first extent that ends behind the offset. */
static size_t find_extent(const struct served_image *image, uint64_t offset)
{
	size_t low = 0, high = image->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct sparse_extent *e = &image->extents[middle];
		if (e->offset + e->length <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t served_image_read(const struct served_image *image, uint64_t offset, void *out,
			 size_t length)
{
	if (offset >= image->size)
		return 0;
	if (length > image->size - offset)
		length = (size_t)(image->size - offset);
	memset(out, 0, length);
	for (size_t i = find_extent(image, offset); i < image->count; i++) {
		const struct sparse_extent *e = &image->extents[i];
		if (e->offset >= offset + length)
			break;
		uint64_t from = e->offset > offset ? e->offset : offset;
		uint64_t end = e->offset + e->length;
		end = end < offset + length ? end : offset + length;
		memcpy((uint8_t *)out + (from - offset), e->bytes + (from - e->offset),
		       (size_t)(end - from));
	}
	return length;
}
