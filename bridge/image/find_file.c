#include "bridge/image/find_file.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_plain(const char *name)
{
	return name[0] != 0 && name[0] != '.' && !strchr(name, '/') &&
	       strlen(name) <= NAME_MAX;
}

bool find_file(const char *directory, const char *name, char out[static PATH_MAX])
{
	DIR *d = is_plain(name) ? opendir(directory) : NULL;
	const struct dirent *entry;
	bool found = false;
	while (d && !found && (entry = readdir(d)) != NULL)
		if (strcasecmp(entry->d_name, name) == 0) {
			int n = snprintf(out, PATH_MAX, "%s/%s", directory,
					 entry->d_name);
			found = n > 0 && n < PATH_MAX;
		}
	if (d)
		closedir(d);
	return found;
}
