#include "bridge/setup/qemu.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/setup/file_text.h"

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Of "host,hv-time=on,hv_relaxed": QEMU takes both spellings, libvirt one of them. */
static bool is_feature(const char *word, const char *name)
{
	size_t length = strlen(name);

	return starts_with(word, "hv") && (word[2] == '-' || word[2] == '_') &&
	       strncmp(word + 3, name, length) == 0;
}

/* "hv-time", "hv-time=on", but not "hv-time=off" */
static bool is_on(const char *word)
{
	size_t length = strcspn(word, ",");

	return length < 4 || strncmp(word + length - 4, "=off", 4) != 0;
}

static bool cpu_diverts(const char *cpu)
{
	bool hyper_v = false;

	for (const char *at = cpu; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (is_feature(at, "vendor-id=") || is_feature(at, "vendor_id="))
			return strncmp(at + strlen("hv-vendor-id="), "Microsoft Hv",
				       12) == 0;
		/* KDNET has its own device there: that one works */
		if (is_feature(at, "syndbg") && is_on(at))
			return false;
		if (is_feature(at, "") && is_on(at))
			hyper_v = true;
	}
	return hyper_v;
}

/* "guest=win11,debug-threads=on" or "win11" */
static void take_name(struct qemu_guest *guest, const char *text)
{
	if (starts_with(text, "guest="))
		text += strlen("guest=");
	snprintf(guest->name, sizeof(guest->name), "%.*s", (int)strcspn(text, ","), text);
}

bool qemu_diverts(struct qemu_guest *guest, const char *words, size_t length)
{
	const char *program = strrchr(words, '/');
	const char *option = "";
	bool diverts = false;

	guest->name[0] = '\0';
	program = program ? program + 1 : words; /* in the first word */
	if (!starts_with(program, "qemu-system-") && !starts_with(program, "qemu-kvm") &&
	    !starts_with(program, "kvm"))
		return false;
	for (size_t at = 0; at < length; at += strlen(words + at) + 1) {
		const char *word = words + at;

		if (!strcmp(option, "-cpu") || !strcmp(option, "--cpu"))
			diverts = cpu_diverts(word);
		else if (!strcmp(option, "-name") || !strcmp(option, "--name"))
			take_name(guest, word);
		option = word;
	}
	return diverts;
}

bool qemu_find(struct qemu_guest *guest)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	while (directory && !found && (entry = readdir(directory)) != NULL) {
		char path[64], *words;
		size_t length;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/cmdline", entry->d_name);
		words = file_text_read(path, &length);
		found = words && qemu_diverts(guest, words, length);
		guest->pid = strtol(entry->d_name, NULL, 10);
		free(words);
	}
	if (directory)
		closedir(directory);
	return found;
}
