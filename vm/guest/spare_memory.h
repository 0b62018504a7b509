/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spare_memory.h - how many pages a program may still take without the OOM killer
 *
 * A single page is given down to a zone's min watermark, which a boost raises, and
 * to what the zone keeps for others (mm/page_alloc.c __zone_watermark_ok); below that
 * the fault of a program ends in the OOM killer once nothing can be reclaimed.
 */

#ifndef BUDDYLAB_SPARE_MEMORY_H
#define BUDDYLAB_SPARE_MEMORY_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

struct zone_pages {
	unsigned long free, min, kept;
};

/* The largest of "(0, 439, 439, 439)": what is kept from those that may use all zones. */
static unsigned long most_kept(const char *list)
{
	unsigned long most = 0;

	while (*list) {
		char *end;
		unsigned long kept = strtoul(list, &end, 10);

		if (kept > most && end != list)
			most = kept;
		list = end == list ? list + 1 : end;
	}
	return most;
}

/* Pages above what all zones keep; false where zoneinfo cannot be read. */
static bool spare_pages(unsigned long *spare)
{
	FILE *f = fopen("/proc/zoneinfo", "re");
	struct zone_pages zone = { 0 };
	char line[256];

	if (!f)
		return false;
	*spare = 0;
	while (fgets(line, sizeof(line), f)) {
		char *list = strstr(line, "protection: (");

		if (sscanf(line, " pages free %lu", &zone.free) == 1 ||
		    sscanf(line, " min %lu", &zone.min) == 1 || !list)
			continue;
		zone.kept = zone.min + most_kept(list);
		*spare += zone.free > zone.kept ? zone.free - zone.kept : 0;
	}
	fclose(f);
	return true;
}

/* Of all zones, kept back or not: cheap, to be asked first. */
static unsigned long free_pages(void)
{
	struct sysinfo info;

	return sysinfo(&info) ? 0 : info.freeram * info.mem_unit / 4096;
}

#endif
