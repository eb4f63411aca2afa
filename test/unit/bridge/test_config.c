/* A configuration file: what it means, and every way to write it wrong. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "bridge/cli/config.h"
#include "kdnet/key.h"
#include "test/util.h"

static char error[512];

static bool parse(struct config *c, const char *text)
{
	struct options base = { .image_wait_s = 5 };

	assert_true(rsp_endpoint_parse(&base.listen, "1234"));
	return config_parse(c, "lab.conf", text, &base, error, sizeof(error));
}

static struct config good(const char *text)
{
	struct config c;

	if (!parse(&c, text))
		fail_msg("%s", error);
	return c;
}

static void a_section_is_a_target(void **state)
{
	struct config c = good("# two machines\n"
			       "[web]\n"
			       "port = 50000 ; as bcdedit printed it\n"
			       "key = 1.2.3.4\n"
			       "target = 192.168.0.20\n"
			       "break = init\n"
			       "unattended = continue\n"
			       "on-disconnect = stop\n"
			       "label = Web server, rack 3\n"
			       "\n"
			       "  [db]\n"
			       "  port: 50001\n"
			       "  key = 5.6.7.8\n"
			       "  listen = unix:/run/{name}.sock\n"
			       "  image-wait = 9\n");

	(void)state;
	assert_int_equal(c.count, 2);
	assert_string_equal(c.targets[0].name, "web");
	assert_string_equal(c.targets[0].label, "Web server, rack 3");
	assert_int_equal(c.targets[0].line, 2);
	assert_int_equal(c.targets[0].options.connection.port, 50000);
	assert_string_equal(c.targets[0].options.connection.target, "192.168.0.20");
	assert_int_equal(c.targets[0].options.break_at, BREAK_INIT);
	assert_int_equal(c.targets[0].options.unattended, UNATTENDED_CONTINUE);
	assert_int_equal(c.targets[0].options.disconnect, DISCONNECT_STOP);
	assert_int_equal(c.targets[0].options.listen.port, 1234);
	assert_int_equal(c.targets[1].options.connection.port, 50001);
	assert_string_equal(c.targets[1].options.listen.address, "/run/db.sock");
	assert_int_equal(c.targets[1].options.image_wait_s, 9);
	assert_ptr_equal(config_find(&c, "db"), &c.targets[1]);
	assert_null(config_find(&c, "other"));
	config_free(&c);
}

static void defaults_hold_where_a_section_says_nothing(void **state)
{
	struct config c = good("[one]\nport = 50007\nlisten = 2000\n"
			       "[defaults]\nport = 50000+\nlisten = [::1]:12000+\n"
			       "key = 1.2.3.4\nbreak = load\n"
			       "[two]\n[three]\nbreak = none\n");

	(void)state;
	assert_int_equal(c.count, 3);
	assert_int_equal(c.targets[0].options.connection.port, 50007);
	assert_int_equal(c.targets[0].options.listen.port, 2000);
	assert_int_equal(c.targets[0].options.break_at, BREAK_LOAD);
	assert_int_equal(c.targets[1].options.connection.port, 50000);
	assert_int_equal(c.targets[1].options.listen.port, 12000);
	assert_string_equal(c.targets[1].options.listen.address, "::1");
	assert_int_equal(c.targets[2].options.connection.port, 50001);
	assert_int_equal(c.targets[2].options.listen.port, 12001);
	assert_int_equal(c.targets[2].options.break_at, BREAK_NONE);
	config_free(&c);
}

static void a_range_of_names_is_as_many_targets(void **state)
{
	struct config c = good("[lab-08..11]\nport = 51000+\nlisten = 13000+\n"
			       "key = 1.2.3.4\n");

	(void)state;
	assert_int_equal(c.count, 4);
	assert_string_equal(c.targets[0].name, "lab-08");
	assert_string_equal(c.targets[3].name, "lab-11");
	assert_int_equal(c.targets[3].options.connection.port, 51003);
	assert_int_equal(c.targets[3].options.listen.port, 13003);
	config_free(&c);
}

static void errors_name_file_line_and_key(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "", "lab.conf:1: no target" },
		{ "[defaults]\nport = 50000+\n", "lab.conf:1: no target" },
		{ "port = 1\n", "lab.conf:1: port: before the first section" },
		{ "[a]\nprot = 50000\n", "lab.conf:2: prot: unknown" },
		{ "[a]\nstdio = yes\n", "lab.conf:2: stdio: unknown" },
		{ "[a]\nport 50000\n", "lab.conf:2: neither [section] nor name" },
		{ "[a\nport = 50000\n", "lab.conf:1: a section without its ]" },
		{ "[]\n", "lab.conf:1: a section without a name" },
		{ "[a] b\n", "lab.conf:1: text behind ]" },
		{ "[a]\n[b]\n[a]\n", "lab.conf:3: [a] stands in line 1 already" },
		{ "[a b]\nport=1\n", "lab.conf:1: [a b]: a name has" },
		{ "[.a]\nport=1\n", "lab.conf:1: [.a]: a name has" },
		{ "[a..b]\n", "lab.conf:1: [a..b] is no range" },
		{ "[a5..3]\n", "lab.conf:1: [a5..3] is no range" },
		{ "[a1..9999]\n", "lab.conf:1: [a1..9999] is no range" },
		{ "[a1..2]\nport=1+\nlisten=1+\n[a2]\nport=7\n",
		  "lab.conf:4: a2 is in line 1 already" },
		{ "[a]\nport=1\n\nport=2\n", "lab.conf:4: port: given in line 2" },
		{ "[a]\nport = 0\n", "lab.conf:2: port: give a UDP port" },
		{ "[a]\nport = x\n", "lab.conf:2: port: give a UDP port" },
		{ "[a]\nport = 65536\n", "lab.conf:2: port: give a UDP port" },
		{ "[a]\nport = +\n", "lab.conf:2: port: + stands behind a port" },
		{ "[a1..3]\nport = 65534+\nlisten = 1+\n",
		  "lab.conf:2: port: counts beyond port 65535" },
		{ "[a]\nkey = 1.2.3.4\n", "lab.conf:1: port: a has none" },
		{ "[a]\nkey = 1.2.3\n", "lab.conf:2: key: " },
		{ "[a]\nkey = 1.2.3.4\nkey-file = b\n", "lab.conf:2: key: key-file is" },
		{ "[a]\nkey-file =\n", "lab.conf:2: key-file: give the name" },
		{ "[a]\nlisten = here\n", "lab.conf:2: listen: give PORT" },
		{ "[a]\ntarget =\n", "lab.conf:2: target: give the target's" },
		{ "[a]\nlabel = a\tb\n", "lab.conf:2: label: a label has no control" },
		{ "[a]\nbreak = never\n", "lab.conf:2: break: give one of none|load" },
		{ "[a]\nimage-wait = -1\n", "lab.conf:2: image-wait: give seconds" },
		{ "[a]\nport=1\nkey=1.2.3.4\n[b]\nport=1\nlisten=9\n",
		  "lab.conf:5: port: a and b both have 1" },
		{ "[defaults]\nport=1+\nlisten=1+\nrecord=r\n[a]\n[b]\n",
		  "lab.conf:6: record: a and b both have r" },
		{ "[a]\nport=1\n[b]\nport=2\n",
		  "lab.conf:3: listen: a and b both have 127.0.0.1:1234" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config c;

		assert_false(parse(&c, rows[i].text));
		if (strncmp(error, rows[i].error, strlen(rows[i].error)) != 0)
			fail_msg("%s: %s", rows[i].text, error);
		config_free(&c);
	}
}

static void a_line_that_is_too_long_is_no_shorter_one(void **state)
{
	char text[600] = "[a]\nlabel = ";
	struct config c;

	(void)state;
	memset(text + strlen(text), 'x', 400);
	assert_false(parse(&c, text));
	assert_non_null(strstr(error, "lab.conf:2: a line of more than"));
	config_free(&c);
}

static void no_error_shows_a_key(void **state)
{
	static const char *const texts[] = {
		"[a]\nport = 50000\nkey = secret.2.3\n",
		"[a]\nkeys = secret.2.3.4\n",
		"[a]\nport = secret.2.3.4\n",
		"[a]\nsecret.2.3.4\n",
	};
	struct config c;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_false(parse(&c, texts[i]));
		assert_null(strstr(error, "secret"));
		config_free(&c);
	}
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
}

static void key_files_are_found_beside_the_file_or_among_credentials(void **state)
{
	char directory[] = "/tmp/kdbridge-config-XXXXXX", path[64], other[64];
	uint8_t first[KDNET_KEY_SIZE], second[KDNET_KEY_SIZE];
	struct config c;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/a.key", directory);
	snprintf(other, sizeof(other), "%s/b.key", directory);
	write_file(path, "1.2.3.4\n");
	write_file(other, "5.6.7.8\n");
	kdnet_key_parse(first, "1.2.3.4");
	kdnet_key_parse(second, "5.6.7.8");
	c = good("[defaults]\nport=1+\nlisten=1+\nkey-file = {name}.key\n[a]\n[b]\n");
	assert_true(config_read_keys(&c, "lab.conf", directory, error, sizeof(error)));
	assert_memory_equal(c.targets[0].options.connection.key, first, sizeof(first));
	assert_memory_equal(c.targets[1].options.connection.key, second, sizeof(second));
	config_free(&c);
	setenv("CREDENTIALS_DIRECTORY", directory, 1);
	c = good("[a]\nport=1\nkey-file = a.key\n");
	assert_true(config_read_keys(&c, "lab.conf", "/none", error, sizeof(error)));
	config_free(&c);
	unsetenv("CREDENTIALS_DIRECTORY");
	c = good("[a]\nport=1\nkey-file = a.key\n");
	assert_false(config_read_keys(&c, "lab.conf", "/none", error, sizeof(error)));
	assert_string_equal(error, "lab.conf:1: key-file: a: cannot read the key file "
				   "/none/a.key: No such file or directory");
	config_free(&c);
	c = good("[a]\nport=1\n");
	assert_false(config_read_keys(&c, "lab.conf", "/none", error, sizeof(error)));
	assert_string_equal(error, "lab.conf:1: key: a has none: give key or key-file");
	config_free(&c);
	unlink(path);
	unlink(other);
	rmdir(directory);
}

/* As a reload compares. */
static bool same(const char *one, const char *other)
{
	struct config a = good(one), b = good(other);
	bool equal;

	assert_true(config_read_keys(&a, "", "", error, sizeof(error)));
	assert_true(config_read_keys(&b, "", "", error, sizeof(error)));
	equal = config_same(&a.targets[0], &b.targets[0]);
	config_free(&a);
	config_free(&b);
	return equal;
}

static void a_change_of_any_setting_is_seen(void **state)
{
	(void)state;
	assert_true(same("[a]\nport=1\nkey=1.2.3.4\n", "\n[a]\nkey=1.2.3.4\nport = 1\n"));
	assert_true(same("[a]\nport=1\nkey=1.2.3.4\n",
			 "[defaults]\nkey=1.2.3.4\n[a]\nport=1+\n"));
	assert_false(same("[a]\nport=1\nkey=1.2.3.4\n", "[a]\nport=1\nkey=1.2.3.5\n"));
	assert_false(same("[a]\nport=1\nkey=1.2.3.4\n", "[a]\nport=2\nkey=1.2.3.4\n"));
	assert_false(same("[a]\nport=1\nkey=1.2.3.4\n",
			  "[a]\nport=1\nkey=1.2.3.4\nbreak=load\n"));
}

static void what_the_command_line_says_comes_last(void **state)
{
	struct options base = { .break_at = BREAK_LOAD };
	uint8_t key[KDNET_KEY_SIZE];
	struct config c;

	(void)state;
	kdnet_key_parse(key, "1.2.3.4");
	base.connection.key = key;
	assert_true(rsp_endpoint_parse(&base.listen, "0"));
	assert_true(config_parse(&c, "f", "[a]\nport=1\n[b]\nport=2\nbreak=none\n", &base,
				 error, sizeof(error)));
	assert_true(config_read_keys(&c, "f", ".", error, sizeof(error)));
	assert_int_equal(c.targets[0].options.break_at, BREAK_LOAD);
	assert_int_equal(c.targets[1].options.break_at, BREAK_NONE);
	assert_memory_equal(c.targets[1].options.connection.key, key, sizeof(key));
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_section_is_a_target),
		cmocka_unit_test(defaults_hold_where_a_section_says_nothing),
		cmocka_unit_test(a_range_of_names_is_as_many_targets),
		cmocka_unit_test(errors_name_file_line_and_key),
		cmocka_unit_test(a_line_that_is_too_long_is_no_shorter_one),
		cmocka_unit_test(no_error_shows_a_key),
		cmocka_unit_test(
			key_files_are_found_beside_the_file_or_among_credentials),
		cmocka_unit_test(a_change_of_any_setting_is_seen),
		cmocka_unit_test(what_the_command_line_says_comes_last),
	};

	if (sodium_init() < 0)
		return 1;
	unsetenv("CREDENTIALS_DIRECTORY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
