// SPDX-License-Identifier: GPL-2.0-only
/*
 * cross_check - the exact state of free memory
 *
 * In /sys/kernel/debug/cross_check/:
 *
 *   free    each zone's watermarks, reserves and state of deferral; its free
 *           blocks by migratetype and order, counted whatever their number;
 *           its pageblocks by migratetype, and those of them that are mixed;
 *           and for orders 4..10 its aligned ranges: all of them, those that
 *           are free, and those that are clearable
 *   freeze  a write captures that text and sends it to the I/O port of a debug
 *           console, with more zeros behind it than a pipe holds: a host that
 *           does not read on holds this CPU within an instruction, for as long
 *           as it wants to look, and nothing moves
 *   stop    a write captures that text and writes to the port of a pvpanic
 *           device, so that the machine stops and its state can be saved;
 *           reading tells where in physical memory the text is
 *
 * A range is clearable if no page in it is known to stay where it is. It may be
 * free, on the list of a CPU, movable by its owner, or a page of a file or a
 * process with no reference but those that migration takes into account. All
 * else pins its range, slab pages too, although a few of them could be
 * reclaimed. Whoever holds a page for a moment makes it look pinned: the
 * machine should be idle.
 *
 * A pageblock is mixed if it has a page of another mobility: one of type Movable
 * or CMA a page that is pinned, one of type Unmovable, Reclaimable or HighAtomic
 * a page that can be moved. Pages are judged as for ranges, but free ones, those
 * on the list of a CPU and reserved ones, which nobody asked for, count for
 * neither. This differs from what page_owner calls mixed (mm/page_owner.c,
 * pagetypeinfo_showmixedcount_print()): that goes by the gfp mask of the request
 * for a page, this by what has become of the page. Pages of a ramfs are asked
 * for as unmovable, but can be moved; a page that is pinned for a device, or one
 * of hugetlbfs, may have been asked for as movable, but stays. Slab pages in an
 * Unmovable block make none mixed here, reclaimable or not; to page_owner a
 * HighAtomic block is mixed by any page at all.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/pageblock-flags.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "cross_check.h"

#define RANGE_ORDER_MIN		4
#define RANGE_ORDER_MAX		MAX_PAGE_ORDER
#define CHUNK_PAGES		BIT(RANGE_ORDER_MIN)
#define CHUNKS			BIT(RANGE_ORDER_MAX - RANGE_ORDER_MIN)
#define PAGEBLOCK_CHUNKS	BIT(pageblock_order - RANGE_ORDER_MIN)

static unsigned int freeze_port;
module_param(freeze_port, uint, 0444);
MODULE_PARM_DESC(freeze_port, "I/O port of a debug console (default 0: none, freeze is refused)");

static unsigned int stop_port;
module_param(stop_port, uint, 0444);
MODULE_PARM_DESC(stop_port, "I/O port of a pvpanic device (default 0: none, stop is refused)");

/* Several times what the smallest pipe takes; the host counts them. */
#define FILLER_BYTES		16384

enum chunk_state {
	CHUNK_OUTSIDE,	/* a hole, or another zone's */
	CHUNK_PINNED,
	CHUNK_CLEARABLE,
	CHUNK_FREE,
};

/* The one that is being looked at. */
struct pageblock {
	unsigned int type;
	bool inside;	/* whether any of it is in the zone */
	bool mixed;
};

struct pageblock_counts {
	unsigned long total[MIGRATE_TYPES];
	unsigned long mixed[MIGRATE_TYPES];
};

struct range_counts {
	unsigned long total;
	unsigned long free;
	unsigned long clearable;
};

/* Physically contiguous, so that a host finds the text by one address. */
static char *free_text;
/* Below the orders that are predicted: opening the file asks for so much. */
#define FREE_TEXT_ORDER		3
#define FREE_TEXT_BYTES		(PAGE_SIZE << FREE_TEXT_ORDER)
static size_t free_text_length;
static DEFINE_MUTEX(free_mutex);
static unsigned long free_counts[MIGRATE_TYPES][NR_PAGE_ORDERS];

static const char * const free_type_names[MIGRATE_TYPES] = {
	[MIGRATE_UNMOVABLE]	= "Unmovable",
	[MIGRATE_MOVABLE]	= "Movable",
	[MIGRATE_RECLAIMABLE]	= "Reclaimable",
	[MIGRATE_HIGHATOMIC]	= "HighAtomic",
#ifdef CONFIG_CMA
	[MIGRATE_CMA]		= "CMA",
#endif
#ifdef CONFIG_MEMORY_ISOLATION
	[MIGRATE_ISOLATE]	= "Isolate",
#endif
};

static __printf(1, 2) void free_print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	free_text_length += vscnprintf(free_text + free_text_length,
				       FREE_TEXT_BYTES - free_text_length,
				       format, arguments);
	va_end(arguments);
}

/* A page on an LRU list, or on its way there, that migration could take. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
static bool page_can_move(struct page *page)
{
	struct folio *folio = page_folio(page);
	int expected;

	if (compat_page_has_movable_ops(page))
		return true;
	if (!folio->mapping || page_has_type(page))
		return false;
	if (folio_test_large(folio))
		return folio_test_lru(folio);

	expected = folio_mapcount(folio);
	if (folio_test_anon(folio))
		expected += folio_test_swapcache(folio);
	else
		expected += 1 + !!folio_has_private(folio);

	/* Not on its list yet: the batch it waits in has a reference too. */
	if (!folio_test_lru(folio))
		expected++;

	return folio_ref_count(folio) <= expected;
}
#else
static bool page_can_move(struct page *page)
{
	int expected;

	if (!page->mapping || PageTable(page))
		return false;
	if (compat_page_has_movable_ops(page))
		return true;
	if (PageTransCompound(page))
		return PageLRU(compound_head(page));

	expected = page_mapcount(page);
	if (PageAnon(page))
		expected += PageSwapCache(page);
	else
		expected += 1 + !!page_has_private(page);

	/* Not on its list yet: the batch it waits in has a reference too. */
	if (!PageLRU(page))
		expected++;

	return page_count(page) <= expected;
}
#endif

enum page_kind cross_check_page_kind(struct page *page)
{
	if (PageReserved(page))
		return KIND_RESERVED;
	if (PageSlab(compound_head(page)))
		return KIND_PINNED;
	if (compat_page_unused(page))
		return KIND_UNUSED;

	return page_can_move(page) ? KIND_MOVABLE : KIND_PINNED;
}

/* Whether a page is of another mobility than the block that it is in. */
static bool is_mixed(enum page_kind kind, unsigned int type)
{
	switch (type) {
	case MIGRATE_UNMOVABLE:
	case MIGRATE_RECLAIMABLE:
	case MIGRATE_HIGHATOMIC:
		return kind == KIND_MOVABLE;
	case MIGRATE_MOVABLE:
#ifdef CONFIG_CMA
	case MIGRATE_CMA:
#endif
		return kind == KIND_PINNED;
	default:
		return false;
	}
}

/*
 * Look at one chunk of a pageblock; *free_until is the end of the free block
 * last met. The order of a free block may be nonsense if it was just taken: then
 * it is only this report that is wrong.
 */
static enum chunk_state chunk_state(struct zone *zone, unsigned long pfn,
				    unsigned long *free_until,
				    struct pageblock *pageblock)
{
	enum chunk_state state = CHUNK_FREE;
	unsigned long end = pfn + CHUNK_PAGES;

	if (!pfn_valid(pfn) || pfn < zone->zone_start_pfn ||
	    end > zone_end_pfn(zone) || page_zone(pfn_to_page(pfn)) != zone)
		return CHUNK_OUTSIDE;

	pageblock->type = compat_pageblock_migratetype(pfn_to_page(pfn));
	pageblock->inside = true;
	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);
		enum page_kind kind;

		if (pfn < *free_until) {
			pfn = min(end, *free_until);
			continue;
		}
		if (PageBuddy(page)) {
			unsigned long order = page_private(page);

			*free_until = pfn + (1UL << min(order, 0UL + MAX_PAGE_ORDER));
			continue;
		}
		kind = cross_check_page_kind(page);
		if (is_mixed(kind, pageblock->type))
			pageblock->mixed = true;
		if (kind == KIND_RESERVED || kind == KIND_PINNED)
			state = CHUNK_PINNED;
		else if (state == CHUNK_FREE)
			state = CHUNK_CLEARABLE;
		/* No other page can change what is said of either. */
		if (state == CHUNK_PINNED && pageblock->mixed)
			break;
		pfn++;
	}

	return state;
}

/* Count the aligned ranges of all orders within one of the largest. */
static void count_ranges(const u8 *chunks, struct range_counts *counts)
{
	unsigned int order;

	for (order = RANGE_ORDER_MIN; order <= RANGE_ORDER_MAX; order++) {
		unsigned long length = 1UL << (order - RANGE_ORDER_MIN);
		unsigned long first, i;

		for (first = 0; first < CHUNKS; first += length) {
			struct range_counts *count;
			u8 least = CHUNK_FREE;

			for (i = first; i < first + length; i++)
				least = min(least, chunks[i]);
			count = &counts[order - RANGE_ORDER_MIN];
			count->total += least != CHUNK_OUTSIDE;
			count->free += least == CHUNK_FREE;
			count->clearable += least >= CHUNK_CLEARABLE;
		}
	}
}

static void print_pageblocks(struct zone *zone, const char *kind,
			     const unsigned long *counts)
{
	unsigned int type;

	free_print("%s node=%d zone=%s", kind, zone_to_nid(zone), zone->name);
	for (type = 0; type < MIGRATE_TYPES; type++)
		free_print(" %s=%lu", free_type_names[type], counts[type]);
	free_print("\n");
}

/* One walk for both. */
static void print_pageblocks_and_ranges(struct zone *zone)
{
	static struct range_counts counts[RANGE_ORDER_MAX - RANGE_ORDER_MIN + 1];
	static struct pageblock_counts pageblocks;
	static u8 chunks[CHUNKS];
	unsigned long pfn, free_until = 0;
	unsigned int order;

	BUILD_BUG_ON(pageblock_order < RANGE_ORDER_MIN);
	memset(counts, 0, sizeof(counts));
	memset(&pageblocks, 0, sizeof(pageblocks));
	pfn = zone->zone_start_pfn & ~((1UL << RANGE_ORDER_MAX) - 1);
	for (; pfn < zone_end_pfn(zone); pfn += 1UL << RANGE_ORDER_MAX) {
		struct pageblock pageblock = {};
		unsigned long i;

		for (i = 0; i < CHUNKS; i++) {
			chunks[i] = chunk_state(zone, pfn + i * CHUNK_PAGES,
						&free_until, &pageblock);
			if ((i + 1) % PAGEBLOCK_CHUNKS)
				continue;
			pageblocks.total[pageblock.type] += pageblock.inside;
			pageblocks.mixed[pageblock.type] += pageblock.mixed;
			pageblock = (struct pageblock) {};
		}
		count_ranges(chunks, counts);
	}
	print_pageblocks(zone, "pageblocks", pageblocks.total);
	print_pageblocks(zone, "mixed", pageblocks.mixed);
	for (order = RANGE_ORDER_MIN; order <= RANGE_ORDER_MAX; order++) {
		struct range_counts *count = &counts[order - RANGE_ORDER_MIN];

		free_print("ranges node=%d zone=%s order=%u total=%lu free=%lu clearable=%lu\n",
			   zone_to_nid(zone), zone->name, order, count->total,
			   count->free, count->clearable);
	}
}

static void print_zone_line(struct zone *zone)
{
	unsigned long pcp = 0;
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu)
		pcp += per_cpu_ptr(zone->per_cpu_pageset, cpu)->count;

	free_print("zone node=%d name=%s index=%d managed=%lu min=%lu low=%lu high=%lu boost=%lu",
		   zone_to_nid(zone), zone->name, (int)zone_idx(zone),
		   zone_managed_pages(zone), zone->_watermark[WMARK_MIN],
		   zone->_watermark[WMARK_LOW], zone->_watermark[WMARK_HIGH],
		   zone->watermark_boost);
	free_print(" nr_free=%lu highatomic=%lu cma=%lu reserve=%ld",
		   zone_page_state_snapshot(zone, NR_FREE_PAGES),
		   zone->nr_reserved_highatomic,
		   zone_page_state_snapshot(zone, NR_FREE_CMA_PAGES),
		   zone->lowmem_reserve[0]);
	for (i = 1; i < MAX_NR_ZONES; i++)
		free_print(",%ld", zone->lowmem_reserve[i]);
	free_print(" pcp=%lu defer_shift=%u considered=%u order_failed=%d\n",
		   pcp, zone->compact_defer_shift, zone->compact_considered,
		   zone->compact_order_failed);
}

static void print_free_lists(struct zone *zone)
{
	unsigned int order, type;
	unsigned long flags;

	memset(free_counts, 0, sizeof(free_counts));
	spin_lock_irqsave(&zone->lock, flags);
	for (order = 0; order < NR_PAGE_ORDERS; order++) {
		for (type = 0; type < MIGRATE_TYPES; type++) {
			struct list_head *block;

			list_for_each(block, &zone->free_area[order].free_list[type])
				free_counts[type][order]++;
		}
	}
	spin_unlock_irqrestore(&zone->lock, flags);

	for (type = 0; type < MIGRATE_TYPES; type++) {
		free_print("free node=%d zone=%s type=%s", zone_to_nid(zone),
			   zone->name, free_type_names[type]);
		for (order = 0; order < NR_PAGE_ORDERS; order++)
			free_print(" %lu", free_counts[type][order]);
		free_print("\n");
	}
}

/* The zones are walked by node: the kernel does not export next_zone(). */
static void free_capture(void)
{
	int node, index;

	free_text_length = 0;
	free_print("%s free 2\n", KBUILD_MODNAME);
	for_each_online_node(node) {
		for (index = 0; index < MAX_NR_ZONES; index++) {
			struct zone *zone = &NODE_DATA(node)->node_zones[index];

			if (!populated_zone(zone))
				continue;
			print_zone_line(zone);
			print_free_lists(zone);
			print_pageblocks_and_ranges(zone);
		}
	}
	free_print("end\n");
	/* What is left of an earlier, longer text is no part of this one. */
	memset(free_text + free_text_length, 0,
	       FREE_TEXT_BYTES - free_text_length);
}

static int free_show(struct seq_file *m, void *unused)
{
	mutex_lock(&free_mutex);
	free_capture();
	seq_write(m, free_text, free_text_length);
	mutex_unlock(&free_mutex);

	return 0;
}

static int free_open(struct inode *inode, struct file *file)
{
	return single_open_size(file, free_show, NULL, FREE_TEXT_BYTES);
}

static const struct file_operations free_fops = {
	.owner		= THIS_MODULE,
	.open		= free_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= single_release,
};

/* Whatever is written: what counts is the moment. */
static ssize_t freeze_write(struct file *file, const char __user *text,
			    size_t length, loff_t *offset)
{
	size_t i;

	if (!freeze_port)
		return -ENODEV;
	mutex_lock(&free_mutex);
	free_capture();
	for (i = 0; i < free_text_length; i++)
		outb(free_text[i], freeze_port);
	for (i = 0; i < FILLER_BYTES; i++)
		outb(0, freeze_port);
	mutex_unlock(&free_mutex);

	return length;
}

static const struct file_operations freeze_fops = {
	.owner		= THIS_MODULE,
	.write		= freeze_write,
	.llseek		= noop_llseek,
};

static int stop_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "phys=%llu bytes=%lu\n",
		   (unsigned long long)virt_to_phys(free_text), FREE_TEXT_BYTES);

	return 0;
}

static int stop_open(struct inode *inode, struct file *file)
{
	return single_open(file, stop_show, NULL);
}

/* Both of one instant, that one can be held against the other. */
static void capture_stopped(void)
{
	free_capture();
	cross_check_frames_stopped();
}

static ssize_t stop_write(struct file *file, const char __user *text,
			  size_t length, loff_t *offset)
{
	if (!stop_port)
		return -ENODEV;
	mutex_lock(&free_mutex);
	cross_check_undisturbed(capture_stopped);
	outb(1, stop_port);
	mutex_unlock(&free_mutex);

	return length;
}

static const struct file_operations stop_fops = {
	.owner		= THIS_MODULE,
	.open		= stop_open,
	.read		= seq_read,
	.write		= stop_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

int cross_check_free_init(struct dentry *dir)
{
	free_text = (char *)__get_free_pages(GFP_KERNEL | __GFP_ZERO,
					     FREE_TEXT_ORDER);
	if (!free_text)
		return -ENOMEM;
	debugfs_create_file("free", 0400, dir, NULL, &free_fops);
	debugfs_create_file("freeze", 0200, dir, NULL, &freeze_fops);
	debugfs_create_file("stop", 0600, dir, NULL, &stop_fops);

	return 0;
}

void cross_check_free_exit(void)
{
	free_pages((unsigned long)free_text, FREE_TEXT_ORDER);
}
