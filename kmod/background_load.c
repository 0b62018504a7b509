// SPDX-License-Identifier: GPL-2.0-only
/*
 * background_load - a stream of small requests beside whatever else allocates
 *
 * One kernel thread makes "attempts" requests, one every "period_us"
 * microseconds. The order of each comes from the seed alone: xorshift64, and
 * of every 32 draws on average 16 are order 0, 6 order 1, 5 order 2, 4 order 3
 * and 1 order 5. What was got is kept in a ring of "held" places, and freed
 * when its place is needed again.
 *
 * A request warns of nothing. With gfp=noretry, the default, it reclaims and
 * compacts once and then fails; with gfp=kernel it would call the OOM killer
 * instead.
 *
 * /sys/kernel/debug/background_load/result, complete once state is not "running":
 *
 *   background_load 1
 *   seed=1 attempts=4096 held=64 period_us=1000 gfp=noretry
 *   state=done done=4096
 *   order=0 attempts=N failures=N latency_ns_sum=N latency_ns_max=N
 *   (one line for each order of the stream)
 *   end
 *
 * The thread ends by itself, or when a number is written to "stop" beside it,
 * which returns once the result is final, or when the module is removed.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "compat.h"

#define LOAD_FORMAT		1
#define LOAD_HELD_MAX		8192
#define LOAD_DRAWS		32

static unsigned int seed = 1;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "What the orders come from (default 1)");

static unsigned int attempts = 4096;
module_param(attempts, uint, 0444);
MODULE_PARM_DESC(attempts, "Number of requests (1..1000000, default 4096)");

static unsigned int held = 64;
module_param(held, uint, 0444);
MODULE_PARM_DESC(held, "Most blocks held at a time (1..8192, default 64)");

static unsigned int period_us = 1000;
module_param(period_us, uint, 0444);
MODULE_PARM_DESC(period_us, "Pause between two requests, in us (1..1000000, default 1000)");

static bool keep;
module_param(keep, bool, 0444);
MODULE_PARM_DESC(keep, "Hold what is held at the end until the module is removed (default N)");

static char *gfp = "noretry";
module_param(gfp, charp, 0444);
MODULE_PARM_DESC(gfp, "kernel|noretry|nowait (default noretry)");

/* Of LOAD_DRAWS draws. */
static const struct {
	unsigned int order;
	unsigned int draws;
} load_weights[] = {
	{ 0, 16 }, { 1, 6 }, { 2, 5 }, { 3, 4 }, { 5, 1 },
};

struct load_place {
	struct page *page;
	unsigned int order;
};

struct load_count {
	unsigned long attempts;
	unsigned long failures;
	u64 latency_ns_sum;
	u64 latency_ns_max;
};

/* Written by the thread alone. */
static struct load_place load_ring[LOAD_HELD_MAX];
static struct load_count load_counts[NR_PAGE_ORDERS];
static unsigned int load_done;
/* Everything above is final before it: stored with release. */
static const char *load_state = "running";
static bool load_told_to_stop;
static DECLARE_COMPLETION(load_ended);
static u64 load_random;
static gfp_t load_gfp;
static struct task_struct *load_worker;
static struct dentry *load_dir;

static u64 load_next(void)
{
	load_random ^= load_random << 13;
	load_random ^= load_random >> 7;
	load_random ^= load_random << 17;
	return load_random >> 16;
}

static void load_seed(void)
{
	unsigned int i;

	/* splitmix64's increment: xorshift must not start at 0. */
	load_random = seed * 0x9e3779b97f4a7c15ULL;
	if (!load_random)
		load_random = 1;
	for (i = 0; i < 8; i++)
		load_next();
}

static unsigned int load_order(void)
{
	unsigned int draw = load_next() & (LOAD_DRAWS - 1);
	unsigned int i = 0;

	while (draw >= load_weights[i].draws)
		draw -= load_weights[i++].draws;
	return load_weights[i].order;
}

static void load_free(struct load_place *place)
{
	if (place->page)
		__free_pages(place->page, place->order);
	place->page = NULL;
}

static void load_request(unsigned int i)
{
	struct load_place *place = &load_ring[i % held];
	struct load_count *count;
	u64 start_ns, latency_ns;

	load_free(place);
	place->order = load_order();
	count = &load_counts[place->order];
	start_ns = ktime_get_ns();
	place->page = alloc_pages(load_gfp, place->order);
	latency_ns = ktime_get_ns() - start_ns;
	count->attempts++;
	count->failures += !place->page;
	count->latency_ns_sum += latency_ns;
	if (latency_ns > count->latency_ns_max)
		count->latency_ns_max = latency_ns;
	WRITE_ONCE(load_done, i + 1);
}

static void load_free_all(void)
{
	unsigned int i;

	for (i = 0; i < held; i++)
		load_free(&load_ring[i]);
}

static bool load_must_stop(void)
{
	return READ_ONCE(load_told_to_stop) || kthread_should_stop();
}

static int load_work(void *unused)
{
	unsigned int i;

	for (i = 0; i < attempts && !load_must_stop(); i++) {
		load_request(i);
		usleep_range(period_us, period_us + 1);
	}
	if (!keep)
		load_free_all();
	/* Pairs with the acquire in load_result_show(). */
	smp_store_release(&load_state, load_done == attempts ? "done" : "stopped");
	complete_all(&load_ended);
	/* kthread_stop() needs a thread that is still there. */
	while (!kthread_should_stop()) {
		set_current_state(TASK_IDLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	load_free_all();
	return 0;
}

static int load_result_show(struct seq_file *m, void *unused)
{
	/* Pairs with the release in load_work(). */
	const char *state = smp_load_acquire(&load_state);
	unsigned int i;

	seq_printf(m, "%s %d\n", KBUILD_MODNAME, LOAD_FORMAT);
	seq_printf(m, "seed=%u attempts=%u held=%u period_us=%u gfp=%s\n",
		   seed, attempts, held, period_us, gfp);
	seq_printf(m, "state=%s done=%u\n", state, READ_ONCE(load_done));
	for (i = 0; i < ARRAY_SIZE(load_weights); i++) {
		unsigned int order = load_weights[i].order;
		const struct load_count *count = &load_counts[order];

		seq_printf(m, "order=%u attempts=%lu failures=%lu latency_ns_sum=%llu latency_ns_max=%llu\n",
			   order, count->attempts, count->failures,
			   count->latency_ns_sum, count->latency_ns_max);
	}
	seq_puts(m, "end\n");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(load_result);

static int load_stop_set(void *unused, u64 value)
{
	WRITE_ONCE(load_told_to_stop, true);
	/* At most one pause and one request are between it and its end. */
	if (!wait_for_completion_timeout(&load_ended, 30 * HZ))
		return -ETIMEDOUT;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(load_stop_fops, NULL, load_stop_set, "%llu\n");

static int __init load_check(const char *name, unsigned int value,
			     unsigned int highest)
{
	if (value && value <= highest)
		return 0;
	pr_err("%s=%u refused: give 1..%u\n", name, value, highest);
	return -EINVAL;
}

static int __init load_find_gfp(void)
{
	load_gfp = __GFP_NOWARN;
	if (!strcmp(gfp, "kernel"))
		load_gfp |= GFP_KERNEL;
	else if (!strcmp(gfp, "noretry"))
		load_gfp |= GFP_KERNEL | __GFP_NORETRY;
	else if (!strcmp(gfp, "nowait"))
		load_gfp |= GFP_NOWAIT;
	else
		pr_err("gfp=%s refused: give kernel, noretry or nowait\n", gfp);
	return load_gfp == __GFP_NOWARN ? -EINVAL : 0;
}

static int __init load_init(void)
{
	if (load_check("attempts", attempts, 1000000) ||
	    load_check("held", held, LOAD_HELD_MAX) ||
	    load_check("period_us", period_us, USEC_PER_SEC) ||
	    load_find_gfp())
		return -EINVAL;
	load_seed();
	load_worker = kthread_create(load_work, NULL, KBUILD_MODNAME);
	/* Never -EAGAIN, which would ask for the module to be loaded again. */
	if (IS_ERR(load_worker))
		return -ENOMEM;
	load_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("result", 0444, load_dir, NULL, &load_result_fops);
	debugfs_create_file_unsafe("stop", 0200, load_dir, NULL, &load_stop_fops);
	wake_up_process(load_worker);
	return 0;
}

static void __exit load_exit(void)
{
	/* The thread frees what it holds before it ends. */
	kthread_stop(load_worker);
	debugfs_remove(load_dir);
}

module_init(load_init);
module_exit(load_exit);

MODULE_DESCRIPTION("Allocate and free small blocks in a known order");
MODULE_LICENSE("GPL");
