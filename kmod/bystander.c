// SPDX-License-Identifier: GPL-2.0-only
/*
 * bystander - a stream of small requests beside whatever else allocates
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
 * /sys/kernel/debug/bystander/result, complete once state is not "running":
 *
 *   bystander 1
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

#define BYSTANDER_FORMAT	1
#define BYSTANDER_HELD_MAX	8192
#define BYSTANDER_DRAWS		32

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

/* Of BYSTANDER_DRAWS draws. */
static const struct {
	unsigned int order;
	unsigned int draws;
} bystander_weights[] = {
	{ 0, 16 }, { 1, 6 }, { 2, 5 }, { 3, 4 }, { 5, 1 },
};

struct bystander_place {
	struct page *page;
	unsigned int order;
};

struct bystander_count {
	unsigned long attempts;
	unsigned long failures;
	u64 latency_ns_sum;
	u64 latency_ns_max;
};

/* Written by the thread alone. */
static struct bystander_place bystander_ring[BYSTANDER_HELD_MAX];
static struct bystander_count bystander_counts[MAX_ORDER];
static unsigned int bystander_done;
/* Everything above is final before it: stored with release. */
static const char *bystander_state = "running";
static bool bystander_told_to_stop;
static DECLARE_COMPLETION(bystander_ended);
static u64 bystander_random;
static gfp_t bystander_gfp;
static struct task_struct *bystander_worker;
static struct dentry *bystander_dir;

static u64 bystander_next(void)
{
	bystander_random ^= bystander_random << 13;
	bystander_random ^= bystander_random >> 7;
	bystander_random ^= bystander_random << 17;
	return bystander_random >> 16;
}

static void bystander_seed(void)
{
	unsigned int i;

	/* splitmix64's increment: xorshift must not start at 0. */
	bystander_random = seed * 0x9e3779b97f4a7c15ULL;
	if (!bystander_random)
		bystander_random = 1;
	for (i = 0; i < 8; i++)
		bystander_next();
}

static unsigned int bystander_order(void)
{
	unsigned int draw = bystander_next() & (BYSTANDER_DRAWS - 1);
	unsigned int i = 0;

	while (draw >= bystander_weights[i].draws)
		draw -= bystander_weights[i++].draws;
	return bystander_weights[i].order;
}

static void bystander_free(struct bystander_place *place)
{
	if (place->page)
		__free_pages(place->page, place->order);
	place->page = NULL;
}

static void bystander_request(unsigned int i)
{
	struct bystander_place *place = &bystander_ring[i % held];
	struct bystander_count *count;
	u64 start_ns, latency_ns;

	bystander_free(place);
	place->order = bystander_order();
	count = &bystander_counts[place->order];
	start_ns = ktime_get_ns();
	place->page = alloc_pages(bystander_gfp, place->order);
	latency_ns = ktime_get_ns() - start_ns;
	count->attempts++;
	count->failures += !place->page;
	count->latency_ns_sum += latency_ns;
	if (latency_ns > count->latency_ns_max)
		count->latency_ns_max = latency_ns;
	WRITE_ONCE(bystander_done, i + 1);
}

static void bystander_free_all(void)
{
	unsigned int i;

	for (i = 0; i < held; i++)
		bystander_free(&bystander_ring[i]);
}

static bool bystander_must_stop(void)
{
	return READ_ONCE(bystander_told_to_stop) || kthread_should_stop();
}

static int bystander_work(void *unused)
{
	unsigned int i;

	for (i = 0; i < attempts && !bystander_must_stop(); i++) {
		bystander_request(i);
		usleep_range(period_us, period_us + 1);
	}
	if (!keep)
		bystander_free_all();
	/* Pairs with the acquire in bystander_result_show(). */
	smp_store_release(&bystander_state,
			  bystander_done == attempts ? "done" : "stopped");
	complete_all(&bystander_ended);
	/* kthread_stop() needs a thread that is still there. */
	while (!kthread_should_stop()) {
		set_current_state(TASK_IDLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	bystander_free_all();
	return 0;
}

static int bystander_result_show(struct seq_file *m, void *unused)
{
	/* Pairs with the release in bystander_work(). */
	const char *state = smp_load_acquire(&bystander_state);
	unsigned int i;

	seq_printf(m, "%s %d\n", KBUILD_MODNAME, BYSTANDER_FORMAT);
	seq_printf(m, "seed=%u attempts=%u held=%u period_us=%u gfp=%s\n",
		   seed, attempts, held, period_us, gfp);
	seq_printf(m, "state=%s done=%u\n", state, READ_ONCE(bystander_done));
	for (i = 0; i < ARRAY_SIZE(bystander_weights); i++) {
		unsigned int order = bystander_weights[i].order;
		const struct bystander_count *count = &bystander_counts[order];

		seq_printf(m, "order=%u attempts=%lu failures=%lu latency_ns_sum=%llu latency_ns_max=%llu\n",
			   order, count->attempts, count->failures,
			   count->latency_ns_sum, count->latency_ns_max);
	}
	seq_puts(m, "end\n");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(bystander_result);

static int bystander_stop_set(void *unused, u64 value)
{
	WRITE_ONCE(bystander_told_to_stop, true);
	/* At most one pause and one request are between it and its end. */
	if (!wait_for_completion_timeout(&bystander_ended, 30 * HZ))
		return -ETIMEDOUT;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(bystander_stop_fops, NULL, bystander_stop_set, "%llu\n");

static int __init bystander_check(const char *name, unsigned int value,
				  unsigned int highest)
{
	if (value && value <= highest)
		return 0;
	pr_err("%s=%u refused: give 1..%u\n", name, value, highest);
	return -EINVAL;
}

static int __init bystander_find_gfp(void)
{
	bystander_gfp = __GFP_NOWARN;
	if (!strcmp(gfp, "kernel"))
		bystander_gfp |= GFP_KERNEL;
	else if (!strcmp(gfp, "noretry"))
		bystander_gfp |= GFP_KERNEL | __GFP_NORETRY;
	else if (!strcmp(gfp, "nowait"))
		bystander_gfp |= GFP_NOWAIT;
	else
		pr_err("gfp=%s refused: give kernel, noretry or nowait\n", gfp);
	return bystander_gfp == __GFP_NOWARN ? -EINVAL : 0;
}

static int __init bystander_init(void)
{
	if (bystander_check("attempts", attempts, 1000000) ||
	    bystander_check("held", held, BYSTANDER_HELD_MAX) ||
	    bystander_check("period_us", period_us, USEC_PER_SEC) ||
	    bystander_find_gfp())
		return -EINVAL;
	bystander_seed();
	bystander_worker = kthread_create(bystander_work, NULL, KBUILD_MODNAME);
	/* Never -EAGAIN, which would ask for the module to be loaded again. */
	if (IS_ERR(bystander_worker))
		return -ENOMEM;
	bystander_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("result", 0444, bystander_dir, NULL,
			    &bystander_result_fops);
	debugfs_create_file_unsafe("stop", 0200, bystander_dir, NULL,
				   &bystander_stop_fops);
	wake_up_process(bystander_worker);
	return 0;
}

static void __exit bystander_exit(void)
{
	/* The thread frees what it holds before it ends. */
	kthread_stop(bystander_worker);
	debugfs_remove(bystander_dir);
}

module_init(bystander_init);
module_exit(bystander_exit);

MODULE_DESCRIPTION("Allocate and free small blocks in a known order");
MODULE_LICENSE("GPL");
