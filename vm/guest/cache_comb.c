// SPDX-License-Identifier: GPL-2.0-only
/*
 * cache_comb - free memory between pages of a file, by physical address
 *
 *   cache_comb --file PATH --keep-one-in N --pid-file PATH [--block-order N]
 *              [--seed N] [--mib N | --leave-mib N]
 *
 * Clean pages of the page cache can be moved and also be reclaimed: a request
 * that reclaims may get its block without any compaction. Files of tmpfs or of
 * the initramfs do not serve, for their pages cannot be reclaimed without
 * swap; kmod/cache_source.c gives a file that does. How pages are chosen, and
 * what the report says, is in comb.h.
 *
 * Exit status: 0 the memory is held as requested, 1 failed, 2 usage. The holder
 * ends with 3 when its time limit has passed.
 */

#define _GNU_SOURCE
#include "comb.h"

static int cache_file = -1;

static unsigned char *cache_fill(const struct comb_options *options, size_t pages)
{
	unsigned char *start;

	cache_file = open(options->file, O_RDONLY | O_CLOEXEC);
	if (cache_file < 0)
		fail("cannot open %s: %s", options->file, strerror(errno));
	start = mmap(NULL, pages * PAGE_BYTES, PROT_READ, MAP_SHARED, cache_file, 0);
	if (start == MAP_FAILED)
		fail("cannot map %zu pages of %s: %s", pages, options->file,
		     strerror(errno));
	/* Or the end of the mapping would count as a use of every page. */
	if (madvise(start, pages * PAGE_BYTES, MADV_SEQUENTIAL))
		fail("madvise(MADV_SEQUENTIAL) failed: %s", strerror(errno));
	for (size_t i = 0; i < pages; i++)
		(void)*(volatile unsigned char *)(start + i * PAGE_BYTES);
	return start;
}

/* A page that is mapped cannot be dropped from the cache. */
static void cache_before_release(unsigned char *start, size_t pages)
{
	if (munmap(start, pages * PAGE_BYTES))
		fail("cannot unmap %zu pages: %s", pages, strerror(errno));
}

static void cache_release(unsigned char *start, size_t first, size_t pages)
{
	int error = posix_fadvise(cache_file, (off_t)(first * PAGE_BYTES),
				  (off_t)(pages * PAGE_BYTES),
				  POSIX_FADV_DONTNEED);

	(void)start;
	if (error)
		fail("posix_fadvise(POSIX_FADV_DONTNEED) of %zu pages failed: %s",
		     pages, strerror(error));
}

int main(int argc, char **argv)
{
	static const struct comb_kind kind = {
		.name = "cache_comb",
		.needs_file = true,
		.fill = cache_fill,
		.before_release = cache_before_release,
		.release = cache_release,
	};

	return comb_main(argc, argv, &kind);
}
