/* Memory of the simulated computer as a debugger reads it, and the kernel's data in it. */
#include "test/unit/sim/machine_fixture.h"

#include <stdio.h>

#define USER_PAGE   0x7ff700000000ull
#define DEVICE_PAGE 0xffffd00030000000ull
#define STACKS	    0xffffd00020000000ull
#define POOL	    0xffffe00000000000ull
#define SHARED_DATA 0xfffff78000000000ull
#define SELF_MAP    0xfffff68000000000ull

static void a_read_over_a_hole_gives_the_prefix(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	uint8_t bytes[0x2000];
	uint64_t bottom = STACKS + 0x2000; /* below it lies a guard */
	uint64_t top = STACKS + 0x8000;	   /* so does above */
	assert_int_equal(machine_read(m, 0, bottom - 1, bytes, 16), 0);
	assert_int_equal(machine_read(m, 0, bottom, bytes, 16), 16);
	assert_int_equal(machine_read(m, 0, top - 24, bytes, 256), 24);
	assert_int_equal(machine_write(m, 0, top - 4, bytes, 256), 4);
	assert_int_equal(machine_read(m, 0, 0, bytes, 1), 0);
	assert_int_equal(machine_read(m, 0, 0x8000000000000000, bytes, 1), 0);
	assert_int_equal(machine_read(m, 0, UINT64_MAX - 3, bytes, 16), 0);
	assert_int_equal(machine_read_physical(m, UINT64_MAX - 3, bytes, 16), 0);
	assert_int_equal(machine_read_physical(m, 0x20000000 - 8, bytes, 16), 8);
	assert_int_equal(machine_read(m, 0, machine_kernel_base(m), bytes, 0x2000),
			 0x2000);
	machine_free(m);
}

static void user_pages_belong_to_the_process_of_the_processor(void **state)
{
	(void)state;
	struct machine *m = new_machine(3);
	char a[64] = { 0 }, b[64] = { 0 };
	assert_int_equal(machine_read(m, 0, USER_PAGE, a, 63), 63);
	assert_int_equal(machine_read(m, 1, USER_PAGE, b, 63), 63);
	assert_string_equal(a, "user page of explorer.exe");
	assert_string_equal(b, "user page of svchost.exe");
	assert_int_equal(machine_read(m, 2, USER_PAGE, a, 1), 0); /* System has none */
	assert_int_equal(machine_read(m, 0, USER_PAGE, b, 64), 64);
	assert_int_equal(machine_read(m, 0, USER_PAGE + 0xff8, b, 64), 8); /* paged out */
	assert_false(machine_is_resident(m, 0, USER_PAGE + 0x1000));
	assert_true(machine_is_resident(m, 0, USER_PAGE));
	assert_int_not_equal(special_word(m, 0, 0x10), special_word(m, 1, 0x10));
	machine_free(m);
}

/* What the guest itself reads there: watch the register that its worker loads. */
static void the_guest_reads_the_user_page_of_its_own_process(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	run_to_address(m, symbol(m, "MmReadUserWord"));
	uint64_t offset = context_word(m, 0, CONTEXT_RCX), value = 0;
	machine_read(m, 0, USER_PAGE + offset, &value, 8);
	for (unsigned i = 0; i < 6 && context_word(m, 0, 0x78) != value; i++)
		step(m, 0);
	assert_int_equal(context_word(m, 0, 0x78), value);
	/* the same code on the other processor finds the other process's page */
	uint64_t old = context_word(m, 1, CONTEXT_RIP);
	clear_trace(m, 0);
	set_context_word(m, 1, CONTEXT_RIP, symbol(m, "MmReadUserWord"));
	set_context_word(m, 1, CONTEXT_RCX, 0x40);
	set_context_word(m, 1, CONTEXT_EFLAGS, 0x302);
	machine_read(m, 1, USER_PAGE + 0x40, &value, 8);
	for (unsigned i = 0; i < 6 && context_word(m, 1, 0x78) != value; i++) {
		resume(m);
		assert_int_equal(run_to(m, MACHINE_EXCEPTION).processor, 1);
	}
	assert_int_equal(context_word(m, 1, 0x78), value);
	assert_int_not_equal(old, 0);
	machine_free(m);
}

static void every_read_of_the_device_counts(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	uint8_t bytes[8];
	run_quietly(m, 20);
	assert_int_equal(machine_device_reads(m), 0);
	assert_int_equal(machine_read(m, 0, DEVICE_PAGE + 8, bytes, 8), 8);
	assert_int_equal(machine_device_reads(m), 1);
	assert_int_equal(machine_read_physical(m, 0xfed00000, bytes, 8), 8);
	assert_int_equal(machine_device_reads(m), 2);
	assert_int_equal(machine_read(m, 0, DEVICE_PAGE + 0xffc, bytes, 8), 4);
	assert_int_equal(machine_write(m, 0, DEVICE_PAGE, bytes, 8), 8);
	assert_int_equal(machine_device_reads(m), 3);
	machine_free(m);
}

/* A walk as a debugger does it, by physical reads from CR3. */
static bool walk(struct machine *m, uint64_t cr3, uint64_t address, uint64_t *physical,
		 bool *large)
{
	uint64_t entry = cr3;
	for (int shift = 39; shift >= 12; shift -= 9) {
		uint8_t bytes[8];
		uint64_t at =
			(entry & 0x000ffffffffff000) + ((address >> shift & 511) * 8);
		if (machine_read_physical(m, at, bytes, 8) != 8)
			return false;
		entry = load_le(bytes, 8);
		*large = shift == 21 && (entry & 0x80);
		if (!(entry & 1))
			return false;
		if (*large)
			break;
	}
	uint64_t within = *large ? 0x1fffff : 0xfff;
	*physical = (entry & 0x000ffffffffff000 & ~within) | (address & within);
	return true;
}

static void the_page_tables_in_ram_lead_to_the_same_bytes(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	uint64_t places[] = { machine_kernel_base(m),
			      machine_kpcr(m, 1) + 0x180,
			      machine_kthread(m, 0),
			      USER_PAGE,
			      SHARED_DATA,
			      symbol(m, "KeTickCount"),
			      POOL };
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		uint8_t a[8], b[8];
		uint64_t physical = 0;
		bool large;
		assert_true(
			walk(m, special_word(m, 0, 0x10), places[i], &physical, &large));
		assert_int_equal(large, places[i] >> 40 == POOL >> 40);
		assert_int_equal(machine_read(m, 0, places[i], a, 8), 8);
		assert_int_equal(machine_read_physical(m, physical, b, 8), 8);
		assert_memory_equal(a, b, 8);
	}
	/* through the table's own entry the tables themselves are mapped */
	uint64_t entry = read_word(
		m, SELF_MAP + (machine_kernel_base(m) >> 12 & 0xfffffffff) * 8, 8);
	assert_int_equal(entry & 1, 1);
	machine_free(m);
}

/* ---- the kernel's data, found as a debugger finds it ---- */

static uint64_t kdbg_block(struct machine *m)
{
	uint64_t head = machine_debugger_data(m), block = read_word(m, head, 8);
	assert_int_equal(read_word(m, block, 8), head);
	assert_int_equal(read_word(m, block + 0x10, 4), 0x4742444b);
	assert_int_equal(read_word(m, block + 0x14, 4), 0x360);
	return block;
}

static void kdbg_leads_to_the_kernels_variables(void **state)
{
	(void)state;
	struct machine *m = new_machine(2);
	uint64_t block = kdbg_block(m);
	assert_int_equal(read_word(m, block + 0x18, 8), machine_kernel_base(m));
	assert_int_equal(read_word(m, block + 0x48, 8), machine_module_list(m));
	assert_int_equal(read_word(m, block + 0x20, 8),
			 symbol(m, "DbgBreakPointWithStatus"));
	assert_int_equal(read_word(m, block + 0x138, 8), 0x1000);
	uint64_t processors = read_word(m, block + 0x218, 8);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t prcb = read_word(m, processors + 8 * i, 8);
		assert_int_equal(prcb, machine_kprcb(m, i));
		uint64_t number = read_word(m, block + 0x2be, 2);
		uint64_t current = read_word(m, block + 0x2b4, 2);
		assert_int_equal(read_word(m, prcb + number, 4), i);
		assert_int_equal(read_word(m, prcb + current, 8), machine_kthread(m, i));
		assert_int_equal(
			read_word(m, machine_kpcr(m, i) + read_word(m, block + 0x2e2, 2),
				  8),
			machine_kpcr(m, i));
	}
	uint64_t build = read_word(m, block + 0x208, 8);
	assert_int_equal(read_word(m, build, 4), 0x30303639); /* "9600" */
	uint64_t memory = read_word(m, read_word(m, block + 0x270, 8), 8);
	assert_int_equal(read_word(m, memory, 4), 2);
	assert_int_equal(read_word(m, memory + 8, 8),
			 read_word(m, memory + 0x18, 8) + read_word(m, memory + 0x28, 8));
	machine_free(m);
}

static void the_process_list_names_three_and_a_thread_leads_to_its_own(void **state)
{
	(void)state;
	static const char *const names[] = { "System", "explorer.exe", "svchost.exe" };
	struct machine *m = new_machine(2);
	uint64_t block = kdbg_block(m), head = read_word(m, block + 0x50, 8);
	uint64_t at = read_word(m, head, 8), processes[3];
	for (unsigned i = 0; i < 3; i++, at = read_word(m, at, 8)) {
		char name[16] = { 0 };
		processes[i] = at - 0x2e8;
		assert_int_equal(machine_read(m, 0, processes[i] + 0x438, name, 15), 15);
		assert_string_equal(name, names[i]);
	}
	assert_int_equal(at, head);
	uint64_t offset = read_word(m, block + 0x2a0, 2),
		 table = read_word(m, block + 0x2ae, 2);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t process = read_word(m, machine_kthread(m, i) + offset, 8);
		assert_int_equal(process, processes[i + 1]);
		assert_int_equal(read_word(m, process + table, 8),
				 special_word(m, i, 0x10));
	}
	machine_free(m);
}

static void read_name(struct machine *m, uint64_t string, char *out, size_t room)
{
	uint64_t length = read_word(m, string, 2), buffer = read_word(m, string + 8, 8);
	assert_true(length / 2 < room);
	for (uint64_t i = 0; i < length / 2; i++)
		out[i] = (char)read_word(m, buffer + 2 * i, 2);
	out[length / 2] = 0;
}

static void assert_image(struct machine *m, uint64_t entry, uint64_t base)
{
	uint64_t pe = base + read_word(m, base + 0x3c, 4);
	assert_int_equal(read_word(m, base, 2), 0x5a4d);
	assert_int_equal(read_word(m, pe, 4), 0x4550);
	assert_int_equal(read_word(m, pe + 8, 4), read_word(m, entry + 0x9c, 4));
	assert_int_equal(read_word(m, pe + 0x18 + 0x18, 8), base);
	assert_int_equal(read_word(m, pe + 0x18 + 0x38, 4),
			 read_word(m, entry + 0x40, 4));
	assert_int_equal(read_word(m, pe + 0x18 + 0x40, 4),
			 read_word(m, entry + 0x78, 4));
}

static void the_module_list_has_three_hundred_and_three_valid_images(void **state)
{
	(void)state;
	struct machine *m = new_machine_with(
		(struct machine_options){ .cpus = 2, .modules = 300, .seed = 11 });
	uint64_t head = machine_module_list(m), at = read_word(m, head, 8);
	char name[64], wanted[64];
	unsigned n = 0;
	for (; at != head && n < 400; n++, at = read_word(m, at, 8)) {
		snprintf(wanted, sizeof(wanted), "synth%u.sys", n - 2);
		read_name(m, at + 0x58, name, sizeof(name));
		assert_string_equal(name, n == 0     ? "ntoskrnl.exe"
					  : n == 1   ? "hal.dll"
					  : n == 302 ? "probe.sys"
						     : wanted);
		assert_image(m, at, read_word(m, at + 0x30, 8));
	}
	assert_int_equal(n, 303);
	run_quietly(m, 5);
	machine_free(m);
}

static void synthetic_modules_differ_and_work(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	uint64_t a = machine_symbol(m, "synth0", "SynthValue");
	uint64_t b = machine_symbol(m, "synth1", "SynthValue");
	assert_true(a != 0 && b != 0 && a != b);
	assert_int_equal(read_word(m, a, 8), read_word(m, b, 8));
	assert_true(machine_act(m, "load synth77"));
	struct machine_event e = run_to(m, MACHINE_LOAD);
	assert_string_equal(e.u.image.path,
			    "\\SystemRoot\\System32\\drivers\\synth77.sys");
	resume(m);
	run_quietly(m, 20);
	uint64_t c = machine_symbol(m, "synth77", "SynthValue");
	assert_int_not_equal(read_word(m, c, 8), read_word(m, a, 8)); /* its entry ran */
	machine_free(m);
}

static void discarded_sections_are_holes(void **state)
{
	(void)state;
	struct machine *m = new_machine(1);
	run_quietly(m, 20);
	static const char *const modules[] = { "ntoskrnl", "probe" };
	for (unsigned i = 0; i < 2; i++) {
		uint64_t any = i ? 0 : machine_kernel_base(m);
		uint64_t head = machine_module_list(m), at = read_word(m, head, 8);
		for (; !any && at != head; at = read_word(m, at, 8))
			if (read_word(m, at + 0x58, 2) == 18) /* probe.sys */
				any = read_word(m, at + 0x30, 8);
		uint64_t pe = any + read_word(m, any + 0x3c, 4);
		unsigned holes = 0, sections = (unsigned)read_word(m, pe + 6, 2);
		for (unsigned n = 0; n < sections; n++) {
			uint64_t row = pe + 0x18 + read_word(m, pe + 0x14, 2) + 40ull * n;
			bool discarded = read_word(m, row + 36, 4) & 0x02000000;
			bool paged = read_word(m, row, 4) == 0x45474150; /* "PAGE" */
			bool there = machine_is_resident(m, 0,
							 any + read_word(m, row + 12, 4));
			assert_int_equal(there, !discarded && !paged);
			holes += !there;
		}
		assert_true(holes >= 2 && modules[i] != NULL);
	}
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_over_a_hole_gives_the_prefix),
		cmocka_unit_test(user_pages_belong_to_the_process_of_the_processor),
		cmocka_unit_test(the_guest_reads_the_user_page_of_its_own_process),
		cmocka_unit_test(every_read_of_the_device_counts),
		cmocka_unit_test(the_page_tables_in_ram_lead_to_the_same_bytes),
		cmocka_unit_test(kdbg_leads_to_the_kernels_variables),
		cmocka_unit_test(
			the_process_list_names_three_and_a_thread_leads_to_its_own),
		cmocka_unit_test(
			the_module_list_has_three_hundred_and_three_valid_images),
		cmocka_unit_test(synthetic_modules_differ_and_work),
		cmocka_unit_test(discarded_sections_are_holes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
