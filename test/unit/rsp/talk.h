/* A conversation with one connection in memory: packets in, packets out. */
#ifndef TEST_RSP_TALK_H
#define TEST_RSP_TALK_H

#include "test/unit/rsp/client.h"
#include "test/unit/rsp/fake_target.h"

enum { TALK_ROOM = 2 * RSP_PACKET_MAX + 64 };

struct talk {
	struct rsp *rsp;
	struct fake *fake;
	uint64_t now_us;
	bool open; /* what rsp_receive and rsp_serve last said */
	uint8_t wire[RSP_PACKET_MAX + 8];
	char reply[TALK_ROOM + 1]; /* the packet read last, with a NUL behind it */
	size_t reply_length, pluses, minuses;
};

static inline struct talk *talk_new_with(const struct rsp_target *target)
{
	struct talk *t = calloc(1, sizeof(*t));
	assert_non_null(t);
	t->fake = fake_new();
	t->rsp = rsp_new(target, t->fake);
	assert_non_null(t->rsp);
	t->fake->rsp = t->rsp;
	t->open = true;
	return t;
}

static inline struct talk *talk_new(void)
{
	return talk_new_with(&fake_target);
}

static inline void talk_free(struct talk *t)
{
	rsp_free(t->rsp);
	free(t->fake);
	free(t);
}

static inline void talk_bytes(struct talk *t, const void *bytes, size_t length)
{
	uint8_t *exact = test_exact_copy(bytes, length);
	t->open = rsp_receive(t->rsp, exact, length, t->now_us);
	free(exact);
}

/* One packet, not served yet. */
static inline void talk_send(struct talk *t, const void *payload, size_t length)
{
	talk_bytes(t, t->wire, client_frame(t->wire, payload, length));
}

static inline void talk_serve(struct talk *t)
{
	t->open = rsp_serve(t->rsp, t->now_us);
}

/* The next packet that waits for the client; false when there is none. */
static inline bool talk_read(struct talk *t)
{
	struct client_reader r = { 0 };
	r.pos = rsp_output(t->rsp, &r.left);
	size_t before = r.left;
	bool there = client_next(&r, (uint8_t *)t->reply, TALK_ROOM, &t->reply_length);
	if (!there)
		t->reply_length = 0;
	t->reply[t->reply_length] = '\0';
	t->pluses += r.pluses;
	t->minuses += r.minuses;
	rsp_sent(t->rsp, before - r.left);
	return there;
}

static inline void expect_reply(struct talk *t, const char *reply)
{
	if (!talk_read(t))
		fail_msg("expected the reply \"%s\", but there is none", reply);
	assert_string_equal(t->reply, reply);
}

static inline void expect_silence(struct talk *t)
{
	if (talk_read(t))
		fail_msg("expected no packet, but there is \"%s\"", t->reply);
}

/* A request and its one reply. */
static inline void ask_bytes(struct talk *t, const void *payload, size_t length,
			     const char *reply)
{
	talk_send(t, payload, length);
	talk_serve(t);
	expect_reply(t, reply);
	expect_silence(t);
}

static inline void ask(struct talk *t, const char *request, const char *reply)
{
	ask_bytes(t, request, strlen(request), reply);
}

/* A request whose answer comes later or never. */
static inline void tell(struct talk *t, const char *request)
{
	talk_send(t, request, strlen(request));
	talk_serve(t);
	expect_silence(t);
}

#define GDB_FEATURES                                                                     \
	"qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+;fork-events+;"           \
	"vfork-events+;exec-events+;vContSupported+;QThreadEvents+;no-resumed+;"         \
	"memory-tagging+;xmlRegisters=i386"

/* As far as `?`, as gdb does. */
static inline void talk_connect(struct talk *t)
{
	talk_send(t, GDB_FEATURES, strlen(GDB_FEATURES));
	talk_serve(t);
	assert_true(talk_read(t));
	ask(t, "QStartNoAckMode", "OK");
	ask(t, "?",
	    "T0506:0000000000000000;07:0020000000000000;10:1010000000000000;"
	    "thread:p1.1;");
}

#endif
