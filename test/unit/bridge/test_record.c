#include "bridge/capture/record.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/capture/pcap.h"
#include "kdnet/seal.h"
#include "test/util.h"

static const char key_text[] = "1a.2b.3c.4d";

struct fixture {
	char folder[32];
	char path[64];
	unsigned ended;
	int error;
	uint8_t key[KDNET_KEY_SIZE];
	struct record_options options;
	struct record *record;
};

static void on_ended(void *context, const char *path, int error)
{
	struct fixture *f = context;
	assert_string_equal(path, f->path);
	f->ended++;
	f->error = error;
}

static int start(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	strcpy(f->folder, "/tmp/test_record.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	(void)snprintf(f->path, sizeof(f->path), "%s/x.pcapng", f->folder);
	assert_int_equal(kdnet_key_parse(f->key, key_text), KDNET_KEY_OK);
	f->options = (struct record_options){ .path = f->path,
					      .size = RECORD_SIZE_MIN,
					      .files = 3,
					      .port = 50000,
					      .ended = on_ended,
					      .context = f };
	*state = f;
	return 0;
}

/* The n-th file; its name lives until the next call. */
static const char *file(const struct fixture *f, unsigned n)
{
	static char path[64];
	(void)snprintf(path, sizeof(path), n == 0 ? "%s/x.pcapng" : "%s/x.%u.pcapng",
		       f->folder, n);
	return path;
}

static bool exists(const struct fixture *f, unsigned n)
{
	return access(file(f, n), F_OK) == 0;
}

static int stop(void **state)
{
	struct fixture *f = *state;
	record_free(f->record);
	for (unsigned n = 0; n < 10; n++)
		(void)unlink(file(f, n));
	assert_int_equal(rmdir(f->folder), 0); /* nothing else is left there */
	free(f);
	return 0;
}

static void begin(struct fixture *f)
{
	record_free(f->record);
	f->record = NULL;
	assert_int_equal(record_new(&f->record, &f->options), RECORD_BEGUN);
}

/* A datagram whose last byte is `tag`. */
static void put(struct fixture *f, size_t length, uint8_t channel, uint8_t tag,
		bool to_target)
{
	uint8_t bytes[2000] = { 'M', 'D', 'B', 'G', 5, channel };
	struct datagram d = { .source = { [10] = 0xff, 0xff, 192, 0, 2, 1 },
			      .destination = { [10] = 0xff, 0xff, 192, 0, 2, 2 },
			      .source_port = 50000,
			      .destination_port = 50001,
			      .bytes = bytes,
			      .length = length };
	bytes[length - 1] = tag;
	record_datagram(f->record, 1000 + tag, &d, to_target);
}

/* What is in the n-th file: its tags in order, as text. */
static char *tags(const struct fixture *f, unsigned n)
{
	size_t length, count = 0;
	uint8_t *bytes = pcap_load(file(f, n), &length);
	char *text = calloc(1, 10000);
	struct pcap_reader reader;
	struct pcap_packet packet;
	struct datagram d;
	assert_non_null(bytes);
	assert_true(length <= f->options.size);
	assert_true(pcap_init(&reader, bytes, length));
	while (pcap_next(&reader, &packet)) {
		assert_int_equal(datagram_decode(&d, &packet), DATAGRAM_FOUND);
		assert_true(packet.time_ns == 1000u + d.bytes[d.length - 1]);
		text[count++] = (char)d.bytes[d.length - 1];
	}
	assert_false(pcap_is_damaged(&reader));
	free(bytes);
	return text;
}

static void check_tags(const struct fixture *f, unsigned n, const char *expected)
{
	char *text = tags(f, n);
	assert_string_equal(text, expected);
	free(text);
}

static void check_key(const struct fixture *f, unsigned n, bool expected)
{
	size_t length;
	uint8_t key[KDNET_KEY_SIZE];
	uint8_t *bytes = pcap_load(file(f, n), &length);
	struct pcap_reader reader;
	struct pcap_packet packet;
	assert_non_null(bytes);
	assert_int_equal(memmem(bytes, length, key_text, sizeof(key_text) - 1) != NULL,
			 expected);
	assert_true(pcap_init(&reader, bytes, length));
	(void)pcap_next(&reader, &packet);
	assert_int_equal(record_key(key, reader.comment, reader.comment_length),
			 expected);
	if (expected)
		assert_memory_equal(key, f->key, sizeof(key));
	free(bytes);
}

static void datagrams_are_in_the_file_at_once_and_only_its_owner_reads_it(void **state)
{
	struct fixture *f = *state;
	struct stat status;
	begin(f);
	put(f, 100, 0, 'a', true);
	put(f, 99, 0, 'b', false);
	check_tags(f, 0, "ab");
	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	check_key(f, 0, false);
}

static void the_key_is_in_it_only_when_asked_for(void **state)
{
	struct fixture *f = *state;
	f->options.key = f->key;
	begin(f);
	check_key(f, 0, true);
}

static void a_label_without_a_key_is_none(void **state)
{
	(void)state;
	static const char *const comments[] = {
		"",
		"The key of the target is ",
		"The key of the target is 1.2.3",
		"The key of the target is 1.2.3.4.5",
		"The key of the target is not in here.",
		"The key of the target is "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	uint8_t key[KDNET_KEY_SIZE];
	assert_false(record_key(key, NULL, 0));
	for (size_t i = 0; i < sizeof(comments) / sizeof(comments[0]); i++) {
		uint8_t *exact = test_exact_copy(comments[i], strlen(comments[i]));
		assert_false(record_key(key, exact, strlen(comments[i])));
		free(exact);
	}
}

/* 358 bytes on channel 1 to the target: a response; 54: a host poke. */
static void files_are_rotated_and_begin_with_the_handshake(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, 358, 1, 'O', true); /* an older session's */
	put(f, 358, 1, 'R', true);
	put(f, 54, 1, 'H', true);
	put(f, 374, 1, 'P', false);
	for (unsigned n = 0; n < 250; n++)
		put(f, 1400, 0, (uint8_t)('a' + n / 10), n % 2);
	assert_true(exists(f, 2));
	assert_false(exists(f, 3));
	char *newest = tags(f, 0), *older = tags(f, 1), *oldest = tags(f, 2);
	assert_int_equal(newest[0], 'R');
	assert_int_equal(older[0], 'R');
	assert_int_equal(newest[strlen(newest) - 1], 'a' + 24);
	/* nothing is missing in between */
	assert_in_range(newest[1] - older[strlen(older) - 1], 0, 1);
	assert_in_range(older[1] - oldest[strlen(oldest) - 1], 0, 1);
	assert_in_range(strlen(older), 40, 46);
	free(newest);
	free(older);
	free(oldest);
	assert_int_equal(f->ended, 0);
}

static void one_file_is_replaced(void **state)
{
	struct fixture *f = *state;
	f->options.files = 1;
	begin(f);
	for (unsigned n = 0; n < 60; n++)
		put(f, 1400, 0, (uint8_t)('a' + n / 10), false);
	assert_false(exists(f, 1));
	char *text = tags(f, 0);
	assert_in_range(strlen(text), 10, 20);
	free(text);
}

static void an_earlier_recording_is_kept_but_not_an_empty_one(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, 100, 0, '1', true);
	begin(f);
	begin(f);
	begin(f); /* nothing came in those */
	put(f, 100, 0, '2', true);
	begin(f);
	check_tags(f, 0, "");
	check_tags(f, 1, "2");
	check_tags(f, 2, "1");
	assert_false(exists(f, 3));
}

static void foreign_files_are_left_alone(void **state)
{
	struct fixture *f = *state;
	FILE *foreign = fopen(f->path, "w");
	assert_non_null(foreign);
	assert_true(fputs("important", foreign) >= 0);
	assert_int_equal(fclose(foreign), 0);
	assert_int_equal(record_new(&f->record, &f->options), RECORD_NOT_OURS);
	assert_null(f->record);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(symlink("/nonexistent", f->path), 0);
	assert_int_equal(record_new(&f->record, &f->options), RECORD_NOT_OURS);
	assert_int_equal(unlink(f->path), 0);
	f->options.path = "/dev/null";
	assert_int_equal(record_new(&f->record, &f->options), RECORD_NOT_OURS);
	f->options.path = "/nonexistent/x.pcapng";
	assert_int_equal(record_new(&f->record, &f->options), RECORD_FAILED);
	assert_int_equal(errno, ENOENT);
	char *name = calloc(1, 5001);
	memset(name, 'x', 5000);
	f->options.path = name;
	assert_int_equal(record_new(&f->record, &f->options), RECORD_LONG_NAME);
	free(name);
}

static void a_file_that_is_recorded_into_is_refused(void **state)
{
	struct fixture *f = *state;
	struct record *second = NULL;
	begin(f);
	assert_int_equal(record_new(&second, &f->options), RECORD_IN_USE);
	assert_null(second);
}

/* As a full disk does; the limit is this process's. */
static void with_limit(rlim_t bytes)
{
	const struct rlimit limit = { bytes, RLIM_INFINITY };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_ends_the_recording_with_whole_packets(void **state)
{
	struct fixture *f = *state;
	begin(f);
	with_limit(10000);
	for (unsigned n = 0; n < 20; n++)
		put(f, 1400, 0, (uint8_t)('a' + n), false);
	with_limit(RLIM_INFINITY);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->error, EFBIG);
	check_tags(f, 0, "abcdef");
}

static void a_disk_that_is_full_from_the_start_is_no_failure(void **state)
{
	struct fixture *f = *state;
	with_limit(10);
	begin(f);
	put(f, 100, 0, 'a', true);
	with_limit(RLIM_INFINITY);
	assert_int_equal(f->ended, 1);
}

static void a_folder_that_vanished_ends_the_recording_at_the_next_file(void **state)
{
	struct fixture *f = *state;
	begin(f);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(rmdir(f->folder), 0);
	for (unsigned n = 0; n < 60; n++)
		put(f, 1400, 0, 'a', false);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->error, ENOENT);
	assert_int_equal(mkdir(f->folder, 0700), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(datagrams_are_in_the_file_at_once_and_only_its_owner_reads_it),
		TEST(the_key_is_in_it_only_when_asked_for),
		cmocka_unit_test(a_label_without_a_key_is_none),
		TEST(files_are_rotated_and_begin_with_the_handshake),
		TEST(one_file_is_replaced),
		TEST(an_earlier_recording_is_kept_but_not_an_empty_one),
		TEST(foreign_files_are_left_alone),
		TEST(a_file_that_is_recorded_into_is_refused),
		TEST(a_full_disk_ends_the_recording_with_whole_packets),
		TEST(a_disk_that_is_full_from_the_start_is_no_failure),
		TEST(a_folder_that_vanished_ends_the_recording_at_the_next_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
