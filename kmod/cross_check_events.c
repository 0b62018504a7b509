// SPDX-License-Identifier: GPL-2.0-only
/*
 * cross_check - count what others see of the page allocator
 *
 * Probes on kmem:mm_page_alloc, compaction:mm_compaction_try_to_compact_pages
 * and, where there is one, buddy_monitor:buddy_monitor_decision, from when the
 * module is loaded. Nothing is allocated for an event, nor for a snapshot.
 *
 * In /sys/kernel/debug/cross_check/:
 *
 *   snapshot   all counts of the monitor, of the probes and of vmstat, taken at
 *              one instant: in stop_machine(), where no CPU can be between the
 *              counting of an outcome and its trace event, as long as the
 *              kernel is not preemptible
 *   decisions  the last decisions of adaptive compaction, with the free areas
 *              that each was made of
 *   free       see cross_check_free.c
 *   freeze     see there
 *   burst      see cross_check_burst.c
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "cross_check.h"

/* Kbuild tells whether this kernel has the header: a prefix of the series lacks it. */
#if defined(HAVE_BUDDY_MONITOR_H) && defined(CONFIG_BUDDY_MONITOR)
#include <linux/buddy_monitor.h>
#define CROSS_CHECK_MONITOR
#endif

#define CROSS_CHECK_PRIORITIES	3
#define CROSS_CHECK_DECISIONS	1024

struct cross_check_counts {
	unsigned long allocated[NR_PAGE_ORDERS];
	unsigned long refused[NR_PAGE_ORDERS];
	unsigned long compact_call[CROSS_CHECK_PRIORITIES][NR_PAGE_ORDERS];
	unsigned long decisions[NR_PAGE_ORDERS];
};

struct cross_check_decision {
	unsigned int order;
	gfp_t gfp_mask;
	unsigned int cutoff;
	unsigned int threshold;
	unsigned int frag_pct;
	unsigned int mode;
	unsigned long nr_free[NR_PAGE_ORDERS];
};

struct cross_check_snapshot {
	struct cross_check_counts counts;
	unsigned long compact_stall;
	unsigned long compact_success;
	unsigned long compact_fail;
#ifdef CROSS_CHECK_MONITOR
	struct buddy_monitor_snapshot monitor;
#endif
};

static DEFINE_PER_CPU(struct cross_check_counts, cross_check_counts);

static struct cross_check_decision cross_check_decisions[CROSS_CHECK_DECISIONS];
static atomic_t cross_check_decisions_seen;

/* One reader at a time: what it reads is too large for a stack. */
static DEFINE_MUTEX(cross_check_mutex);
static struct cross_check_snapshot cross_check_snapshot;
static struct dentry *cross_check_dir;

static void cross_check_page_alloc(void *data, struct page *page,
				   unsigned int order, gfp_t gfp_mask,
				   int migratetype)
{
	if (order > MAX_PAGE_ORDER)
		return;
	if (page)
		this_cpu_inc(cross_check_counts.allocated[order]);
	else
		this_cpu_inc(cross_check_counts.refused[order]);
}

static void cross_check_compact(void *data, int order, gfp_t gfp_mask, int prio)
{
	if (order >= 0 && order <= MAX_PAGE_ORDER && prio >= 0 &&
	    prio < CROSS_CHECK_PRIORITIES)
		this_cpu_inc(cross_check_counts.compact_call[prio][order]);
}

static void cross_check_decide(void *data, unsigned int order,
			       unsigned long gfp_flags,
			       const unsigned long *nr_free,
			       unsigned int cutoff, unsigned int threshold,
			       unsigned int frag_pct, unsigned int mode)
{
	struct cross_check_decision *decision;
	unsigned int number;

	if (order > MAX_PAGE_ORDER)
		return;
	this_cpu_inc(cross_check_counts.decisions[order]);
	number = atomic_fetch_inc(&cross_check_decisions_seen);
	decision = &cross_check_decisions[number % CROSS_CHECK_DECISIONS];
	decision->order = order;
	decision->gfp_mask = (__force gfp_t)gfp_flags;
	decision->cutoff = cutoff;
	decision->threshold = threshold;
	decision->frag_pct = frag_pct;
	decision->mode = mode;
	memcpy(decision->nr_free, nr_free, sizeof(decision->nr_free));
}

/* Found by name, since the kernel exports none of them. */
struct cross_check_probe {
	const char *name;
	void *function;
	bool required;
	struct tracepoint *tracepoint;
};

static struct cross_check_probe cross_check_probes[] = {
	{ "mm_page_alloc", cross_check_page_alloc, true },
	{ "mm_compaction_try_to_compact_pages", cross_check_compact, true },
	{ "buddy_monitor_decision", cross_check_decide, false },
};

static void cross_check_find(struct tracepoint *tracepoint, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cross_check_probes); i++) {
		if (!strcmp(tracepoint->name, cross_check_probes[i].name))
			cross_check_probes[i].tracepoint = tracepoint;
	}
}

static void cross_check_unregister(unsigned int number)
{
	unsigned int i;

	for (i = 0; i < number; i++) {
		struct cross_check_probe *probe = &cross_check_probes[i];

		if (probe->tracepoint)
			tracepoint_probe_unregister(probe->tracepoint,
						    probe->function, NULL);
	}
	tracepoint_synchronize_unregister();
}

static int __init cross_check_register(void)
{
	unsigned int i;
	int err;

	for_each_kernel_tracepoint(cross_check_find, NULL);
	for (i = 0; i < ARRAY_SIZE(cross_check_probes); i++) {
		struct cross_check_probe *probe = &cross_check_probes[i];

		err = 0;
		if (probe->tracepoint)
			err = tracepoint_probe_register(probe->tracepoint,
							probe->function, NULL);
		else if (probe->required)
			err = -ENOENT;
		if (err) {
			pr_err("no probe on tracepoint %s: error %d\n",
			       probe->name, err);
			cross_check_unregister(i);
			return err;
		}
	}

	return 0;
}

static void cross_check_add(unsigned long *sum, const unsigned long *part)
{
	unsigned int order;

	for (order = 0; order < NR_PAGE_ORDERS; order++)
		sum[order] += part[order];
}

/* Runs on one CPU, the others spin with interrupts off. */
static int cross_check_take(void *unused)
{
	struct cross_check_snapshot *snapshot = &cross_check_snapshot;
	struct cross_check_counts *sum = &snapshot->counts;
	unsigned int prio;
	int cpu;

	memset(snapshot, 0, sizeof(*snapshot));
	for_each_possible_cpu(cpu) {
		const struct cross_check_counts *part;
		const unsigned long *event;

		part = per_cpu_ptr(&cross_check_counts, cpu);
		cross_check_add(sum->allocated, part->allocated);
		cross_check_add(sum->refused, part->refused);
		cross_check_add(sum->decisions, part->decisions);
		for (prio = 0; prio < CROSS_CHECK_PRIORITIES; prio++)
			cross_check_add(sum->compact_call[prio],
					part->compact_call[prio]);

		event = per_cpu(vm_event_states, cpu).event;
		snapshot->compact_stall += event[COMPACTSTALL];
		snapshot->compact_success += event[COMPACTSUCCESS];
		snapshot->compact_fail += event[COMPACTFAIL];
	}
#ifdef CROSS_CHECK_MONITOR
	buddy_monitor_read(&snapshot->monitor);
#endif

	return 0;
}

static void cross_check_show_orders(struct seq_file *m,
				    const unsigned long *row)
{
	unsigned int order;

	for (order = 0; order < NR_PAGE_ORDERS; order++)
		seq_printf(m, " %lu", row[order]);
	seq_putc(m, '\n');
}

static void cross_check_show_monitor(struct seq_file *m)
{
#ifdef CROSS_CHECK_MONITOR
	const struct buddy_monitor_snapshot *monitor;
	unsigned long switches = 0;	/* counting is always on */
	unsigned int item;

	monitor = &cross_check_snapshot.monitor;
#ifdef HAVE_BUDDY_MONITOR_SWITCHES
	switches = monitor->switches;
#endif

	for (item = 0; item < NR_BUDDY_ITEMS; item++) {
		seq_printf(m, "monitor %s", buddy_item_names[item]);
		cross_check_show_orders(m, monitor->item[item]);
	}
	seq_printf(m, "monitor_invalid req=%lu fail=%lu switches=%lu\n",
		   monitor->invalid_req, monitor->invalid_fail, switches);
#endif
}

static int snapshot_show(struct seq_file *m, void *unused)
{
	const struct cross_check_counts *counts = &cross_check_snapshot.counts;
	unsigned int prio;

	mutex_lock(&cross_check_mutex);
	stop_machine(cross_check_take, NULL, NULL);
	seq_printf(m, "%s snapshot 1\n", KBUILD_MODNAME);
	seq_printf(m, "cpus=%u\n", num_online_cpus());
	cross_check_show_monitor(m);
	seq_puts(m, "allocated");
	cross_check_show_orders(m, counts->allocated);
	seq_puts(m, "refused");
	cross_check_show_orders(m, counts->refused);
	for (prio = 0; prio < CROSS_CHECK_PRIORITIES; prio++) {
		seq_printf(m, "compact_call prio=%u", prio);
		cross_check_show_orders(m, counts->compact_call[prio]);
	}
	seq_puts(m, "decisions");
	cross_check_show_orders(m, counts->decisions);
	seq_printf(m, "vm compact_stall=%lu compact_success=%lu compact_fail=%lu\n",
		   cross_check_snapshot.compact_stall,
		   cross_check_snapshot.compact_success,
		   cross_check_snapshot.compact_fail);
	seq_puts(m, "end\n");
	mutex_unlock(&cross_check_mutex);

	return 0;
}

/* Room for all of it at once: a text that is too long is taken again. */
static int snapshot_open(struct inode *inode, struct file *file)
{
	return single_open_size(file, snapshot_show, NULL, 4 * PAGE_SIZE);
}

static const struct file_operations snapshot_fops = {
	.owner		= THIS_MODULE,
	.open		= snapshot_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static int decisions_show(struct seq_file *m, void *unused)
{
	unsigned int seen = atomic_read(&cross_check_decisions_seen);
	unsigned int kept = min_t(unsigned int, seen, CROSS_CHECK_DECISIONS);
	unsigned int i, order;

	seq_printf(m, "%s decisions 1 seen=%u kept=%u\n", KBUILD_MODNAME, seen,
		   kept);
	for (i = seen - kept; i != seen; i++) {
		const struct cross_check_decision *decision;

		decision = &cross_check_decisions[i % CROSS_CHECK_DECISIONS];
		seq_printf(m, "order=%u gfp=%u cutoff=%u threshold=%u frag_pct=%u mode=%u free=%lu",
			   decision->order, (__force unsigned int)decision->gfp_mask,
			   decision->cutoff, decision->threshold,
			   decision->frag_pct, decision->mode,
			   decision->nr_free[0]);
		for (order = 1; order < NR_PAGE_ORDERS; order++)
			seq_printf(m, ",%lu", decision->nr_free[order]);
		seq_putc(m, '\n');
	}
	seq_puts(m, "end\n");

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(decisions);

static int __init cross_check_init(void)
{
	int err;

	cross_check_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	if (IS_ERR(cross_check_dir))
		return PTR_ERR(cross_check_dir);
	err = cross_check_free_init(cross_check_dir);
	if (err)
		goto out_dir;
	err = cross_check_burst_init(cross_check_dir);
	if (err)
		goto out_free;
	err = cross_check_register();
	if (err)
		goto out_burst;
	debugfs_create_file("snapshot", 0400, cross_check_dir, NULL,
			    &snapshot_fops);
	debugfs_create_file("decisions", 0400, cross_check_dir, NULL,
			    &decisions_fops);

	return 0;

out_burst:
	cross_check_burst_exit();
out_free:
	cross_check_free_exit();
out_dir:
	debugfs_remove_recursive(cross_check_dir);
	return err;
}
module_init(cross_check_init);

static void __exit cross_check_exit(void)
{
	debugfs_remove_recursive(cross_check_dir);
	cross_check_unregister(ARRAY_SIZE(cross_check_probes));
	cross_check_burst_exit();
	cross_check_free_exit();
}
module_exit(cross_check_exit);

MODULE_DESCRIPTION("An independent account of what the page allocator does");
MODULE_LICENSE("GPL");
