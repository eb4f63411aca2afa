#include "bridge/setup/json_tree.h"

#include <stdlib.h>
#include <string.h>

struct parser {
	struct json_tree *json;
	int size; /* of the array of tokens */
	const char *at, *end;
	unsigned depth;
};

static bool parse_value(struct parser *p);

static void skip_space(struct parser *p)
{
	while (p->at < p->end &&
	       (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
		p->at++;
}

/* Is that character next? Then it is taken. */
static bool take(struct parser *p, char c)
{
	skip_space(p);
	if (p->at == p->end || *p->at != c)
		return false;
	p->at++;
	return true;
}

static int add(struct parser *p, enum json_type type)
{
	struct json_tree *j = p->json;

	if (j->count == p->size) {
		int size = p->size ? 2 * p->size : 256;
		struct json_token *larger =
			size > JSON_TOKENS_MAX
				? NULL
				: realloc(j->tokens, (size_t)size * sizeof(*larger));

		if (!larger)
			return JSON_NONE;
		j->tokens = larger;
		p->size = size;
	}
	j->tokens[j->count] = (struct json_token){ .type = type, .start = p->at };
	return j->count++;
}

static void finish(struct parser *p, int token)
{
	struct json_token *t = &p->json->tokens[token];

	t->length = (size_t)(p->at - t->start);
	t->next = p->json->count;
}

/* Behind its opening quote. */
static bool parse_string(struct parser *p)
{
	int token = add(p, JSON_STRING);

	if (token == JSON_NONE)
		return false;
	for (; p->at < p->end && *p->at != '"'; p->at++)
		if (*p->at == '\\' && ++p->at == p->end)
			return false;
	if (p->at == p->end)
		return false;
	finish(p, token);
	p->at++;
	return true;
}

static bool parse_plain(struct parser *p)
{
	static const char characters[] =
		"+-.0123456789"
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	bool digit =
		p->at < p->end && (*p->at == '-' || (*p->at >= '0' && *p->at <= '9'));
	int token = add(p, digit ? JSON_NUMBER : JSON_WORD);

	if (token == JSON_NONE)
		return false;
	while (p->at < p->end && *p->at && strchr(characters, *p->at))
		p->at++;
	finish(p, token);
	return p->json->tokens[token].length > 0;
}

static bool parse_members(struct parser *p, char close, bool named)
{
	if (take(p, close))
		return true;
	do {
		if (named && !(take(p, '"') && parse_string(p) && take(p, ':')))
			return false;
		if (!parse_value(p))
			return false;
	} while (take(p, ','));
	return take(p, close);
}

/* Behind its opening bracket. */
static bool parse_container(struct parser *p, enum json_type type, char close)
{
	int token = add(p, type);

	if (token == JSON_NONE || ++p->depth > JSON_DEPTH_MAX ||
	    !parse_members(p, close, type == JSON_OBJECT))
		return false;
	p->depth--;
	finish(p, token);
	return true;
}

static bool parse_value(struct parser *p)
{
	if (take(p, '"'))
		return parse_string(p);
	if (take(p, '{'))
		return parse_container(p, JSON_OBJECT, '}');
	if (take(p, '['))
		return parse_container(p, JSON_ARRAY, ']');
	return parse_plain(p);
}

bool json_tree_parse(struct json_tree *j, const char *text, size_t length)
{
	struct parser p = { .json = j, .at = text, .end = text + length };

	*j = (struct json_tree){ .tokens = NULL };
	if (!parse_value(&p))
		return false;
	skip_space(&p);
	return p.at == p.end;
}

void json_tree_free(struct json_tree *j)
{
	free(j->tokens);
	*j = (struct json_tree){ .tokens = NULL };
}

int json_tree_first(const struct json_tree *j, int container)
{
	if (container == JSON_NONE || j->tokens[container].type < JSON_ARRAY ||
	    container + 1 == j->tokens[container].next)
		return JSON_NONE;
	return container + 1;
}

int json_tree_next(const struct json_tree *j, int container, int token)
{
	int next;

	if (container == JSON_NONE || token == JSON_NONE)
		return JSON_NONE;
	next = j->tokens[token].next;
	if (j->tokens[container].type == JSON_OBJECT)
		next = j->tokens[next].next; /* behind the value, too */
	return next < j->tokens[container].next ? next : JSON_NONE;
}

int json_tree_value(const struct json_tree *j, int key)
{
	return key == JSON_NONE ? JSON_NONE : j->tokens[key].next;
}

int json_tree_member(const struct json_tree *j, int object, const char *name)
{
	if (!json_tree_is_type(j, object, JSON_OBJECT))
		return JSON_NONE;
	for (int key = json_tree_first(j, object); key != JSON_NONE;
	     key = json_tree_next(j, object, key))
		if (json_tree_is_text(j, key, name))
			return json_tree_value(j, key);
	return JSON_NONE;
}

bool json_tree_is_type(const struct json_tree *j, int token, enum json_type type)
{
	return token != JSON_NONE && j->tokens[token].type == type;
}

bool json_tree_is_text(const struct json_tree *j, int token, const char *text)
{
	size_t length = strlen(text);

	return token != JSON_NONE && j->tokens[token].type < JSON_ARRAY &&
	       j->tokens[token].length == length &&
	       memcmp(j->tokens[token].start, text, length) == 0;
}

bool json_tree_number(const struct json_tree *j, int token, uint64_t *number)
{
	const struct json_token *t = token == JSON_NONE ? NULL : &j->tokens[token];

	*number = 0;
	if (!t || t->type >= JSON_ARRAY || t->length == 0 || t->length > 19)
		return false;
	for (size_t i = 0; i < t->length; i++) {
		if (t->start[i] < '0' || t->start[i] > '9')
			return false;
		*number = *number * 10 + (uint64_t)(t->start[i] - '0');
	}
	return true;
}
