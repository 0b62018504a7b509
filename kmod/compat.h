/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the page allocator calls its own things, from 5.15 on. Names are those of
 * the newest kernel; where an older one has another, it is made up for here.
 */
#ifndef _COMPAT_H
#define _COMPAT_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/page-flags.h>
#include <linux/pageblock-flags.h>
#include <linux/version.h>

/*
 * Up to 6.3 MAX_ORDER was the number of orders; then it was the largest of them,
 * until 6.8 gave both a name that says so.
 */
#ifndef MAX_PAGE_ORDER
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define MAX_PAGE_ORDER	MAX_ORDER
#else
#define MAX_PAGE_ORDER	(MAX_ORDER - 1)
#endif
#endif
#ifndef NR_PAGE_ORDERS
#define NR_PAGE_ORDERS	(MAX_PAGE_ORDER + 1)
#endif

/* 6.14 lets a batch go to an array only. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define HAVE_BULK_LIST
#endif

static inline unsigned int compat_bulk_array(gfp_t gfp, int nid,
					     unsigned int slots,
					     struct page **pages)
{
#ifdef HAVE_BULK_LIST
	return __alloc_pages_bulk(gfp, nid, NULL, slots, NULL, pages);
#else
	return __alloc_pages_bulk(gfp, nid, NULL, slots, pages);
#endif
}

/* 6.18 has requests that wait for no lock, with flags. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define HAVE_ALLOC_NOLOCK
#endif

/*
 * Whether nobody has the page: it is free, or on the list of a CPU. Since 6.14
 * pages of slabs have no reference either, but a type.
 */
static inline bool compat_page_unused(struct page *page)
{
	struct page *head = compound_head(page);

	if (page_count(head))
		return false;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
	if (page_has_type(head) && !PageBuddy(head))
		return false;
#endif
	return true;
}

/* Whether whoever has the page can give it another place: a type since 6.17. */
static inline bool compat_page_has_movable_ops(struct page *page)
{
#ifdef PAGE_MAPPING_FLAGS
	return ((unsigned long)page->mapping & PAGE_MAPPING_FLAGS) ==
	       PAGE_MAPPING_MOVABLE;
#else
	return page_has_movable_ops(page);
#endif
}

/*
 * The type of the block that the page is in. The kernel reads it in functions of
 * mm/page_alloc.c that no module may call; where the bits are, headers tell.
 * Being isolated is a bit of its own since 6.17.
 */
static inline unsigned int compat_pageblock_migratetype(const struct page *page)
{
	unsigned long pfn = page_to_pfn(page);
	const unsigned long *bitmap;
	unsigned long bit, flags;

#ifdef CONFIG_SPARSEMEM
	bitmap = section_to_usemap(__pfn_to_section(pfn));
	bit = pfn & (PAGES_PER_SECTION - 1);
#else
	bitmap = page_zone(page)->pageblock_flags;
	bit = pfn - (page_zone(page)->zone_start_pfn & ~(pageblock_nr_pages - 1));
#endif
	bit = (bit >> pageblock_order) * NR_PAGEBLOCK_BITS;
	flags = READ_ONCE(bitmap[bit / BITS_PER_LONG]) >> (bit % BITS_PER_LONG);
#ifdef PAGEBLOCK_MIGRATETYPE_MASK
#ifdef CONFIG_MEMORY_ISOLATION
	if (flags & PAGEBLOCK_ISO_MASK)
		return MIGRATE_ISOLATE;
#endif
	return flags & PAGEBLOCK_MIGRATETYPE_MASK;
#else
	return flags & MIGRATETYPE_MASK;
#endif
}

/* 6.13 sets a timer up in one step. */
static inline void
compat_hrtimer_setup(struct hrtimer *timer,
		     enum hrtimer_restart (*function)(struct hrtimer *),
		     clockid_t clock, enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#else
	hrtimer_setup(timer, function, clock, mode);
#endif
}

#endif /* _COMPAT_H */
