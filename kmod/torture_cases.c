// SPDX-License-Identifier: GPL-2.0-only
/*
 * alloc_torture - take every way out of the page allocator, in known numbers
 *
 * The name of a case, written to debugfs alloc_torture/run, runs it in the
 * context of the task that writes, so that its memory control group and its
 * fault injection apply. What follows a ':' in the name is a remark. "result"
 * then has a line for each order:
 *
 *   case= order= requests= ok= failed= pages= quiet=
 *
 * ok and failed are the calls that gave all they were asked for, and nothing;
 * pages are those that were given. On a kernel with the buddy monitor follows
 * what all of its items rose by for this order, as buddy_monitor_read() said
 * right before and right after; "elsewhere" is the same of all other orders
 * together. The module knows nothing of what the numbers should be.
 *
 * A request that may not reclaim is quiet: interrupts are off and the other
 * CPUs wait, so that nobody else can allocate, and elsewhere is exact, too. A
 * request that may sleep is exact for orders that nobody else asks for.
 *
 * Between the cases "shoot" and "hold_fire" interrupts ask for blocks of order 4
 * all the time; the result of the latter is that of them all.
 *
 * Case "still" asks for nothing: it tells what order 4 rose by since the end of
 * the case before it.
 *
 * "cases" beside it names all cases that there are on this kernel.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/uaccess.h>

#include "alloc_torture.h"
#include "compat.h"

#define TORTURE_MOST	16	/* requests of a case, pages of a batch */
#define TORTURE_NAME	64
#define TORTURE_SPARE_ORDER	8
#define TORTURE_SPARES		8

/* Never wakes kswapd, which would ask for pages of its own. */
#define TORTURE_KERNEL	((GFP_KERNEL & ~__GFP_KSWAPD_RECLAIM) | __GFP_NOWARN)
/*
 * May do nothing but look: such a case is quiet. __GFP_NOMEMALLOC keeps it from
 * what is otherwise given to those who cannot wait, and from setting pageblocks
 * aside for them.
 */
#define TORTURE_LOOK	(__GFP_NOMEMALLOC | __GFP_NOWARN)
#define TORTURE_ATOMIC	((GFP_ATOMIC & ~__GFP_KSWAPD_RECLAIM) | __GFP_NOWARN)

enum torture_flag {
	TORTURE_INJECT		= BIT(0),	/* fail_page_alloc may fail it */
	TORTURE_MEMALLOC	= BIT(1),	/* as reclaim itself */
	TORTURE_VICTIM		= BIT(2),	/* as killed for lack of memory */
	TORTURE_DEFERRED	= BIT(3),	/* compaction is deferred */
	TORTURE_DRAIN		= BIT(4),	/* down to the min watermark */
	TORTURE_SPARE		= BIT(5),	/* and a little above it again */
	TORTURE_DEEP		= BIT(6),	/* or below it */
	TORTURE_FILL		= BIT(7),	/* the control group is full */
	TORTURE_ARRAY		= BIT(8),	/* one call for a batch */
	TORTURE_LIST		= BIT(9),
	TORTURE_STILL		= BIT(10),
	TORTURE_HAMMER		= BIT(11),
	TORTURE_HAMMER_IRQ	= BIT(12),
	TORTURE_SHOOT		= BIT(13),
	TORTURE_HOLD_FIRE	= BIT(14),
	TORTURE_NOLOCK		= BIT(15),	/* waits for no lock */
};

struct torture_case {
	const char *name;
	unsigned int order;
	unsigned int requests;	/* of a batch: its slots */
	gfp_t gfp;
	unsigned int flags;
	unsigned long taken;	/* of a batch: slots that are in use */
};

#define TORTURE_FAST(_order, _requests) \
	{ "fast_" #_order, _order, _requests, TORTURE_LOOK }

static const struct torture_case torture_cases[] = {
	TORTURE_FAST(0, 16), TORTURE_FAST(1, 8), TORTURE_FAST(2, 8),
	TORTURE_FAST(3, 8), TORTURE_FAST(4, 8), TORTURE_FAST(5, 8),
	TORTURE_FAST(6, 8), TORTURE_FAST(7, 8), TORTURE_FAST(8, 8),
	TORTURE_FAST(9, 4), TORTURE_FAST(10, 4),
	{ "kernel_4", 4, 16, TORTURE_KERNEL },
	{ "kernel_10", 10, 4, TORTURE_KERNEL },
	{ "invalid_11", 11, 3, TORTURE_LOOK },
	{ "invalid_20", 20, 2, TORTURE_LOOK },

	{ "inject_0", 0, 8, TORTURE_LOOK, TORTURE_INJECT },
	{ "inject_4", 4, 8, TORTURE_KERNEL, TORTURE_INJECT },
	{ "inject_10", 10, 2, TORTURE_KERNEL, TORTURE_INJECT },
	{ "inject_nofail", 0, 2, TORTURE_KERNEL | __GFP_NOFAIL, TORTURE_INJECT },
	{ "inject_bulk", 0, 16, TORTURE_LOOK, TORTURE_INJECT | TORTURE_ARRAY },
	{ "inject_bulk_one", 0, 1, TORTURE_LOOK, TORTURE_INJECT | TORTURE_ARRAY },

	{ "bulk_empty", 0, 16, TORTURE_LOOK, TORTURE_ARRAY },
	{ "bulk_holey", 0, 16, TORTURE_LOOK, TORTURE_ARRAY, 0x8026 },
	{ "bulk_last", 0, 16, TORTURE_LOOK, TORTURE_ARRAY, 0x7fff },
	{ "bulk_full", 0, 16, TORTURE_LOOK, TORTURE_ARRAY, 0xffff },
	{ "bulk_one", 0, 1, TORTURE_LOOK, TORTURE_ARRAY },
	{ "bulk_none", 0, 0, TORTURE_LOOK, TORTURE_ARRAY },
#ifdef HAVE_BULK_LIST
	{ "bulk_list", 0, 16, TORTURE_LOOK, TORTURE_LIST },
#endif
	{ "bulk_account", 0, 16, TORTURE_LOOK | __GFP_ACCOUNT, TORTURE_ARRAY },
	{ "bulk_memcg", 0, 16, TORTURE_LOOK | __GFP_ACCOUNT,
	  TORTURE_ARRAY | TORTURE_FILL },
	{ "bulk_drained", 0, 16, TORTURE_LOOK, TORTURE_ARRAY | TORTURE_DRAIN },

#ifdef HAVE_ALLOC_NOLOCK
	{ "nolock_0", 0, 8, 0, TORTURE_NOLOCK },
	{ "nolock_3", 3, 4, 0, TORTURE_NOLOCK },
	{ "nolock_4", 4, 2, 0, TORTURE_NOLOCK },
	{ "nolock_drained", 0, 4, 0, TORTURE_NOLOCK | TORTURE_DRAIN },
#endif

	{ "memcg_4", 4, 4, TORTURE_KERNEL | __GFP_ACCOUNT },
	{ "memcg_full_0", 0, 4, TORTURE_LOOK | __GFP_ACCOUNT, TORTURE_FILL },
	{ "memcg_full_4", 4, 4, TORTURE_LOOK | __GFP_ACCOUNT, TORTURE_FILL },
	{ "memcg_limit", 10, 2, TORTURE_KERNEL | __GFP_ACCOUNT },

	{ "nofail_0", 0, 4, TORTURE_KERNEL | __GFP_NOFAIL },
	{ "nofail_1", 1, 4, TORTURE_KERNEL | __GFP_NOFAIL },
	{ "nofail_reserve", 1, 2, TORTURE_KERNEL | __GFP_NOFAIL | __GFP_NORETRY,
	  TORTURE_DRAIN | TORTURE_DEEP },

	{ "nofail_reserve_0", 0, 2, TORTURE_KERNEL | __GFP_NOFAIL | __GFP_NORETRY,
	  TORTURE_DRAIN | TORTURE_DEEP },

	{ "min_watermark", 4, 4, TORTURE_LOOK, TORTURE_DRAIN | TORTURE_SPARE },
	{ "min_watermark_sleep", 4, 4, TORTURE_KERNEL,
	  TORTURE_DRAIN | TORTURE_SPARE },
	{ "reserves", 4, 4, __GFP_MEMALLOC | __GFP_NOWARN, TORTURE_DRAIN },
	{ "drained", 4, 4, TORTURE_LOOK, TORTURE_DRAIN },

	{ "nowait", 10, 4, TORTURE_LOOK },
	{ "atomic", 10, 4, TORTURE_ATOMIC },
	{ "costly", 10, 4, TORTURE_KERNEL },
	{ "costly_8", 8, 4, TORTURE_KERNEL },
	{ "noretry", 10, 4, TORTURE_KERNEL | __GFP_NORETRY },
	{ "costly_deferred", 10, 4, TORTURE_KERNEL, TORTURE_DEFERRED },
	{ "noretry_deferred", 10, 4, TORTURE_KERNEL | __GFP_NORETRY,
	  TORTURE_DEFERRED },
	{ "noio", 10, 4, TORTURE_KERNEL & ~(__GFP_IO | __GFP_FS) },
	{ "memalloc", 10, 4, TORTURE_KERNEL, TORTURE_MEMALLOC },
	{ "memalloc_flag", 10, 4, TORTURE_KERNEL | __GFP_MEMALLOC },
	{ "exhausted", 10, 2, TORTURE_KERNEL | __GFP_RETRY_MAYFAIL },
	{ "oom_victim", 10, 2, TORTURE_KERNEL | __GFP_RETRY_MAYFAIL,
	  TORTURE_VICTIM },

	{ "hammer", 0, 0, TORTURE_KERNEL, TORTURE_HAMMER },
	{ "hammer_irq", 4, 0, TORTURE_KERNEL, TORTURE_HAMMER_IRQ },
	{ "shoot", 4, 0, TORTURE_KERNEL, TORTURE_SHOOT },
	{ "hold_fire", 4, 0, TORTURE_KERNEL, TORTURE_HOLD_FIRE },
	{ "still", 4, 0, TORTURE_KERNEL, TORTURE_STILL },
};

/* One case at a time, and its result. */
static DEFINE_MUTEX(torture_lock);
static char torture_name[TORTURE_NAME];
static const struct torture_case *torture_done;
static struct torture_count torture_count;
static struct hammer_count torture_hammered;

static struct page *torture_pages[TORTURE_MOST];
static LIST_HEAD(torture_listed);
static LIST_HEAD(torture_drained);
static LIST_HEAD(torture_filled);
static struct dentry *torture_dir;

#ifdef TORTURE_MONITOR
static struct buddy_monitor_snapshot torture_before;
static struct buddy_monitor_snapshot torture_after;

static void torture_read_before(void)
{
	buddy_monitor_read(&torture_before);
}

static void torture_read_after(void)
{
	buddy_monitor_read(&torture_after);
}

static void torture_keep_after(void)
{
	torture_before = torture_after;
}
#else
static void torture_read_before(void) { }
static void torture_read_after(void) { }
static void torture_keep_after(void) { }
#endif

static bool torture_is_quiet(const struct torture_case *c)
{
	return !(c->gfp & __GFP_DIRECT_RECLAIM);
}

/* The other CPUs, while they are kept from allocating */
static atomic_t torture_waiting;
static bool torture_hold;

static void torture_wait(void *unused)
{
	atomic_inc(&torture_waiting);
	/* Interrupts are off here; the case is a few hundred instructions. */
	while (smp_load_acquire(&torture_hold))
		cpu_relax();
	atomic_dec(&torture_waiting);
}

static void torture_silence(void)
{
	cpus_read_lock();
	preempt_disable();
	WRITE_ONCE(torture_hold, true);
	smp_call_function(torture_wait, NULL, 0);
	while (atomic_read(&torture_waiting) < num_online_cpus() - 1)
		cpu_relax();
	local_irq_disable();
}

static void torture_resume(void)
{
	local_irq_enable();
	/* Pairs with the acquire in torture_wait(). */
	smp_store_release(&torture_hold, false);
	while (atomic_read(&torture_waiting))
		cpu_relax();
	preempt_enable();
	cpus_read_unlock();
}

static void torture_take(gfp_t gfp, unsigned int order, unsigned long most,
			 struct list_head *list)
{
	struct page *page;

	while (most--) {
		page = alloc_pages(gfp, order);
		if (!page)
			return;
		set_page_private(page, order);
		list_add(&page->lru, list);
	}
}

static void torture_give_one(struct page *page)
{
	unsigned int order = page_private(page);

	list_del(&page->lru);
	set_page_private(page, 0);
	__free_pages(page, order);
}

static void torture_give(struct list_head *list)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, list, lru)
		torture_give_one(page);
}

/*
 * Large blocks first: what is left when the watermark is met is large, too. The
 * spare blocks are of an order that no CPU keeps a list of. There are several of
 * them since the refill of this CPU's list that meets the watermark may go below
 * it by hundreds of pages: refills grow while pages are only taken (since 6.7).
 */
static void torture_drain(unsigned int flags)
{
	unsigned long reserve, enough_pages;
	struct page *spare, *next;
	LIST_HEAD(spares);
	struct zone *zone;
	int order;

	torture_take(TORTURE_LOOK, TORTURE_SPARE_ORDER, TORTURE_SPARES, &spares);
	spare = list_first_entry_or_null(&spares, struct page, lru);
	if (!spare)
		return;
	zone = page_zone(spare);
	/* The script keeps it from rising: it is a part of all watermarks. */
	zone->watermark_boost = 0;
	for (order = MAX_PAGE_ORDER; order >= 0; order--)
		torture_take(TORTURE_LOOK, order, ULONG_MAX, &torture_drained);
	reserve = min_wmark_pages(zone) / 8;
	enough_pages = min_wmark_pages(zone) + (1UL << (TORTURE_SPARE_ORDER - 1));
	if (flags & TORTURE_SPARE)
		list_for_each_entry_safe(spare, next, &spares, lru)
			if (zone_page_state(zone, NR_FREE_PAGES) < enough_pages)
				torture_give_one(spare);
	list_splice(&spares, &torture_drained);
	/* One by one: larger blocks would set a pageblock aside for atomic use. */
	if (flags & TORTURE_DEEP)
		torture_take(TORTURE_LOOK | __GFP_HIGH, 0, reserve,
			     &torture_drained);
}

static void torture_prepare(const struct torture_case *c)
{
	if (c->flags & TORTURE_DRAIN)
		torture_drain(c->flags);
	if (c->flags & TORTURE_FILL)
		torture_take(TORTURE_LOOK | __GFP_ACCOUNT, 0, ULONG_MAX,
			     &torture_filled);
}

static void torture_batch(const struct torture_case *c)
{
	unsigned int slots = c->requests;
	unsigned int before, got;

	before = hweight_long(c->taken);
#ifdef HAVE_BULK_LIST
	if (c->flags & TORTURE_LIST)
		got = __alloc_pages_bulk(c->gfp, numa_mem_id(), NULL, slots,
					 &torture_listed, NULL);
	else
#endif
		got = compat_bulk_array(c->gfp, numa_mem_id(), slots,
					torture_pages);
	torture_count.requests = 1;
	torture_count.ok = got == slots;
	torture_count.failed = !got && slots;
	torture_count.pages = 0;
	if (c->flags & TORTURE_LIST) {
		torture_count.pages = got;
		return;
	}
	/* The return value counts slots that were in use, too. */
	for (got = 0; got < slots; got++)
		torture_count.pages += !!torture_pages[got];
	torture_count.pages -= before;
}

static void torture_request(const struct torture_case *c, unsigned int i)
{
	struct page *page;

#ifdef HAVE_ALLOC_NOLOCK
	if (c->flags & TORTURE_NOLOCK)
		page = alloc_pages_nolock(c->gfp, numa_mem_id(), c->order);
	else
#endif
		page = alloc_pages_node(numa_mem_id(), c->gfp, c->order);

	torture_pages[i] = page;
	torture_count.requests++;
	if (page) {
		torture_count.ok++;
		torture_count.pages += 1UL << c->order;
	} else {
		torture_count.failed++;
	}
}

/* Compaction of each zone as after a success, or as after many failures */
static void torture_set_deferral(bool deferred)
{
#ifdef CONFIG_COMPACTION
	struct zone *zone;
	int node, i;

	for_each_online_node(node) {
		for (i = 0; i < MAX_NR_ZONES; i++) {
			zone = &NODE_DATA(node)->node_zones[i];
			zone->compact_considered = 0;
			zone->compact_defer_shift = deferred ? 6 : 0;
			zone->compact_order_failed = deferred ? 0 : NR_PAGE_ORDERS;
		}
	}
#endif
}

static void torture_requests(const struct torture_case *c)
{
	bool deferred = c->flags & TORTURE_DEFERRED;
	unsigned int i;

	if (c->flags & (TORTURE_ARRAY | TORTURE_LIST)) {
		torture_batch(c);
		return;
	}
	for (i = 0; i < c->requests; i++) {
		if (!torture_is_quiet(c))
			torture_set_deferral(deferred);
		torture_request(c, i);
	}
}

/* As another kind of task; nothing but the requests may see it. */
static void torture_disguised(const struct torture_case *c)
{
	unsigned int noreclaim = 0;

#ifdef CONFIG_FAULT_INJECTION
	if (c->flags & TORTURE_INJECT)
		current->make_it_fail = 1;
#endif
	if (c->flags & TORTURE_MEMALLOC)
		noreclaim = memalloc_noreclaim_save();
	if (c->flags & TORTURE_VICTIM)
		current->signal->oom_mm = current->mm;
	torture_read_before();
	torture_requests(c);
	torture_read_after();
	if (c->flags & TORTURE_VICTIM)
		current->signal->oom_mm = NULL;
	if (c->flags & TORTURE_MEMALLOC)
		memalloc_noreclaim_restore(noreclaim);
#ifdef CONFIG_FAULT_INJECTION
	if (c->flags & TORTURE_INJECT)
		current->make_it_fail = 0;
#endif
}

static void torture_perform(const struct torture_case *c)
{
	bool quiet = torture_is_quiet(c);

	if (quiet)
		torture_silence();
	torture_prepare(c);
	torture_disguised(c);
	torture_give(&torture_drained);
	torture_give(&torture_filled);
	if (quiet)
		torture_resume();
	if (!quiet)
		torture_set_deferral(false);
}

static void torture_clean(const struct torture_case *c)
{
	struct page *page, *next;
	unsigned int i;

	for (i = 0; i < TORTURE_MOST; i++) {
		if (torture_pages[i] && !(c->taken & BIT(i)))
			__free_pages(torture_pages[i], c->order);
		torture_pages[i] = NULL;
	}
	list_for_each_entry_safe(page, next, &torture_listed, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

static int torture_run(const struct torture_case *c)
{
	unsigned int i;
	int err = 0;

	memset(&torture_count, 0, sizeof(torture_count));
	if (c->flags & TORTURE_STILL) {
		torture_keep_after();
		torture_read_after();
	} else if (c->flags & TORTURE_HAMMER) {
		err = hammer_run(c->gfp, torture_read_before,
				 torture_read_after, &torture_hammered);
	} else if (c->flags & TORTURE_HAMMER_IRQ) {
		err = hammer_irq_run(c->gfp, TORTURE_LOOK, torture_read_before,
				     torture_read_after, &torture_hammered);
		torture_count = torture_hammered.order[c->order];
	} else if (c->flags & TORTURE_SHOOT) {
		torture_read_before();
		hammer_shoot_start(TORTURE_LOOK);
	} else if (c->flags & TORTURE_HOLD_FIRE) {
		hammer_shoot_stop(&torture_count);
		torture_read_after();
	} else {
		for (i = 0; i < TORTURE_MOST; i++)
			if (c->taken & BIT(i))
				torture_pages[i] = ZERO_PAGE(0);
		torture_perform(c);
		torture_clean(c);
	}
	return err;
}

static ssize_t torture_run_write(struct file *file, const char __user *text,
				 size_t size, loff_t *pos)
{
	char name[TORTURE_NAME];
	unsigned int i;
	size_t length;
	int err = -EINVAL;

	if (!size || size >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, text, size))
		return -EFAULT;
	name[size] = '\0';
	strim(name);
	length = strcspn(name, ":");

	mutex_lock(&torture_lock);
	for (i = 0; i < ARRAY_SIZE(torture_cases); i++) {
		const struct torture_case *c = &torture_cases[i];

		if (strlen(c->name) != length || strncmp(c->name, name, length))
			continue;
		err = torture_run(c);
		torture_done = err ? NULL : c;
		strscpy(torture_name, name, sizeof(torture_name));
		break;
	}
	mutex_unlock(&torture_lock);
	return err ? err : size;
}

static const struct file_operations torture_run_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.write	= torture_run_write,
};

#ifdef TORTURE_MONITOR
static long torture_rose(unsigned int item, unsigned int order)
{
	return torture_after.item[item][order] - torture_before.item[item][order];
}

static void torture_show_items(struct seq_file *m, unsigned int order)
{
	unsigned long elsewhere = 0;
	unsigned int item, other;

	for (item = 0; item < NR_BUDDY_ITEMS; item++)
		for (other = 0; other < NR_PAGE_ORDERS; other++)
			if (other != order)
				elsewhere += abs(torture_rose(item, other));
	seq_printf(m, " elsewhere=%lu invalid_req=%ld invalid_fail=%ld", elsewhere,
		   (long)(torture_after.invalid_req - torture_before.invalid_req),
		   (long)(torture_after.invalid_fail - torture_before.invalid_fail));
	for (item = 0; item < NR_BUDDY_ITEMS; item++)
		seq_printf(m, " %s=%ld", buddy_item_names[item],
			   order <= MAX_PAGE_ORDER ? torture_rose(item, order) : 0);
}
#else
static void torture_show_items(struct seq_file *m, unsigned int order) { }
#endif

static void torture_show(struct seq_file *m, unsigned int order,
			 const struct torture_count *count)
{
	seq_printf(m, "case=%s order=%u requests=%lu ok=%lu failed=%lu pages=%lu quiet=%d",
		   torture_name, order, count->requests, count->ok,
		   count->failed, count->pages, torture_is_quiet(torture_done));
	torture_show_items(m, order);
	seq_putc(m, '\n');
}

static int torture_result_show(struct seq_file *m, void *unused)
{
	unsigned int order;

	mutex_lock(&torture_lock);
	if (torture_done && torture_done->flags & TORTURE_HAMMER)
		for (order = HAMMER_FIRST; order <= HAMMER_LAST; order++)
			torture_show(m, order, &torture_hammered.order[order]);
	else if (torture_done)
		torture_show(m, torture_done->order, &torture_count);
	mutex_unlock(&torture_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(torture_result);

static int torture_list_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(torture_cases); i++)
		seq_printf(m, "%s\n", torture_cases[i].name);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(torture_list);

static int __init alloc_torture_init(void)
{
	torture_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("cases", 0400, torture_dir, NULL,
			    &torture_list_fops);
	debugfs_create_file("run", 0200, torture_dir, NULL, &torture_run_fops);
	debugfs_create_file("result", 0400, torture_dir, NULL,
			    &torture_result_fops);
	return 0;
}

static void __exit alloc_torture_exit(void)
{
	debugfs_remove_recursive(torture_dir);
	hammer_shoot_stop(&torture_count);
}

module_init(alloc_torture_init);
module_exit(alloc_torture_exit);

MODULE_DESCRIPTION("Take every way out of the page allocator");
MODULE_LICENSE("GPL");
