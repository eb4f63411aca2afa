/* A conversation as lldb leads it, over the fake target with what lldb asks beyond gdb. */
#ifndef TEST_RSP_LLDB_TALK_H
#define TEST_RSP_LLDB_TALK_H

#include "test/unit/rsp/talk.h"

static bool lldb_libraries_due;
static bool lldb_others_known;
static unsigned lldb_stays;
static const char *lldb_words_text = "Break-in; at {10}";

static inline void lldb_host(void *context, struct rsp_host *out)
{
	(void)context;
	*out = (struct rsp_host){ "x86_64-pc-windows-msvc", 8, "kernel" };
}

static inline bool lldb_stop_words(void *context, char *out, size_t size)
{
	(void)context;
	(void)snprintf(out, size, "%s", lldb_words_text ? lldb_words_text : "");
	return lldb_words_text;
}

static inline bool lldb_libraries(void *context)
{
	(void)context;
	return lldb_libraries_due;
}

static inline void lldb_title(void *context, int thread, char *out, size_t size)
{
	(void)context;
	(void)snprintf(out, size, "CPU %d: \"x;y\" pid 4", thread - 1);
}

static inline bool lldb_known(void *context, int thread)
{
	(void)context;
	(void)thread;
	return lldb_others_known;
}

static inline enum rsp_result lldb_region(void *context, uint64_t address,
					  struct rsp_region *out)
{
	(void)context;
	if (address == 1)
		return RSP_ERROR;
	*out = (struct rsp_region){ .start = 0, .size = 0x1000 };
	if (address >= 0x1000)
		*out =
			(struct rsp_region){ 0x1000, 0x20000, true, true,
					     false,  true,    "nt" };
	return RSP_OK;
}

static inline enum rsp_result lldb_file(void *context, const char *path,
					uint64_t *address)
{
	(void)context;
	*address = UINT64_C(0xfffff80000400000);
	return strcmp(path, "/x/nt.exe") == 0 ? RSP_OK : RSP_ERROR;
}

static inline const char *lldb_error(void *context)
{
	(void)context;
	return "not there";
}

static inline void lldb_stays_stopped(void *context)
{
	(void)context;
	lldb_stays++;
}

/* The target of the last talk, for a test that wants some of it otherwise. */
static struct rsp_target lldb_target;

static inline struct talk *lldb_talk(void)
{
	lldb_target = fake_target;
	lldb_target.host = lldb_host;
	lldb_target.stop_words = lldb_stop_words;
	lldb_target.libraries_due = lldb_libraries;
	lldb_target.thread_title = lldb_title;
	lldb_target.registers_known = lldb_known;
	lldb_target.region = lldb_region;
	lldb_target.file_address = lldb_file;
	lldb_target.error_text = lldb_error;
	lldb_target.stays_stopped = lldb_stays_stopped;
	lldb_libraries_due = lldb_others_known = false;
	lldb_stays = 0;
	lldb_words_text = "Break-in; at {10}";
	struct talk *t = talk_new_with(&lldb_target);
	ask(t, "QStartNoAckMode", "OK");
	return t;
}

/* As far as its first `?`, whose answer is in t->reply. */
static inline struct talk *lldb_connected(void)
{
	struct talk *t = lldb_talk();
	ask(t, "QThreadSuffixSupported", "OK");
	ask(t, "QListThreadsInStopReply", "OK");
	talk_send(t, "?", 1);
	talk_serve(t);
	assert_true(talk_read(t));
	return t;
}

/* A request whose reply is looked at by the caller. */
static inline const char *lldb_ask(struct talk *t, const char *request)
{
	talk_send(t, request, strlen(request));
	talk_serve(t);
	assert_true(talk_read(t));
	return t->reply;
}

static inline void expect_in(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in \"%s\"", part, text);
}

static inline void expect_not_in(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" in \"%s\"", part, text);
}

#endif
