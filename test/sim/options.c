#include "test/sim/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KDNET_VERSION_DEFAULT = 5, PORT_DEFAULT = 50000, REBOOT_MS_DEFAULT = 300 };

/* One option: its argument is a number within limits, a percentage, a text or none. */
struct option_row {
	const char *name;
	const char *argument; /* NULL: a flag */
	const char *help;
	bool (*set)(struct options *o, const char *value);
};

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 0);
	*out = value;
	return isdigit((unsigned char)*text) && *end == '\0' && errno == 0 &&
	       value >= min && value <= max;
}

static bool milliseconds(const char *text, uint64_t *us)
{
	bool good = number(text, 0, 3600000, us);
	*us *= 1000;
	return good;
}

static bool set_host(struct options *o, const char *value)
{
	o->host = value;
	return *value != '\0';
}

static bool set_port(struct options *o, const char *value)
{
	uint64_t port;
	bool good = number(value, 1, 65535, &port);
	o->port = (uint16_t)port;
	return good;
}

static bool set_source_port(struct options *o, const char *value)
{
	uint64_t port;
	bool good = number(value, 1, 65535, &port);
	o->source_port = (uint16_t)port;
	return good;
}

static bool set_key(struct options *o, const char *value)
{
	return kdnet_key_parse(o->target.key, value) == KDNET_KEY_OK;
}

static bool set_cpus(struct options *o, const char *value)
{
	uint64_t cpus;
	bool good = number(value, 1, MACHINE_CPUS_MAX, &cpus);
	o->target.machine.cpus = (unsigned)cpus;
	return good;
}

static bool set_late_cpus(struct options *o, const char *value)
{
	uint64_t cpus;
	bool good = number(value, 0, MACHINE_CPUS_MAX - 1, &cpus);
	o->target.machine.late_cpus = (unsigned)cpus;
	return good;
}

static bool set_modules(struct options *o, const char *value)
{
	uint64_t modules;
	bool good = number(value, 0, 4000, &modules);
	o->target.machine.modules = (unsigned)modules;
	return good;
}

static bool set_module(struct options *o, const char *value)
{
	struct machine_options *m = &o->target.machine;
	if (m->file_count == MACHINE_FILES_MAX)
		return false;
	m->files[m->file_count++] = value;
	return *value != '\0' && *value != '=';
}

static bool set_boot(struct options *o, const char *value)
{
	(void)value;
	o->target.machine.boot = true;
	return true;
}

static bool set_images(struct options *o, const char *value)
{
	int length = snprintf(o->images, sizeof(o->images), "%s", value);
	return length > 0 && (size_t)length < sizeof(o->images);
}

static bool set_version(struct options *o, const char *value)
{
	uint64_t version;
	bool good = number(value, 1, 255, &version);
	o->target.kd.version = (uint8_t)version;
	return good;
}

static bool set_max_data(struct options *o, const char *value)
{
	uint64_t bytes;
	bool good = number(value, 16, KD_REPLY_MAX, &bytes);
	o->target.kd.max_data = (uint32_t)bytes;
	return good;
}

static bool set_no_context_parts(struct options *o, const char *value)
{
	(void)value;
	o->target.kd.no_context_parts = true;
	return true;
}

static bool set_physical_caching(struct options *o, const char *value)
{
	uint64_t caching;
	bool good = number(value, 0, 3, &caching);
	o->target.kd.physical_caching = (int)caching;
	return good;
}

static bool set_file_io(struct options *o, const char *value)
{
	(void)value;
	o->target.kd.file_io = true;
	return true;
}

static bool set_stale_break_in(struct options *o, const char *value)
{
	(void)value;
	o->target.keep_break_in = true;
	return true;
}

static bool set_repeat_new_id(struct options *o, const char *value)
{
	(void)value;
	o->target.new_id_on_repeat = true;
	return true;
}

static bool set_loss(struct options *o, const char *value)
{
	return impair_set(&o->target.impair, "loss", value);
}

static bool set_dup(struct options *o, const char *value)
{
	return impair_set(&o->target.impair, "dup", value);
}

static bool set_reorder(struct options *o, const char *value)
{
	return impair_set(&o->target.impair, "reorder", value);
}

static bool set_corrupt(struct options *o, const char *value)
{
	return impair_set(&o->target.impair, "corrupt", value);
}

static bool set_delay(struct options *o, const char *value)
{
	return impair_set(&o->target.impair, "delay", value);
}

static bool set_seed(struct options *o, const char *value)
{
	return number(value, 0, UINT64_MAX, &o->target.seed);
}

static bool set_hang_after(struct options *o, const char *value)
{
	char *end;
	double seconds = strtod(value, &end);
	o->target.hang_after_us = seconds > 0 ? (uint64_t)(seconds * 1e6) : 0;
	return *end == '\0' && seconds > 0 && seconds < 1e6;
}

static bool set_reboot_time(struct options *o, const char *value)
{
	return milliseconds(value, &o->target.reboot_us);
}

static bool set_stats(struct options *o, const char *value)
{
	o->stats = value;
	return true;
}

static bool set_control(struct options *o, const char *value)
{
	o->control = value;
	return true;
}

static const struct option_row rows[] = {
	{ "host", "ADDRESS", "host to poke (127.0.0.1)", set_host },
	{ "port", "N", "its UDP port (50000)", set_port },
	{ "key", "KEY", "the four parts of the KDNET key", set_key },
	{ "source-port", "N", "own UDP port at the first start (any)", set_source_port },
	{ "version", "N", "KDNET protocol version: 2, 4, 5 or newer (5)", set_version },
	{ "cpus", "N", "processors (2)", set_cpus },
	{ "late-cpus", "N", "the last N of them join at `add-cpu` (0)", set_late_cpus },
	{ "modules", "N", "synthetic modules beside the real ones (0)", set_modules },
	{ "module", "FILE[=NAME]", "a PE file that is loaded, too, under that name",
	  set_module },
	{ "boot", NULL, "start before the drivers are loaded", set_boot },
	{ "images", "DIR", "the guest's PE files (guest/ beside the program)",
	  set_images },
	{ "max-data", "N", "bytes of memory in one reply (1096)", set_max_data },
	{ "no-context-parts", NULL, "refuse 315F and 3160", set_no_context_parts },
	{ "physical-caching", "N", "the only caching that physical memory takes",
	  set_physical_caching },
	{ "file-io", NULL, "ask the host for a driver file at boot", set_file_io },
	{ "stale-break-in", NULL, "a break-in during a stop makes a second stop",
	  set_stale_break_in },
	{ "repeat-new-id", NULL, "repeat a state change under another id",
	  set_repeat_new_id },
	{ "loss", "P", "percent of datagrams lost, each way", set_loss },
	{ "dup", "P", "percent doubled", set_dup },
	{ "reorder", "P", "percent held back 3 ms longer", set_reorder },
	{ "corrupt", "P", "percent with one bit flipped", set_corrupt },
	{ "delay", "MS", "milliseconds added, each way", set_delay },
	{ "seed", "N", "of load addresses and the network's moods", set_seed },
	{ "hang-after", "SECONDS", "fall silent then, pokes too", set_hang_after },
	{ "reboot-time", "MS", "how long a reboot takes (300)", set_reboot_time },
	{ "stats", "FILE", "write counters and violations there", set_stats },
	{ "control", "PATH", "Unix socket for tests; say `help` to it", set_control },
	{ "help", NULL, "this text", NULL },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

void options_help(FILE *out)
{
	(void)fprintf(out, "usage: kdsim --key KEY [OPTIONS]\n"
			   "A Windows machine on the wire of KDNET, simulated.\n\n");
	for (size_t i = 0; i < ROWS; i++) {
		char left[40];
		(void)snprintf(left, sizeof(left), "--%s %s", rows[i].name,
			       rows[i].argument ? rows[i].argument : "");
		(void)fprintf(out, "  %-24s %s\n", left, rows[i].help);
	}
}

/* guest/ in the folder of the program itself. */
static void default_images(struct options *o)
{
	static const char folder[] = "guest";
	ssize_t length =
		readlink("/proc/self/exe", o->images, sizeof(o->images) - sizeof(folder));
	if (length <= 0)
		length = 0;
	o->images[length] = '\0';
	char *slash = strrchr(o->images, '/');
	(void)strcpy(slash ? slash + 1 : o->images, folder);
}

static void set_defaults(struct options *o)
{
	struct timespec t;
	memset(o, 0, sizeof(*o));
	(void)clock_gettime(CLOCK_REALTIME, &t);
	o->target.seed = (uint64_t)t.tv_nsec ^ (uint64_t)getpid() << 32;
	o->host = "127.0.0.1";
	o->port = PORT_DEFAULT;
	o->target.machine.cpus = 2;
	o->target.kd.version = KDNET_VERSION_DEFAULT;
	o->target.kd.max_data = KD_MAX_DATA_DEFAULT;
	o->target.kd.physical_caching = KD_ANY_CACHING;
	o->target.reboot_us = REBOOT_MS_DEFAULT * UINT64_C(1000);
	default_images(o);
}

static void long_options(struct option *out)
{
	for (size_t i = 0; i < ROWS; i++) {
		out[i] = (struct option){
			.name = rows[i].name,
			.has_arg = rows[i].argument ? required_argument : no_argument,
		};
	}
	out[ROWS] = (struct option){ .name = NULL };
}

enum options_result options_parse(struct options *o, int argc, char **argv)
{
	struct option table[ROWS + 1];
	bool have_key = false;
	int found, index = 0;

	set_defaults(o);
	long_options(table);
	while ((found = getopt_long(argc, argv, "", table, &index)) != -1) {
		if (found != 0)
			return OPTIONS_WRONG;
		if (!rows[index].set)
			return OPTIONS_HELP;
		if (!rows[index].set(o, optarg)) {
			(void)fprintf(stderr, "kdsim: --%s: not a good %s\n",
				      rows[index].name, rows[index].argument);
			return OPTIONS_WRONG;
		}
		have_key = have_key || rows[index].set == set_key;
	}
	o->target.machine.images = o->images;
	o->target.machine.seed = o->target.seed;
	if (have_key && optind == argc)
		return OPTIONS_RUN;
	(void)fprintf(stderr, have_key ? "kdsim: too many arguments; see --help\n"
				       : "kdsim: --key is missing; see --help\n");
	return OPTIONS_WRONG;
}
