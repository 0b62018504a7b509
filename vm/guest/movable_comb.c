// SPDX-License-Identifier: GPL-2.0-only
/*
 * movable_comb - free memory between anonymous pages, by physical address
 *
 *   movable_comb --keep-one-in N --pid-file PATH [--block-order N] [--seed N]
 *                [--mib N | --leave-mib N] [--share PERCENT --then COMMAND]
 *
 * Anonymous pages can be moved and, without swap, not be reclaimed: compaction
 * can clear every range that holds nothing else. How pages are chosen, and
 * what the report says, is in comb.h.
 *
 * With --share, that percentage of the pageblocks is first given back whole
 * and COMMAND run, which may use them in its own way; then the rest is combed.
 *
 * Exit status: 0 the memory is held as requested, 1 failed, 2 usage. The holder
 * ends with 3 when its time limit has passed.
 */

#define _GNU_SOURCE
#include "comb.h"

static unsigned char *movable_fill(const struct comb_options *options, size_t pages)
{
	unsigned char *start = comb_table(pages * PAGE_BYTES);

	(void)options;
	for (size_t i = 0; i < pages; i++)
		*(volatile unsigned char *)(start + i * PAGE_BYTES) = 1;
	return start;
}

static void movable_before_release(unsigned char *start, size_t pages)
{
	(void)start;
	(void)pages;
}

static void movable_release(unsigned char *start, size_t first, size_t pages)
{
	if (madvise(start + first * PAGE_BYTES, pages * PAGE_BYTES, MADV_DONTNEED))
		fail("madvise(MADV_DONTNEED) of %zu pages failed: %s", pages,
		     strerror(errno));
}

int main(int argc, char **argv)
{
	static const struct comb_kind kind = {
		.name = "movable_comb",
		.fill = movable_fill,
		.before_release = movable_before_release,
		.release = movable_release,
	};

	return comb_main(argc, argv, &kind);
}
