// SPDX-License-Identifier: GPL-2.0-only
/*
 * unmovable_comb - leave memory free, and in small blocks that cannot grow
 *
 * Blocks of order "order" are taken, split, and freed but for one page in
 * 2^keep_shift. A kept page is the kernel's: it can neither move nor be
 * reclaimed, so nothing of order keep_shift or more can arise around it, and
 * each segment of 2^keep_shift pages leaves one free block of each order
 * 0..keep_shift-1, whichever page of it is kept: "seed" chooses, 0 the first
 * of each. With take=0 all larger free blocks of all zones are used, down to
 * order keep_shift+1; those of order 9 are then halves of order 8.
 *
 * plug=1 then looks at every aligned range of order "plug_order". One that
 * holds no page of ours gets one, if it has a page on an LRU list: an extra
 * reference keeps that page where it is. Ranges are counted as
 *
 *   own      holds a kept page, or one plugged before
 *   plugged  got a reference now
 *   foreign  nothing of ours, but a page that can neither move nor be reclaimed
 *   open     all its pages are free or could become so
 *
 * With open=0, compaction of that order is hopeless for as long as the pages of
 * the foreign ranges stay.
 *
 * Taking a block reclaims nothing and wakes nobody, and ends while reserve_mib
 * are still free; what the comb gave back makes the next pass possible. All
 * work is done while the module is loaded, and undone when it is removed.
 *
 *   insmod unmovable_comb.ko order=10 keep_shift=6 plug=1 plug_order=8
 *   cat /sys/kernel/debug/unmovable_comb/state
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/list_sort.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/smp.h>
#include <linux/vmstat.h>

#include "compat.h"

static unsigned int order = MAX_PAGE_ORDER;
module_param(order, uint, 0444);
MODULE_PARM_DESC(order, "Order of the blocks taken (9 or 10, default 10)");

static unsigned int keep_shift = 6;
module_param(keep_shift, uint, 0444);
MODULE_PARM_DESC(keep_shift, "Keep one page in 2^keep_shift (1..order-1, default 6)");

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Which page of each segment is kept (default 0: the first)");

static unsigned int take;
module_param(take, uint, 0444);
MODULE_PARM_DESC(take, "Most blocks to take (default 0: all, also smaller ones)");

static bool plug;
module_param(plug, bool, 0444);
MODULE_PARM_DESC(plug, "Also pin a page in each range of plug_order (default 0)");

static unsigned int plug_order = MAX_PAGE_ORDER;
module_param(plug_order, uint, 0444);
MODULE_PARM_DESC(plug_order, "Order of the ranges to plug (1..10, default 10)");

static unsigned int reserve_mib = 16;
module_param(reserve_mib, uint, 0444);
MODULE_PARM_DESC(reserve_mib, "Stop taking while so much is free, in MiB (default 16)");

struct comb_state {
	unsigned long blocks;
	unsigned long kept;
	unsigned long freed;
	unsigned long ranges;
	unsigned long own;
	unsigned long plugged;
	unsigned long foreign;
	unsigned long open;
};

static struct comb_state comb;
static LIST_HEAD(comb_kept);
/* What the lists of the CPUs held, taken from them before the comb is made. */
static LIST_HEAD(comb_cached);
/* Heads of pages on LRU lists, comb.plugged of them; page->lru is not ours. */
static struct page **comb_plugs;
static struct dentry *comb_dir;

/*
 * Neither reclaim nor a wakeup of kswapd: the state left behind is our doing.
 * __GFP_NOMEMALLOC, or pageblocks would be set aside for those who cannot wait.
 */
#define COMB_GFP	((GFP_KERNEL & ~__GFP_RECLAIM) | __GFP_NORETRY | \
			 __GFP_NOMEMALLOC | __GFP_NOWARN)

static int comb_by_pfn(void *unused, const struct list_head *a,
		       const struct list_head *b)
{
	unsigned long pfn_a = page_to_pfn(list_entry(a, struct page, lru));
	unsigned long pfn_b = page_to_pfn(list_entry(b, struct page, lru));

	return pfn_a > pfn_b ? 1 : -1;
}

static bool comb_may_take(unsigned long taken)
{
	unsigned long reserve = (unsigned long)reserve_mib << (20 - PAGE_SHIFT);

	if (take && comb.blocks + taken >= take)
		return false;
	return global_zone_page_state(NR_FREE_PAGES) > reserve &&
	       !fatal_signal_pending(current);
}

/*
 * The pages of a sub-block were split apart; only the first may have a
 * reference when they are freed together. From order 4 on they then go to the
 * free lists at once, past the lists of this CPU.
 */
static void comb_free_block(struct page *page, unsigned int block_order)
{
	unsigned int i;

	for (i = 1; i < 1U << block_order; i++)
		set_page_count(page + i, 0);
	__free_pages(page, block_order);
	comb.freed += 1UL << block_order;
}

/* xorshift64: the same seed, the same choices. */
static u64 comb_random;

static void comb_seed(void)
{
	/* splitmix64's increment: xorshift must not start at 0. */
	comb_random = seed * 0x9e3779b97f4a7c15ULL;
}

static unsigned int comb_choose(void)
{
	if (!seed)
		return 0;
	comb_random ^= comb_random << 13;
	comb_random ^= comb_random >> 7;
	comb_random ^= comb_random << 17;
	return (comb_random >> 16) & ((1U << keep_shift) - 1);
}

static void comb_cut(struct page *block, unsigned int block_order)
{
	unsigned int first, sub, kept;

	split_page(block, block_order);
	for (first = 0; first < 1U << block_order; first += 1U << keep_shift) {
		kept = first + comb_choose();
		list_add_tail(&block[kept].lru, &comb_kept);
		comb.kept++;
		/* Beside it, its buddy of each order */
		for (sub = 0; sub < keep_shift; sub++)
			comb_free_block(block + (((kept >> sub) ^ 1) << sub), sub);
	}
	comb.blocks++;
}

/* Takes what there is of one order, cuts it in the order of addresses. */
static unsigned long comb_pass(gfp_t gfp, unsigned int block_order)
{
	unsigned long taken = 0;
	struct page *page, *next;
	LIST_HEAD(blocks);

	while (comb_may_take(taken)) {
		page = alloc_pages(gfp, block_order);
		if (!page)
			break;
		list_add(&page->lru, &blocks);
		taken++;
	}
	list_sort(NULL, &blocks, comb_by_pfn);
	list_for_each_entry_safe(page, next, &blocks, lru) {
		list_del(&page->lru);
		comb_cut(page, block_order);
		cond_resched();
	}
	return taken;
}

static void comb_take(void)
{
	/* Each zone by name: lowmem_reserve keeps lower ones from GFP_KERNEL. */
	static const gfp_t zones[] = { 0, __GFP_DMA32, __GFP_DMA };
	unsigned int block_order = order;
	unsigned int lowest = take ? order : keep_shift + 1;
	unsigned int i;

	for (; block_order >= lowest; block_order--) {
		/*
		 * Each CPU has a list of this order, filled in batches, and no
		 * watermark is met by what is on it: the last ones would stay
		 * there. The next order splits these blocks.
		 */
		if (!take && block_order == pageblock_order &&
		    block_order > lowest)
			continue;
		for (i = 0; i < ARRAY_SIZE(zones); i++) {
			gfp_t gfp = COMB_GFP | zones[i];

			/* Last, what was set aside before we came. */
			while (comb_pass(gfp, block_order) ||
			       comb_pass(gfp & ~__GFP_NOMEMALLOC, block_order))
				;
		}
	}
}

/*
 * Free pages on the lists of the CPUs are in no block: what surrounds them can
 * become one later. Take them all, of each order and type that has a list.
 */
static void comb_take_cached(struct zone *zone, gfp_t gfp)
{
	static const gfp_t types[MIGRATE_PCPTYPES] = {
		[MIGRATE_MOVABLE]	= __GFP_MOVABLE,
		[MIGRATE_RECLAIMABLE]	= __GFP_RECLAIMABLE,
	};
	struct per_cpu_pages *pcp = raw_cpu_ptr(zone->per_cpu_pageset);
	unsigned int i, small, page_order;
	struct page *page;

	for (i = 0; i < NR_PCP_LISTS; i++) {
		page_order = i / MIGRATE_PCPTYPES;
		/* Behind those of the small orders, that of huge pages */
		if (page_order > PAGE_ALLOC_COSTLY_ORDER)
			page_order = pageblock_order;
		while (!list_empty(&pcp->lists[i])) {
			page = alloc_pages(COMB_GFP | gfp |
					   types[i % MIGRATE_PCPTYPES],
					   page_order);
			if (!page)
				break;
			if (page_order > keep_shift) {
				comb_cut(page, page_order);
				continue;
			}
			split_page(page, page_order);
			for (small = 0; small < 1U << page_order; small++)
				list_add(&page[small].lru, &comb_cached);
		}
	}
}

static int comb_take_cached_here(void *unused)
{
	int node, zone;

	for_each_online_node(node) {
		for (zone = 0; zone < MAX_NR_ZONES; zone++) {
			struct zone *each = &NODE_DATA(node)->node_zones[zone];
			gfp_t gfp = 0;

			if (zone == ZONE_DMA32)
				gfp = __GFP_DMA32;
			else if (zone == ZONE_DMA)
				gfp = __GFP_DMA;
			if (managed_zone(each))
				comb_take_cached(each, gfp);
		}
	}
	return 0;
}

static void comb_take_all_cached(void)
{
	unsigned int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu)
		smp_call_on_cpu(cpu, comb_take_cached_here, NULL, false);
	cpus_read_unlock();
}

/* One page stays in each range; the others are no longer dangerous. */
static void comb_give_cached(void)
{
	unsigned long range = ULONG_MAX;
	struct page *page, *next;

	list_sort(NULL, &comb_cached, comb_by_pfn);
	list_for_each_entry_safe(page, next, &comb_cached, lru) {
		list_del(&page->lru);
		if (page_to_pfn(page) >> plug_order == range) {
			__free_page(page);
			continue;
		}
		range = page_to_pfn(page) >> plug_order;
		list_add_tail(&page->lru, &comb_kept);
		comb.kept++;
	}
}

enum comb_kind {
	COMB_FREE,	/* free, or could become so */
	COMB_LRU,	/* and can be kept from it by a reference */
	COMB_PIN,
};

/* As of this moment, without a lock: the caller's caller is the only one busy. */
static enum comb_kind comb_kind_of(struct page *page)
{
	struct page *head = compound_head(page);

	if (PageReserved(page))
		return COMB_PIN;
	if (PageLRU(head))
		return COMB_LRU;
	if (compat_page_unused(head) || compat_page_has_movable_ops(head))
		return COMB_FREE;
	return COMB_PIN;
}

static bool comb_plug_page(struct page *page)
{
	struct page *head = compound_head(page);

	if (!get_page_unless_zero(head))
		return false;
	if (!PageLRU(head)) {
		put_page(head);
		return false;
	}
	comb_plugs[comb.plugged++] = head;
	return true;
}

static void comb_plug_range(unsigned long pfn)
{
	unsigned long end = pfn + (1UL << plug_order);
	bool pinned = false;

	comb.ranges++;
	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_page(pfn);

		switch (comb_kind_of(page)) {
		case COMB_LRU:
			if (!comb_plug_page(page))
				break;
			return;
		case COMB_PIN:
			pinned = true;
			break;
		case COMB_FREE:
			break;
		}
	}
	if (pinned)
		comb.foreign++;
	else
		comb.open++;
}

/* "at" follows the range along the kept pages, which are sorted by address. */
static bool comb_owns_range(unsigned long pfn, struct list_head **at)
{
	while (*at != &comb_kept) {
		unsigned long kept = page_to_pfn(list_entry(*at, struct page, lru));

		if (kept >= pfn)
			return kept < pfn + (1UL << plug_order);
		*at = (*at)->next;
	}
	return false;
}

static void comb_plug_zone(struct zone *zone, struct list_head **at)
{
	unsigned long size = 1UL << plug_order;
	unsigned long pfn = ALIGN(zone->zone_start_pfn, size);

	for (; pfn + size <= zone_end_pfn(zone); pfn += size) {
		if (comb_owns_range(pfn, at)) {
			comb.ranges++;
			comb.own++;
		} else if (pfn_valid(pfn) && pfn_valid(pfn + size - 1)) {
			comb_plug_range(pfn);
		}
		cond_resched();
	}
}

static void comb_plug(void)
{
	struct list_head *at;
	int node, zone;

	/* Up to now they are sorted within each pass. */
	list_sort(NULL, &comb_kept, comb_by_pfn);
	at = comb_kept.next;
	for_each_online_node(node)
		for (zone = 0; zone < MAX_NR_ZONES; zone++)
			if (populated_zone(&NODE_DATA(node)->node_zones[zone]))
				comb_plug_zone(&NODE_DATA(node)->node_zones[zone], &at);
}

static void comb_release(void)
{
	struct page *page, *next;

	while (comb.plugged)
		put_page(comb_plugs[--comb.plugged]);
	kvfree(comb_plugs);
	list_for_each_entry_safe(page, next, &comb_kept, lru) {
		list_del(&page->lru);
		__free_page(page);
		cond_resched();
	}
}

static int comb_state_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "blocks=%lu kept=%lu freed=%lu plugged=%lu\n",
		   comb.blocks, comb.kept, comb.freed, comb.plugged);
	seq_printf(m, "ranges=%lu own=%lu foreign=%lu open=%lu\n",
		   comb.ranges, comb.own, comb.foreign, comb.open);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(comb_state);

static int __init comb_check(const char *name, unsigned int value,
			     unsigned int lowest, unsigned int highest)
{
	if (value >= lowest && value <= highest)
		return 0;
	pr_err("%s=%u refused: give %u..%u\n", name, value, lowest, highest);
	return -EINVAL;
}

static unsigned long __init comb_most_ranges(void)
{
	unsigned long pages = 0;
	int node;

	for_each_online_node(node)
		pages += NODE_DATA(node)->node_spanned_pages;
	return (pages >> plug_order) + 1;
}

static int __init unmovable_comb_init(void)
{
	if (comb_check("order", order, MAX_PAGE_ORDER - 1, MAX_PAGE_ORDER) ||
	    comb_check("keep_shift", keep_shift, 1, order - 1) ||
	    comb_check("plug_order", plug_order, 1, MAX_PAGE_ORDER))
		return -EINVAL;
	comb_seed();
	if (plug) {
		/* Before the comb: afterwards there may be no room for it. */
		comb_plugs = kvcalloc(comb_most_ranges(), sizeof(*comb_plugs),
				      GFP_KERNEL);
		if (!comb_plugs)
			return -ENOMEM;
	}
	if (plug)
		comb_take_all_cached();
	comb_take();
	if (plug) {
		comb_give_cached();
		comb_plug();
	}
	if (fatal_signal_pending(current)) {
		comb_release();
		return -EINTR;
	}
	comb_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("state", 0400, comb_dir, NULL, &comb_state_fops);
	return 0;
}

static void __exit unmovable_comb_exit(void)
{
	debugfs_remove_recursive(comb_dir);
	comb_release();
}

module_init(unmovable_comb_init);
module_exit(unmovable_comb_exit);

MODULE_DESCRIPTION("Keep free memory in small blocks with pages that cannot move");
MODULE_LICENSE("GPL");
