/* struct gdb over the fake target, a session that always says yes, and a client of text. */
#ifndef TEST_GDB_FIXTURE_H
#define TEST_GDB_FIXTURE_H

#include <stdio.h>

#include "bridge/gdb/gdb.h"
#include "test/unit/bridge/fake_target.h"
#include "test/unit/rsp/client.h"

struct gdb_fixture {
	struct fake_target *fake;
	struct gdb gdb;
	struct rsp *rsp;
	struct target_resume resumed;
	unsigned resumes, reboots, crashes;
	char answer[0x10000]; /* the last packet that is no console text */
	char text[0x4000];    /* console text of the last request */
};

static inline bool fixture_busy(void *context)
{
	(void)context;
	return false;
}

static inline void fixture_attached(void *context)
{
	(void)context;
}

static inline void fixture_detached(void *context, bool gone)
{
	(void)context;
	(void)gone;
}

static inline bool fixture_await_stop(void *context, bool attach)
{
	struct gdb_fixture *f = context;
	(void)attach;
	return gdb_is_live(&f->gdb);
}

static inline enum rsp_result fixture_resume(void *context,
					     const struct target_resume *resume)
{
	struct gdb_fixture *f = context;
	f->resumes++;
	f->resumed = *resume;
	return RSP_OK;
}

static inline enum kd_result fixture_reboot(void *context)
{
	struct gdb_fixture *f = context;
	f->reboots++;
	return KD_DONE;
}

static inline enum kd_result fixture_crash(void *context)
{
	struct gdb_fixture *f = context;
	f->crashes++;
	return KD_DONE;
}

static inline struct rsp *fixture_client(void *context)
{
	return ((struct gdb_fixture *)context)->rsp;
}

static const struct gdb_owner fixture_owner = {
	.busy = fixture_busy,
	.attached = fixture_attached,
	.detached = fixture_detached,
	.await_stop = fixture_await_stop,
	.resume = fixture_resume,
	.interrupt = fixture_attached,
	.reboot = fixture_reboot,
	.crash = fixture_crash,
	.client = fixture_client,
};

static inline void fixture_take_text(struct gdb_fixture *f, const char *hex)
{
	size_t length = strlen(f->text);
	for (; hex[0] && hex[1]; hex += 2) {
		char digits[3] = { hex[0], hex[1], 0 };
		assert_true(length + 1 < sizeof(f->text));
		f->text[length++] = (char)strtoul(digits, NULL, 16);
	}
	f->text[length] = '\0';
}

/* Sorts what came back into answer and text. */
static inline void fixture_collect(struct gdb_fixture *f)
{
	size_t size, length;
	struct client_reader reader = { 0 };
	uint8_t packet[sizeof(f->answer)];
	reader.pos = rsp_output(f->rsp, &size);
	reader.left = size;
	f->answer[0] = f->text[0] = '\0';
	while (client_next(&reader, packet, sizeof(packet) - 1, &length)) {
		packet[length] = '\0';
		if (packet[0] == 'O' && packet[1] != 'K')
			fixture_take_text(f, (const char *)packet + 1);
		else
			memcpy(f->answer, packet, length + 1);
	}
	rsp_sent(f->rsp, size);
}

static inline const char *fixture_ask(struct gdb_fixture *f, const char *packet)
{
	uint8_t frame[4096];
	size_t length = client_frame(frame, packet, strlen(packet));
	assert_true(rsp_receive(f->rsp, frame, length, 1));
	assert_true(rsp_serve(f->rsp, 1));
	fixture_collect(f);
	return f->answer;
}

/* `monitor`: the text that it prints. */
static inline const char *fixture_monitor(struct gdb_fixture *f, const char *command)
{
	char packet[2048] = "qRcmd,";
	for (size_t i = 0; command[i]; i++)
		(void)snprintf(packet + strlen(packet), 3, "%02x",
			       (unsigned char)command[i]);
	assert_string_equal(fixture_ask(f, packet), "OK");
	return f->text;
}

static inline struct gdb_fixture *fixture_over(struct fake_target *fake)
{
	struct gdb_fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->fake = fake;
	gdb_init(&f->gdb, fake->t, &fixture_owner, f);
	f->rsp = rsp_new(&gdb_table, &f->gdb);
	assert_non_null(f->rsp);
	fixture_ask(f, "QStartNoAckMode");
	fake_forget_counts(fake);
	return f;
}

/* A client at its prompt, the target stopped. */
static inline struct gdb_fixture *fixture_start(unsigned cpus)
{
	return fixture_over(fake_start_stopped(cpus));
}

static inline void fixture_end(struct gdb_fixture *f)
{
	rsp_free(f->rsp);
	gdb_wipe(&f->gdb);
	fake_end(f->fake);
	free(f);
}

#endif
