#include "bridge/cli/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

/* sd-daemon(3) */
static const char *const journal_levels[] = {
	[LOG_ERROR] = "<3>",
	[LOG_WARN] = "<4>",
	[LOG_INFO] = "<6>",
	[LOG_DEBUG] = "<7>",
};

/* A line in the making; what does not fit is cut. */
struct line {
	char *text;
	size_t length;
	enum log_format format;
};

static void put(struct line *line, const char *text, size_t length)
{
	size_t room = LOG_LINE_MAX - 1 - line->length;

	if (length > room)
		length = room;
	memcpy(line->text + line->length, text, length);
	line->length += length;
	line->text[line->length] = '\0';
}

static void put_text(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

static void put_number(struct line *line, const struct log_field *field)
{
	char digits[24];

	if (field->kind == LOG_FIELD_HEX)
		snprintf(digits, sizeof(digits), "%" PRIx64, field->number);
	else
		snprintf(digits, sizeof(digits), "%" PRIu64, field->number);
	put_text(line, digits);
}

/* Text of any origin: a target must not steer the terminal that shows it. */
static void put_escaped(struct line *line, const char *text)
{
	size_t end = line->length + LOG_VALUE_MAX;

	for (; text && *text && line->length < end; text++) {
		unsigned char c = (unsigned char)*text;
		char escape[8];

		if (line->format == LOG_AS_JSON && (c == '"' || c == '\\'))
			snprintf(escape, sizeof(escape), "\\%c", c);
		else if (c >= 0x20 && c < 0x7f)
			snprintf(escape, sizeof(escape), "%c", c);
		else if (line->format == LOG_AS_JSON)
			snprintf(escape, sizeof(escape), "\\u%04x", c);
		else
			snprintf(escape, sizeof(escape), "\\x%02x", c);
		put_text(line, escape);
	}
}

static void put_value(struct line *line, const struct log_field *field)
{
	if (field->kind == LOG_FIELD_TEXT)
		put_escaped(line, field->text);
	else
		put_number(line, field);
}

static const struct log_field *find(const struct log_field *fields, const char *name,
				    size_t length)
{
	for (; fields->name; fields++)
		if (strlen(fields->name) == length && !memcmp(fields->name, name, length))
			return fields;
	return NULL;
}

static void put_sentence(struct line *line, const char *sentence,
			 const struct log_field *fields)
{
	while (*sentence) {
		size_t plain = strcspn(sentence, "{");
		size_t name;

		put(line, sentence, plain);
		sentence += plain;
		if (!*sentence)
			return;
		name = strcspn(sentence + 1, "}");
		const struct log_field *field = find(fields, sentence + 1, name);
		if (field)
			put_value(line, field);
		sentence += 1 + name + (sentence[1 + name] == '}');
	}
}

static void put_times(struct line *line, uint64_t times)
{
	char text[40];

	if (times < 2)
		return;
	snprintf(text, sizeof(text), " (%" PRIu64 " times)", times);
	put_text(line, text);
}

static void put_time(struct line *line)
{
	struct timespec now;
	struct tm utc;
	char text[40];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	put_text(line, text);
	snprintf(text, sizeof(text), ".%03ldZ", now.tv_nsec / 1000000);
	put_text(line, text);
}

static void put_json(struct line *line, const struct log *log, enum log_level level,
		     const char *event, const char *sentence,
		     const struct log_field *fields, uint64_t times)
{
	put_text(line, "{");
	if (!log->journal) {
		put_text(line, "\"time\":\"");
		put_time(line);
		put_text(line, "\",");
	}
	put_text(line, "\"level\":\"");
	put_text(line, level_names[level]);
	if (log->target) {
		put_text(line, "\",\"target\":\"");
		put_text(line, log->target);
	}
	put_text(line, "\",\"event\":\"");
	put_text(line, event);
	put_text(line, "\",\"message\":\"");
	put_sentence(line, sentence, fields);
	put_times(line, times);
	put_text(line, "\"");
	for (; fields->name; fields++) {
		bool quoted = fields->kind != LOG_FIELD_NUMBER;

		put_text(line, ",\"");
		put_text(line, fields->name);
		put_text(line, quoted ? "\":\"" : "\":");
		put_value(line, fields);
		put_text(line, quoted ? "\"" : "");
	}
	put_text(line, "}");
}

/* Info is what people wait for: no word before it. The rest says how bad it is. */
static void put_plain(struct line *line, const struct log *log, enum log_level level,
		      const char *sentence, const struct log_field *fields,
		      uint64_t times)
{
	put_text(line, "kdbridge: ");
	if (log->target) {
		put_text(line, log->target);
		put_text(line, ": ");
	}
	if (level == LOG_WARN)
		put_text(line, "warning: ");
	else if (level == LOG_DEBUG)
		put_text(line, "debug: ");
	put_sentence(line, sentence, fields);
	put_times(line, times);
}

size_t log_format_line(char out[static LOG_LINE_MAX], const struct log *log,
		       enum log_level level, const char *event, const char *sentence,
		       const struct log_field *fields, uint64_t times)
{
	struct line line = { .text = out, .format = log->format };

	out[0] = '\0';
	if (log->journal)
		put_text(&line, journal_levels[level]);
	if (log->format == LOG_AS_JSON)
		put_json(&line, log, level, event, sentence, fields, times);
	else
		put_plain(&line, log, level, sentence, fields, times);
	return line.length;
}

/* systemd.exec(5): "DEVICE:INODE" of what it gave us as standard error. */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char text[64];

	if (!stream || fstat(fd, &status) != 0)
		return false;
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)status.st_dev,
		 (uintmax_t)status.st_ino);
	return strcmp(text, stream) == 0;
}

void log_init(struct log *log, int fd, enum log_level level, enum log_format format)
{
	memset(log, 0, sizeof(*log));
	log->fd = fd;
	log->level = level;
	log->format = format;
	log->journal = is_journal(fd);
}

/* How often this warning came, this time included; 1 when there is no room to count. */
static uint64_t count(struct log *log, const char *event)
{
	for (size_t i = 0; i < LOG_REPEATS_MAX; i++) {
		char *known = log->repeats[i].event;

		if (!known[0])
			snprintf(known, LOG_EVENT_NAME_MAX, "%s", event);
		if (!strcmp(known, event))
			return ++log->repeats[i].count;
	}
	return 1;
}

static bool is_power_of_ten(uint64_t n)
{
	while (n >= 10 && n % 10 == 0)
		n /= 10;
	return n == 1;
}

void log_write(struct log *log, enum log_level level, const char *event,
	       const char *sentence, const struct log_field *fields)
{
	char line[LOG_LINE_MAX + 1];
	uint64_t times = 1;
	size_t length, sent = 0;

	if (level > log->level)
		return;
	if (level == LOG_WARN)
		times = count(log, event);
	if (!is_power_of_ten(times))
		return;
	length = log_format_line(line, log, level, event, sentence, fields, times);
	line[length++] = '\n';
	/* A reader that is gone or stuck must not hold up the target: no second try. */
	while (sent < length) {
		ssize_t n = write(log->fd, line + sent, length - sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		sent += (size_t)n;
	}
}
