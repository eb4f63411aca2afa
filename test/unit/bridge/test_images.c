/* Which image a module gets: for lldb as files, found again by the next session. */
#include "bridge/gdb/images.h"

#include "test/unit/bridge/fake_module.h"

enum { PATIENCE_US = 60000000 };

static const struct image_entry *build(struct images *images)
{
	images_sync(images);
	images_build(images, PATIENCE_US, true);
	assert_int_equal(images->count, 2);
	return &images->list[0];
}

static void open_for_lldb(struct images *images, struct target *t, const char *cache)
{
	images_init(images, t);
	assert_null(images_open(images, cache, NULL));
	images_serve(images, IMAGE_FOR_LLDB);
}

static void lldb_gets_a_file_and_gdb_an_image(void **state)
{
	struct gdb_fixture *f = fixture_with_module();
	struct fake_cache cache = fake_cache_new();
	struct images *images = &f->gdb.images;
	const struct image_entry *e;
	uint64_t version;

	(void)state;
	assert_null(images_open(images, cache.directory, NULL));
	images_serve(images, IMAGE_FOR_LLDB);
	e = build(images);
	assert_int_equal(e->state, IMAGE_READY);
	assert_null(e->image);
	assert_memory_equal(e->file, cache.directory, strlen(cache.directory));
	assert_string_equal(strrchr(e->file, '/'), "/probe.sys");
	assert_int_equal(access(e->file, R_OK), 0);
	version = images->version;
	images_serve(images, IMAGE_FOR_GDB);
	assert_true(images->version != version);
	assert_int_equal(images->list[0].state, IMAGE_WAITING);
	e = build(images);
	assert_int_equal(e->state, IMAGE_READY);
	assert_non_null(e->image);
	assert_null(e->file);
	fixture_with_module_end(f);
	fake_cache_remove(&cache);
}

static void the_next_session_finds_it_without_a_question(void **state)
{
	struct gdb_fixture *f = fixture_with_module();
	struct fake_cache cache = fake_cache_new();
	struct images first, second;
	char *file;

	(void)state;
	open_for_lldb(&first, f->fake->t, cache.directory);
	file = strdup(build(&first)->file);
	assert_true(fake_module_reads > 4);
	images_wipe(&first);
	memory_cache_flush(f->fake->t);
	fake_module_reads = 0;
	open_for_lldb(&second, f->fake->t, cache.directory);
	assert_string_equal(build(&second)->file, file);
	assert_int_equal(fake_module_reads, 0);
	images_wipe(&second);
	free(file);
	fixture_with_module_end(f);
	fake_cache_remove(&cache);
}

static void each_client_makes_lldbs_files_be_looked_up_anew(void **state)
{
	struct gdb_fixture *f = fixture_with_module();
	struct fake_cache cache = fake_cache_new();
	struct images images;
	const struct image_entry *e;

	(void)state;
	open_for_lldb(&images, f->fake->t, cache.directory);
	build(&images);
	images_look_again(&images);
	assert_int_equal(images.list[0].state, IMAGE_WAITING);
	assert_null(images.list[0].file);
	fake_module_reads = 0;
	e = build(&images);
	assert_int_equal(e->state, IMAGE_READY);
	assert_int_equal(fake_module_reads, 0);
	images_wipe(&images);
	fixture_with_module_end(f);
	fake_cache_remove(&cache);
}

static void without_a_cache_the_file_goes_with_the_session(void **state)
{
	struct gdb_fixture *f = fixture_with_module();
	struct fake_cache runtime = fake_cache_new();
	struct images images;
	char *file;

	(void)state;
	setenv("XDG_RUNTIME_DIR", runtime.directory, 1);
	open_for_lldb(&images, f->fake->t, "none");
	file = strdup(build(&images)->file);
	assert_int_equal(access(file, R_OK), 0);
	images_wipe(&images);
	assert_int_equal(access(file, R_OK), -1);
	free(file);
	fixture_with_module_end(f);
	fake_cache_remove(&runtime);
}

static void a_file_that_cannot_be_written_leaves_the_module_out(void **state)
{
	struct gdb_fixture *f = fixture_with_module();
	struct images images;

	(void)state;
	setenv("XDG_RUNTIME_DIR", "/proc/none", 1);
	open_for_lldb(&images, f->fake->t, "none");
	assert_int_equal(build(&images)->state, IMAGE_UNSERVABLE);
	assert_int_equal(images_waiting(&images), 0);
	images_wipe(&images);
	fixture_with_module_end(f);
}

static void what_is_no_image_has_no_file(void **state)
{
	struct gdb_fixture *f = fixture_with_module();
	struct fake_cache cache = fake_cache_new();
	struct images images;

	(void)state;
	open_for_lldb(&images, f->fake->t, cache.directory);
	build(&images);
	assert_int_equal(images.list[1].state, IMAGE_UNSERVABLE);
	assert_null(images.list[1].file);
	images_wipe(&images);
	fixture_with_module_end(f);
	fake_cache_remove(&cache);
}

static bool always(void *context)
{
	(void)context;
	return true;
}

/* A packet comes first; what was read until then is kept. */
static void a_build_that_has_to_stop_goes_on_later(void **state)
{
	struct gdb_fixture *f = fixture_with_module();
	struct fake_cache cache = fake_cache_new();
	struct images images;
	uint64_t bytes = 0;

	(void)state;
	open_for_lldb(&images, f->fake->t, cache.directory);
	images_sync(&images);
	images.stop = always;
	images_build(&images, PATIENCE_US, true);
	assert_int_equal(images.list[0].state, IMAGE_WAITING);
	assert_int_equal(images_waiting(&images), 2);
	assert_int_equal(fake_module_reads, 0);
	assert_null(images_reading(&images, &bytes));
	images.stop = NULL;
	assert_int_equal(build(&images)->state, IMAGE_READY);
	assert_ptr_equal(images_at(&images, MODULE_BASE + 5), &images.list[0]);
	assert_null(images_at(&images, MODULE_BASE - 1));
	images_wipe(&images);
	fixture_with_module_end(f);
	fake_cache_remove(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lldb_gets_a_file_and_gdb_an_image),
		cmocka_unit_test(the_next_session_finds_it_without_a_question),
		cmocka_unit_test(each_client_makes_lldbs_files_be_looked_up_anew),
		cmocka_unit_test(without_a_cache_the_file_goes_with_the_session),
		cmocka_unit_test(a_file_that_cannot_be_written_leaves_the_module_out),
		cmocka_unit_test(what_is_no_image_has_no_file),
		cmocka_unit_test(a_build_that_has_to_stop_goes_on_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
