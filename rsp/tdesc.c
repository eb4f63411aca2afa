#include "rsp/conn.h"

#include <stdlib.h>
#include <string.h>

enum { TDESC_MAX = 1 << 20 };

/* Types that descriptions name and gdb does not have by itself; RSP.md §2. */
static const struct known_type {
	const char *name, *xml;
} known_types[] = {
	{ "vec128", "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
		    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
		    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
		    "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
		    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
		    "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
		    "<union id=\"vec128\">"
		    "<field name=\"v4_float\" type=\"v4f\"/>"
		    "<field name=\"v2_double\" type=\"v2d\"/>"
		    "<field name=\"v16_int8\" type=\"v16i8\"/>"
		    "<field name=\"v8_int16\" type=\"v8i16\"/>"
		    "<field name=\"v4_int32\" type=\"v4i32\"/>"
		    "<field name=\"v2_int64\" type=\"v2i64\"/>"
		    "<field name=\"uint128\" type=\"uint128\"/></union>\n" },
};

static void add_flags_type(struct rsp_xml *x, const struct rsp_flags_type *type)
{
	rsp_xml_markup(x, "<flags");
	rsp_xml_attribute(x, "id", type->name);
	rsp_xml_markup(x, " size=\"%u\">\n", type->bytes);
	for (const struct rsp_flag *flag = type->flags; flag->name[0] != '\0'; flag++) {
		rsp_xml_markup(x, "<field");
		rsp_xml_attribute(x, "name", flag->name);
		rsp_xml_markup(x, " start=\"%u\" end=\"%u\"/>\n", flag->bit, flag->bit);
	}
	rsp_xml_markup(x, "</flags>\n");
}

/* Does a register of the feature that begins at `first` name this type? */
static bool feature_names(const struct rsp_description *d, size_t first, const char *type)
{
	const char *feature = d->registers[first].feature;
	for (size_t i = first; i < d->count; i++) {
		if (strcmp(d->registers[i].feature, feature) != 0)
			return false;
		if (strcmp(d->registers[i].type, type) == 0)
			return true;
	}
	return false;
}

static void add_types(struct rsp_xml *x, const struct rsp_description *d, size_t first)
{
	for (size_t i = 0; i < sizeof(known_types) / sizeof(*known_types); i++) {
		if (feature_names(d, first, known_types[i].name))
			rsp_xml_markup(x, "%s", known_types[i].xml);
	}
	for (size_t i = 0; i < d->flags_count; i++) {
		if (strcmp(d->flags_types[i].feature, d->registers[first].feature) == 0)
			add_flags_type(x, &d->flags_types[i]);
	}
}

/* Numbers and the group `general` are what clients assume: left out, so that the
 * document takes as few round trips as it can. */
static void add_register(struct rsp_xml *x, const struct rsp_register *reg)
{
	rsp_xml_markup(x, "<reg");
	rsp_xml_attribute(x, "name", reg->name);
	rsp_xml_markup(x, " bitsize=\"%u\"", reg->bits);
	rsp_xml_attribute(x, "type", reg->type);
	if (reg->group && strcmp(reg->group, "general") != 0)
		rsp_xml_attribute(x, "group", reg->group);
	rsp_xml_markup(x, "/>\n");
}

/* No <osabi>: gdb without a Windows handler rejects the description (RSP.md §2). */
char *tdesc_build(const struct rsp_description *d, size_t *length)
{
	struct rsp_xml x = rsp_xml_init(TDESC_MAX);
	rsp_xml_markup(&x, "<?xml version=\"1.0\"?>\n<target version=\"1.0\">\n"
			   "<architecture>");
	rsp_xml_text(&x, d->architecture);
	rsp_xml_markup(&x, "</architecture>\n");
	const char *feature = "";
	for (size_t i = 0; i < d->count; i++) {
		const struct rsp_register *reg = &d->registers[i];
		if (strcmp(reg->feature, feature) != 0) {
			rsp_xml_markup(&x, i > 0 ? "</feature>\n<feature" : "<feature");
			rsp_xml_attribute(&x, "name", reg->feature);
			rsp_xml_markup(&x, ">\n");
			add_types(&x, d, i);
			feature = reg->feature;
		}
		add_register(&x, reg);
	}
	rsp_xml_markup(&x, d->count > 0 ? "</feature>\n</target>\n" : "</target>\n");
	*length = x.length;
	if (!x.full)
		return x.text;
	free(x.text);
	return NULL;
}
