// SPDX-License-Identifier: GPL-2.0-only
/*
 * reallocate - do whole huge frames come back while single pages are churned?
 *
 * The fragmentation experiment of LLFree (Wrenger et al., USENIX ATC 2023), by
 * share instead of by size. fill_permille of the free pages are taken one by
 * one, movable; they are shuffled, and a random half of them is freed. Then, in
 * each of "rounds" rounds, "percent" of the pages still held are freed, chosen
 * at random, and as many are taken anew. After each round the free huge frames
 * (aligned, of order HUGE_ORDER) that the free lists hold are counted.
 *
 * Only the zones above ZONE_DMA are filled and counted: lowmem_reserve keeps
 * the lowest from such requests. Nothing is reclaimed and nobody is woken. All
 * work is done while the module is loaded, and undone when it is removed.
 *
 *   insmod reallocate.ko seed=42
 *   cat /sys/kernel/debug/reallocate/rounds
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#define REALLOCATE_FORMAT	1
#define HUGE_ORDER		9
#define ROUNDS_MAX		1000

static unsigned int fill_permille = 918;
module_param(fill_permille, uint, 0444);
MODULE_PARM_DESC(fill_permille, "Share of the free pages to take (1..950, default 918)");

static unsigned int percent = 10;
module_param(percent, uint, 0444);
MODULE_PARM_DESC(percent, "Share of the held pages to churn in a round (1..100, default 10)");

static unsigned int rounds = 100;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "Number of rounds (1..1000, default 100)");

static unsigned int seed = 42;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Of the choice of pages (default 42)");

struct reallocate_row {
	unsigned long free;
	unsigned long huge;
};

static struct page **held;
static unsigned long taken;
static unsigned long kept;
/* One before the first round, and one after each. */
static struct reallocate_row *rows;
static struct dentry *reallocate_dir;

#define REALLOCATE_GFP	((GFP_HIGHUSER_MOVABLE & ~__GFP_RECLAIM) | \
			 __GFP_NOWARN)

/* xorshift64: the same seed, the same choices. */
static u64 random_state;

static unsigned long random_below(unsigned long bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 16) % bound;
}

/* As of this moment, without the zones' locks: nobody else is busy. */
static struct reallocate_row reallocate_count(void)
{
	struct reallocate_row row = { };
	struct zone *zone;
	unsigned int order;
	int node, index;

	for_each_online_node(node) {
		for (index = 0; index < MAX_NR_ZONES; index++) {
			zone = &NODE_DATA(node)->node_zones[index];
			if (index == ZONE_DMA || !managed_zone(zone))
				continue;
			row.free += zone_page_state(zone, NR_FREE_PAGES);
			for (order = HUGE_ORDER;
			     order < ARRAY_SIZE(zone->free_area); order++)
				row.huge += zone->free_area[order].nr_free
					<< (order - HUGE_ORDER);
		}
	}
	return row;
}

/* The first "count" of "all" become a random choice of them, in random order. */
static void reallocate_choose(unsigned long count, unsigned long all)
{
	unsigned long i, other;

	for (i = 0; i < count; i++) {
		other = i + random_below(all - i);
		swap(held[i], held[other]);
	}
}

static void reallocate_free(unsigned long first, unsigned long end)
{
	unsigned long i;

	for (i = first; i < end; i++) {
		__free_page(held[i]);
		cond_resched();
	}
}

/* Returns how many it got; fewer than asked for if memory or patience ran out. */
static unsigned long reallocate_take(unsigned long count)
{
	unsigned long i;

	for (i = 0; i < count && !fatal_signal_pending(current); i++) {
		held[i] = alloc_page(REALLOCATE_GFP);
		if (!held[i])
			break;
		cond_resched();
	}
	return i;
}

static int reallocate_run(void)
{
	unsigned long churned, got;
	unsigned int round;

	got = reallocate_take(taken);
	if (got < taken) {
		reallocate_free(0, got);
		return -ENOMEM;
	}
	reallocate_choose(taken, taken);
	kept = taken - taken / 2;
	reallocate_free(kept, taken);
	rows[0] = reallocate_count();
	churned = kept * percent / 100;
	for (round = 1; round <= rounds; round++) {
		reallocate_choose(churned, kept);
		reallocate_free(0, churned);
		got = reallocate_take(churned);
		if (got < churned) {
			reallocate_free(0, got);
			reallocate_free(churned, kept);
			return -ENOMEM;
		}
		rows[round] = reallocate_count();
	}
	return 0;
}

static int rounds_show(struct seq_file *m, void *unused)
{
	unsigned int round;

	seq_printf(m, "reallocate %u\n", REALLOCATE_FORMAT);
	seq_printf(m, "pages taken=%lu kept=%lu churned=%lu\n", taken, kept,
		   kept * percent / 100);
	for (round = 0; round <= rounds; round++)
		seq_printf(m, "round=%u free=%lu huge=%lu\n", round,
			   rows[round].free, rows[round].huge);
	seq_puts(m, "end\n");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(rounds);

static int __init reallocate_init(void)
{
	struct reallocate_row start;
	int err;

	if (!fill_permille || fill_permille > 950 || !percent ||
	    percent > 100 || !rounds || rounds > ROUNDS_MAX) {
		pr_err("fill_permille=%u percent=%u rounds=%u refused: outside 1..950, 1..100, 1..%u\n",
		       fill_permille, percent, rounds, ROUNDS_MAX);
		return -EINVAL;
	}
	/* splitmix64's increment: xorshift must not start at 0. */
	random_state = (seed + 1ULL) * 0x9e3779b97f4a7c15ULL;
	start = reallocate_count();
	taken = start.free / 1000 * fill_permille;
	held = vzalloc(array_size(taken, sizeof(*held)));
	rows = vzalloc(array_size(rounds + 1, sizeof(*rows)));
	if (!taken || !held || !rows) {
		err = -ENOMEM;
		goto free;
	}
	err = reallocate_run();
	if (err)
		goto free;
	reallocate_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("rounds", 0444, reallocate_dir, NULL, &rounds_fops);
	return 0;

free:
	vfree(rows);
	vfree(held);
	pr_err("%lu pages refused: there was no memory for so many\n", taken);
	return err;
}

static void __exit reallocate_exit(void)
{
	debugfs_remove(reallocate_dir);
	reallocate_free(0, kept);
	vfree(rows);
	vfree(held);
}

module_init(reallocate_init);
module_exit(reallocate_exit);

MODULE_DESCRIPTION("Free huge frames while single pages are churned");
MODULE_LICENSE("GPL");
