// SPDX-License-Identifier: GPL-2.0-only
/*
 * alloc_cost - what one allocation and its release cost
 *
 * Times "repeats" loops of "pairs" calls of alloc_pages() and __free_pages()
 * with a block of "order", in the context of insmod, and keeps the shortest
 * loop: under -icount the clock counts instructions, so a loop that no
 * interrupt fell into is exact, and the shortest is such a one. The same loop
 * around nothing but a compiler barrier is timed as well, to be taken off.
 *
 * Result in the kernel log, and the module is then refused with -ECANCELED, so
 * that nothing has to be unloaded:
 *
 *   alloc_cost: order=0 pairs=1000 failed=0 loop_ns=N empty_ns=N
 *
 * gfp=kernel_nokswapd lets a request that is between the low and the min
 * watermark pass the slowpath without waking anybody.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>

#define ALLOC_COST_ORDER_MAX	10
#define ALLOC_COST_COUNT_MAX	1000000

static unsigned int order;
module_param(order, uint, 0444);
MODULE_PARM_DESC(order, "Order of each block (0..10, default 0)");

static unsigned int pairs = 1000;
module_param(pairs, uint, 0444);
MODULE_PARM_DESC(pairs, "Allocations, each released at once, in a loop (1..1000000, default 1000)");

static unsigned int repeats = 100;
module_param(repeats, uint, 0444);
MODULE_PARM_DESC(repeats, "Loops, of which the shortest counts (1..1000000, default 100)");

static bool kswapd = true;
module_param(kswapd, bool, 0444);
MODULE_PARM_DESC(kswapd, "Whether a request may wake kswapd (default Y)");

static unsigned int alloc_cost_failed;

static u64 __init alloc_cost_loop(gfp_t gfp)
{
	struct page *page;
	unsigned int i;
	u64 start_ns;

	start_ns = ktime_get_ns();
	for (i = 0; i < pairs; i++) {
		page = alloc_pages(gfp, order);
		if (page)
			__free_pages(page, order);
		else
			alloc_cost_failed++;
	}

	return ktime_get_ns() - start_ns;
}

static u64 __init alloc_cost_empty_loop(void)
{
	unsigned int i;
	u64 start_ns;

	start_ns = ktime_get_ns();
	for (i = 0; i < pairs; i++)
		barrier();

	return ktime_get_ns() - start_ns;
}

static int __init alloc_cost_init(void)
{
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN;
	u64 empty_ns = U64_MAX;
	u64 loop_ns = U64_MAX;
	unsigned int i;

	if (order > ALLOC_COST_ORDER_MAX || !pairs || !repeats ||
	    pairs > ALLOC_COST_COUNT_MAX || repeats > ALLOC_COST_COUNT_MAX) {
		pr_err("order=%u pairs=%u repeats=%u refused: give 0..%u and 1..%u\n",
		       order, pairs, repeats, ALLOC_COST_ORDER_MAX,
		       ALLOC_COST_COUNT_MAX);
		return -EINVAL;
	}
	if (!kswapd)
		gfp &= ~__GFP_KSWAPD_RECLAIM;

	for (i = 0; i < repeats; i++) {
		loop_ns = min(loop_ns, alloc_cost_loop(gfp));
		empty_ns = min(empty_ns, alloc_cost_empty_loop());
		cond_resched();
	}
	pr_info("order=%u pairs=%u failed=%u loop_ns=%llu empty_ns=%llu\n",
		order, pairs, alloc_cost_failed, loop_ns, empty_ns);

	return -ECANCELED;
}
module_init(alloc_cost_init);

MODULE_DESCRIPTION("What one page allocation and its release cost");
MODULE_LICENSE("GPL");
