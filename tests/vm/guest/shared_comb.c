// SPDX-License-Identifier: GPL-2.0-only
/*
 * shared_comb - free memory between pages of a file in memory, by physical address
 *
 * As movable_comb, of pages that have a mapping: requests without __GFP_FS cannot
 * have them moved. With SHARED_COMB_LOCKED in the environment they are mlocked, and
 * so unevictable.
 */

#define _GNU_SOURCE
#include "comb.h"

static int shared_file = -1;

static unsigned char *shared_fill(const struct comb_options *options, size_t pages)
{
	unsigned char *start;

	(void)options;
	shared_file = memfd_create("shared_comb", MFD_CLOEXEC);
	if (shared_file < 0 || ftruncate(shared_file, (off_t)(pages * PAGE_BYTES)))
		fail("cannot make a file of %zu pages: %s", pages, strerror(errno));
	start = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		     shared_file, 0);
	if (start == MAP_FAILED)
		fail("cannot map %zu pages: %s", pages, strerror(errno));
	for (size_t i = 0; i < pages; i++)
		*(volatile unsigned char *)(start + i * PAGE_BYTES) = 1;
	return start;
}

static void shared_before_release(unsigned char *start, size_t pages)
{
	if (getenv("SHARED_COMB_LOCKED") && mlock(start, pages * PAGE_BYTES))
		fail("cannot lock %zu pages: %s", pages, strerror(errno));
}

static void shared_release(unsigned char *start, size_t first, size_t pages)
{
	(void)start;
	if (fallocate(shared_file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)(first * PAGE_BYTES), (off_t)(pages * PAGE_BYTES)))
		fail("cannot give back %zu pages: %s", pages, strerror(errno));
}

int main(int argc, char **argv)
{
	static const struct comb_kind kind = {
		.name = "shared_comb",
		.fill = shared_fill,
		.before_release = shared_before_release,
		.release = shared_release,
	};

	return comb_main(argc, argv, &kind);
}
