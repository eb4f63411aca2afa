#include "test/unit/bridge/gdb_fixture.h"

/* vFile: what gdb asks, and what it never would. */

static const char *open_named(struct gdb_fixture *f, const char *name, const char *rest)
{
	char packet[2048] = "vFile:open:";

	for (size_t i = 0; name[i]; i++)
		(void)snprintf(packet + strlen(packet), 3, "%02x",
			       (unsigned char)name[i]);
	(void)snprintf(packet + strlen(packet), 32, "%s", rest);
	return fixture_ask(f, packet);
}

static struct gdb_fixture *start_with_driver(void)
{
	struct gdb_fixture *f = fixture_start(1);

	fake_do_resume(f->fake, TARGET_CONTINUE, 0);
	fake_load(f->fake, "\\SystemRoot\\x.sys", UINT64_C(0xfffff80300000000), 0x2000,
		  false);
	fake_spin_until(f->fake, &f->fake->stops, 2);
	fixture_ask(f, "qXfer:libraries:read::0,1000");
	return f;
}

static void the_exec_file_is_served(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_string_equal(fixture_ask(f, "vFile:setfs:0"), "F0");
	assert_string_equal(open_named(f, "/kdbridge/amd64", ",0,0"), "F3");
	assert_memory_equal(fixture_ask(f, "vFile:pread:3,1000,0"), "F200;MZ", 7);
	assert_memory_equal(fixture_ask(f, "vFile:pread:3,2,1fe"), "F2;", 3);
	assert_string_equal(fixture_ask(f, "vFile:close:3"), "F0");
	fixture_end(f);
}

static void a_status_tells_a_regular_file_of_that_size(void **state)
{
	static const uint8_t start[] = { 'F', '4', '0', ';', 0,	   0,	 0, 0, 0, 0,
					 0,   0,   0,	0,   0x81, 0x24, 0, 0, 0, 1,
					 0,   0,   0,	0,   0,	   0,	 0, 0, 0, 0,
					 0,   0,   0,	0,   0,	   0,	 0, 0, 2, 0 };
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	open_named(f, "/kdbridge/amd64", ",0,0");
	fixture_ask(f, "vFile:fstat:3");
	client_unescape((uint8_t *)f->answer, sizeof(start) + 8);
	assert_memory_equal(f->answer, start, sizeof(start));
	fixture_end(f);
}

static void a_module_that_makes_no_sense_opens_as_the_empty_one(void **state)
{
	struct gdb_fixture *f = start_with_driver();

	(void)state;
	assert_string_equal(open_named(f, "/SystemRoot/x.sys", ",0,0"), "F3");
	assert_memory_equal(fixture_ask(f, "vFile:pread:3,40,0"), "F40;MZ", 6);
	fixture_end(f);
}

static void modules_are_told_as_linux_tells_them(void **state)
{
	static const char line[] =
		"fffff80300000000-fffff80300002000 rwxp 00000000 00:00 0 "
		"/SystemRoot/x.sys\n";
	struct gdb_fixture *f = start_with_driver();
	const char *text;

	(void)state;
	assert_string_equal(open_named(f, "/proc/1/maps", ",0,0"), "F3");
	text = fixture_ask(f, "vFile:pread:3,1000,0");
	assert_non_null(strstr(text, line));
	assert_string_equal(fixture_ask(f, "vFile:pread:3,1000,100000"), "F0;");
	assert_string_equal(open_named(f, "/proc/2/maps", ",0,0"), "F4");
	assert_string_equal(fixture_ask(f, "vFile:close:3"), "F0");
	assert_memory_equal(fixture_ask(f, "vFile:pread:3,10,0"), "F-1,9", 5);
	assert_string_equal(open_named(f, "/proc/1/maps", ",1,1b6"), "F-1,d");
	fixture_end(f);
}

static void nothing_else_is_opened(void **state)
{
	static const char *const names[] = {
		"/etc/passwd",
		"/SystemRoot/../etc/passwd",
		"/SystemRoot/x.sys/../../etc/passwd",
		"/SystemRoot/X.SYS",
		"SystemRoot/x.sys",
		"/SystemRoot/",
		"/kdbridge/",
		"/kdbridge/amd64/../../etc/passwd",
		"/kdbridge/mips",
		"/proc/self/mem",
		"/proc/self/maps",
		"/proc//maps",
		"/proc/1/maps/",
		"/proc/1/map",
		"/proc/1x/maps",
		"/proc/-1/maps",
		"just probing",
		"\xff\xfe",
	};
	struct gdb_fixture *f = start_with_driver();

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(open_named(f, names[i], ",0,0"), "F-1,2");
	assert_string_equal(open_named(f, "", ",0,0"), "F-1,2");
	fixture_end(f);
}

static void nothing_is_opened_for_writing(void **state)
{
	struct gdb_fixture *f = start_with_driver();

	(void)state;
	assert_string_equal(open_named(f, "/SystemRoot/x.sys", ",1,1b6"), "F-1,d");
	assert_string_equal(open_named(f, "/SystemRoot/x.sys", ",602,1b6"), "F-1,d");
	assert_string_equal(fixture_ask(f, "vFile:pwrite:3,0,x"), "");
	assert_string_equal(fixture_ask(f, "vFile:unlink:2f"), "");
	assert_string_equal(fixture_ask(f, "vFile:readlink:2f"), "");
	fixture_end(f);
}

static void odd_packets_are_refused(void **state)
{
	static const char *const packets[] = {
		"vFile:open:",
		"vFile:open:2,0,0",
		"vFile:open:zz,0,0",
		"vFile:open:2f00,0,0",
		"vFile:open:2f6b6462726964676,0,0",
		"vFile:open:2f6b646272696467652f616d643634",
		"vFile:open:2f6b646272696467652f616d643634,0",
		"vFile:open:2f6b646272696467652f616d643634,0,0,0",
		"vFile:open:2f6b646272696467652f616d643634,g,0",
		"vFile:pread:",
		"vFile:pread:3",
		"vFile:pread:3,10",
		"vFile:pread:3,10,0,0",
		"vFile:pread:3,11111111111111111,0",
		"vFile:pread:2,10,0",
		"vFile:pread:4,10,0",
		"vFile:pread:0,10,0",
		"vFile:pread:ffffffffffffffff,10,0",
		"vFile:pread:-1,10,0",
		"vFile:fstat:",
		"vFile:fstat:4",
		"vFile:fstat:3,",
		"vFile:fstat:8000000000000003",
		"vFile:close:",
		"vFile:close:4",
		"vFile:close:ffffffffffffffff",
	};
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_string_equal(open_named(f, "/kdbridge/amd64", ",0,0"), "F3");
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		assert_memory_equal(fixture_ask(f, packets[i]), "F-1,", 4);
	fixture_end(f);
}

static void reads_beyond_the_end_give_nothing(void **state)
{
	static const char *const packets[] = {
		"vFile:pread:3,10,200",
		"vFile:pread:3,10,201",
		"vFile:pread:3,10,ffffffffffffffff",
		"vFile:pread:3,ffffffffffffffff,fffffffffffffff0",
		"vFile:pread:3,10,8000000000000000",
		"vFile:pread:3,0,0",
	};
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	open_named(f, "/kdbridge/amd64", ",0,0");
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		assert_string_equal(fixture_ask(f, packets[i]), "F0;");
	assert_memory_equal(fixture_ask(f, "vFile:pread:3,ffffffffffffffff,1f0"), "F10;",
			    4);
	fixture_end(f);
}

static void handles_are_many_and_used_again(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_string_equal(open_named(f, "/kdbridge/amd64", ",0,0"), "F3");
	assert_string_equal(open_named(f, "/kdbridge/amd64", ",0,0"), "F4");
	assert_string_equal(open_named(f, "/kdbridge/i386", ",0,0"), "F5");
	assert_string_equal(fixture_ask(f, "vFile:close:4"), "F0");
	assert_string_equal(fixture_ask(f, "vFile:close:4"), "F-1,9");
	assert_memory_equal(fixture_ask(f, "vFile:pread:5,2,0"), "F2;MZ", 5);
	assert_string_equal(open_named(f, "/kdbridge/arm64", ",0,0"), "F4");
	fixture_end(f);
}

static void there_is_an_end_of_handles(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	unsigned opened = 0;

	(void)state;
	while (opened < 20000 && open_named(f, "/kdbridge/amd64", ",0,0")[1] != '-')
		opened++;
	assert_true(opened > 4096 && opened < 20000);
	assert_string_equal(f->answer, "F-1,18");
	fixture_end(f);
}

static void an_open_file_outlives_its_module(void **state)
{
	struct gdb_fixture *f = start_with_driver();

	(void)state;
	assert_string_equal(open_named(f, "/SystemRoot/x.sys", ",0,0"), "F3");
	fake_do_resume(f->fake, TARGET_CONTINUE, 0);
	fake_load(f->fake, "\\SystemRoot\\x.sys", UINT64_C(0xfffff80300000000), 0x2000,
		  true);
	fake_spin_until(f->fake, &f->fake->stops, 3);
	fixture_ask(f, "qXfer:libraries:read::0,1000");
	assert_string_equal(open_named(f, "/SystemRoot/x.sys", ",0,0"), "F-1,2");
	assert_memory_equal(fixture_ask(f, "vFile:pread:3,40,0"), "F40;MZ", 6);
	fixture_end(f);
}

/* In extended mode gdb kills, attaches again, and reads on with the handles it has. */
static void an_open_file_outlives_a_kill_but_not_its_client(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_string_equal(fixture_ask(f, "!"), "OK");
	assert_string_equal(open_named(f, "/kdbridge/amd64", ",0,0"), "F3");
	assert_string_equal(fixture_ask(f, "vKill;1"), "OK");
	assert_memory_equal(fixture_ask(f, "vFile:pread:3,2,0"), "F2;MZ", 5);
	assert_string_equal(open_named(f, "/kdbridge/amd64", ",0,0"), "F4");
	fixture_ask(f, "vAttach;1");
	assert_memory_equal(fixture_ask(f, "vFile:pread:4,2,0"), "F2;MZ", 5);
	assert_true(f->gdb.files.count > 0);
	rsp_closed(f->rsp);
	assert_int_equal(f->gdb.files.count, 0);
	fixture_end(f);
}

static void gdb_for_windows_is_told_of_no_tib(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_string_equal(fixture_ask(f, "qGetTIBAddr:1"), "0");
	assert_string_equal(fixture_ask(f, "qOffsets"), "");
	assert_string_equal(fixture_ask(f, "qSymbol::"), "OK");
	fixture_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exec_file_is_served),
		cmocka_unit_test(a_status_tells_a_regular_file_of_that_size),
		cmocka_unit_test(a_module_that_makes_no_sense_opens_as_the_empty_one),
		cmocka_unit_test(modules_are_told_as_linux_tells_them),
		cmocka_unit_test(nothing_else_is_opened),
		cmocka_unit_test(nothing_is_opened_for_writing),
		cmocka_unit_test(odd_packets_are_refused),
		cmocka_unit_test(reads_beyond_the_end_give_nothing),
		cmocka_unit_test(handles_are_many_and_used_again),
		cmocka_unit_test(there_is_an_end_of_handles),
		cmocka_unit_test(an_open_file_outlives_its_module),
		cmocka_unit_test(an_open_file_outlives_a_kill_but_not_its_client),
		cmocka_unit_test(gdb_for_windows_is_told_of_no_tib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
