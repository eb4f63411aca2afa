#include "bridge/setup/qemu.h"
#include "test/util.h"

/* Words stand between bars here, between zeros there. */
static bool diverts(struct qemu_guest *guest, const char *line)
{
	size_t length = strlen(line) + 1;
	char *words = strdup(line);
	bool result;

	for (size_t i = 0; i < length; i++)
		if (words[i] == '|')
			words[i] = '\0';
	result = qemu_diverts(guest, words, length);
	free(words);
	return result;
}

static void hyper_v_features_divert_unless_the_vendor_is_another(void **state)
{
	struct qemu_guest g;

	(void)state;
	assert_true(diverts(&g, "/usr/bin/qemu-system-x86_64|-name|guest=win11,debug=on|"
				"-cpu|host,hv-time=on,hv-relaxed=on"));
	assert_string_equal(g.name, "win11");
	assert_true(diverts(&g, "qemu-system-x86_64|-cpu|host,hv_relaxed,hv_vapic"));
	assert_string_equal(g.name, "");
	assert_true(diverts(&g, "/usr/libexec/qemu-kvm|-cpu|host,hv-passthrough"));
	assert_false(diverts(&g, "qemu-system-x86_64|-cpu|"
				 "host,hv-time=on,hv-vendor-id=KVMKVMKVM"));
	assert_false(diverts(&g, "qemu-system-x86_64|-cpu|host,hv_vendor_id=x,hv_time"));
	assert_true(diverts(&g, "qemu-system-x86_64|-cpu|"
				"host,hv-vendor-id=Microsoft Hv,hv-time"));
	assert_false(diverts(&g, "qemu-system-x86_64|-cpu|host,hv-time,hv-syndbg"));
	assert_false(diverts(&g, "qemu-system-x86_64|-cpu|host,hv-time=off"));
}

static void other_guests_and_programs_are_left_alone(void **state)
{
	struct qemu_guest g;

	(void)state;
	assert_false(diverts(&g, ""));
	assert_false(diverts(&g, "qemu-system-x86_64|-name|x|-cpu|host"));
	assert_false(diverts(&g, "qemu-system-x86_64|-cpu"));
	assert_false(diverts(&g, "grep|-cpu|host,hv-time"));
	assert_false(diverts(&g, "vi|notes/qemu-system-x86_64|-cpu|host,hv-time"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hyper_v_features_divert_unless_the_vendor_is_another),
		cmocka_unit_test(other_guests_and_programs_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
