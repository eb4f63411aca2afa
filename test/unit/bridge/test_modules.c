#include "bridge/target/modules.h"

#include "test/unit/bridge/fake_kdbg.h"

#define ENTRY(n) (FAKE_BASE + 0x3800 + 0x100 + (uint64_t)(n)*0x180)
#define NT_BASE	 UINT64_C(0xfffff80200000000)
#define DRV_BASE UINT64_C(0xfffff80300000000)

/* Two modules, the head, and a stop. */
static struct fake_target *start_with_list(void)
{
	struct fake_target *f = fake_start_stopped(1);
	fake_put64(f, FAKE_MODULE_LIST, ENTRY(0));
	fake_put_module(f, ENTRY(0), ENTRY(1), NT_BASE, 0x1000,
			"\\multi(0)disk(0)rdisk(0)\\windows\\System32\\ntoskrnl.exe");
	fake_put_module(f, ENTRY(1), FAKE_MODULE_LIST, DRV_BASE, 0x2000,
			"\\SystemRoot\\system32\\drivers\\x.sys");
	return f;
}

static const struct module *list(struct fake_target *f, enum kd_result expected,
				 size_t *count)
{
	const struct module *modules;
	assert_int_equal(modules_list(f->t, &modules, count), expected);
	return modules;
}

static void the_list_is_walked(void **state)
{
	(void)state;
	struct fake_target *f = start_with_list();
	size_t count;
	const struct module *m = list(f, KD_DONE, &count);
	assert_int_equal(count, 2);
	assert_string_equal(m[0].path, "\\SystemRoot\\System32\\ntoskrnl.exe");
	assert_string_equal(m[0].name, "ntoskrnl.exe");
	assert_int_equal(m[0].base, NT_BASE);
	assert_int_equal(m[0].size, 0x1000);
	assert_int_equal(m[0].checksum, 0x1111);
	assert_int_equal(m[0].timestamp, 0x2222);
	assert_string_equal(m[1].path, "\\SystemRoot\\system32\\drivers\\x.sys");
	assert_ptr_equal(modules_find(f->t, DRV_BASE + 0x1fff), &m[1]);
	assert_null(modules_find(f->t, DRV_BASE + 0x2000));
	fake_end(f);
}

static void one_walk_is_enough_for_a_session(void **state)
{
	(void)state;
	struct fake_target *f = start_with_list();
	size_t count;
	(void)list(f, KD_DONE, &count);
	assert_true(f->logged <= 2 * 2 + 3);
	fake_go(f, TARGET_STEP, 0);
	fake_forget_counts(f);
	(void)list(f, KD_DONE, &count);
	assert_int_equal(count, 2);
	assert_int_equal(f->logged, 0);
	fake_end(f);
}

static void loads_and_unloads_keep_it_true(void **state)
{
	(void)state;
	struct fake_target *f = start_with_list();
	size_t count;
	(void)list(f, KD_DONE, &count);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_load(f, "\\SystemRoot\\y.sys", NT_BASE + 0x10000, 0x500, false);
	fake_spin_until(f, &f->stops, 2);
	const struct module *m = list(f, KD_DONE, &count);
	assert_int_equal(count, 3);
	assert_string_equal(m[2].name, "y.sys");
	assert_int_equal(m[2].checksum, 0x1234);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_load(f, "x.sys", DRV_BASE, 0x2000, true);
	fake_spin_until(f, &f->stops, 3);
	/* still there while its unload is told */
	(void)list(f, KD_DONE, &count);
	assert_int_equal(count, 3);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	assert_null(modules_find(f->t, DRV_BASE));
	fake_end(f);
}

static void before_there_is_a_list_events_name_the_modules(void **state)
{
	(void)state;
	struct fake_target *f = fake_start(1);
	fake_load(f, "\\SystemRoot\\system32\\ntoskrnl.exe", NT_BASE, 0x1000, false);
	fake_spin_until(f, &f->stops, 1);
	size_t count;
	const struct module *m = list(f, KD_REFUSED, &count);
	assert_int_equal(count, 1);
	assert_int_equal(m[0].base, NT_BASE);
	unsigned logged = f->logged;
	(void)list(f, KD_REFUSED, &count);
	assert_int_equal(f->logged, logged);
	/* later there is one: no module twice */
	fake_put64(f, FAKE_MODULE_LIST, ENTRY(0));
	fake_put_module(f, ENTRY(0), FAKE_MODULE_LIST, NT_BASE, 0x1000, "\\nt.exe");
	fake_go(f, TARGET_STEP, 0);
	m = list(f, KD_DONE, &count);
	assert_int_equal(count, 1);
	assert_int_equal(m[0].timestamp, 0x2222);
	fake_end(f);
}

static void a_loop_ends_the_walk(void **state)
{
	(void)state;
	struct fake_target *f = start_with_list();
	fake_put64(f, ENTRY(1), ENTRY(1));
	size_t count;
	(void)list(f, KD_DONE, &count);
	assert_int_equal(count, 2);
	fake_end(f);
}

static void an_entry_that_cannot_be_read_ends_the_walk(void **state)
{
	(void)state;
	struct fake_target *f = start_with_list();
	fake_put64(f, ENTRY(0), 0x1000);
	size_t count;
	(void)list(f, KD_DONE, &count);
	assert_int_equal(count, 1);
	fake_end(f);
}

static void a_name_that_cannot_be_read_costs_only_the_name(void **state)
{
	(void)state;
	struct fake_target *f = start_with_list();
	fake_put64(f, ENTRY(0) + 0x50, 0x1000);
	size_t count;
	const struct module *m = list(f, KD_DONE, &count);
	assert_int_equal(count, 2);
	assert_string_equal(m[0].name, "unknown_fffff80200000000");
	fake_end(f);
}

static void names_become_utf8_without_tricks(void **state)
{
	(void)state;
	struct fake_target *f = start_with_list();
	uint64_t name = ENTRY(1) + 0xa0;
	const uint16_t text[] = { '\\', 0xe4, 0x20ac, 0xd83d, 0xde00, '\n', 'z' };
	for (size_t i = 0; i < 7; i++)
		store_le(fake_at(f, name + 2 * i), text[i], 2);
	store_le(fake_at(f, ENTRY(1) + 0x48), 14, 2);
	size_t count;
	const struct module *m = list(f, KD_DONE, &count);
	assert_string_equal(m[1].name, "\xc3\xa4\xe2\x82\xac???z");
	fake_end(f);
}

static void images_of_one_process_are_no_modules_of_the_kernel(void **state)
{
	(void)state;
	struct fake_target *f = start_with_list();
	size_t count;
	(void)list(f, KD_DONE, &count);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	memset(f->state, 0, sizeof(f->state));
	store_le(f->state + 32, 2, 4);
	store_le(f->state + 40, 0x400000, 8);
	store_le(f->state + 48, 1234, 8);
	memcpy(f->state + FAKE_STATE_SIZE, "a", 2);
	f->state_length = FAKE_STATE_SIZE + 2;
	fake_report_state(f, 0, KD_STATE_LOAD_SYMBOLS, fake_pc(f, 0));
	fake_spin_until(f, &f->stops, 2);
	(void)list(f, KD_DONE, &count);
	assert_int_equal(count, 2);
	fake_end(f);
}

static void a_reboot_forgets_them(void **state)
{
	(void)state;
	struct fake_target *f = start_with_list();
	size_t count;
	(void)list(f, KD_DONE, &count);
	f->stopped = false;
	fake_boot(&f->link, 2);
	fake_spin_until(f, &f->reboots, 1);
	(void)list(f, KD_GONE, &count);
	assert_int_equal(count, 0);
	fake_end(f);
}

/* ---- a 32-bit kernel: pointers of 4 bytes, addresses that KD sign-extends ---- */

#define BASE_32	     UINT64_C(0xffffffff80001000) /* of the RAM */
#define AT_32(there) (BASE_32 + ((there)-FAKE_BASE))
#define NT_32	     UINT64_C(0xffffffff82600000)
#define DRV_32	     UINT64_C(0xffffffff8f000000)

/* The RAM lies where that kernel has its memory, and what is not sign-extended is not. */
static bool serve_32(struct fake_target *f, uint16_t api, uint8_t *data, size_t length)
{
	(void)length;
	if (api != KD_READ_VIRTUAL)
		return false;
	uint64_t offset = load_le(data + 16, 8) - BASE_32;
	size_t wanted = (size_t)load_le(data + 24, 4);
	wanted = wanted < f->reply_max ? wanted : f->reply_max;
	size_t actual = offset < FAKE_RAM ? fake_readable(FAKE_BASE + offset, wanted) : 0;
	store_le(data + 28, actual, 4);
	fake_reply(f, data, actual < wanted ? KD_STATUS_UNSUCCESSFUL : KD_STATUS_SUCCESS,
		   fake_at(f, FAKE_BASE + offset), actual);
	return true;
}

static void put32(struct fake_target *f, uint64_t there, uint64_t pointer)
{
	store_le(fake_at(f, there), pointer & UINT32_MAX, 4);
}

static void put_module_32(struct fake_target *f, unsigned n, uint64_t next, uint64_t base,
			  uint32_t size, const char *path)
{
	uint64_t entry = ENTRY(n);
	memset(fake_at(f, entry), 0xee, 0x180); /* nothing may depend on the rest */
	put32(f, entry, next);
	put32(f, entry + 0x18, base);
	store_le(fake_at(f, entry + 0x20), size, 4);
	store_le(fake_at(f, entry + 0x24), strlen(path) * 2, 2);
	store_le(fake_at(f, entry + 0x26), strlen(path) * 2, 2);
	put32(f, entry + 0x28, AT_32(entry + 0x50));
	fake_put_utf16(f, entry + 0x50, path);
}

static struct fake_target *start_32(uint64_t module_list)
{
	struct fake_target *f = fake_start(1);
	f->machine = KD_MACHINE_I386;
	f->module_list = module_list;
	f->on_request = serve_32;
	memset(fake_at(f, FAKE_MODULE_LIST), 0xee, 16);
	put32(f, FAKE_MODULE_LIST, AT_32(ENTRY(0)));
	put_module_32(f, 0, AT_32(ENTRY(1)), NT_32, 0x412000,
		      "\\SystemRoot\\system32\\ntkrnlpa.exe");
	put_module_32(f, 1, AT_32(FAKE_MODULE_LIST), DRV_32, 0x2000,
		      "\\SystemRoot\\system32\\drivers\\x.sys");
	return f;
}

static struct fake_target *start_stopped_32(uint64_t module_list)
{
	struct fake_target *f = start_32(module_list);
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	return f;
}

static void expect_list_32(struct fake_target *f)
{
	size_t count;
	const struct module *m = list(f, KD_DONE, &count);
	assert_int_equal(count, 2);
	assert_string_equal(m[0].name, "ntkrnlpa.exe");
	assert_int_equal(m[0].base, NT_32);
	assert_int_equal(m[0].size, 0x412000);
	assert_int_equal(m[0].timestamp, 0);
	assert_string_equal(m[1].path, "\\SystemRoot\\system32\\drivers\\x.sys");
	assert_int_equal(m[1].base, DRV_32);
}

static void a_32_bit_list_is_walked(void **state)
{
	/* the head as it is, and as somebody forgot to extend it */
	const uint64_t heads[] = { AT_32(FAKE_MODULE_LIST),
				   AT_32(FAKE_MODULE_LIST) & UINT32_MAX };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fake_target *f = start_stopped_32(heads[i]);
		expect_list_32(f);
		assert_true(f->logged <= KD_BREAKPOINTS + 2 * 2 + 4);
		fake_end(f);
	}
}

static void a_32_bit_list_is_found_by_kdbg_too(void **state)
{
	(void)state;
	struct fake_target *f = start_32(0);
	f->data_list = AT_32(FAKE_DATA_LIST);
	/* another's block first; the links are 32 bits wide, what comes behind is not */
	uint64_t other = FAKE_DATA_LIST + 0x80;
	uint64_t links[] = { FAKE_DATA_LIST, other, FAKE_KDBG };
	for (size_t i = 0; i < 3; i++) {
		put32(f, links[i], AT_32(links[(i + 1) % 3]));
		put32(f, links[i] + 4, AT_32(links[(i + 2) % 3]));
	}
	memcpy(fake_at(f, FAKE_KDBG + 16), "KDBG", 4);
	store_le(fake_at(f, FAKE_KDBG + 20), 0x300, 4);
	fake_put64(f, FAKE_KDBG + KDBG_LOADED_MODULE_LIST, AT_32(FAKE_MODULE_LIST));
	fake_exception(f, 0, KD_STATUS_WAKE_DEBUGGER);
	fake_spin_until(f, &f->stops, 1);
	expect_list_32(f);
	fake_end(f);
}

static void a_broken_32_bit_list_ends_the_walk(void **state)
{
	static const struct {
		uint64_t link; /* of the second entry */
		size_t count;
	} rows[] = {
		{ AT_32(ENTRY(1)), 2 }, /* to itself */
		{ AT_32(ENTRY(0)), 2 }, /* a loop without the head */
		{ 0x1000, 2 },		/* nothing there */
		{ 0, 2 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake_target *f = start_stopped_32(AT_32(FAKE_MODULE_LIST));
		size_t count;
		put32(f, ENTRY(1), rows[i].link);
		(void)list(f, KD_DONE, &count);
		assert_int_equal(count, rows[i].count);
		fake_end(f);
	}
}

static void a_32_bit_name_that_cannot_be_read_costs_only_the_name(void **state)
{
	(void)state;
	struct fake_target *f = start_stopped_32(AT_32(FAKE_MODULE_LIST));
	put32(f, ENTRY(0) + 0x28, 0x1000);
	size_t count;
	const struct module *m = list(f, KD_DONE, &count);
	assert_int_equal(count, 2);
	assert_string_equal(m[0].name, "unknown_ffffffff82600000");
	fake_end(f);
}

static void a_32_bit_kernels_events_keep_the_list_true(void **state)
{
	(void)state;
	struct fake_target *f = start_stopped_32(AT_32(FAKE_MODULE_LIST));
	expect_list_32(f);
	size_t count;
	fake_do_resume(f, TARGET_CONTINUE, 0);
	/* the same driver once more, and a new one; the address extended or not */
	fake_load(f, "\\SystemRoot\\x.sys", DRV_32 & UINT32_MAX, 0x2000, false);
	fake_spin_until(f, &f->stops, 2);
	(void)list(f, KD_DONE, &count);
	assert_int_equal(count, 2);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_load(f, "\\SystemRoot\\y.sys", DRV_32 + 0x10000, 0x500, false);
	fake_spin_until(f, &f->stops, 3);
	const struct module *m = list(f, KD_DONE, &count);
	assert_int_equal(count, 3);
	assert_int_equal(m[2].base, DRV_32 + 0x10000);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	fake_load(f, "y.sys", DRV_32 + 0x10000, 0x500, true);
	fake_spin_until(f, &f->stops, 4);
	fake_do_resume(f, TARGET_CONTINUE, 0);
	assert_null(modules_find(f->t, DRV_32 + 0x10000));
	assert_non_null(modules_find(f->t, NT_32));
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_is_walked),
		cmocka_unit_test(one_walk_is_enough_for_a_session),
		cmocka_unit_test(loads_and_unloads_keep_it_true),
		cmocka_unit_test(before_there_is_a_list_events_name_the_modules),
		cmocka_unit_test(a_loop_ends_the_walk),
		cmocka_unit_test(an_entry_that_cannot_be_read_ends_the_walk),
		cmocka_unit_test(a_name_that_cannot_be_read_costs_only_the_name),
		cmocka_unit_test(names_become_utf8_without_tricks),
		cmocka_unit_test(images_of_one_process_are_no_modules_of_the_kernel),
		cmocka_unit_test(a_reboot_forgets_them),
		cmocka_unit_test(a_32_bit_list_is_walked),
		cmocka_unit_test(a_32_bit_list_is_found_by_kdbg_too),
		cmocka_unit_test(a_broken_32_bit_list_ends_the_walk),
		cmocka_unit_test(a_32_bit_name_that_cannot_be_read_costs_only_the_name),
		cmocka_unit_test(a_32_bit_kernels_events_keep_the_list_true),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
