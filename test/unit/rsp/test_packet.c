#include "test/util.h"

#include "rsp/conn.h"

static void own_handler(struct rsp *r, const uint8_t *arguments, size_t length)
{
	(void)arguments;
	rsp_cost(r, length);
	rsp_reply_ok(r);
}

static const struct rsp_packet own_rows[] = {
	{ "vFile:", RSP_PREFIX, RSP_ALWAYS, own_handler },
	{ "vFile:open:", RSP_PREFIX, RSP_ALWAYS, own_handler },
	{ "qGetTIBAddr:", RSP_PREFIX, RSP_STOPPED, own_handler },
	{ "m", RSP_PREFIX, RSP_ALWAYS, own_handler },
	{ NULL, RSP_EXACT, RSP_ALWAYS, NULL },
};
static const struct rsp_target plain_target = { .packets = NULL };
static const struct rsp_target own_target = { .packets = own_rows };

static const char *found(const struct rsp_target *target, const char *packet)
{
	const struct rsp_packet *row =
		packet_find(target, (const uint8_t *)packet, strlen(packet));
	return row ? row->name : "none";
}

static void no_name_is_there_twice_and_every_row_has_a_handler(void **state)
{
	(void)state;
	size_t count = 0;
	for (const struct rsp_packet *a = packet_table(); a->name; a++, count++) {
		assert_true(a->name[0] != '\0');
		assert_non_null(a->handler);
		assert_true(strlen(a->name) < sizeof(((struct rsp_count *)0)->kind));
		for (const struct rsp_packet *b = a + 1; b->name; b++)
			assert_string_not_equal(a->name, b->name);
	}
	/* with room for as many of the owner's, "unknown", "other" and objects of qXfer */
	assert_true(count < RSP_KINDS_MAX / 2);
}

static void the_longest_name_wins(void **state)
{
	(void)state;
	assert_string_equal(found(&plain_target, "vCont?"), "vCont?");
	assert_string_equal(found(&plain_target, "vCont;c"), "vCont;");
	assert_string_equal(found(&plain_target, "qXfer:threads:read::0,1"),
			    "qXfer:threads:read:");
	assert_string_equal(found(&plain_target, "qXfer:libraries:read::0,1"), "qXfer:");
	assert_string_equal(found(&plain_target, "D;1"), "D");
	assert_string_equal(found(&own_target, "vFile:open:41,0,0"), "vFile:open:");
	assert_string_equal(found(&own_target, "vFile:close:3"), "vFile:");
}

static void an_exact_name_takes_nothing_behind_it(void **state)
{
	(void)state;
	assert_string_equal(found(&plain_target, "qC"), "qC");
	assert_string_equal(found(&plain_target, "qCRC:0,1"), "none");
	assert_string_equal(found(&plain_target, "g"), "g");
	assert_string_equal(found(&plain_target, "g;thread:1;"), "none");
	assert_string_equal(found(&plain_target, "vCont?x"), "none");
}

/* What gdb and lldb probe for, and must hear that it is not there; RSP.md §1, §9. */
static void packets_that_must_stay_unknown_do(void **state)
{
	(void)state;
	static const char *const unknown[] = {
		"vMustReplyEmpty",
		"qTStatus",
		"qOffsets",
		"QNonStop:0",
		"QProgramSignals",
		"QThreadEvents:1",
		"vFlashErase:0,1",
		"qGetTIBAddr:1",
		"vFile:setfs:0",
		"_M1000,rwx",
		"qModuleInfo:;",
		"jModulesInfo:[]",
		"QThreadOptions;3",
		"",
		"vCtrlC",
		"b",
		"t",
	};
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
		assert_string_equal(found(&plain_target, unknown[i]), "none");
}

static void the_owners_rows_are_asked_first(void **state)
{
	(void)state;
	const struct rsp_packet *row =
		packet_find(&own_target, (const uint8_t *)"m0,1", 4);
	assert_ptr_equal(row->handler, own_handler);
	assert_string_equal(found(&own_target, "qGetTIBAddr:1"), "qGetTIBAddr:");
}

static void serve(struct rsp *r, const char *packet)
{
	r->state = RSP_HALTED;
	r->reply_owed = true;
	packet_serve(r, (const uint8_t *)packet, strlen(packet));
}

static void packets_and_costs_are_counted_by_kind(void **state)
{
	(void)state;
	struct rsp *r = rsp_new(&own_target, NULL);
	serve(r, "vFile:close:3");
	serve(r, "!");
	serve(r, "nonsense");
	serve(r, "vFile:close:30");
	struct rsp_count counts[8];
	assert_int_equal(rsp_counts(r, counts, 8), 3);
	assert_string_equal(counts[0].kind, "vFile:");
	assert_int_equal(counts[0].packets, 2);
	assert_int_equal(counts[0].cost, strlen("close:3") + strlen("close:30"));
	assert_string_equal(counts[1].kind, "!");
	assert_string_equal(counts[2].kind, "unknown");
	assert_int_equal(rsp_counts(r, counts, 1), 1);
	rsp_cost(r, 5); /* outside of a packet: nobody's */
	rsp_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_name_is_there_twice_and_every_row_has_a_handler),
		cmocka_unit_test(the_longest_name_wins),
		cmocka_unit_test(an_exact_name_takes_nothing_behind_it),
		cmocka_unit_test(packets_that_must_stay_unknown_do),
		cmocka_unit_test(the_owners_rows_are_asked_first),
		cmocka_unit_test(packets_and_costs_are_counted_by_kind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
