// SPDX-License-Identifier: GPL-2.0-only
/*
 * turns - who has a turn when, where an emulator lets its CPUs take turns
 *
 * With -icount QEMU executes one CPU at a time. A turn is a CPU's share of the
 * instructions to the next timer of any of them, so timers decide where turns
 * end. With schedule=N each CPU gets a timer whose intervals come from N and
 * from the CPU alone (xorshift64), from 8 us to 2 ms, each power of two as
 * likely as the next: another N, other turns, the same each time. With
 * schedule=0, the default, nothing is shifted, and turns are recorded as they are.
 *
 * /sys/kernel/debug/turns/:
 *
 *   stop     any write ends the timers and what is recorded
 *   result   complete after that:
 *
 *	turns 1
 *	schedule=3 cpus=2 events=N order=HEX
 *	cpu=0 events=N expiries=N	(one line for each CPU)
 *	lasted_ns=4096 turns=N		(from there to twice that; none: no line)
 *	end
 *
 * Events are allocations and frees by the page allocator (kmem:mm_page_alloc and
 * kmem:mm_page_free), of all orders. "order" digests in which order which CPU
 * had which event; timers are no part of it. A turn is seen to begin with the
 * first event or expiry of another CPU than the last one's, so one in which
 * nothing happened is not seen.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "compat.h"

#define TURNS_FORMAT		1
#define TURNS_SHORTEST_NS	8192ULL
#define TURNS_OCTAVES		8	/* a power of two */
#define TURNS_CPU_BITS		8

static unsigned int turns_schedule;
module_param_named(schedule, turns_schedule, uint, 0444);
MODULE_PARM_DESC(schedule, "What the timers' intervals come from (default 0: no timers)");

struct turns_cpu {
	struct hrtimer timer;
	u64 random;
	u64 order;
	unsigned long events;
	unsigned long expiries;
	unsigned long lasted[64];	/* turns that another CPU's turn followed */
};

static DEFINE_PER_CPU(struct turns_cpu, turns_cpus);
static atomic64_t turns_events;
/* When the turn began that is the present one, and above all whose it is. */
static atomic64_t turns_begun;
static DEFINE_MUTEX(turns_mutex);
static bool turns_stopped;
static struct dentry *turns_dir;

/* The finalizer of splitmix64. */
static u64 turns_mix(u64 value)
{
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
	return value ^ (value >> 31);
}

static u64 turns_interval(struct turns_cpu *own)
{
	u64 octave;

	own->random ^= own->random << 13;
	own->random ^= own->random >> 7;
	own->random ^= own->random << 17;
	octave = TURNS_SHORTEST_NS << ((own->random >> 56) & (TURNS_OCTAVES - 1));
	return octave + ((own->random >> 16) & (octave - 1));
}

/* In one word, or a turn's end between two stores would mix two turns up. */
static void turns_seen(struct turns_cpu *own, unsigned int cpu)
{
	u64 begun = atomic64_read(&turns_begun);
	u64 now_ns;

	if ((begun & (BIT(TURNS_CPU_BITS) - 1)) == cpu)
		return;
	now_ns = ktime_get_ns();
	begun = atomic64_xchg(&turns_begun, now_ns << TURNS_CPU_BITS | cpu);
	if ((begun & (BIT(TURNS_CPU_BITS) - 1)) == cpu)
		return;
	begun >>= TURNS_CPU_BITS;
	if (now_ns > begun)
		own->lasted[ilog2(now_ns - begun)]++;
}

static void turns_event(unsigned int what)
{
	struct turns_cpu *own;
	unsigned long flags;
	unsigned int cpu;
	u64 number;

	local_irq_save(flags);
	cpu = smp_processor_id();
	own = this_cpu_ptr(&turns_cpus);
	/* A sum of what each CPU adds: nobody waits for another. */
	number = atomic64_inc_return(&turns_events);
	own->order += turns_mix(number << 16 | cpu << 8 | what);
	own->events++;
	turns_seen(own, cpu);
	local_irq_restore(flags);
}

static void turns_page_alloc(void *data, struct page *page, unsigned int order,
			     gfp_t gfp_flags, int migratetype)
{
	turns_event(order);
}

static void turns_page_free(void *data, struct page *page, unsigned int order)
{
	turns_event(BIT(7) | order);
}

static struct turns_probe {
	const char *name;
	void *function;
	struct tracepoint *tracepoint;
	bool registered;
} turns_probes[] = {
	{ "mm_page_alloc", turns_page_alloc },
	{ "mm_page_free", turns_page_free },
};

/* Found by name, since the kernel exports none of them. */
static void __init turns_find(struct tracepoint *tracepoint, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(turns_probes); i++) {
		if (!strcmp(tracepoint->name, turns_probes[i].name))
			turns_probes[i].tracepoint = tracepoint;
	}
}

static int __init turns_register(void)
{
	unsigned int i;
	int err;

	for_each_kernel_tracepoint(turns_find, NULL);
	for (i = 0; i < ARRAY_SIZE(turns_probes); i++) {
		struct turns_probe *probe = &turns_probes[i];

		if (!probe->tracepoint) {
			pr_err("refused: this kernel has no trace event %s\n", probe->name);
			return -ENOENT;
		}
		err = tracepoint_probe_register(probe->tracepoint, probe->function, NULL);
		if (err)
			return err;
		probe->registered = true;
	}

	return 0;
}

static void turns_unregister(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(turns_probes); i++) {
		struct turns_probe *probe = &turns_probes[i];

		if (probe->registered)
			tracepoint_probe_unregister(probe->tracepoint, probe->function, NULL);
		probe->registered = false;
	}
	tracepoint_synchronize_unregister();
}

static enum hrtimer_restart turns_expire(struct hrtimer *timer)
{
	struct turns_cpu *own = container_of(timer, struct turns_cpu, timer);

	own->expiries++;
	turns_seen(own, smp_processor_id());
	hrtimer_forward_now(timer, ns_to_ktime(turns_interval(own)));

	return HRTIMER_RESTART;
}

static void __init turns_start(void *unused)
{
	struct turns_cpu *own = this_cpu_ptr(&turns_cpus);

	/* Never 0, where xorshift would stay. */
	own->random = turns_mix((u64)turns_schedule << 32 | (smp_processor_id() + 1)) | 1;
	hrtimer_start(&own->timer, ns_to_ktime(turns_interval(own)),
		      HRTIMER_MODE_REL_PINNED_HARD);
}

static void turns_stop(void)
{
	int cpu;

	mutex_lock(&turns_mutex);
	if (!turns_stopped) {
		for_each_possible_cpu(cpu)
			hrtimer_cancel(&per_cpu(turns_cpus, cpu).timer);
		turns_unregister();
		turns_stopped = true;
	}
	mutex_unlock(&turns_mutex);
}

static int turns_stop_set(void *unused, u64 value)
{
	turns_stop();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(turns_stop_fops, NULL, turns_stop_set, "%llu\n");

static void turns_show_lasted(struct seq_file *m)
{
	unsigned int power;
	int cpu;

	for (power = 0; power < 64; power++) {
		unsigned long turns = 0;

		for_each_possible_cpu(cpu)
			turns += per_cpu(turns_cpus, cpu).lasted[power];
		if (turns)
			seq_printf(m, "lasted_ns=%llu turns=%lu\n", BIT_ULL(power), turns);
	}
}

static int turns_result_show(struct seq_file *m, void *unused)
{
	u64 order = 0;
	int cpu;

	if (!READ_ONCE(turns_stopped))
		return -EBUSY;
	for_each_possible_cpu(cpu)
		order += per_cpu(turns_cpus, cpu).order;
	seq_printf(m, "%s %d\nschedule=%u cpus=%u events=%lld order=%016llx\n",
		   KBUILD_MODNAME, TURNS_FORMAT, turns_schedule, num_online_cpus(),
		   (long long)atomic64_read(&turns_events), order);
	for_each_online_cpu(cpu) {
		const struct turns_cpu *own = per_cpu_ptr(&turns_cpus, cpu);

		seq_printf(m, "cpu=%d events=%lu expiries=%lu\n", cpu, own->events,
			   own->expiries);
	}
	turns_show_lasted(m);
	seq_puts(m, "end\n");

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(turns_result);

static int __init turns_init(void)
{
	int cpu, err;

	BUILD_BUG_ON(BIT(TURNS_CPU_BITS) < CONFIG_NR_CPUS);

	for_each_possible_cpu(cpu)
		compat_hrtimer_setup(&per_cpu(turns_cpus, cpu).timer, turns_expire,
				     CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	atomic64_set(&turns_begun, ktime_get_ns() << TURNS_CPU_BITS | raw_smp_processor_id());
	err = turns_register();
	if (err) {
		turns_unregister();
		return err;
	}
	turns_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("result", 0444, turns_dir, NULL, &turns_result_fops);
	debugfs_create_file_unsafe("stop", 0200, turns_dir, NULL, &turns_stop_fops);
	if (turns_schedule)
		on_each_cpu(turns_start, NULL, 1);

	return 0;
}

static void __exit turns_exit(void)
{
	debugfs_remove(turns_dir);
	turns_stop();
}

module_init(turns_init);
module_exit(turns_exit);

MODULE_DESCRIPTION("Shift where the turns of emulated CPUs end, and record their order");
MODULE_LICENSE("GPL");
