// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many requests at a time, in numbers known beforehand: a counter that can lose
 * an update shows here.
 */

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "alloc_torture.h"
#include "compat.h"

#define HAMMER_PER_CPU		2	/* threads */
#define HAMMER_PAIRS		4000	/* of each order, by each thread */
#define HAMMER_IRQ_PAIRS	40000
#define HAMMER_IRQ_SHOTS	4000
#define HAMMER_IRQ_EVERY_NS	41000	/* and up to 127 steps more */
#define HAMMER_IRQ_PHASES	127
#define HAMMER_IRQ_STEP_NS	72	/* some instructions */
#define HAMMER_LIMIT_S		120

struct hammer_thread {
	struct task_struct *task;
	struct hammer_count count;
	gfp_t gfp;
};

static DECLARE_COMPLETION(hammer_go);
static DECLARE_COMPLETION(hammer_done);
static atomic_t hammer_busy;

static void hammer_pair(gfp_t gfp, unsigned int order,
			struct torture_count *count)
{
	struct page *page = alloc_pages(gfp, order);

	count->requests++;
	if (page) {
		count->ok++;
		count->pages += 1UL << order;
		__free_pages(page, order);
	} else {
		count->failed++;
	}
}

static int hammer_work(void *data)
{
	struct hammer_thread *thread = data;
	unsigned int order, i;

	wait_for_completion(&hammer_go);
	for (i = 0; i < HAMMER_PAIRS && !kthread_should_stop(); i++) {
		for (order = HAMMER_FIRST; order <= HAMMER_LAST; order++)
			hammer_pair(thread->gfp, order,
				    &thread->count.order[order]);
		cond_resched();
	}
	if (atomic_dec_and_test(&hammer_busy))
		complete(&hammer_done);
	/* kthread_stop() needs a thread that is still there. */
	set_current_state(TASK_IDLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_IDLE);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int hammer_start(struct hammer_thread *threads, unsigned int number,
			gfp_t gfp)
{
	unsigned int cpu = cpumask_first(cpu_online_mask);
	unsigned int i;

	for (i = 0; i < number; i++) {
		threads[i].gfp = gfp;
		threads[i].task = kthread_create(hammer_work, &threads[i],
						 "torture/%u", i);
		if (IS_ERR(threads[i].task))
			return PTR_ERR(threads[i].task);
		kthread_bind(threads[i].task, cpu);
		wake_up_process(threads[i].task);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
	}
	return 0;
}

static void hammer_stop(struct hammer_thread *threads, unsigned int number,
			struct hammer_count *count)
{
	unsigned int i, order;

	/* Those that never began must get past their wait to see the end. */
	complete_all(&hammer_go);
	for (i = 0; i < number; i++) {
		if (IS_ERR_OR_NULL(threads[i].task))
			continue;
		kthread_stop(threads[i].task);
		for (order = HAMMER_FIRST; order <= HAMMER_LAST; order++) {
			const struct torture_count *one;

			one = &threads[i].count.order[order];
			count->order[order].requests += one->requests;
			count->order[order].ok += one->ok;
			count->order[order].failed += one->failed;
			count->order[order].pages += one->pages;
		}
	}
}

/* Threads bound to all CPUs in turn, each with the same number of requests */
int hammer_run(gfp_t gfp, void (*before)(void), void (*after)(void),
	       struct hammer_count *count)
{
	unsigned int number;
	struct hammer_thread *threads;
	int err;

	memset(count, 0, sizeof(*count));
	cpus_read_lock();
	number = num_online_cpus() * HAMMER_PER_CPU;
	threads = kcalloc(number, sizeof(*threads), GFP_KERNEL);
	if (!threads) {
		cpus_read_unlock();
		return -ENOMEM;
	}
	reinit_completion(&hammer_go);
	reinit_completion(&hammer_done);
	atomic_set(&hammer_busy, number);
	err = hammer_start(threads, number, gfp);
	if (!err) {
		before();
		complete_all(&hammer_go);
		if (!wait_for_completion_timeout(&hammer_done,
						 HAMMER_LIMIT_S * HZ))
			err = -ETIMEDOUT;
		after();
	}
	hammer_stop(threads, number, count);
	cpus_read_unlock();
	kfree(threads);
	return err;
}

static struct hrtimer hammer_timer;
static bool hammer_armed;
static struct torture_count hammer_shots;
static unsigned long hammer_most_shots;
static gfp_t hammer_irq_gfp;

/*
 * Never the same twice in a row: whoever is interrupted repeats itself, and a
 * steady beat could meet the same few instructions for ever.
 */
static ktime_t hammer_interval(unsigned long shot)
{
	return ns_to_ktime(HAMMER_IRQ_EVERY_NS +
			   shot % HAMMER_IRQ_PHASES * HAMMER_IRQ_STEP_NS);
}

static enum hrtimer_restart hammer_shoot(struct hrtimer *timer)
{
	hammer_pair(hammer_irq_gfp, HAMMER_FIRST, &hammer_shots);
	if (hammer_shots.requests == hammer_most_shots) {
		complete(&hammer_done);
		return HRTIMER_NORESTART;
	}
	hrtimer_forward_now(timer, hammer_interval(hammer_shots.requests));
	return HRTIMER_RESTART;
}

static void hammer_arm(gfp_t gfp, unsigned long most)
{
	memset(&hammer_shots, 0, sizeof(hammer_shots));
	hammer_irq_gfp = gfp;
	hammer_most_shots = most;
	reinit_completion(&hammer_done);
	compat_hrtimer_setup(&hammer_timer, hammer_shoot, CLOCK_MONOTONIC,
			     HRTIMER_MODE_REL_HARD);
	hammer_armed = true;
	hrtimer_start(&hammer_timer, ns_to_ktime(HAMMER_IRQ_EVERY_NS),
		      HRTIMER_MODE_REL_HARD);
}

void hammer_shoot_start(gfp_t gfp)
{
	hammer_shoot_stop(&hammer_shots);
	hammer_arm(gfp, ULONG_MAX);
}

void hammer_shoot_stop(struct torture_count *count)
{
	if (hammer_armed)
		hrtimer_cancel(&hammer_timer);
	*count = hammer_shots;
}

/* A task that asks for blocks, interrupted at any point by one who asks, too */
int hammer_irq_run(gfp_t gfp, gfp_t irq_gfp, void (*before)(void),
		   void (*after)(void), struct hammer_count *count)
{
	struct torture_count *own = &count->order[HAMMER_FIRST];
	int err = 0;
	unsigned int i;

	memset(count, 0, sizeof(*count));
	before();
	/* The timer stays on the CPU it is started on, and so does the task. */
	migrate_disable();
	hammer_arm(irq_gfp, HAMMER_IRQ_SHOTS);
	for (i = 0; i < HAMMER_IRQ_PAIRS; i++) {
		hammer_pair(gfp, HAMMER_FIRST, own);
		cond_resched();
	}
	migrate_enable();
	if (!wait_for_completion_timeout(&hammer_done, HAMMER_LIMIT_S * HZ))
		err = -ETIMEDOUT;
	hrtimer_cancel(&hammer_timer);
	after();
	own->requests += hammer_shots.requests;
	own->ok += hammer_shots.ok;
	own->failed += hammer_shots.failed;
	own->pages += hammer_shots.pages;
	return err;
}
