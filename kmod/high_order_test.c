// SPDX-License-Identifier: GPL-2.0-only
/*
 * high_order_test - request blocks of one order from the page allocator
 *
 * One kernel thread performs "requests" calls of alloc_pages(), times each of
 * them and keeps the blocks it was given:
 *
 *   hold_until_fail=1  keep every block, until the first failure, "most_held"
 *                      blocks, or the end of the requests
 *   hold_until_fail=0  keep the youngest "most_held" blocks, free the oldest
 *                      one before a request that would exceed them, and go on
 *                      after a failure
 *
 * What is held at the end stays held for "hold_ms" and is then freed. The
 * module stays loaded until rmmod, which stops the thread at any point and
 * frees everything.
 *
 * Only alloc_pages() is inside the timed window. Between two requests the
 * module allocates nothing: its arrays exist before the first request. The
 * thread belongs to the root cgroup, so memcg never charges its blocks.
 *
 * With observed=1 the cross_check module is told of each request, outside of the
 * timed window, and of the end while everything is still held.
 *
 * With wait=1 the first request is not made before "start" is written to, so
 * that nothing need happen between a look at free memory and the burst.
 *
 * Results, in /sys/kernel/debug/high_order_test/:
 *
 *   state    idle | waiting | running | holding | done | stopped
 *   start    any write ends "waiting", and returns once the last request is
 *            made: whoever writes does nothing else meanwhile
 *   records  a version line, parameters, totals, "records=N", N lines of
 *            "i= ok= latency_ns= pfn= decided= attempts= frag_pct=" (pfn=0 when
 *            ok=0), "end records=N"; final once state is "holding", and until
 *            then what exists so far
 *
 * decided and frag_pct come from the trace event buddy_monitor_decision, which
 * a request that adaptive compaction may help meets once when it enters the slowpath;
 * attempts from mm_compaction_try_to_compact_pages. decision_probe and
 * compact_probe say whether this kernel has them.
 *
 * Example:
 *
 *   insmod high_order_test.ko order=10 requests=512 hold_ms=5000 \
 *          most_held=512 hold_until_fail=1
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/wait.h>

#include "compat.h"
#include "cross_check_burst.h"

#define HIGH_ORDER_FORMAT	2
#define HIGH_ORDER_ORDER_MAX	10
/* 65536 records are 1.5 MiB, and their text is about 4 MiB. */
#define HIGH_ORDER_REQUESTS_MAX	65536
#define HIGH_ORDER_PAUSE_MS_MAX	(3600 * MSEC_PER_SEC)

static unsigned int order;
module_param(order, uint, 0444);
MODULE_PARM_DESC(order, "Order of each request (0..10, default 0)");

static unsigned int requests = 1;
module_param(requests, uint, 0444);
MODULE_PARM_DESC(requests, "Number of requests (1..65536, default 1)");

static unsigned int hold_ms;
module_param(hold_ms, uint, 0444);
MODULE_PARM_DESC(hold_ms, "Hold the blocks after the last request, in ms (0..3600000, default 0)");

static unsigned int delay_ms;
module_param(delay_ms, uint, 0444);
MODULE_PARM_DESC(delay_ms, "Pause between two requests, in ms (0..3600000, default 0)");

static unsigned int most_held = 1;
module_param(most_held, uint, 0444);
MODULE_PARM_DESC(most_held, "Most blocks held at a time (1..65536, default 1)");

static unsigned int hold_until_fail;
module_param(hold_until_fail, uint, 0444);
MODULE_PARM_DESC(hold_until_fail, "1: keep every block until the first failure, 0: keep the youngest (default 0)");

static bool wait;
module_param(wait, bool, 0444);
MODULE_PARM_DESC(wait, "Make the first request only when debugfs' start is written to (default N)");

static bool observed;
module_param(observed, bool, 0444);
MODULE_PARM_DESC(observed, "Tell cross_check of the burst as it goes (default N)");

static char *gfp = "kernel";
module_param(gfp, charp, 0444);
MODULE_PARM_DESC(gfp, "kernel|kernel_nokswapd|noretry|retry_mayfail|noio|nowait|atomic|movable (default kernel)");

static unsigned int max_mib;
module_param(max_mib, uint, 0444);
MODULE_PARM_DESC(max_mib, "Cap on most_held blocks together, in MiB (default 0: three quarters of RAM)");

enum high_order_state {
	HIGH_ORDER_IDLE,
	HIGH_ORDER_WAITING,
	HIGH_ORDER_RUNNING,
	HIGH_ORDER_HOLDING,
	HIGH_ORDER_DONE,
	HIGH_ORDER_STOPPED,
};

static const char * const high_order_state_names[] = {
	[HIGH_ORDER_IDLE]	= "idle",
	[HIGH_ORDER_WAITING]	= "waiting",
	[HIGH_ORDER_RUNNING]	= "running",
	[HIGH_ORDER_HOLDING]	= "holding",
	[HIGH_ORDER_DONE]	= "done",
	[HIGH_ORDER_STOPPED]	= "stopped",
};

struct high_order_gfp_class {
	const char *name;
	gfp_t flags;
};

/*
 * A failure is an expected result here, so every request adds __GFP_NOWARN.
 * "movable" is placed like user memory, but compaction cannot move it: a block
 * held by a module is on no LRU list.
 */
static const struct high_order_gfp_class high_order_gfp_classes[] = {
	{ "kernel",		GFP_KERNEL },
	{ "kernel_nokswapd",	GFP_KERNEL & ~__GFP_KSWAPD_RECLAIM },
	{ "noretry",		GFP_KERNEL | __GFP_NORETRY },
	{ "retry_mayfail",	GFP_KERNEL | __GFP_RETRY_MAYFAIL },
	{ "noio",		GFP_NOIO },
	{ "nowait",		GFP_NOWAIT },
	{ "atomic",		GFP_ATOMIC },
	{ "movable",		GFP_HIGHUSER_MOVABLE },
};

struct high_order_record {
	u64 latency_ns;
	unsigned long pfn;
	u16 decided;
	u16 attempts;
	u8 frag_pct;
	bool ok;
};

/* What a reader of "records" saw when it opened the file. */
struct high_order_view {
	enum high_order_state state;
	const char *stop_reason;
	unsigned int attempted;
	unsigned int succeeded;
	unsigned int held_peak;
};

/* Written by the worker alone; a reader follows high_order_attempted. */
static struct high_order_record *high_order_records;
/* Requests whose record is complete: stored with release. */
static unsigned int high_order_attempted;
/* Everything final for a state precedes it: stored with release. */
static enum high_order_state high_order_state;
static const char *high_order_stop_reason = "none";
static unsigned int high_order_held_peak;

/* Private to the worker: a ring of most_held entries. */
static struct page **high_order_held;
static unsigned int high_order_held_first;
static unsigned int high_order_held_count;

static gfp_t high_order_gfp;
static struct task_struct *high_order_worker;
static struct dentry *high_order_dir;
static bool high_order_started;
/* Of cross_check; NULL unless observed. */
static typeof(cross_check_burst) *high_order_observer;
/* The record of the request in progress; only the worker's own events count. */
static struct high_order_record *high_order_current;
/* The writer of start and the worker; kthread_stop() wakes the latter itself. */
static DECLARE_WAIT_QUEUE_HEAD(high_order_stop_wait);

static void high_order_set_state(enum high_order_state state)
{
	/* Pairs with the acquire in high_order_get_state(). */
	smp_store_release(&high_order_state, state);
}

static enum high_order_state high_order_get_state(void)
{
	/* Pairs with the release in high_order_set_state(). */
	return smp_load_acquire(&high_order_state);
}

static void high_order_free_oldest(void)
{
	__free_pages(high_order_held[high_order_held_first], order);
	high_order_held_first = (high_order_held_first + 1) % most_held;
	high_order_held_count--;
}

static void high_order_free_all(void)
{
	while (high_order_held_count) {
		high_order_free_oldest();
		cond_resched();
	}
}

static void high_order_keep(struct page *page)
{
	unsigned int slot;

	slot = (high_order_held_first + high_order_held_count) % most_held;
	high_order_held[slot] = page;
	high_order_held_count++;
	if (high_order_held_count > high_order_held_peak)
		WRITE_ONCE(high_order_held_peak, high_order_held_count);
}

static void high_order_decided(void *data, unsigned int request_order,
			       gfp_t gfp_mask, const unsigned long *nr_free,
			       unsigned int cutoff, unsigned int threshold,
			       unsigned int frag_pct, unsigned int mode)
{
	if (current != high_order_worker || !high_order_current)
		return;
	high_order_current->decided++;
	high_order_current->frag_pct = frag_pct;
}

static void high_order_compacts(void *data, int request_order, gfp_t gfp_mask,
				int prio)
{
	if (current == high_order_worker && high_order_current)
		high_order_current->attempts++;
}

struct high_order_probe {
	const char *name;
	void *function;
	struct tracepoint *tracepoint;
};

static struct high_order_probe high_order_probes[] = {
	{ "buddy_monitor_decision", high_order_decided },
	{ "mm_compaction_try_to_compact_pages", high_order_compacts },
};

/* Found by name, since the kernel exports none of them. */
static void high_order_find(struct tracepoint *tracepoint, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(high_order_probes); i++) {
		if (!strcmp(tracepoint->name, high_order_probes[i].name))
			high_order_probes[i].tracepoint = tracepoint;
	}
}

/* A probe that cannot be had is shown as absent, and the burst goes on. */
static void __init high_order_register(void)
{
	unsigned int i;

	for_each_kernel_tracepoint(high_order_find, NULL);
	for (i = 0; i < ARRAY_SIZE(high_order_probes); i++) {
		struct high_order_probe *probe = &high_order_probes[i];

		if (probe->tracepoint &&
		    tracepoint_probe_register(probe->tracepoint,
					      probe->function, NULL))
			probe->tracepoint = NULL;
	}
}

static void high_order_unregister(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(high_order_probes); i++) {
		struct high_order_probe *probe = &high_order_probes[i];

		if (probe->tracepoint)
			tracepoint_probe_unregister(probe->tracepoint,
						    probe->function, NULL);
	}
	tracepoint_synchronize_unregister();
}

static bool high_order_request(unsigned int i)
{
	struct high_order_record *record = &high_order_records[i];
	struct page *page;
	u64 start_ns;
	u64 end_ns;

	high_order_current = record;
	start_ns = ktime_get_ns();
	page = alloc_pages(high_order_gfp, order);
	end_ns = ktime_get_ns();
	high_order_current = NULL;

	record->latency_ns = end_ns - start_ns;
	record->ok = page;
	record->pfn = page ? page_to_pfn(page) : 0;
	if (page)
		high_order_keep(page);
	/* Pairs with the acquire in high_order_records_open(). */
	smp_store_release(&high_order_attempted, i + 1);

	return page;
}

static void high_order_tell(enum cross_check_step step)
{
	if (high_order_observer)
		high_order_observer(step);
}

static void high_order_pause(unsigned int pause_ms)
{
	if (!pause_ms)
		return;
	wait_event_idle_timeout(high_order_stop_wait, kthread_should_stop(),
				msecs_to_jiffies(pause_ms));
}

/* Returns why the requests ended. */
static const char *high_order_perform(void)
{
	unsigned int i;
	bool got;

	for (i = 0; i < requests; i++) {
		if (i)
			high_order_pause(delay_ms);
		if (kthread_should_stop())
			return "unloaded";
		if (high_order_held_count == most_held) {
			if (hold_until_fail)
				return "most_held";
			high_order_free_oldest();
		}
		got = high_order_request(i);
		high_order_tell(CROSS_CHECK_REQUEST);
		if (!got && hold_until_fail)
			return "first_failure";
		cond_resched();
	}

	return "requests_done";
}

static void high_order_summarize(void)
{
	unsigned int attempted = high_order_attempted;
	unsigned int succeeded = 0;
	u64 latency_min = U64_MAX;
	u64 latency_max = 0;
	u64 latency_sum = 0;
	unsigned int i;

	for (i = 0; i < attempted; i++) {
		const struct high_order_record *record = &high_order_records[i];

		succeeded += record->ok;
		latency_min = min(latency_min, record->latency_ns);
		latency_max = max(latency_max, record->latency_ns);
		latency_sum += record->latency_ns;
		cond_resched();
	}
	if (!attempted)
		latency_min = 0;

	pr_info("order=%u attempted=%u succeeded=%u failed=%u stop_reason=%s latency_ns_min=%llu latency_ns_mean=%llu latency_ns_max=%llu\n",
		order, attempted, succeeded, attempted - succeeded,
		high_order_stop_reason, latency_min,
		div64_u64(latency_sum, max(attempted, 1U)), latency_max);
}

static int high_order_work(void *unused)
{
	bool stopped;

	if (wait) {
		high_order_set_state(HIGH_ORDER_WAITING);
		wait_event_idle(high_order_stop_wait,
				READ_ONCE(high_order_started) ||
				kthread_should_stop());
	}
	high_order_set_state(HIGH_ORDER_RUNNING);
	high_order_tell(CROSS_CHECK_BEGIN);
	WRITE_ONCE(high_order_stop_reason, high_order_perform());
	high_order_tell(CROSS_CHECK_END);
	high_order_set_state(HIGH_ORDER_HOLDING);
	wake_up_all(&high_order_stop_wait);
	high_order_pause(hold_ms);
	stopped = kthread_should_stop();
	high_order_free_all();
	high_order_summarize();
	high_order_set_state(stopped ? HIGH_ORDER_STOPPED : HIGH_ORDER_DONE);

	/* kthread_stop() needs a thread that is still there. */
	wait_event_idle(high_order_stop_wait, kthread_should_stop());
	return 0;
}

static int high_order_state_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "%s\n", high_order_state_names[high_order_get_state()]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(high_order_state);

static ssize_t high_order_start_write(struct file *file,
				      const char __user *text, size_t length,
				      loff_t *offset)
{
	WRITE_ONCE(high_order_started, true);
	wake_up_all(&high_order_stop_wait);
	if (wait_event_killable(high_order_stop_wait,
				high_order_get_state() >= HIGH_ORDER_HOLDING))
		return -EINTR;

	return length;
}

static const struct file_operations high_order_start_fops = {
	.owner		= THIS_MODULE,
	.write		= high_order_start_write,
	.llseek		= noop_llseek,
};

static void high_order_show_header(struct seq_file *m)
{
	const struct high_order_view *view = m->private;

	seq_printf(m, "%s %d\n", KBUILD_MODNAME, HIGH_ORDER_FORMAT);
	seq_printf(m, "order=%u requests=%u hold_ms=%u delay_ms=%u most_held=%u hold_until_fail=%u gfp=%s max_mib=%u wait=%u decision_probe=%u compact_probe=%u\n",
		   order, requests, hold_ms, delay_ms, most_held,
		   hold_until_fail, gfp, max_mib, wait,
		   !!high_order_probes[0].tracepoint,
		   !!high_order_probes[1].tracepoint);
	seq_printf(m, "state=%s stop_reason=%s attempted=%u succeeded=%u failed=%u held_peak=%u\n",
		   high_order_state_names[view->state], view->stop_reason,
		   view->attempted, view->succeeded,
		   view->attempted - view->succeeded, view->held_peak);
	seq_printf(m, "records=%u\n", view->attempted);
}

/*
 * Position 0 is the header, 1..attempted are the records, and the one after
 * them is the last line. A whole-file show would need a buffer of megabytes
 * from the allocator under test; this way one page is enough.
 */
static void *high_order_records_at(struct seq_file *m, loff_t pos)
{
	const struct high_order_view *view = m->private;

	if (!pos)
		return SEQ_START_TOKEN;
	if (pos > (loff_t)view->attempted + 1)
		return NULL;
	return &high_order_records[pos - 1];
}

static void *high_order_records_start(struct seq_file *m, loff_t *pos)
{
	return high_order_records_at(m, *pos);
}

static void *high_order_records_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return high_order_records_at(m, *pos);
}

static void high_order_records_stop(struct seq_file *m, void *v)
{
}

static int high_order_records_show(struct seq_file *m, void *v)
{
	const struct high_order_view *view = m->private;
	const struct high_order_record *record = v;
	unsigned int i;

	if (v == SEQ_START_TOKEN) {
		high_order_show_header(m);
		return 0;
	}
	i = record - high_order_records;
	if (i == view->attempted)
		seq_printf(m, "end records=%u\n", view->attempted);
	else
		seq_printf(m, "i=%u ok=%u latency_ns=%llu pfn=%lu decided=%u attempts=%u frag_pct=%u\n",
			   i, record->ok, record->latency_ns, record->pfn,
			   record->decided, record->attempts, record->frag_pct);
	return 0;
}

static const struct seq_operations high_order_records_ops = {
	.start	= high_order_records_start,
	.next	= high_order_records_next,
	.stop	= high_order_records_stop,
	.show	= high_order_records_show,
};

static int high_order_records_open(struct inode *inode, struct file *file)
{
	struct high_order_view *view;
	unsigned int i;

	view = __seq_open_private(file, &high_order_records_ops, sizeof(*view));
	if (!view)
		return -ENOMEM;
	view->state = high_order_get_state();
	view->stop_reason = READ_ONCE(high_order_stop_reason);
	view->held_peak = READ_ONCE(high_order_held_peak);
	/* Pairs with the release in high_order_request(). */
	view->attempted = smp_load_acquire(&high_order_attempted);
	for (i = 0; i < view->attempted; i++)
		view->succeeded += high_order_records[i].ok;
	return 0;
}

static const struct file_operations high_order_records_fops = {
	.owner		= THIS_MODULE,
	.open		= high_order_records_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release_private,
};

static int __init high_order_check_range(const char *name, unsigned int value,
					 unsigned int lowest,
					 unsigned int highest)
{
	if (value >= lowest && value <= highest)
		return 0;
	pr_err("%s=%u refused: give %u..%u\n", name, value, lowest, highest);
	return -EINVAL;
}

static int __init high_order_find_gfp(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(high_order_gfp_classes); i++) {
		if (strcmp(gfp, high_order_gfp_classes[i].name))
			continue;
		high_order_gfp = high_order_gfp_classes[i].flags | __GFP_NOWARN;
		return 0;
	}
	pr_err("gfp=%s refused: see modinfo for the known classes\n", gfp);
	return -EINVAL;
}

static int __init high_order_check_memory(void)
{
	u64 held_pages = (u64)most_held << order;
	u64 held_mib = DIV_ROUND_UP_ULL(held_pages << PAGE_SHIFT, SZ_1M);

	if (!max_mib)
		max_mib = (totalram_pages() / 4 * 3) >> (20 - PAGE_SHIFT);
	if (held_mib <= max_mib)
		return 0;
	pr_err("most_held=%u of order=%u refused: %llu MiB, max_mib=%u; lower most_held or raise max_mib\n",
	       most_held, order, held_mib, max_mib);
	return -EINVAL;
}

static int __init high_order_check_parameters(void)
{
	BUILD_BUG_ON(HIGH_ORDER_ORDER_MAX > MAX_PAGE_ORDER);

	if (high_order_check_range("order", order, 0, HIGH_ORDER_ORDER_MAX) ||
	    high_order_check_range("requests", requests, 1,
				   HIGH_ORDER_REQUESTS_MAX) ||
	    high_order_check_range("hold_ms", hold_ms, 0,
				   HIGH_ORDER_PAUSE_MS_MAX) ||
	    high_order_check_range("delay_ms", delay_ms, 0,
				   HIGH_ORDER_PAUSE_MS_MAX) ||
	    high_order_check_range("most_held", most_held, 1,
				   HIGH_ORDER_REQUESTS_MAX) ||
	    high_order_check_range("hold_until_fail", hold_until_fail, 0, 1) ||
	    high_order_find_gfp() || high_order_check_memory())
		return -EINVAL;
	return 0;
}

static int __init high_order_init(void)
{
	int err;

	err = high_order_check_parameters();
	if (err)
		return err;

	high_order_records = kvcalloc(requests, sizeof(*high_order_records),
				      GFP_KERNEL);
	if (!high_order_records)
		return -ENOMEM;

	high_order_held = kvcalloc(most_held, sizeof(*high_order_held),
				   GFP_KERNEL);
	if (!high_order_held) {
		err = -ENOMEM;
		goto out_free_records;
	}

	if (observed) {
		high_order_observer = symbol_get(cross_check_burst);
		if (!high_order_observer) {
			err = -ENOENT;
			pr_err("observed=1 refused: load cross_check first\n");
			goto out_free_held;
		}
	}

	high_order_worker = kthread_create(high_order_work, NULL,
					   KBUILD_MODNAME);
	if (IS_ERR(high_order_worker)) {
		err = PTR_ERR(high_order_worker);
		/* -EAGAIN would ask for the module to be loaded again. */
		if (err == -EAGAIN)
			err = -ENOMEM;
		pr_err("cannot create the worker: error %d\n", err);
		goto out_observer;
	}

	high_order_register();
	/* Without these files the run would be for nothing. */
	high_order_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	if (IS_ERR(high_order_dir)) {
		err = PTR_ERR(high_order_dir);
		pr_err("cannot create the debugfs directory: error %d\n", err);
		goto out_unregister;
	}
	debugfs_create_file("state", 0444, high_order_dir, NULL,
			    &high_order_state_fops);
	debugfs_create_file("records", 0444, high_order_dir, NULL,
			    &high_order_records_fops);
	debugfs_create_file("start", 0200, high_order_dir, NULL,
			    &high_order_start_fops);

	pr_info("start order=%u requests=%u hold_ms=%u delay_ms=%u most_held=%u hold_until_fail=%u gfp=%s max_mib=%u\n",
		order, requests, hold_ms, delay_ms, most_held,
		hold_until_fail, gfp, max_mib);
	wake_up_process(high_order_worker);
	return 0;

out_unregister:
	high_order_unregister();
	/* Never woken, so it ends here without running high_order_work(). */
	kthread_stop(high_order_worker);
out_observer:
	if (high_order_observer)
		symbol_put(cross_check_burst);
out_free_held:
	kvfree(high_order_held);
out_free_records:
	kvfree(high_order_records);
	return err;
}

static void __exit high_order_exit(void)
{
	/* The worker frees what it holds before it ends. */
	kthread_stop(high_order_worker);
	debugfs_remove(high_order_dir);
	high_order_unregister();
	if (high_order_observer)
		symbol_put(cross_check_burst);
	kvfree(high_order_held);
	kvfree(high_order_records);
}

module_init(high_order_init);
module_exit(high_order_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("buddylab");
MODULE_DESCRIPTION("Request and hold high-order pages to stress the buddy allocator");
