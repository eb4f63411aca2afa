#include <stdio.h>
#include <unistd.h>

#include <sodium.h>

#include "bridge/cli/options.h"
#include "kdnet/key.h"
#include "test/util.h"

enum { ARGUMENTS_MAX = 16 };

/* argv as a program gets it: writable. */
struct command_line {
	int argc;
	char *argv[ARGUMENTS_MAX + 1];
	struct options options;
	char error[512];
};

static enum options_result parse(struct command_line *c, enum options_command command,
				 const char *text)
{
	char *copy = strdup(text);

	memset(c, 0, sizeof(*c));
	c->argv[c->argc++] = strdup("kdbridge");
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		c->argv[c->argc++] = strdup(word);
	free(copy);
	return options_parse(&c->options, command, c->argc, c->argv, c->error,
			     sizeof(c->error));
}

static void release(struct command_line *c)
{
	options_wipe(&c->options);
	for (int i = 0; i < c->argc; i++)
		free(c->argv[i]);
}

static void expect_bad(enum options_command command, const char *text, const char *word)
{
	struct command_line c;

	assert_int_equal(parse(&c, command, text), OPTIONS_BAD);
	if (!strstr(c.error, word))
		fail_msg("\"%s\" is not in \"%s\"", word, c.error);
	assert_null(strchr(c.error, '\n'));
	assert_null(strstr(c.error, "7.6.5"));
	release(&c);
}

static void a_windbg_string_is_taken_as_it_is(void **state)
{
	struct command_line c;
	uint8_t key[KDNET_KEY_SIZE];

	(void)state;
	assert_int_equal(kdnet_key_parse(key, "7.6.5.4"), KDNET_KEY_OK);
	assert_int_equal(
		parse(&c, OPTIONS_TARGET, "-k net:port=50000,key=7.6.5.4,target=box"),
		OPTIONS_GOOD);
	assert_int_equal(c.options.connection.port, 50000);
	assert_string_equal(c.options.connection.target, "box");
	assert_memory_equal(c.options.connection.key, key, sizeof(key));
	release(&c);
	assert_int_equal(parse(&c, OPTIONS_TARGET, "NET:Port=50001,Key=7.6.5.4"),
			 OPTIONS_GOOD);
	release(&c);
}

static void defaults_are_those_of_the_man_page(void **state)
{
	struct command_line c;
	const struct options *o = &c.options;

	(void)state;
	assert_int_equal(parse(&c, OPTIONS_TARGET, "net:port=50000,key=7.6.5.4"),
			 OPTIONS_GOOD);
	assert_string_equal(o->listen.address, "127.0.0.1");
	assert_int_equal(o->listen.port, 1234);
	assert_int_equal(o->unattended, UNATTENDED_WAIT);
	assert_int_equal(o->disconnect, DISCONNECT_RUN);
	assert_int_equal(o->break_at, BREAK_NONE);
	assert_int_equal(o->level, LOG_INFO);
	assert_int_equal(o->format, LOG_AS_TEXT);
	assert_false(o->stdio);
	release(&c);
}

static void every_option_reaches_its_field(void **state)
{
	struct command_line c;
	const struct options *o = &c.options;

	(void)state;
	assert_int_equal(parse(&c, OPTIONS_TARGET,
			       "--listen [::1]:99 --unattended=continue "
			       "--on-disconnect stop --break=load --log-level=debug "
			       "--log-format json --stdio net:port=50000,key=7.6.5.4"),
			 OPTIONS_GOOD);
	assert_string_equal(o->listen.address, "::1");
	assert_int_equal(o->listen.port, 99);
	assert_int_equal(o->unattended, UNATTENDED_CONTINUE);
	assert_int_equal(o->disconnect, DISCONNECT_STOP);
	assert_int_equal(o->break_at, BREAK_LOAD);
	assert_int_equal(o->level, LOG_DEBUG);
	assert_int_equal(o->format, LOG_AS_JSON);
	assert_true(o->stdio);
	release(&c);
	assert_int_equal(
		parse(&c, OPTIONS_DISSECT, "a.pcapng --key 7.6.5.4 --format=hex"),
		OPTIONS_GOOD);
	assert_string_equal(o->file, "a.pcapng");
	assert_int_equal(o->dissect_format, 1);
	release(&c);
}

static void recordings_have_a_file_a_size_and_a_number(void **state)
{
	struct command_line c;
	const struct options *o = &c.options;

	(void)state;
	assert_int_equal(parse(&c, OPTIONS_TARGET, "net:port=50000,key=7.6.5.4"),
			 OPTIONS_GOOD);
	assert_null(o->record);
	assert_false(o->record_key);
	assert_int_equal(o->record_size_mib, 64);
	assert_int_equal(o->record_files, 4);
	release(&c);
	assert_int_equal(parse(&c, OPTIONS_TARGET,
			       "--record a.pcapng --record-key --record-size=1023 "
			       "--record-files 1000 net:port=50000,key=7.6.5.4"),
			 OPTIONS_GOOD);
	assert_string_equal(o->record, "a.pcapng");
	assert_true(o->record_key);
	assert_int_equal(o->record_size_mib, 1023);
	assert_int_equal(o->record_files, 1000);
	release(&c);
	/* what is said without a key is better than nothing */
	assert_int_equal(parse(&c, OPTIONS_DISSECT, "a.pcapng --format summary"),
			 OPTIONS_GOOD);
	assert_null(o->connection.key);
	assert_int_equal(o->dissect_format, 2);
	release(&c);
}

static void keys_are_overwritten_in_the_arguments(void **state)
{
	static const char *const lines[] = {
		"net:port=50000,key=7.6.5.4,target=a",
		"net:key=7.6.5.4,port=99999",
		"net:nonsense=1,key=7.6.5.4",
		"com:port=1,key=7.6.5.4",
	};
	struct command_line c;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		(void)parse(&c, OPTIONS_TARGET, lines[i]);
		assert_null(strstr(c.argv[1], "7.6.5"));
		release(&c);
	}
	(void)parse(&c, OPTIONS_DISSECT, "file --key 7.6.5.4");
	assert_string_equal(c.argv[3], "*******");
	release(&c);
	(void)parse(&c, OPTIONS_DISSECT, "file --key=7.6.5.4");
	assert_string_equal(c.argv[2], "--key=*******");
	release(&c);
}

static void images_have_a_place_and_a_time(void **state)
{
	struct command_line c;
	const struct options *o = &c.options;

	(void)state;
	assert_int_equal(parse(&c, OPTIONS_TARGET, "net:port=50000,key=7.6.5.4"),
			 OPTIONS_GOOD);
	assert_null(o->image_cache);
	assert_null(o->image_path);
	assert_null(o->pdb_path);
	assert_int_equal(o->image_wait_s, 5);
	release(&c);
	assert_int_equal(
		parse(&c, OPTIONS_TARGET,
		      "--image-cache none --image-path=/copies "
		      "--pdb-path=/pdbs --image-wait=0 net:port=50000,key=7.6.5.4"),
		OPTIONS_GOOD);
	assert_string_equal(o->image_cache, "none");
	assert_string_equal(o->image_path, "/copies");
	assert_string_equal(o->pdb_path, "/pdbs");
	assert_int_equal(o->image_wait_s, 0);
	release(&c);
}

static void setting_up_has_options_of_its_own(void **state)
{
	struct command_line c;
	const struct options *o = &c.options;

	(void)state;
	assert_int_equal(parse(&c, OPTIONS_KEYGEN, "--file=new.key"), OPTIONS_GOOD);
	assert_string_equal(o->file, "new.key");
	release(&c);
	assert_int_equal(parse(&c, OPTIONS_BCDEDIT, ""), OPTIONS_GOOD);
	assert_null(o->bcdedit.host);
	assert_null(o->connection.key);
	assert_int_equal(o->connection.port, 0);
	release(&c);
	assert_int_equal(parse(&c, OPTIONS_BCDEDIT,
			       "--host=fd00::1 --port 50001 --key 7.6.5.4 --boot "
			       "--busparams=0.25.0 --format ps1 --target box"),
			 OPTIONS_GOOD);
	assert_true(o->bcdedit.ipv6 && o->bcdedit.boot && !o->bcdedit.hypervisor);
	assert_int_equal(o->connection.port, 50001);
	assert_string_equal(o->connection.target, "box");
	assert_string_equal(o->bcdedit.busparams, "0.25.0");
	assert_int_equal(o->bcdedit.format, 2);
	assert_string_equal(c.argv[5], "*******");
	release(&c);
	assert_int_equal(parse(&c, OPTIONS_DOCTOR, ""), OPTIONS_GOOD);
	assert_int_equal(o->wait_s, 10);
	release(&c);
	assert_int_equal(
		parse(&c, OPTIONS_DOCTOR, "-k net:port=50000,key=7.6.5.4 --wait 3"),
		OPTIONS_GOOD);
	assert_int_equal(o->wait_s, 3);
	assert_int_equal(o->connection.port, 50000);
	release(&c);
}

static void errors_of_setting_up_say_what_to_do(void **state)
{
	(void)state;
	expect_bad(OPTIONS_KEYGEN, "--file=", "--file");
	expect_bad(OPTIONS_KEYGEN, "new.key", "options only");
	expect_bad(OPTIONS_KEYGEN, "--nonsense", "kdbridge keygen --help");
	expect_bad(OPTIONS_BCDEDIT, "--host=box", "address");
	expect_bad(OPTIONS_BCDEDIT, "--host=10.0.0.300", "address");
	expect_bad(OPTIONS_BCDEDIT, "--host=10.0.0.1 --ipv6", "IPv4");
	expect_bad(OPTIONS_BCDEDIT, "--ipv6 --hypervisor", "IPv4 only");
	expect_bad(OPTIONS_BCDEDIT, "--port=65535 --hypervisor", "below 65535");
	expect_bad(OPTIONS_BCDEDIT, "--port=0", "--port");
	expect_bad(OPTIONS_BCDEDIT, "--port=50000x", "--port");
	expect_bad(OPTIONS_BCDEDIT, "--busparams=0.25", "--busparams");
	expect_bad(OPTIONS_BCDEDIT, "--busparams=0.32.0", "--busparams");
	expect_bad(OPTIONS_BCDEDIT, "--busparams=256.1.0", "--busparams");
	expect_bad(OPTIONS_BCDEDIT, "--busparams=0.1.8", "--busparams");
	expect_bad(OPTIONS_BCDEDIT, "--busparams=0.1.0x", "--busparams");
	expect_bad(OPTIONS_BCDEDIT, "--busparams=+0.1.0", "--busparams");
	expect_bad(OPTIONS_BCDEDIT, "--format=cmd", "text|sh|ps1");
	expect_bad(OPTIONS_BCDEDIT, "--target=", "--target");
	expect_bad(OPTIONS_BCDEDIT, "net:port=50000,key=7.6.5.4", "options only");
	expect_bad(OPTIONS_BCDEDIT, "--key=7.6.5", "four parts");
	expect_bad(OPTIONS_DOCTOR, "--wait=0", "--wait");
	expect_bad(OPTIONS_DOCTOR, "--wait=soon", "--wait");
	expect_bad(OPTIONS_DOCTOR, "com:port=com1", "com:");
	expect_bad(OPTIONS_DOCTOR, "--listen=1", "kdbridge doctor --help");
	expect_bad(OPTIONS_TARGET, "kdsrv:server=x,trans=y", "KD server");
}

static void every_form_of_an_endpoint_is_taken(void **state)
{
	static const struct {
		const char *text, *address;
		bool is_unix;
		uint16_t port;
	} forms[] = {
		{ "1300", "127.0.0.1", false, 1300 },
		{ "0", "127.0.0.1", false, 0 },
		{ "0.0.0.0:1300", "0.0.0.0", false, 1300 },
		{ "[::1]:1300", "::1", false, 1300 },
		{ "[::]:0", "::", false, 0 },
		{ "unix:/run/gdb.sock", "/run/gdb.sock", true, 0 },
	};
	struct command_line c;

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "--listen %s net:port=50000,key=7.6.5.4",
			 forms[i].text);
		assert_int_equal(parse(&c, OPTIONS_TARGET, line), OPTIONS_GOOD);
		assert_string_equal(c.options.listen.address, forms[i].address);
		assert_int_equal(c.options.listen.is_unix, forms[i].is_unix);
		if (!forms[i].is_unix)
			assert_int_equal(c.options.listen.port, forms[i].port);
		release(&c);
	}
}

static void errors_say_what_to_do(void **state)
{
	(void)state;
	expect_bad(OPTIONS_TARGET, "", "net:port=");
	expect_bad(OPTIONS_TARGET, "net:port=50000", "key=");
	expect_bad(OPTIONS_TARGET, "net:key=7.6.5.4", "port=");
	expect_bad(OPTIONS_TARGET, "net:port=0,key=7.6.5.4", "port");
	expect_bad(OPTIONS_TARGET, "net:port=65536,key=7.6.5.4", "port");
	expect_bad(OPTIONS_TARGET, "net:port=-1,key=7.6.5.4", "port");
	expect_bad(OPTIONS_TARGET, "net:port=50000x,key=7.6.5.4", "port");
	expect_bad(OPTIONS_TARGET, "net:port=50000,key=7.6.5", "four parts");
	expect_bad(OPTIONS_TARGET, "net:port=50000,key=7.6.5.4,key=7.6.5.4",
		   "more than one");
	expect_bad(OPTIONS_TARGET, "net:port=50000,key=7.6.5.4,busparams=1.2.3",
		   "busparams");
	expect_bad(OPTIONS_TARGET, "net:port=50000,7.6.5.4", "unknown");
	expect_bad(OPTIONS_TARGET, "net:port=50000,key=7.6.5.4,target=", "target");
	expect_bad(OPTIONS_TARGET, "port=50000,key=7.6.5.4", "net:");
	expect_bad(OPTIONS_TARGET, "com:port=com1,baud=115200", "com:");
	expect_bad(OPTIONS_TARGET, "usb:targetname=x", "usb:");
	expect_bad(OPTIONS_TARGET, "net:port=1,key=7.6.5.4 net:port=2,key=7.6.5.4",
		   "more than one");
	expect_bad(OPTIONS_TARGET, "--nonsense", "--nonsense");
	expect_bad(OPTIONS_TARGET, "-x", "-x");
	expect_bad(OPTIONS_TARGET, "--listen", "--listen");
	expect_bad(OPTIONS_TARGET, "--listen=1:2:3:4", "--listen");
	expect_bad(OPTIONS_TARGET, "--stdio=yes", "--stdio");
	expect_bad(OPTIONS_TARGET, "--image-cache=", "--image-cache");
	expect_bad(OPTIONS_TARGET, "--image-path=", "--image-path");
	expect_bad(OPTIONS_TARGET, "--pdb-path=", "--pdb-path");
	expect_bad(OPTIONS_TARGET, "--image-wait=", "--image-wait");
	expect_bad(OPTIONS_TARGET, "--image-wait=-1", "--image-wait");
	expect_bad(OPTIONS_TARGET, "--image-wait=1s", "--image-wait");
	expect_bad(OPTIONS_TARGET, "--image-wait=99999999999999999999", "--image-wait");
	expect_bad(OPTIONS_TARGET, "--unattended=maybe", "wait|continue");
	expect_bad(OPTIONS_TARGET, "--key-file=/nowhere/at/all", "/nowhere/at/all");
	expect_bad(OPTIONS_TARGET, "--format=hex", "--format");
	expect_bad(OPTIONS_DISSECT, "--key=7.6.5.4", "file");
	expect_bad(OPTIONS_DISSECT, "a b --key=7.6.5.4", "more than one");
	expect_bad(OPTIONS_DISSECT, "a --listen=1", "--listen");
	expect_bad(OPTIONS_TARGET, "--record=", "--record");
	expect_bad(OPTIONS_TARGET, "--record-key net:port=50000,key=7.6.5.4",
		   "--record FILE");
	expect_bad(OPTIONS_TARGET, "--record-size=0", "MiB from 1 to 1023");
	expect_bad(OPTIONS_TARGET, "--record-size=1024", "--record-size");
	expect_bad(OPTIONS_TARGET, "--record-files=0", "--record-files");
}

static void help_and_version_need_nothing_else(void **state)
{
	struct command_line c;

	(void)state;
	assert_int_equal(parse(&c, OPTIONS_TARGET, "--help"), OPTIONS_HELP);
	release(&c);
	assert_int_equal(parse(&c, OPTIONS_TARGET, "--version --nonsense"),
			 OPTIONS_VERSION);
	release(&c);
}

static void a_key_file_holds_one_key_in_its_first_line(void **state)
{
	char path[] = "/tmp/kdbridge-key-XXXXXX", line[128];
	int fd = mkstemp(path);
	struct command_line c;

	(void)state;
	assert_int_equal(write(fd, " 7.6.5.4\r\n# mine\n", 17), 17);
	close(fd);
	snprintf(line, sizeof(line), "--key-file %s net:port=50000", path);
	assert_int_equal(parse(&c, OPTIONS_TARGET, line), OPTIONS_GOOD);
	assert_non_null(c.options.connection.key);
	assert_false(c.options.connection.key_file_exposed);
	release(&c);
	unlink(path);
}

static void the_environment_is_asked_last_and_wiped(void **state)
{
	char text[] = "KDBRIDGE_KEY=7.6.5.4";
	uint8_t key[KDNET_KEY_SIZE];
	struct command_line c;

	(void)state;
	assert_int_equal(kdnet_key_parse(key, "7.6.5.4"), KDNET_KEY_OK);
	putenv(text);
	assert_int_equal(parse(&c, OPTIONS_TARGET, "net:port=50000"), OPTIONS_GOOD);
	assert_memory_equal(c.options.connection.key, key, sizeof(key));
	assert_null(getenv("KDBRIDGE_KEY"));
	assert_null(strstr(text, "7.6"));
	release(&c);
}

static void help_names_every_option_of_its_command(void **state)
{
	char text[4096] = "";
	FILE *out = fmemopen(text, sizeof(text) - 1, "w");

	(void)state;
	options_print_help(out, OPTIONS_TARGET);
	fclose(out);
	assert_non_null(strstr(text, "--listen=[ADDR:]PORT|unix:PATH"));
	assert_non_null(strstr(text, "--break=none|load|init"));
	assert_null(strstr(text, "--format=text|hex"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_windbg_string_is_taken_as_it_is),
		cmocka_unit_test(defaults_are_those_of_the_man_page),
		cmocka_unit_test(every_option_reaches_its_field),
		cmocka_unit_test(recordings_have_a_file_a_size_and_a_number),
		cmocka_unit_test(keys_are_overwritten_in_the_arguments),
		cmocka_unit_test(images_have_a_place_and_a_time),
		cmocka_unit_test(setting_up_has_options_of_its_own),
		cmocka_unit_test(errors_of_setting_up_say_what_to_do),
		cmocka_unit_test(every_form_of_an_endpoint_is_taken),
		cmocka_unit_test(errors_say_what_to_do),
		cmocka_unit_test(help_and_version_need_nothing_else),
		cmocka_unit_test(a_key_file_holds_one_key_in_its_first_line),
		cmocka_unit_test(the_environment_is_asked_last_and_wiped),
		cmocka_unit_test(help_names_every_option_of_its_command),
	};

	if (sodium_init() < 0)
		return 1;
	unsetenv("KDBRIDGE_KEY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
