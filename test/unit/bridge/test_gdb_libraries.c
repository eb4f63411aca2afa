#include "bridge/gdb/gdb_libraries.h"

#include "test/unit/bridge/gdb_fixture.h"

#define DRIVER_BASE UINT64_C(0xfffff80300000000)

static void event(struct gdb_fixture *f, const char *path, uint64_t base, bool unload)
{
	unsigned stops = f->fake->stops;

	fake_do_resume(f->fake, TARGET_CONTINUE, 0);
	fake_load(f->fake, path, base, 0x2000, unload);
	fake_spin_until(f->fake, &f->fake->stops, stops + 1);
}

static const char *list(struct gdb_fixture *f)
{
	return fixture_ask(f, "qXfer:libraries:read::0,1000");
}

static void there_is_an_exec_file_without_which_gdb_loads_none(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	assert_non_null(strstr(fixture_ask(f, "qSupported"), "qXfer:exec-file:read+"));
	assert_string_equal(fixture_ask(f, "qXfer:exec-file:read:1:0,1000"),
			    "l/kdbridge/amd64");
	fixture_end(f);
}

static void names_are_paths_that_gdb_opens(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	const char *xml;

	(void)state;
	event(f, "\\SystemRoot\\system32\\x.sys", DRIVER_BASE, false);
	event(f, "\\?\?\\C:\\a & b\\\"y\".sys", DRIVER_BASE + 0x10000, false);
	event(f, "z.sys", DRIVER_BASE + 0x20000, false);
	xml = list(f);
	assert_non_null(strstr(xml, "<library name=\"/SystemRoot/system32/x.sys\">"
				    "<segment address=\"0xfffff80300001000\"/>"
				    "</library>"));
	assert_non_null(strstr(xml, "/?\?/C:/a &amp; b/&quot;y&quot;.sys"));
	assert_non_null(strstr(xml, "name=\"/z.sys\""));
	fixture_end(f);
}

static void two_modules_of_one_name_are_told_apart(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	const char *xml;

	(void)state;
	event(f, "\\x.sys", DRIVER_BASE, false);
	event(f, "\\x.sys", DRIVER_BASE + 0x10000, false);
	xml = list(f);
	assert_non_null(strstr(xml, "name=\"/x.sys\""));
	assert_non_null(strstr(xml, "name=\"/x.sys@fffff80300011000\""));
	fixture_end(f);
}

static void a_change_is_due_until_it_is_told(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	event(f, "\\x.sys", DRIVER_BASE, false);
	assert_false(gdb_libraries_due(&f->gdb)); /* it never asked */
	list(f);
	assert_false(gdb_libraries_due(&f->gdb));
	event(f, "\\y.sys", DRIVER_BASE + 0x10000, false);
	assert_true(gdb_libraries_due(&f->gdb));
	gdb_libraries_told(&f->gdb);
	assert_false(gdb_libraries_due(&f->gdb));
	fixture_end(f);
}

static void a_load_is_a_stop_with_library_alone(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	list(f);
	fixture_ask(f, "vCont;c");
	event(f, "\\x.sys", DRIVER_BASE, false);
	gdb_report_libraries(&f->gdb);
	fixture_collect(f);
	assert_memory_equal(f->answer, "T05", 3);
	assert_non_null(strstr(f->answer, "library:;"));
	assert_string_equal(f->text, "");
	fixture_end(f);
}

static void what_is_being_unloaded_is_gone_already(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	event(f, "\\x.sys", DRIVER_BASE, false);
	assert_non_null(strstr(list(f), "/x.sys"));
	event(f, "\\x.sys", DRIVER_BASE, true);
	assert_null(strstr(list(f), "/x.sys"));
	fixture_end(f);
}

/* gdb would keep it at its old address: RSP.md §2. */
static void what_moved_is_missing_once_and_then_there_anew(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	event(f, "\\x.sys", DRIVER_BASE, false);
	list(f);
	event(f, "\\x.sys", DRIVER_BASE, true);
	event(f, "\\x.sys", DRIVER_BASE + 0x10000, false);
	gdb_libraries_told(&f->gdb);
	assert_null(strstr(list(f), "/x.sys"));
	assert_true(gdb_libraries_due(&f->gdb));
	gdb_libraries_told(&f->gdb);
	assert_non_null(strstr(list(f), "0xfffff80300011000"));
	assert_false(gdb_libraries_due(&f->gdb));
	fixture_end(f);
}

static void without_a_target_the_list_is_empty(void **state)
{
	struct gdb_fixture *f = fixture_over(fake_start(1)); /* it runs */

	(void)state;
	assert_null(strstr(list(f), "<library "));
	assert_false(gdb_libraries_due(&f->gdb));
	fixture_end(f);
}

static bool is_waiting(const struct gdb_fixture *f)
{
	return images_waiting(&f->gdb.images) == 1;
}

static void whoever_has_waited_enough_is_let_go(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	struct images *images = &f->gdb.images;
	unsigned asked;

	(void)state;
	event(f, "\\x.sys", FAKE_BASE + 0x2000, false);
	images_sync(images);
	asked = fake_count(f->fake, KD_READ_VIRTUAL);
	images_hurry(images);
	images_build(images, 60000000, false);
	assert_true(is_waiting(f));
	assert_int_equal(fake_count(f->fake, KD_READ_VIRTUAL), asked);
	/* ahead of need nobody waits */
	images_build(images, 60000000, true);
	assert_false(is_waiting(f));
	fixture_end(f);
}

static void what_is_missing_is_said_and_when_it_is_there(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	f->gdb.image_wait_s = 0;
	event(f, "\\x.sys", FAKE_BASE + 0x2000, false);
	list(f);
	assert_true(gdb_has_images_to_build(&f->gdb));
	assert_non_null(strstr(fixture_monitor(f, "version"),
			       "0 of 1 modules have their names; the others"));
	assert_true(gdb_builds_ahead(&f->gdb));
	assert_false(gdb_has_images_to_build(&f->gdb));
	assert_non_null(strstr(fixture_monitor(f, "version"), "all modules have"));
	fixture_end(f);
}

static void a_users_commands_are_no_packets_of_the_client(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	uint64_t packets;

	(void)state;
	packets = gdb_packets_so_far(&f->gdb);
	fixture_monitor(f, "images");
	assert_int_equal(gdb_packets_so_far(&f->gdb), packets);
	list(f);
	assert_int_equal(gdb_packets_so_far(&f->gdb), packets + 1);
	fixture_end(f);
}

static void monitor_images_counts_them(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	event(f, "\\x.sys", DRIVER_BASE, false);
	list(f);
	/* there is no memory where it claims to be */
	assert_non_null(strstr(fixture_monitor(f, "images"), "0 of 1 modules"));
	assert_non_null(strstr(f->text, "x.sys is no image"));
	assert_non_null(strstr(fixture_monitor(f, "images wait"), "0 to come"));
	assert_non_null(strstr(fixture_monitor(f, "images soon"), "Usage"));
	fixture_end(f);
}

/* ---- lldb ---- */

static bool no_it_is_elsewhere(void *context)
{
	(void)context;
	return false;
}

static unsigned withheld;

static void count_withheld(void *context)
{
	(void)context;
	withheld++;
}

/* An lldb, and one module that has a file. */
static struct gdb_fixture *start_lldb(void)
{
	struct gdb_fixture *f = fixture_start(1);

	fixture_ask(f, "QThreadSuffixSupported");
	fixture_ask(f, "?");
	event(f, "\\x.sys", DRIVER_BASE, false);
	list(f);
	f->gdb.images.list[0].file = strdup("/cache/x.sys");
	assert_non_null(f->gdb.images.list[0].file);
	return f;
}

static void an_lldb_is_told_of_files_that_it_can_open(void **state)
{
	struct gdb_fixture *f = start_lldb();

	(void)state;
	assert_non_null(strstr(list(f), "/cache/x.sys"));
	assert_null(strstr(fixture_monitor(f, "version"), "kd-connect"));
	fixture_end(f);
}

static void one_on_another_host_is_told_what_to_do_once(void **state)
{
	struct gdb_fixture *f = start_lldb();
	struct gdb_owner owner = fixture_owner;

	(void)state;
	owner.client_is_here = no_it_is_elsewhere;
	owner.files_withheld = count_withheld;
	f->gdb.owner = &owner;
	assert_null(strstr(list(f), "<library "));
	assert_non_null(strstr(fixture_monitor(f, "version"), "kd-connect HOST:PORT"));
	assert_null(strstr(list(f), "<library "));
	assert_null(strstr(fixture_monitor(f, "version"), "kd-connect"));
	assert_int_equal(withheld, 1);
	fixture_end(f);
}

static void a_gdb_on_another_host_is_served_all_the_same(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	struct gdb_owner owner = fixture_owner;

	(void)state;
	owner.client_is_here = no_it_is_elsewhere;
	f->gdb.owner = &owner;
	event(f, "\\x.sys", DRIVER_BASE, false);
	assert_non_null(strstr(list(f), "/x.sys"));
	assert_null(strstr(fixture_monitor(f, "version"), "kd-connect"));
	fixture_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_is_an_exec_file_without_which_gdb_loads_none),
		cmocka_unit_test(names_are_paths_that_gdb_opens),
		cmocka_unit_test(two_modules_of_one_name_are_told_apart),
		cmocka_unit_test(a_change_is_due_until_it_is_told),
		cmocka_unit_test(a_load_is_a_stop_with_library_alone),
		cmocka_unit_test(what_is_being_unloaded_is_gone_already),
		cmocka_unit_test(what_moved_is_missing_once_and_then_there_anew),
		cmocka_unit_test(without_a_target_the_list_is_empty),
		cmocka_unit_test(whoever_has_waited_enough_is_let_go),
		cmocka_unit_test(what_is_missing_is_said_and_when_it_is_there),
		cmocka_unit_test(a_users_commands_are_no_packets_of_the_client),
		cmocka_unit_test(monitor_images_counts_them),
		cmocka_unit_test(an_lldb_is_told_of_files_that_it_can_open),
		cmocka_unit_test(one_on_another_host_is_told_what_to_do_once),
		cmocka_unit_test(a_gdb_on_another_host_is_served_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
