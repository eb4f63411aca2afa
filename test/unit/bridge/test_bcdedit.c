#include <stdio.h>

#include <sodium.h>

#include "bridge/setup/bcdedit.h"
#include "test/util.h"

enum { TEXT_MAX = 16384 };

static char text[TEXT_MAX];

static void print(const struct bcdedit_plan *plan)
{
	FILE *out = fmemopen(text, sizeof(text), "w");

	bcdedit_print(plan, out);
	fclose(out);
}

static struct bcdedit_plan plan_for(const struct options_bcdedit *wanted)
{
	return (struct bcdedit_plan){
		.hosts = { { "10.0.0.1", "eth0", false }, { "10.1.0.1", "eth1", false } },
		.host_count = 1,
		.port = 50003,
		.key = "1.2.3.4",
		.hypervisor_key = "5.6.7.8",
		.wanted = wanted,
	};
}

static void expect(const char *line)
{
	if (!strstr(text, line))
		fail_msg("\"%s\" is not in: %s", line, text);
}

static void expect_order(const char *first, const char *second)
{
	expect(first);
	expect(second);
	assert_true(strstr(text, first) < strstr(text, second));
}

static void settings_come_before_they_are_switched_on(void **state)
{
	const struct options_bcdedit wanted = { .format = BCDEDIT_TEXT };
	const struct bcdedit_plan plan = plan_for(&wanted);

	(void)state;
	print(&plan);
	expect_order(
		"    bcdedit /dbgsettings net hostip:10.0.0.1 port:50003 key:1.2.3.4\n",
		"    bcdedit /debug on\n");
	expect_order("bcdedit /debug on", "kdbridge net:port=50003,key=1.2.3.4\n");
	expect("Secure Boot");
	expect("docking station");
	assert_null(strstr(text, "10.1.0.1"));
	assert_null(strstr(text, "hypervisorsettings"));
	assert_null(strstr(text, "bootdebug"));
}

static void everything_asked_for_has_its_command(void **state)
{
	const struct options_bcdedit wanted = { .busparams = "0.25.0",
						.hypervisor = true,
						.boot = true };
	const struct bcdedit_plan plan = plan_for(&wanted);

	(void)state;
	print(&plan);
	expect("bcdedit /set \"{dbgsettings}\" busparams 0.25.0\n");
	expect("bcdedit /bootdebug \"{bootmgr}\" on\n");
	expect("bcdedit /bootdebug on\n");
	expect("bcdedit /hypervisorsettings net hostip:10.0.0.1 port:50004\n");
	expect("bcdedit /set \"{hypervisorsettings}\" hypervisorusekey 5.6.7.8\n");
	expect("bcdedit /set hypervisordebug on\n");
	expect("kdbridge --listen 1235 net:port=50004,key=5.6.7.8\n");
	assert_null(strstr(text, "choose with"));
}

static void a_key_file_keeps_the_key_out_of_our_own_command(void **state)
{
	const struct options_bcdedit wanted = { .format = BCDEDIT_TEXT };
	struct bcdedit_plan plan = plan_for(&wanted);

	(void)state;
	plan.key_file = "lab.key";
	print(&plan);
	expect("kdbridge --key-file lab.key net:port=50003\n");
	assert_null(strstr(text, "key=1.2.3.4"));
}

static void all_addresses_are_named_when_there_are_several(void **state)
{
	const struct options_bcdedit wanted = { .format = BCDEDIT_TEXT };
	struct bcdedit_plan plan = plan_for(&wanted);

	(void)state;
	plan.host_count = 2;
	print(&plan);
	expect("hostip:10.0.0.1 (eth0)");
	expect("hostip:10.1.0.1 (eth1)");
	expect("--target");
}

static void ipv6_has_an_option_of_its_own(void **state)
{
	const struct options_bcdedit wanted = { .ipv6 = true };
	struct bcdedit_plan plan = plan_for(&wanted);

	(void)state;
	plan.hosts[0] = (struct addresses_own){ "fd00::1", "eth0", true };
	print(&plan);
	expect("net hostipv6:fd00::1 port:50003");
	expect("1809");
}

/* In a script all but commands is a remark, so that it runs as it is. */
static void scripts_hold_commands_and_remarks_alone(void **state)
{
	static const char *const commands[] = {
		[BCDEDIT_SH] = "bcdedit.exe ",
		[BCDEDIT_PS1] = "bcdedit ",
	};

	(void)state;
	for (int format = BCDEDIT_SH; format <= BCDEDIT_PS1; format++) {
		const struct options_bcdedit wanted = { .format = format, .boot = true };
		struct bcdedit_plan plan = plan_for(&wanted);
		unsigned found = 0;

		plan.host_count = 2;
		print(&plan);
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
			bool is_command = strncmp(line, commands[format],
						  strlen(commands[format])) == 0;

			found += is_command;
			if (!is_command && line[0] != '#' &&
			    strcmp(line, "set -e") != 0 &&
			    strncmp(line, "$ErrorAction", 12) != 0)
				fail_msg("no remark: %s", line);
		}
		assert_int_equal(found, 4);
	}
}

static void a_given_port_and_address_are_taken_as_they_are(void **state)
{
	struct options o = { .bcdedit = { .host = "192.0.2.7" } };
	char errors[1024] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	FILE *err = fmemopen(errors, sizeof(errors), "w");

	(void)state;
	o.connection.port = 5364;
	assert_int_equal(bcdedit_run(&o, out, err), 0);
	fclose(out);
	fclose(err);
	expect("hostip:192.0.2.7 port:5364 key:");
	assert_non_null(strstr(errors, "49152"));
}

static void the_address_towards_the_target_is_found(void **state)
{
	struct options o = { .connection = { .target = "127.0.0.1" } };
	char errors[1024] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	FILE *err = fmemopen(errors, sizeof(errors), "w");

	(void)state;
	assert_int_equal(bcdedit_run(&o, out, err), 0);
	fclose(out);
	expect("hostip:127.0.0.1 port:");
	strcpy(o.connection.target, "no such name");
	out = fmemopen(text, sizeof(text), "w");
	assert_int_equal(bcdedit_run(&o, out, err), 1);
	fclose(out);
	fclose(err);
	assert_non_null(strstr(errors, "no such name"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_come_before_they_are_switched_on),
		cmocka_unit_test(everything_asked_for_has_its_command),
		cmocka_unit_test(a_key_file_keeps_the_key_out_of_our_own_command),
		cmocka_unit_test(all_addresses_are_named_when_there_are_several),
		cmocka_unit_test(ipv6_has_an_option_of_its_own),
		cmocka_unit_test(scripts_hold_commands_and_remarks_alone),
		cmocka_unit_test(a_given_port_and_address_are_taken_as_they_are),
		cmocka_unit_test(the_address_towards_the_target_is_found),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
