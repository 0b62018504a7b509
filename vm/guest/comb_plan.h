/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * comb_plan.h - which pages are given back, and what is free besides
 *
 * Pages are known by two numbers: where they are mapped, and their pfn.
 */

#ifndef BUDDYLAB_COMB_PLAN_H
#define BUDDYLAB_COMB_PLAN_H

#include "comb_base.h"

/* Free blocks of each order, of all zones. */
static void comb_buddyinfo(unsigned long blocks[ORDERS])
{
	FILE *f = comb_open("/proc/buddyinfo");
	char line[512];

	memset(blocks, 0, ORDERS * sizeof(*blocks));
	while (fgets(line, sizeof(line), f)) {
		char *at = strstr(line, "zone");
		unsigned long value;
		int length;

		if (!at || sscanf(at, "zone %*s%n", &length) < 0)
			fail("/proc/buddyinfo has a line of another form: %s", line);
		at += length;
		for (int i = 0; i < ORDERS; i++, at += length) {
			if (sscanf(at, "%lu%n", &value, &length) != 1)
				fail("/proc/buddyinfo has less than %d orders", ORDERS);
			blocks[i] += value;
		}
	}
	fclose(f);
}

static void comb_print_blocks(const char *name, const unsigned long blocks[ORDERS])
{
	dprintf(comb_report, "%s=", name);
	for (int i = 0; i < ORDERS; i++)
		dprintf(comb_report, "%s%lu", i ? "," : "", blocks[i]);
	dprintf(comb_report, "\n");
}

/* Above the high watermarks nobody reclaims; 8 MiB are for whoever else runs. */
static unsigned long comb_leave_pages(void)
{
	FILE *f = comb_open("/proc/zoneinfo");
	unsigned long pages = 8 * MIB_PAGES;
	unsigned long value;
	char line[256];

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " high %lu", &value) == 1)
			pages += value;
	}
	fclose(f);
	return pages;
}

static size_t comb_pages(const struct comb_options *options)
{
	unsigned long leave = options->leave_mib * MIB_PAGES;
	unsigned long blocks[ORDERS];
	unsigned long pages = 0;

	if (options->mib)
		return options->mib * MIB_PAGES;
	if (!leave)
		leave = comb_leave_pages();
	comb_buddyinfo(blocks);
	for (int i = 0; i < ORDERS; i++)
		pages += blocks[i] << i;
	/* A page table and the tables here take 13 bytes for a page. */
	leave += pages / 256;
	if (pages < leave + MIB_PAGES)
		fail("%lu pages are free and %lu of them stay so; give a guest with more memory",
		     pages, leave);
	return pages - leave;
}

static void comb_find_pages(const unsigned char *start, size_t pages)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	static uint64_t entries[512];
	size_t done = 0;

	if (fd < 0)
		fail("cannot open /proc/self/pagemap: %s", strerror(errno));
	while (done < pages) {
		size_t wanted = pages - done < 512 ? pages - done : 512;
		ssize_t got = pread(fd, entries, wanted * sizeof(*entries),
				    (off_t)(((uintptr_t)start / PAGE_BYTES + done) *
					    sizeof(*entries)));

		if (got <= 0)
			fail("cannot read /proc/self/pagemap: %s", strerror(errno));
		for (size_t i = 0; i < (size_t)got / sizeof(*entries); i++, done++) {
			uint64_t pfn = entries[i] & PAGEMAP_PFN;

			if (!(entries[i] & PAGEMAP_PRESENT))
				fail("page %zu of %zu is gone already; memory is short: leave more of it",
				     done, pages);
			if (!pfn || pfn >= PFN_MAX)
				fail("page %zu is said to be at pfn %" PRIu64 "; run as root, with less than 64 GiB",
				     done, pfn);
			comb_page_at[pfn] = (uint32_t)done + 1;
			if (pfn >= comb_pfn_end)
				comb_pfn_end = pfn + 1;
		}
	}
	close(fd);
}

static bool comb_ours(unsigned long pfn)
{
	return pfn < comb_pfn_end && comb_page_at[pfn];
}

static size_t comb_ours_in(unsigned long pfn, unsigned long pages)
{
	size_t ours = 0;

	for (unsigned long i = 0; i < pages; i++)
		ours += comb_ours(pfn + i);
	return ours;
}

static unsigned long comb_unit_blocks(unsigned long keep_one_in)
{
	unsigned long power = 1;

	while (power < keep_one_in)
		power *= 2;
	/* Their least common multiple: all factors 2 are in "power". */
	while (keep_one_in % 2 == 0)
		keep_one_in /= 2;
	return power * keep_one_in;
}

/* A larger block is given back only if it is whole: then its size is known. */
static size_t comb_mark(unsigned long pfn, unsigned long pages)
{
	if (comb_ours_in(pfn, pages) != pages)
		return 0;
	for (unsigned long i = 0; i < pages; i++)
		comb_released[comb_page_at[pfn + i] - 1] = 1;
	return pages;
}

/* The blocks from "first" on that belong together; returns the pages to go. */
static size_t comb_plan_group(const struct comb_options *options,
			      unsigned long first, unsigned long kept)
{
	unsigned long block_pages = 1UL << options->block_order;
	size_t marked = 0;

	for (unsigned long i = 0; !comb_ours_in(first + kept * block_pages, block_pages) &&
	     i < options->keep_one_in; i++)
		kept = i;
	for (unsigned long i = 0; i < options->keep_one_in; i++) {
		if (i != kept)
			marked += comb_mark(first + i * block_pages, block_pages);
	}
	return marked;
}

static size_t comb_plan_unit(const struct comb_options *options,
			     unsigned long first, unsigned long unit_pages)
{
	unsigned long keep = options->keep_one_in;
	unsigned long group_pages = keep << options->block_order;
	/* Free blocks reach over the seams of such groups: one choice for all. */
	bool power = !(keep & (keep - 1));
	unsigned long kept = 0;
	size_t marked = 0;

	if (options->seed)
		kept = power ? random_below(keep) : options->seed % keep;
	for (unsigned long at = 0; at < unit_pages; at += group_pages)
		marked += comb_plan_group(options, first + at, kept);
	return marked;
}

static void comb_plan(const struct comb_options *options)
{
	unsigned long unit_pages =
		comb_unit_blocks(options->keep_one_in) << options->block_order;
	size_t units = 0, partial_units = 0, partial_pages = 0;
	size_t freed = 0, partial_freed = 0;

	for (unsigned long pfn = 0; pfn < comb_pfn_end; pfn += unit_pages) {
		size_t ours = comb_ours_in(pfn, unit_pages);
		size_t marked;

		if (!ours)
			continue;
		marked = comb_plan_unit(options, pfn, unit_pages);
		freed += marked;
		if (ours == unit_pages) {
			units++;
		} else {
			partial_units++;
			partial_pages += ours;
			partial_freed += marked;
		}
	}
	dprintf(comb_report,
		"units=%zu unit_pages=%lu given_back=%zu partial_units=%zu partial_pages=%zu partial_given_back=%zu\n",
		units, unit_pages, freed, partial_units, partial_pages,
		partial_freed);
}

/* 9 or 10, by the kernel's configuration. */
static unsigned int comb_pageblock_order(void)
{
	FILE *f = comb_open("/proc/pagetypeinfo");
	unsigned int order;

	if (fscanf(f, "Page block order: %u", &order) != 1 || order >= ORDERS)
		fail("/proc/pagetypeinfo does not begin with the order of a page block");
	fclose(f);
	return order;
}

/* Whole pageblocks, chosen by the seed, until free ones and they are the share. */
static void comb_plan_share(const struct comb_options *options,
			    const unsigned long rest[ORDERS])
{
	unsigned int order = comb_pageblock_order();
	unsigned long block_pages = 1UL << order;
	size_t ours = 0, chosen = 0, open = 0, seen = 0;
	size_t wanted;

	for (unsigned long pfn = 0; pfn < comb_pfn_end; pfn += block_pages)
		ours += comb_ours_in(pfn, block_pages) == block_pages;
	for (unsigned int i = order; i < ORDERS; i++)
		open += rest[i] << (i - order);
	wanted = (ours + open) * options->share / 100;
	wanted = wanted > open ? wanted - open : 0;
	/* Each block with the chance that leaves "wanted" of them in the end. */
	for (unsigned long pfn = 0; pfn < comb_pfn_end; pfn += block_pages) {
		if (comb_ours_in(pfn, block_pages) != block_pages)
			continue;
		if (random_below(ours - seen++) >= wanted - chosen)
			continue;
		comb_mark(pfn, block_pages);
		chosen++;
	}
	dprintf(comb_report, "share=%lu share_order=%u share_blocks_ours=%zu share_blocks_free=%zu share_blocks_chosen=%zu\n",
		options->share, order, ours, open, chosen);
}

static void comb_forget_released(size_t pages)
{
	for (unsigned long pfn = 0; pfn < comb_pfn_end; pfn++) {
		if (comb_ours(pfn) && comb_released[comb_page_at[pfn] - 1])
			comb_page_at[pfn] = 0;
	}
	memset(comb_released, 0, pages);
}

static void comb_release(const struct comb_kind *kind, unsigned char *start,
			 size_t pages)
{
	size_t first, end;

	for (first = 0; first < pages; first = end + 1) {
		for (end = first; end < pages && comb_released[end]; end++)
			;
		if (end > first)
			kind->release(start, first, end - first);
	}
}

#endif
