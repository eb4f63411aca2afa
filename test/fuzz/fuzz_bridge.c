/*
 * The whole bridge between a client and a target that both say what they like: a session
 * as a worker runs it, in virtual time and without sockets. The input is
 *
 *     a byte of options, two of the length of what the client says,
 *     the client's lines, the target's script (lying_target.h)
 *
 * A line of the client's is a packet, framed as it must be; its first byte may say
 * otherwise: 01 these very bytes, 02 it hangs up, 03 an interrupt, '!' a monitor command,
 * from 80 on a row of the packet tables by number, with arguments behind it. Whatever is
 * said, nothing of ours stays in a target that tells no lies.
 */
#include "test/fuzz/virtual_wire.h"

#include <stdio.h>

#include "bridge/gdb/gdb.h"
#include "bridge/worker/session.h"
#include "rsp/conn.h"

enum {
	PACKET_MAX = 2048,
	ROW = 0x80,
	TURNS_PER_LINE = 200, /* as long as something is under way */
	TURNS_AT_END = 40,
	BUSY_TURNS_MAX = 200000, /* of one wait, whatever the target says */
};

static struct {
	struct session *session;
	const uint8_t *lines;
	size_t left;
	unsigned turns;
} fuzz;

/* ---- the client's lines ---- */

static const char *row_name(unsigned number)
{
	const struct rsp_packet *own = gdb_packets, *built_in = packet_table();
	size_t owns = 0, count = 0;
	while (own[owns].name)
		owns++;
	while (built_in[count].name)
		count++;
	must(owns + count > 0);
	number %= owns + count;
	return number < owns ? own[number].name : built_in[number - owns].name;
}

static size_t put_hex(uint8_t *out, size_t n, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length && n + 3 < PACKET_MAX; i++, n += 2)
		(void)snprintf((char *)out + n, 3, "%02x", bytes[i]);
	return n;
}

static size_t make_packet(uint8_t out[static PACKET_MAX], const uint8_t *line,
			  size_t length)
{
	size_t n = 0;
	if (length > 0 && line[0] == '!') {
		memcpy(out, "qRcmd,", 6);
		return put_hex(out, 6, line + 1, length - 1);
	}
	if (length > 0 && line[0] >= ROW) {
		const char *name = row_name(*line++ - ROW);
		length--;
		n = strlen(name);
		memcpy(out, name, n);
	}
	for (size_t i = 0; i < length && n < PACKET_MAX; i++)
		if (line[i] != '$' && line[i] != '#')
			out[n++] = line[i];
	return n;
}

static void say_packet(const uint8_t *line, size_t length)
{
	uint8_t frame[PACKET_MAX + 5], checksum = 0;
	size_t n = make_packet(frame + 1, line, length);
	frame[0] = '$';
	for (size_t i = 1; i <= n; i++)
		checksum = (uint8_t)(checksum + frame[i]);
	(void)snprintf((char *)frame + n + 1, 4, "#%02x", checksum);
	client_send(frame, n + 4);
}

static void say_line(const uint8_t *line, size_t length)
{
	if (length > 0 && line[0] == 1)
		client_send(line + 1, length - 1);
	else if (length > 0 && line[0] == 2)
		client_hang_up();
	else if (length > 0 && line[0] == 3)
		client_send(line, 1);
	else
		say_packet(line, length);
}

static bool next_line(void)
{
	const uint8_t *line = fuzz.lines;
	const uint8_t *end = fuzz.left > 0 ? memchr(line, '\n', fuzz.left) : NULL;
	size_t length = end ? (size_t)(end - line) : fuzz.left;
	if (fuzz.left == 0)
		return false;
	size_t taken = length + (end != NULL);
	fuzz.lines += taken;
	fuzz.left -= taken;
	say_line(line, length);
	return true;
}

/* ---- the loop's turns ---- */

/* The wire goes first; a client that speaks early does so in the midst of a wait. */
static bool turn(void)
{
	must(fuzz.turns++ < BUSY_TURNS_MAX);
	return wire_turn();
}

static void run_once(void)
{
	fuzz.turns = 0;
	(void)ev_run(NULL, EVRUN_ONCE);
	session_work(fuzz.session);
}

/* Until only time would bring something. */
static void run_dry(void)
{
	for (unsigned n = 0; n < TURNS_PER_LINE; n++) {
		if (!virtual_loop.fed && !virtual_udp.far->wire_count && n > 1)
			break;
		run_once();
	}
}

/* Two lines at once now and then: the second one waits, or interrupts. */
static void run_lines(void)
{
	run_dry();
	run_dry();
	while (next_line()) {
		session_work(fuzz.session);
		if (fuzz.left > 0 && fuzz.lines[0] == 3)
			(void)next_line();
		run_dry();
	}
}

/* ---- a session ---- */

static void begin(struct options *o, struct log *log, unsigned how)
{
	char program[] = "kdbridge", connection[] = "net:port=50000,key=1.2.3.4";
	char cache[] = "--image-cache=none", level[] = "--log-level=error";
	char unattended[] = "--unattended=continue", stay[] = "--on-disconnect=stop";
	char load[] = "--break=load", early[] = "--break=init", error[256];
	char *argv[8] = { program, connection, cache, level };
	int argc = 4;
	if (how & 1)
		argv[argc++] = unattended;
	if (how & 2)
		argv[argc++] = stay;
	if (how & 4)
		argv[argc++] = how & 8 ? load : early;
	must(options_parse(o, OPTIONS_TARGET, argc, argv, error, sizeof(error)) ==
	     OPTIONS_GOOD);
	log_init(log, -1, LOG_DEBUG, LOG_AS_TEXT);
	fuzz.session = session_new(NULL, o, log);
	must(fuzz.session != NULL);
}

static void check_nothing_is_left(const struct lying_target *l)
{
	for (unsigned i = 0; i < KD_BREAKPOINTS; i++)
		must(!l->breakpoints[i].used);
	for (unsigned cpu = 0; cpu < LYING_CPUS; cpu++)
		must((load_le(l->special[cpu] + 0x48, 8) & 0xff) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_sodium();
	/* no notes of sessions on this disk */
	return setenv("XDG_RUNTIME_DIR", "/proc/none", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lying_target far;
	struct options options;
	struct log log;
	unsigned how = fuzz_byte(&data, &size);
	size_t said = fuzz_byte(&data, &size);
	said |= (size_t)fuzz_byte(&data, &size) << 8;
	said = said < size ? said : size;

	memset(&virtual_loop, 0, sizeof(virtual_loop));
	virtual_loop.now_us = 100000000;
	virtual_loop.turn = turn;
	virtual_loop.next_us = wire_next_us;
	far.now_us = virtual_loop.now_us;
	lying_start(&far, data + said, size - said);
	far.heartbeat_us = virtual_loop.now_us + LYING_HEARTBEAT_US;
	virtual_udp.far = &far;
	fuzz.lines = data;
	fuzz.left = said;

	bool honest = size == said;
	begin(&options, &log, how);
	run_lines();
	client_hang_up();
	for (unsigned n = 0; n < TURNS_AT_END; n++)
		run_once();
	bool left = session_end(fuzz.session);
	session_free(fuzz.session);
	options_wipe(&options);
	if (honest && left)
		check_nothing_is_left(&far);
	return 0;
}
