/*
 * A reader of JSON, for what nft prints. The text is split into tokens once; the caller
 * then walks them. Strings keep their escapes: only names are compared here.
 */
#ifndef BRIDGE_SETUP_JSON_TREE_H
#define BRIDGE_SETUP_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_type {
	JSON_WORD, /* true, false, null */
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

enum { JSON_NONE = -1, JSON_DEPTH_MAX = 64, JSON_TOKENS_MAX = 1 << 22 };

struct json_token {
	enum json_type type;
	const char *start; /* into the text; a string's without its quotes */
	size_t length;
	int next; /* the token behind this one and all that it holds */
};

struct json_tree {
	struct json_token *tokens;
	int count;
};

/* Takes the whole text, one value; false: it is no JSON, or too deep or large. Release
 * with json_tree_free in both cases; the text must live as long. */
bool json_tree_parse(struct json_tree *j, const char *text, size_t length);
void json_tree_free(struct json_tree *j);

/* Tokens are indices; 0 is the whole. JSON_NONE is taken everywhere, and gives it. */
int json_tree_first(const struct json_tree *j,
		    int container); /* an element, or the first key */
/* The next element of that container, or key of that object. */
int json_tree_next(const struct json_tree *j, int container, int token);
/* The value of a key that json_tree_first or json_tree_next gave. */
int json_tree_value(const struct json_tree *j, int key);
/* The value of that name in an object; JSON_NONE when there is none. */
int json_tree_member(const struct json_tree *j, int object, const char *name);

bool json_tree_is_type(const struct json_tree *j, int token, enum json_type type);
bool json_tree_is_text(const struct json_tree *j, int token, const char *text);
/* A number that is whole and not negative, also one that stands in quotes. */
bool json_tree_number(const struct json_tree *j, int token, uint64_t *number);

#endif
