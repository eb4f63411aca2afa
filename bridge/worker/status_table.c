#include "bridge/worker/status_format.h" /* status_print_table */

#include <inttypes.h>
#include <string.h>

enum { CELL_MAX = 320, GAP = 2, LAST_LEAST = 12 };

static void cell_target(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	snprintf(out, CELL_MAX, "%s", s->target);
}

static void cell_label(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	snprintf(out, CELL_MAX, "%s", s->label);
}

static void cell_state(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	snprintf(out, CELL_MAX, "%s", status_state_name(s->state));
	if (strchr(out, '-'))
		*strchr(out, '-') = ' ';
}

static void cell_since(const struct status *s, char *out, uint64_t now)
{
	static const struct {
		uint64_t seconds;
		const char *unit;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	uint64_t age = now > s->since ? now - s->since : 0;
	size_t i = 0;

	while (i < 3 && age < 2 * units[i].seconds)
		i++;
	if (s->since)
		snprintf(out, CELL_MAX, "%" PRIu64 " %s", age / units[i].seconds,
			 units[i].unit);
}

static void cell_client(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	snprintf(out, CELL_MAX, "%s", s->client);
}

static void cell_endpoint(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	snprintf(out, CELL_MAX, "%s", s->endpoint);
}

static void put_number(char *out, uint64_t number)
{
	if (number)
		snprintf(out, CELL_MAX, "%" PRIu64, number);
}

static void cell_port(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	put_number(out, s->port);
}

static void cell_kdnet(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	put_number(out, s->kdnet);
}

static void cell_build(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	put_number(out, s->build);
}

static void cell_processors(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	put_number(out, s->processors);
}

static void cell_round_trip(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	if (s->round_trip_us)
		snprintf(out, CELL_MAX, "%.1f ms", (double)s->round_trip_us / 1000);
}

static double loss_of(const struct status *s)
{
	uint64_t all = s->sent + s->received;

	return all ? (double)(s->repeated + s->duplicates) / (double)all : 0;
}

static void cell_loss(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	if (s->received)
		snprintf(out, CELL_MAX, "%.1f %%", 100 * loss_of(s));
}

static void cell_exchanges(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	put_number(out, s->exchanges);
}

static void cell_bugcheck(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	snprintf(out, CELL_MAX, "%s", s->bugcheck);
}

static void cell_reason(const struct status *s, char *out, uint64_t now)
{
	(void)now;
	snprintf(out, CELL_MAX, "%s", s->reason);
}

static const struct column {
	const char *title;
	void (*cell)(const struct status *s, char *out, uint64_t now);
	bool right;
	int interest; /* the least goes first where room is short */
} columns[] = {
	{ "TARGET", cell_target, false, 99 },
	{ "STATE", cell_state, false, 98 },
	{ "SINCE", cell_since, true, 8 },
	{ "DEBUGGED BY", cell_client, false, 10 },
	{ "ENDPOINT", cell_endpoint, false, 9 },
	{ "PORT", cell_port, true, 7 },
	{ "BUILD", cell_build, true, 6 },
	{ "CPUS", cell_processors, true, 4 },
	{ "RTT", cell_round_trip, true, 5 },
	{ "LOSS", cell_loss, true, 5 },
	{ "EXCHANGES", cell_exchanges, true, 2 },
	{ "KDNET", cell_kdnet, true, 1 },
	{ "LABEL", cell_label, false, 3 },
	{ "LAST BUGCHECK", cell_bugcheck, false, 5 },
	{ "WHY", cell_reason, false, 97 },
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

/* Characters, not bytes: a label is UTF-8. */
static unsigned width_of(const char *text)
{
	unsigned width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void cut(char *text, unsigned width)
{
	unsigned seen = 0;

	for (; *text; text++) {
		seen += ((unsigned char)*text & 0xc0) != 0x80;
		if (seen > width) {
			*text = '\0';
			return;
		}
	}
}

static void measure(unsigned widths[static COLUMNS], const struct status *targets,
		    size_t count, uint64_t now)
{
	for (size_t c = 0; c < COLUMNS; c++) {
		widths[c] = 0;
		for (size_t i = 0; i < count; i++) {
			char cell[CELL_MAX] = "";
			unsigned width;

			columns[c].cell(&targets[i], cell, now);
			width = width_of(cell);
			if (width > widths[c])
				widths[c] = width;
		}
		if (widths[c] && widths[c] < width_of(columns[c].title))
			widths[c] = width_of(columns[c].title);
	}
}

static unsigned total(const unsigned widths[static COLUMNS], unsigned *last)
{
	unsigned sum = 0;

	for (unsigned c = 0; c < COLUMNS; c++) {
		if (!widths[c])
			continue;
		sum += widths[c] + GAP;
		*last = c;
	}
	return sum > GAP ? sum - GAP : 0;
}

static void fit(unsigned widths[static COLUMNS], unsigned width)
{
	unsigned last = 0, sum;

	while ((sum = total(widths, &last)) > width) {
		unsigned least = last;
		unsigned rest = sum - widths[last];

		if (rest + LAST_LEAST <= width && !columns[last].right) {
			widths[last] = width - rest;
			return;
		}
		for (unsigned c = 0; c < COLUMNS; c++)
			if (widths[c] && columns[c].interest < columns[least].interest)
				least = c;
		if (least == 0) {
			widths[0] = width;
			return;
		}
		widths[least] = 0;
	}
}

/* Where the line is, and where the column begins. */
struct position {
	unsigned at, start;
};

/* No spaces at the end of a line. */
static void print_cell(FILE *out, char *cell, const struct column *column, unsigned width,
		       struct position *p)
{
	unsigned used, start;

	cut(cell, width);
	used = width_of(cell);
	start = p->start + (column->right ? width - used : 0);
	if (used) {
		fprintf(out, "%*s%s", (int)(start - p->at), "", cell);
		p->at = start + used;
	}
	p->start += width + GAP;
}

static void print_row(FILE *out, const unsigned widths[static COLUMNS],
		      const struct status *s, uint64_t now)
{
	struct position position = { 0, 0 };

	for (size_t c = 0; c < COLUMNS; c++) {
		char cell[CELL_MAX] = "";

		if (!widths[c])
			continue;
		if (s)
			columns[c].cell(s, cell, now);
		else
			snprintf(cell, sizeof(cell), "%s", columns[c].title);
		print_cell(out, cell, &columns[c], widths[c], &position);
	}
	fputc('\n', out);
}

void status_print_table(FILE *out, const struct status *targets, size_t count,
			unsigned width, uint64_t now)
{
	unsigned widths[COLUMNS];

	measure(widths, targets, count, now);
	if (width)
		fit(widths, width);
	print_row(out, widths, NULL, now);
	for (size_t i = 0; i < count; i++)
		print_row(out, widths, &targets[i], now);
}
