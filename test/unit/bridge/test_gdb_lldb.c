/* What lldb is told and gdb is not: the machine, words, modules as files. */
#include "test/unit/bridge/fake_module.h"

/* As lldb begins; what it says before `?` tells that it is lldb. */
static void be_lldb(struct gdb_fixture *f)
{
	assert_string_equal(fixture_ask(f, "QThreadSuffixSupported"), "OK");
	assert_string_equal(fixture_ask(f, "QListThreadsInStopReply"), "OK");
	f->gdb.client = &client_lldb;
}

static const char *modules(struct gdb_fixture *f)
{
	return fixture_ask(f, "qXfer:libraries:read::0,1000");
}

/* Of a machine without a register map, too: it belongs to the registers that are shown. */
static void the_triple_is_one_that_lldb_has_modules_for(void **state)
{
	static const enum kd_machine machines[] = { KD_MACHINE_AMD64, KD_MACHINE_I386 };
	static const char answer[] =
		"triple:7838365f36342d70632d77696e646f77732d6d737663;ptrsize:8;"
		"endian:little;";

	(void)state;
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		struct fake_target *fake = fake_start(1);
		struct gdb_fixture *f;

		fake->machine = (uint16_t)machines[i];
		fake_exception(fake, 0, KD_STATUS_WAKE_DEBUGGER);
		fake_spin_until(fake, &fake->stops, 1);
		f = fixture_over(fake);
		assert_string_equal(fixture_ask(f, "qHostInfo"), answer);
		assert_non_null(strstr(fixture_ask(f, "qProcessInfo"), answer));
		fixture_end(f);
	}
}

static void a_stop_has_words(void **state)
{
	struct gdb_fixture *f = fixture_start(1);
	char words[256];

	(void)state;
	assert_true(gdb_stop_words(&f->gdb, words, sizeof(words)));
	assert_string_equal(words, target_stopped(f->fake->t)->text);
	be_lldb(f);
	assert_non_null(strstr(fixture_ask(f, "?"), "reason:exception;description:"));
	fixture_end(f);
	f = fixture_over(fake_start(1));
	assert_true(gdb_stop_words(&f->gdb, words, sizeof(words)));
	assert_string_equal(words, "no target yet");
	fixture_end(f);
}

static void modules_are_files_at_their_base(void **state)
{
	struct gdb_fixture *f = fixture_with_module();
	struct fake_cache cache = fake_cache_new();
	char expected[256];
	const char *xml;

	(void)state;
	assert_null(images_open(&f->gdb.images, cache.directory, NULL));
	be_lldb(f);
	xml = modules(f);
	snprintf(expected, sizeof(expected), "<library name=\"%s/", cache.directory);
	assert_non_null(strstr(xml, expected));
	assert_non_null(strstr(xml,
			       "/probe.sys\"><section address=\"0xfffff80300000000\"/>"
			       "</library>"));
	/* lldb 14 would spend packets on it, or crash */
	assert_null(strstr(xml, "none.sys"));
	fixture_with_module_end(f);
	fake_cache_remove(&cache);
}

static void the_first_stop_tells_of_modules_and_others_of_news(void **state)
{
	struct gdb_fixture *f = fixture_with_module();
	struct fake_cache cache = fake_cache_new();
	unsigned stops = f->fake->stops;

	(void)state;
	assert_null(images_open(&f->gdb.images, cache.directory, NULL));
	be_lldb(f);
	assert_non_null(strstr(fixture_ask(f, "?"), "library:;"));
	modules(f);
	assert_null(strstr(fixture_ask(f, "?"), "library:;"));
	assert_false(gdb_libraries_in_stop(&f->gdb));
	fake_do_resume(f->fake, TARGET_CONTINUE, 0);
	fake_load(f->fake, "\\x.sys", FAKE_BASE, 0x1000, false);
	fake_spin_until(f->fake, &f->fake->stops, stops + 1);
	assert_true(gdb_libraries_in_stop(&f->gdb));
	assert_false(gdb_libraries_in_stop(&f->gdb)); /* it was told */
	f->gdb.client = &client_gdb;
	assert_false(gdb_libraries_in_stop(&f->gdb)); /* a stop of its own tells gdb */
	fixture_with_module_end(f);
	fake_cache_remove(&cache);
}

static void a_files_load_address_is_its_modules(void **state)
{
	struct gdb_fixture *f = fixture_with_module();
	struct fake_cache cache = fake_cache_new();
	uint64_t address = 0;

	(void)state;
	assert_null(images_open(&f->gdb.images, cache.directory, NULL));
	be_lldb(f);
	modules(f);
	assert_int_equal(f->gdb.libraries.count, 1);
	assert_int_equal(
		gdb_file_address(&f->gdb, f->gdb.libraries.list[0].name, &address),
		RSP_OK);
	assert_int_equal(address, MODULE_BASE);
	assert_int_equal(gdb_file_address(&f->gdb, "/other", &address), RSP_ERROR);
	f->gdb.client = &client_gdb; /* what its list has is no base */
	assert_int_equal(
		gdb_file_address(&f->gdb, f->gdb.libraries.list[0].name, &address),
		RSP_ERROR);
	fixture_with_module_end(f);
	fake_cache_remove(&cache);
}

static void registers_are_known_without_a_question(void **state)
{
	struct gdb_fixture *f = fixture_start(2);
	bool known;

	(void)state;
	be_lldb(f);
	fixture_ask(f, "p2;thread:1;");
	assert_true(gdb_registers_known(&f->gdb, 1));
	known = gdb_registers_known(&f->gdb, 2);
	assert_false(known);
	fixture_ask(f, "p2;thread:2;");
	assert_true(gdb_registers_known(&f->gdb, 2));
	fixture_end(f);
	f = fixture_over(fake_start(1));
	assert_false(gdb_registers_known(&f->gdb, 1));
	fixture_end(f);
}

static void errors_are_sentences_once_it_wants_them(void **state)
{
	struct gdb_fixture *f = fixture_start(1);

	(void)state;
	be_lldb(f);
	assert_string_equal(fixture_ask(f, "mfffff80000009000,8"), "E01");
	assert_string_equal(fixture_ask(f, "QEnableErrorStrings"), "OK");
	/* "the target refuses that…" */
	assert_memory_equal(fixture_ask(f, "mfffff80000009000,8"),
			    "E01;7468652074617267657420726566757365732074686174", 50);
	for (unsigned r = KD_REFUSED; r <= KD_INTERRUPTED; r++) {
		f->gdb.last = (enum kd_result)r;
		assert_non_null(gdb_error_text(&f->gdb));
	}
	f->gdb.last = KD_DONE;
	assert_null(gdb_error_text(&f->gdb));
	fixture_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_triple_is_one_that_lldb_has_modules_for),
		cmocka_unit_test(a_stop_has_words),
		cmocka_unit_test(modules_are_files_at_their_base),
		cmocka_unit_test(the_first_stop_tells_of_modules_and_others_of_news),
		cmocka_unit_test(a_files_load_address_is_its_modules),
		cmocka_unit_test(registers_are_known_without_a_question),
		cmocka_unit_test(errors_are_sentences_once_it_wants_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
