// SPDX-License-Identifier: GPL-2.0-only
/*
 * cross_check - a burst as it goes, and what pageblocks are taken by
 *
 * In /sys/kernel/debug/cross_check/:
 *
 *   burst   writing tells of a burst, outside of what is timed: "begin", then
 *           "request" after each request, "end" while all that was got is held;
 *           a module calls cross_check_burst() instead. Reading gives a time
 *           line of the kernel's counters over the requests, and the frames:
 *           for each pageblock how many of its pages are free, on the list of a
 *           CPU, movable, pinned, and reserved, as the machine stopped (see
 *           cross_check_free.c) and at the end of the burst.
 *
 *	cross_check burst 1
 *	pageblock_order=9
 *	samples=N stride=N
 *	NAME NAME ...			time_ns and requests first
 *	N N ...				(one line for each sample)
 *	frames stopped|burst
 *	zone node=N name=NAME first_pfn=N pageblocks=N free=N cached=N
 *	T free cached movable pinned reserved
 *					(one line for each pageblock; T is U, M, R,
 *					H, C or I: Unmovable, Movable, Reclaimable,
 *					HighAtomic, CMA, Isolate)
 *	end
 *
 * A zone's free and cached are the kernel's own counts of the same instant, and
 * the lines below add up to them. Pages are judged as for "free", but that what
 * has no reference is told apart: it is cached if a CPU has it on a list, else
 * the tail of a block that someone got whole, which is pinned.
 *
 * Nothing is allocated for either: samples are taken at each request until there
 * is no room, then every second of them is dropped and so is every second one to
 * come, so that a burst of any length leaves between a half and all of them.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/pageblock-flags.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "cross_check.h"
#include "cross_check_burst.h"

#define BURST_FORMAT	1
#define SAMPLES_MAX	64

enum burst_value {
	VALUE_TIME_NS,
	VALUE_REQUESTS,
	VALUE_COMPACT_STALL,
	VALUE_MIGRATE_SCANNED,
	VALUE_FREE_SCANNED,
	VALUE_MIGRATED,
	VALUE_KSWAPD_SCANNED,
	VALUE_DIRECT_SCANNED,
	VALUE_NR_FREE,
	VALUES,
};

static const char * const burst_value_names[VALUES] = {
	[VALUE_TIME_NS]		= "time_ns",
	[VALUE_REQUESTS]	= "requests",
	[VALUE_COMPACT_STALL]	= "compact_stall",
	[VALUE_MIGRATE_SCANNED]	= "compact_migrate_scanned",
	[VALUE_FREE_SCANNED]	= "compact_free_scanned",
	[VALUE_MIGRATED]	= "pgmigrate_success",
	[VALUE_KSWAPD_SCANNED]	= "pgscan_kswapd",
	[VALUE_DIRECT_SCANNED]	= "pgscan_direct",
	[VALUE_NR_FREE]		= "nr_free_pages",
};

struct burst_sample {
	u64 values[VALUES];
};

static struct burst_sample burst_samples[SAMPLES_MAX];
static unsigned int burst_samples_taken;
static unsigned int burst_stride;
static unsigned int burst_requests;
static u64 burst_start_ns;

enum frames_when {
	FRAMES_STOPPED,
	FRAMES_BURST,
	FRAMES_CAPTURES,
};

static const char * const frames_when_names[FRAMES_CAPTURES] = {
	[FRAMES_STOPPED]	= "stopped",
	[FRAMES_BURST]		= "burst",
};

/* Pages of one pageblock; what is in none of these is pinned. */
struct frame_counts {
	u16 present;
	u16 free;
	u16 cached;
	u16 movable;
	u16 reserved;
	u8 type;
};

struct frame_zone {
	struct zone *zone;
	unsigned long first_block;	/* aligned, unlike the zone */
	unsigned int blocks;
	unsigned int offset;	/* into frames_counts */
	unsigned long free[FRAMES_CAPTURES];
	unsigned long cached[FRAMES_CAPTURES];
};

static struct frame_zone frame_zones[MAX_NR_ZONES * MAX_NUMNODES];
static unsigned int frame_zones_count;
static unsigned int frame_blocks;
static struct frame_counts *frame_counts[FRAMES_CAPTURES];
static bool frames_taken[FRAMES_CAPTURES];
/* Readers against whoever tells of a burst. */
static DEFINE_MUTEX(burst_mutex);

static const char frame_type_letters[MIGRATE_TYPES] = {
	[MIGRATE_UNMOVABLE]	= 'U',
	[MIGRATE_MOVABLE]	= 'M',
	[MIGRATE_RECLAIMABLE]	= 'R',
	[MIGRATE_HIGHATOMIC]	= 'H',
#ifdef CONFIG_CMA
	[MIGRATE_CMA]		= 'C',
#endif
#ifdef CONFIG_MEMORY_ISOLATION
	[MIGRATE_ISOLATE]	= 'I',
#endif
};

static int undisturbed(void *function)
{
	((void (*)(void))function)();

	return 0;
}

/* With one CPU nobody is scheduled before, which stop_machine() would let happen. */
void cross_check_undisturbed(void (*function)(void))
{
	unsigned long flags;

	if (num_online_cpus() > 1) {
		stop_machine(undisturbed, function, NULL);
		return;
	}
	local_irq_save(flags);
	function();
	local_irq_restore(flags);
}

static struct frame_counts *frame_of(struct frame_zone *zone, enum frames_when when,
				     unsigned long pfn)
{
	return &frame_counts[when][zone->offset + (pfn >> pageblock_order) -
				   zone->first_block];
}

/* A list holds pages of one order; the last ones are of huge pages. */
static unsigned int pcp_order(unsigned int list)
{
	unsigned int order = list / MIGRATE_PCPTYPES;

	return order <= PAGE_ALLOC_COSTLY_ORDER ? order : pageblock_order;
}

static void note_cached(struct frame_zone *zone, enum frames_when when)
{
	unsigned int list;
	int cpu;

	zone->cached[when] = 0;
	for_each_possible_cpu(cpu) {
		struct per_cpu_pages *pcp = per_cpu_ptr(zone->zone->per_cpu_pageset, cpu);

		zone->cached[when] += pcp->count;
		for (list = 0; list < ARRAY_SIZE(pcp->lists); list++) {
			struct page *page;

			list_for_each_entry(page, &pcp->lists[list], lru)
				frame_of(zone, when, page_to_pfn(page))->cached +=
					1U << pcp_order(list);
		}
	}
}

/*
 * What most pages are, told by a few loads: a burst of 512 MiB is over before
 * page after page has been judged by the whole of cross_check_page_kind().
 */

/* On the list of a CPU, or the tail of a block that someone got whole. */
static inline bool is_without_user(struct page *page)
{
	return !page_ref_count(page) && page->page_type == UINT_MAX &&
	       !PageTail(page) && !PageReserved(page);
}

/* A page that processes alone have, and on its list: migration takes it. */
static inline bool is_plain_anon(struct page *page)
{
	return !PageCompound(page) && PageLRU(page) && PageAnon(page) &&
	       page_ref_count(page) == atomic_read(&page->_mapcount) + 1;
}

static unsigned long note_used(struct frame_counts *counts, struct page *page,
			       unsigned long most)
{
	unsigned long pages = PageHead(page) ? min(compound_nr(page), most) : 1;
	enum page_kind kind = cross_check_page_kind(page);

	if (kind == KIND_MOVABLE)
		counts->movable += pages;
	else if (kind == KIND_RESERVED)
		counts->reserved += pages;

	return pages;
}

/* Returns where the last free block ends, which may be beyond the pageblock. */
static unsigned long note_pageblock(struct frame_zone *zone, enum frames_when when,
				    unsigned long pfn, unsigned long end,
				    unsigned long free_until)
{
	struct frame_counts *counts = frame_of(zone, when, pfn);
	struct page *page = pfn_to_page(pfn);
	unsigned long pages;

	counts->type = compat_pageblock_migratetype(page);
	counts->present = end - pfn;
	/* Within a pageblock pages follow each other in any memory model. */
	for (; pfn < end; pfn += pages, page += pages) {
		pages = 1;
		if (pfn < free_until) {
			pages = min(end, free_until) - pfn;
			counts->free += pages;
		} else if (is_without_user(page)) {
			continue;
		} else if (PageBuddy(page)) {
			free_until = pfn + (1UL << page_private(page));
			pages = min(end, free_until) - pfn;
			counts->free += pages;
		} else if (is_plain_anon(page)) {
			counts->movable++;
		} else {
			pages = note_used(counts, page, end - pfn);
		}
	}

	return free_until;
}

static void note_zone(struct frame_zone *zone, enum frames_when when)
{
	unsigned long pfn = zone->zone->zone_start_pfn;
	unsigned long end = zone_end_pfn(zone->zone);
	unsigned long free_until = 0;
	unsigned int order;

	zone->free[when] = 0;
	for (order = 0; order < NR_PAGE_ORDERS; order++)
		zone->free[when] += zone->zone->free_area[order].nr_free << order;
	while (pfn < end) {
		unsigned long next = min(end, (pfn | (pageblock_nr_pages - 1)) + 1);

		if (pfn_valid(pfn) && page_zone(pfn_to_page(pfn)) == zone->zone)
			free_until = note_pageblock(zone, when, pfn, next,
						    free_until);
		pfn = next;
	}
	note_cached(zone, when);
}

static void note_frames(enum frames_when when)
{
	unsigned int i;

	memset(frame_counts[when], 0, frame_blocks * sizeof(**frame_counts));
	for (i = 0; i < frame_zones_count; i++)
		note_zone(&frame_zones[i], when);
	frames_taken[when] = true;
}

void cross_check_frames_stopped(void)
{
	note_frames(FRAMES_STOPPED);
}

static void note_frames_of_burst(void)
{
	note_frames(FRAMES_BURST);
}

/* Of what belongs to a node from 7.0 on, Kbuild tells. */
static u64 scanned_by(const unsigned long *events, unsigned int item)
{
#ifdef HAVE_NODE_PGSCAN
	return global_node_page_state(item);
#else
	return events[item];
#endif
}

static void take_sample(void)
{
	static unsigned long events[NR_VM_EVENT_ITEMS];
	u64 *values = burst_samples[burst_samples_taken++].values;

	all_vm_events(events);
	values[VALUE_TIME_NS] = ktime_get_ns() - burst_start_ns;
	values[VALUE_REQUESTS] = burst_requests;
	values[VALUE_COMPACT_STALL] = events[COMPACTSTALL];
	values[VALUE_MIGRATE_SCANNED] = events[COMPACTMIGRATE_SCANNED];
	values[VALUE_FREE_SCANNED] = events[COMPACTFREE_SCANNED];
	values[VALUE_MIGRATED] = events[PGMIGRATE_SUCCESS];
	values[VALUE_KSWAPD_SCANNED] = scanned_by(events, PGSCAN_KSWAPD);
	values[VALUE_DIRECT_SCANNED] = scanned_by(events, PGSCAN_DIRECT);
	values[VALUE_NR_FREE] = global_zone_page_state(NR_FREE_PAGES);
}

static void thin_out(void)
{
	unsigned int i;

	for (i = 0; i < SAMPLES_MAX / 2; i++)
		burst_samples[i] = burst_samples[2 * i];
	burst_samples_taken = SAMPLES_MAX / 2;
	burst_stride *= 2;
}

/* One place is left for the end. */
static void sample_if_due(void)
{
	if (burst_requests % burst_stride)
		return;
	if (burst_samples_taken == SAMPLES_MAX - 1)
		thin_out();
	if (!(burst_requests % burst_stride))
		take_sample();
}

void cross_check_burst(enum cross_check_step step)
{
	mutex_lock(&burst_mutex);
	switch (step) {
	case CROSS_CHECK_BEGIN:
		burst_samples_taken = 0;
		burst_stride = 1;
		burst_requests = 0;
		burst_start_ns = ktime_get_ns();
		frames_taken[FRAMES_BURST] = false;
		take_sample();
		break;
	case CROSS_CHECK_REQUEST:
		if (!burst_stride)
			break;
		burst_requests++;
		sample_if_due();
		break;
	case CROSS_CHECK_END:
		if (!burst_stride)
			break;
		if (burst_samples[burst_samples_taken - 1].values[VALUE_REQUESTS] !=
		    burst_requests)
			take_sample();
		cross_check_undisturbed(note_frames_of_burst);
		break;
	}
	mutex_unlock(&burst_mutex);
}
EXPORT_SYMBOL_GPL(cross_check_burst);

/*
 * Lines by position: the samples, for each capture its title and its pageblocks,
 * and the end. One page is enough for the buffer of a reader.
 */
static loff_t burst_lines(void)
{
	return 1 + burst_samples_taken + FRAMES_CAPTURES * (1 + frame_blocks) + 1;
}

static void *burst_at(loff_t pos)
{
	return pos < burst_lines() ? (void *)(unsigned long)(pos + 1) : NULL;
}

static void *burst_start(struct seq_file *m, loff_t *pos)
{
	mutex_lock(&burst_mutex);
	return burst_at(*pos);
}

static void *burst_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return burst_at(*pos);
}

static void burst_stop(struct seq_file *m, void *v)
{
	mutex_unlock(&burst_mutex);
}

static void show_header(struct seq_file *m)
{
	unsigned int i;

	seq_printf(m, "%s burst %d\npageblock_order=%u\nsamples=%u stride=%u\n",
		   KBUILD_MODNAME, BURST_FORMAT, (unsigned int)pageblock_order,
		   burst_samples_taken, burst_stride);
	for (i = 0; i < VALUES; i++)
		seq_printf(m, "%s%c", burst_value_names[i],
			   i < VALUES - 1 ? ' ' : '\n');
}

static void show_sample(struct seq_file *m, const struct burst_sample *sample)
{
	unsigned int i;

	for (i = 0; i < VALUES; i++)
		seq_put_decimal_ull(m, i ? " " : "", sample->values[i]);
	seq_putc(m, '\n');
}

static void show_pageblock(struct seq_file *m, enum frames_when when,
			   unsigned int block)
{
	const struct frame_counts *counts = &frame_counts[when][block];
	const struct frame_zone *zone = frame_zones;

	while (block >= zone->offset + zone->blocks)
		zone++;
	if (block == zone->offset)
		seq_printf(m, "zone node=%d name=%s first_pfn=%lu pageblocks=%u free=%lu cached=%lu\n",
			   zone_to_nid(zone->zone), zone->zone->name,
			   zone->first_block << pageblock_order, zone->blocks,
			   zone->free[when], zone->cached[when]);
	seq_putc(m, frame_type_letters[counts->type]);
	seq_put_decimal_ull(m, " ", counts->free);
	seq_put_decimal_ull(m, " ", counts->cached);
	seq_put_decimal_ull(m, " ", counts->movable);
	seq_put_decimal_ll(m, " ", (long long)counts->present - counts->free -
			   counts->cached - counts->movable - counts->reserved);
	seq_put_decimal_ull(m, " ", counts->reserved);
	seq_putc(m, '\n');
}

static int burst_show(struct seq_file *m, void *v)
{
	unsigned long line = (unsigned long)v - 1;
	enum frames_when when;

	if (!line) {
		show_header(m);
		return 0;
	}
	line--;
	if (line < burst_samples_taken) {
		show_sample(m, &burst_samples[line]);
		return 0;
	}
	line -= burst_samples_taken;
	when = line / (1 + frame_blocks);
	line %= 1 + frame_blocks;
	if (when == FRAMES_CAPTURES)
		seq_puts(m, "end\n");
	else if (!frames_taken[when])
		return SEQ_SKIP;
	else if (!line)
		seq_printf(m, "frames %s\n", frames_when_names[when]);
	else
		show_pageblock(m, when, line - 1);

	return 0;
}

static const struct seq_operations burst_ops = {
	.start	= burst_start,
	.next	= burst_next,
	.stop	= burst_stop,
	.show	= burst_show,
};

static int burst_open(struct inode *inode, struct file *file)
{
	return file->f_mode & FMODE_READ ? seq_open(file, &burst_ops) : 0;
}

static int burst_release(struct inode *inode, struct file *file)
{
	return file->f_mode & FMODE_READ ? seq_release(inode, file) : 0;
}

static ssize_t burst_write(struct file *file, const char __user *text,
			   size_t length, loff_t *offset)
{
	char first;

	if (!length)
		return -EINVAL;
	if (get_user(first, text))
		return -EFAULT;
	switch (first) {
	case 'b':
		cross_check_burst(CROSS_CHECK_BEGIN);
		break;
	case 'r':
		cross_check_burst(CROSS_CHECK_REQUEST);
		break;
	case 'e':
		cross_check_burst(CROSS_CHECK_END);
		break;
	default:
		return -EINVAL;
	}

	return length;
}

static const struct file_operations burst_fops = {
	.owner		= THIS_MODULE,
	.open		= burst_open,
	.read		= seq_read,
	.write		= burst_write,
	.llseek		= noop_llseek,
	.release	= burst_release,
};

static void find_zones(void)
{
	int node, index;

	for_each_online_node(node) {
		for (index = 0; index < MAX_NR_ZONES; index++) {
			struct zone *zone = &NODE_DATA(node)->node_zones[index];
			struct frame_zone *frames;
			unsigned long last;

			if (!populated_zone(zone))
				continue;
			last = (zone_end_pfn(zone) - 1) >> pageblock_order;
			frames = &frame_zones[frame_zones_count++];
			frames->zone = zone;
			frames->first_block = zone->zone_start_pfn >> pageblock_order;
			frames->blocks = last - frames->first_block + 1;
			frames->offset = frame_blocks;
			frame_blocks += frames->blocks;
		}
	}
}

int cross_check_burst_init(struct dentry *dir)
{
	unsigned int when;

	find_zones();
	for (when = 0; when < FRAMES_CAPTURES; when++) {
		frame_counts[when] = vzalloc(array_size(frame_blocks,
							sizeof(**frame_counts)));
		if (!frame_counts[when]) {
			cross_check_burst_exit();
			return -ENOMEM;
		}
	}
	debugfs_create_file("burst", 0600, dir, NULL, &burst_fops);

	return 0;
}

void cross_check_burst_exit(void)
{
	unsigned int when;

	for (when = 0; when < FRAMES_CAPTURES; when++)
		vfree(frame_counts[when]);
}
