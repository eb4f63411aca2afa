/* Registers, memory, breakpoints, threads and documents: packets that move data. */
#include "test/util.h"

#include "rsp/conn.h"
#include "test/unit/rsp/talk.h"

static struct talk *connected(void)
{
	struct talk *t = talk_new();
	talk_connect(t);
	return t;
}

static void ask_all(struct talk *t, const char *const *requests, size_t count,
		    const char *reply)
{
	for (size_t i = 0; i < count; i++)
		ask(t, requests[i], reply);
}

#define ASK_ALL(t, requests, reply)                                                      \
	ask_all(t, requests, sizeof(requests) / sizeof(*(requests)), reply)

/* ---- registers ---- */

/* Where they begin in `g`: eight bytes a general register, then segments and x87. */
static const size_t rip_digits = (size_t)2 * 8 * FAKE_RIP;
static const size_t fop_digits = (size_t)2 * (17 * 8 + 7 * 4 + 8 * 10 + 7 * 4);

static size_t digits_of_g(void)
{
	size_t bytes = 0;
	for (size_t i = 0; i < FAKE_REGISTERS && fake_registers[i].in_g; i++)
		bytes += register_size(&fake_registers[i]);
	return 2 * bytes;
}

static void g_holds_its_rows_and_x_for_what_is_not_there(void **state)
{
	(void)state;
	struct talk *t = connected();
	talk_send(t, "g", 1);
	talk_serve(t);
	assert_true(talk_read(t));
	assert_int_equal(t->reply_length, digits_of_g());
	assert_int_equal(digits_of_g() / 2,
			 17 * 8 + 7 * 4 + 8 * 10 + 8 * 4 + 16 * 16 + 4);
	assert_memory_equal(t->reply + rip_digits, "1010000000000000", 16);
	size_t fop = fop_digits;
	assert_memory_equal(t->reply + fop, "xxxxxxxx", 8);
	assert_int_equal(t->reply[fop - 1], '0');
	assert_int_equal(t->reply[fop + 8], '0');
	talk_free(t);
}

static void g_can_be_written_back_as_it_came(void **state)
{
	(void)state;
	struct talk *t = connected();
	ask(t, "P0=8877665544332211", "OK");
	talk_send(t, "g", 1);
	talk_serve(t);
	assert_true(talk_read(t));
	size_t length = t->reply_length;
	char *whole = malloc(length + 2);
	assert_non_null(whole);
	whole[0] = 'G';
	memcpy(whole + 1, t->reply, length);
	memset(t->fake->registers, 0, sizeof(t->fake->registers));
	ask_bytes(t, whole, length + 1, "OK");
	assert_int_equal(t->fake->registers[0][0], 0x1122334455667788);
	assert_int_equal(t->fake->registers[0][FAKE_RIP], 0x1010);
	ask_bytes(t, whole, length, "E01");
	ask_bytes(t, whole, length - 1, "E01");
	whole[1] = 'g';
	ask_bytes(t, whole, length + 1, "E01");
	ask(t, "G", "E01");
	free(whole);
	talk_free(t);
}

static void registers_outside_of_g_come_one_by_one(void **state)
{
	(void)state;
	struct talk *t = connected();
	ask(t, "p3c", "00d01a0000000000");
	ask(t, "P3c=0010000000000000", "OK");
	assert_int_equal(t->fake->registers[0][FAKE_CR3], 0x1000);
	ask(t, "p3b", "0000"); /* tr: 16 bits */
	ask(t, "p27", "xxxxxxxx");
	static const char *const wrong[] = { "p3d",
					     "p",
					     "px",
					     "p0;",
					     "pffffffffffffffff",
					     "P0",
					     "P0=",
					     "P0=11",
					     "P0=887766554433221",
					     "P0=88776655443322110",
					     "P3d=00",
					     "P0=gg77665544332211",
					     "P=00" };
	ASK_ALL(t, wrong, "E01");
	talk_free(t);
}

static void a_thread_chooses_whose_registers(void **state)
{
	(void)state;
	struct talk *t = connected();
	ask(t, "Hg2", "OK");
	ask(t, "p10", "2010000000000000");
	ask(t, "P0=0100000000000000", "OK");
	assert_int_equal(t->fake->registers[1][0], 1);
	assert_int_equal(t->fake->registers[0][0], 0);
	ask(t, "Hg0", "OK");
	ask(t, "p10", "1010000000000000");
	static const char *const wrong[] = { "Hg3", "H", "Hx1", "Hg", "Hg1;", "Hgp2.1" };
	ASK_ALL(t, wrong, "E01");
	talk_free(t);
}

/* ---- memory ---- */

static void memory_is_read_up_to_a_hole(void **state)
{
	(void)state;
	struct talk *t = connected();
	t->fake->memory[0] = 0xab;
	ask(t, "m1000,2", "ab90");
	ask(t, "m20fff,10", "90"); /* the readable prefix */
	ask(t, "m21000,1", "E01");
	ask(t, "m0,4", "E01");
	ask(t, "mffffffffffffffff,ffffffffffffffff", "E01");
	static const char *const wrong[] = { "m",    "m1000",	 "m1000,",  "m,4",
					     "mx,4", "m1000,4x", "m1000,0", "m1000,4,4" };
	unsigned before = t->fake->reads;
	ASK_ALL(t, wrong, "E01");
	assert_int_equal(t->fake->reads, before);
	talk_free(t);
}

static void a_read_is_cut_at_what_fits_a_packet(void **state)
{
	(void)state;
	struct talk *t = connected();
	talk_send(t, "m1000,1ffff", 11);
	talk_serve(t);
	assert_true(talk_read(t));
	assert_int_equal(t->reply_length, RSP_PACKET_MAX);
	talk_free(t);
}

static void memory_is_written_in_hex_and_in_binary(void **state)
{
	(void)state;
	struct talk *t = connected();
	ask(t, "M1000,3:0a0b0C", "OK");
	assert_memory_equal(t->fake->memory, "\x0a\x0b\x0c", 3);
	ask(t, "X1000,0:", "OK"); /* gdb's probe */
	ask_bytes(t, "X1001,5:\x03+}\x03}\x04}]", 16, "OK");
	assert_memory_equal(t->fake->memory, "\x0a\x03+#$}", 6);
	ask(t, "M1000,0:", "OK");
	static const char *const wrong[] = {
		"M1000,3:0a0b",
		"M1000,1:0a0b",
		"M1000,1:0",
		"M1000,1:0g",
		"M1000:00",
		"X1000,2:a",
		"X1000,1:ab",
		"X1000,1",
		"M20fff,2:0000",
		"X0,1:a",
		"X1000,1:}",
		"M1000,ffffffffffffffff:00",
		"Xffffffffffffffff,2:ab",
	};
	ASK_ALL(t, wrong, "E01");
	talk_free(t);
}

/* ---- breakpoints ---- */

static void breakpoints_come_and_go(void **state)
{
	(void)state;
	struct talk *t = connected();
	ask(t, "Z0,fffff80000001000,1", "OK");
	assert_int_equal(t->fake->type, RSP_SOFTWARE_BREAKPOINT);
	assert_int_equal(t->fake->address, 0xfffff80000001000);
	ask(t, "z0,fffff80000001000,1", "OK");
	ask(t, "Z2,1000,8", "OK");
	assert_int_equal(t->fake->type, RSP_WRITE_WATCHPOINT);
	assert_int_equal(t->fake->kind, 8);
	ask(t, "Z3,1000,8", ""); /* the fake has none of these */
	ask(t, "Z5,1000,8", "");
	assert_int_equal(t->fake->inserted, 3);
	assert_int_equal(t->fake->removed, 1);
	static const char *const wrong[] = { "Z",	   "Z0",	"Z0,1000",
					     "Z0,1000,",   "Zx,1000,1", "Z0,x,1",
					     "z0,1000,1,2" };
	ASK_ALL(t, wrong, "E01");
	assert_int_equal(t->fake->inserted, 3);
	talk_free(t);
}

static void conditions_come_with_a_breakpoint(void **state)
{
	(void)state;
	struct talk *t = connected();
	ask(t, "Z0,1000,1;X9,260002164022041327", "OK");
	assert_int_equal(t->fake->conditions, 1);
	assert_int_equal(t->fake->code_lengths[0], 9);
	assert_memory_equal(t->fake->code, "\x26\0\x02\x16\x40\x22\x04\x13\x27", 9);
	/* gdb puts no ';' between several; others do */
	ask(t, "Z1,1000,1;X3,220127X3,220027;X1,27", "OK");
	assert_int_equal(t->fake->type, RSP_HARDWARE_BREAKPOINT);
	assert_int_equal(t->fake->conditions, 3);
	assert_int_equal(t->fake->code_lengths[2], 1);
	assert_memory_equal(t->fake->code, "\x22\x01\x27\x22\x00\x27\x27", 7);
	ask(t, "Z0,1000,1;", "OK");
	assert_int_equal(t->fake->conditions, 0);
	ask(t, "Z0,1000,1", "OK");
	assert_int_equal(t->fake->conditions, 0);
	talk_free(t);
}

static void broken_conditions_and_commands_are_refused(void **state)
{
	(void)state;
	struct talk *t = connected();
	static const char *const wrong[] = {
		"Z0,1000,1;X",
		"Z0,1000,1;X3",
		"Z0,1000,1;X3,",
		"Z0,1000,1;X3,2200",
		"Z0,1000,1;X3,22002",
		"Z0,1000,1;X3,22002g",
		"Z0,1000,1;X3,22002700",
		"Z0,1000,1;X0,",
		"Z0,1000,1;X8000000000000000,22",
		"Z0,1000,1;Xffffffffffffffff,22",
		"Z0,1000,1;X3,220027;;",
		"Z0,1000,1;Y3,220027",
		"Z0,1000,1;cmds:0,X3,220027",
		"Z0,1000,1;X3,220027;cmds:0,X3,220027",
		"Z2,1000,1;X3,220027", /* gdb sends none for watchpoints */
		"z0,1000,1;X3,220027",
	};
	ASK_ALL(t, wrong, "E01");
	assert_int_equal(t->fake->inserted, 0);
	assert_int_equal(t->fake->removed, 0);
	talk_free(t);
}

static void there_is_a_limit_to_the_conditions_of_a_breakpoint(void **state)
{
	(void)state;
	struct talk *t = connected();
	char packet[16 + 6 * (RSP_CONDITIONS_MAX + 1)] = "Z0,1000,1;";
	for (size_t i = 0; i < RSP_CONDITIONS_MAX; i++)
		strcat(packet, "X1,27");
	ask(t, packet, "OK");
	assert_int_equal(t->fake->conditions, RSP_CONDITIONS_MAX);
	strcat(packet, "X1,27");
	ask(t, packet, "E01");
	assert_int_equal(t->fake->inserted, 1);
	talk_free(t);
}

static void a_software_breakpoint_is_never_answered_empty(void **state)
{
	(void)state;
	static const struct rsp_target bare = { .stop_reason = fake_stop_reason };
	struct talk *t = talk_new_with(&bare);
	ask(t, "?", "T05thread:1;");
	ask(t, "Z0,1000,1", "E01");
	ask(t, "z0,1000,1", "E01");
	ask(t, "Z1,1000,1", "");
	talk_free(t);
}

/* ---- documents ---- */

static void the_thread_list_is_escaped_xml(void **state)
{
	(void)state;
	struct talk *t = connected();
	ask(t, "qXfer:threads:read::0,1000",
	    "l<?xml version=\"1.0\"?>\n<threads>\n"
	    "<thread id=\"p1.1\" core=\"0\" name=\"CPU 0\">&lt;idle &amp; co&gt;</thread>\n"
	    "<thread id=\"p1.2\" core=\"1\" name=\"CPU 1\">&lt;idle &amp; co&gt;</thread>\n"
	    "</threads>\n");
	ask(t, "qThreadExtraInfo,p1.1", "43505520303a203c69646c65202620636f3e");
	ask(t, "qThreadExtraInfo,p1.3", "E01");
	ask(t, "qThreadExtraInfo,", "E01");
	talk_free(t);
}

static void windows_of_a_document_fit_together(void **state)
{
	(void)state;
	struct talk *t = connected();
	t->fake->document = "ab*$#}c";
	char request[64];
	char whole[16];
	size_t length = 0;
	for (unsigned offset = 0; offset <= 7; offset += 2) {
		(void)snprintf(request, sizeof(request), "qXfer:libraries:read::%x,2",
			       offset);
		talk_send(t, request, strlen(request));
		talk_serve(t);
		assert_true(talk_read(t));
		assert_int_equal(t->reply[0], offset < 6 ? 'm' : 'l');
		size_t got = client_unescape((uint8_t *)t->reply, t->reply_length);
		memcpy(whole + length, t->reply + 1, got - 1);
		length += got - 1;
	}
	assert_int_equal(length, 7);
	assert_memory_equal(whole, "ab*$#}c", 7);
	assert_int_equal(t->fake->documents, 1); /* made once, at offset 0 */
	ask(t, "qXfer:libraries:read::7,1000", "l");
	ask(t, "qXfer:libraries:read::ffffffffffffffff,1000", "l");
	t->fake->document = "new";
	ask(t, "qXfer:libraries:read::0,1000", "lnew");
	ask(t, "qXfer:libraries:read:annex:1,1000", "lew"); /* another document */
	assert_int_equal(t->fake->documents, 3);
	t->fake->document = NULL;
	ask(t, "qXfer:libraries:read::0,1000", "E01");
	talk_free(t);
}

static void a_window_that_makes_no_sense_is_refused(void **state)
{
	(void)state;
	struct talk *t = connected();
	t->fake->document = "x";
	static const char *const errors[] = {
		"qXfer:libraries:read::0",	  "qXfer:libraries:read::",
		"qXfer:libraries:read:",	  "qXfer:libraries:read::,1",
		"qXfer:libraries:read::0,1,2",	  "qXfer:features:read:other.xml:0,10",
		"qXfer:features:read:target.xml", "qXfer:threads:read::x,1",
	};
	ASK_ALL(t, errors, "E01");
	static const char *const unknown[] = {
		"qXfer:",
		"qXfer:memory-map:read::0,1000",
		"qXfer:libraries",
		"qXfer:libraries:write::0:61",
		"qXfer:exec-file:read::0,1000",
		"qXfer:a-name-that-is-longer-than-any-object-has:read::0,1",
	};
	ASK_ALL(t, unknown, "");
	char request[RSP_ANNEX_MAX + 64] = "qXfer:libraries:read:";
	memset(request + strlen(request), 'a', RSP_ANNEX_MAX);
	(void)strcat(request, ":0,10");
	ask(t, request, "E01");
	talk_free(t);
}

static void the_description_comes_in_pieces_and_is_asked_for_once(void **state)
{
	(void)state;
	struct talk *t = connected();
	size_t length;
	char *xml = tdesc_build(&fake_table, &length);
	size_t got = 0;
	char request[64];
	do {
		(void)snprintf(request, sizeof(request),
			       "qXfer:features:read:target.xml:%zx,1000", got);
		talk_send(t, request, strlen(request));
		talk_serve(t);
		assert_true(talk_read(t));
		size_t size = client_unescape((uint8_t *)t->reply, t->reply_length) - 1;
		assert_true(got + size <= length);
		assert_memory_equal(t->reply + 1, xml + got, size);
		got += size;
	} while (t->reply[0] == 'm');
	assert_int_equal(got, length);
	assert_int_equal(t->fake->descriptions, 1);
	free(xml);
	talk_free(t);
}

/* ---- the owner's packets ---- */

static void reply_binary(struct rsp *r, const uint8_t *arguments, size_t length)
{
	rsp_reply_binary(r, "F3;", arguments, length);
	rsp_reply_ok(r); /* a second reply would shift all that follow: dropped */
}

static void reply_nothing(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	assert_non_null(rsp_context(r));
}

static void reply_odd_text(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	rsp_reply_text(r, "a#b$c*d}e");
}

static const struct rsp_packet own_rows[] = {
	{ "vFile:", RSP_PREFIX, RSP_ALWAYS, reply_binary },
	{ "qNothing", RSP_EXACT, RSP_ALWAYS, reply_nothing },
	{ "qOdd", RSP_EXACT, RSP_STOPPED, reply_odd_text },
	{ NULL, RSP_EXACT, RSP_ALWAYS, NULL },
};

static void the_owners_packets_are_answered_once_and_framed_right(void **state)
{
	(void)state;
	static const struct rsp_target own = { .stop_reason = fake_stop_reason,
					       .packets = own_rows };
	struct talk *t = talk_new_with(&own);
	ask_bytes(t, "vFile:*}\x04}\x03", 11, "F3;}\n}\x04}\x03");
	ask(t, "qNothing", "");
	ask(t, "qOdd", "a?b?c?d?e");
	ask(t, "vFile:}", "E01"); /* an escape of nothing */
	talk_free(t);
}

static void the_largest_binary_reply_fits(void **state)
{
	(void)state;
	struct rsp *r = rsp_new(&fake_target, NULL);
	uint8_t *stars = malloc(RSP_PACKET_MAX + 1);
	assert_non_null(stars);
	memset(stars, '*', RSP_PACKET_MAX + 1);
	r->reply_owed = true;
	rsp_reply_binary(r, "F20000;", stars, RSP_PACKET_MAX + 1);
	struct client_reader reader = { 0 };
	reader.pos = rsp_output(r, &reader.left);
	uint8_t *back = calloc(1, TALK_ROOM);
	assert_non_null(back);
	size_t length = 0;
	assert_true(client_next(&reader, back, TALK_ROOM, &length));
	assert_int_equal(client_unescape(back, length), RSP_PACKET_MAX + 7);
	free(back);
	free(stars);
	rsp_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(g_holds_its_rows_and_x_for_what_is_not_there),
		cmocka_unit_test(g_can_be_written_back_as_it_came),
		cmocka_unit_test(registers_outside_of_g_come_one_by_one),
		cmocka_unit_test(a_thread_chooses_whose_registers),
		cmocka_unit_test(memory_is_read_up_to_a_hole),
		cmocka_unit_test(a_read_is_cut_at_what_fits_a_packet),
		cmocka_unit_test(memory_is_written_in_hex_and_in_binary),
		cmocka_unit_test(breakpoints_come_and_go),
		cmocka_unit_test(conditions_come_with_a_breakpoint),
		cmocka_unit_test(broken_conditions_and_commands_are_refused),
		cmocka_unit_test(there_is_a_limit_to_the_conditions_of_a_breakpoint),
		cmocka_unit_test(a_software_breakpoint_is_never_answered_empty),
		cmocka_unit_test(the_thread_list_is_escaped_xml),
		cmocka_unit_test(windows_of_a_document_fit_together),
		cmocka_unit_test(a_window_that_makes_no_sense_is_refused),
		cmocka_unit_test(the_description_comes_in_pieces_and_is_asked_for_once),
		cmocka_unit_test(the_owners_packets_are_answered_once_and_framed_right),
		cmocka_unit_test(the_largest_binary_reply_fits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
