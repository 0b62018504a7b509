// SPDX-License-Identifier: GPL-2.0-only
/*
 * contention - what counting costs on this machine's own CPUs
 *
 *   contention COUNTS
 *
 * Each thread counts COUNTS times, as the page allocator does for a request
 * that succeeds: one counter on entry, one on the way out. Printed in ns for each, best
 * of ROUNDS:
 *
 *   shared threads=N ns=F    locked increments of counters all threads share
 *   private threads=N ns=F   plain increments of counters of the thread's own
 *
 * for one thread, and for one on each CPU this process may run on. The private
 * counters stand two lines apart, so no thread disturbs another.
 *
 * Exit status: 0 done, 1 a thread could not be started or bound, 2 usage.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS		5
#define COUNTERS	2
#define THREADS_MAX	64
#define LINE_BYTES	64

struct counters {
	atomic_ulong count[COUNTERS];
} __attribute__((aligned(2 * LINE_BYTES)));

/* What one thread works on; its time is its own, however late others wake. */
struct worker {
	struct counters own;
	double took_ns;
};

static struct counters shared;
static struct worker workers[THREADS_MAX];
static unsigned long counts;
static bool is_shared;
static pthread_barrier_t start;

static void count_shared(void)
{
	for (unsigned long i = 0; i < counts; i++) {
		for (int c = 0; c < COUNTERS; c++)
			atomic_fetch_add_explicit(&shared.count[c], 1,
						  memory_order_relaxed);
	}
}

/* A plain load and store, which the compiler may not leave out. */
static void count_private(struct counters *own)
{
	for (unsigned long i = 0; i < counts; i++) {
		for (int c = 0; c < COUNTERS; c++)
			++*(volatile unsigned long *)&own->count[c];
	}
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	double start_ns;

	pthread_barrier_wait(&start);
	start_ns = now_ns();
	if (is_shared)
		count_shared();
	else
		count_private(&worker->own);
	worker->took_ns = now_ns() - start_ns;
	return NULL;
}

static void fail(const char *what, int error)
{
	fprintf(stderr, "contention: %s: %s\n", what, strerror(error));
	exit(1);
}

static double round_ns(int threads, const int *cpus)
{
	pthread_t thread[THREADS_MAX];
	double longest_ns = 0;

	pthread_barrier_init(&start, NULL, (unsigned int)threads);
	for (int i = 0; i < threads; i++) {
		pthread_attr_t attributes;
		cpu_set_t cpu;
		int error;

		CPU_ZERO(&cpu);
		CPU_SET(cpus[i], &cpu);
		pthread_attr_init(&attributes);
		pthread_attr_setaffinity_np(&attributes, sizeof(cpu), &cpu);
		error = pthread_create(&thread[i], &attributes, work,
				       &workers[i]);
		if (error)
			fail("cannot start a thread", error);
		pthread_attr_destroy(&attributes);
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(thread[i], NULL);
		if (workers[i].took_ns > longest_ns)
			longest_ns = workers[i].took_ns;
	}
	pthread_barrier_destroy(&start);
	return longest_ns / counts;
}

static void measure(bool shared_too, int threads, const int *cpus)
{
	double best_ns = 0;

	is_shared = shared_too;
	for (int i = 0; i < ROUNDS; i++) {
		double ns = round_ns(threads, cpus);

		if (!i || ns < best_ns)
			best_ns = ns;
	}
	printf("%s threads=%d ns=%.2f\n", shared_too ? "shared" : "private",
	       threads, best_ns);
}

int main(int argc, char **argv)
{
	int cpus[THREADS_MAX];
	cpu_set_t allowed;
	int number = 0;

	counts = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	if (!counts) {
		fputs("usage: contention COUNTS\n", stderr);
		return 2;
	}
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		fail("cannot tell the CPUs of this process", 1);
	for (int cpu = 0; cpu < CPU_SETSIZE && number < THREADS_MAX; cpu++) {
		if (CPU_ISSET(cpu, &allowed))
			cpus[number++] = cpu;
	}
	for (int threads = 1;; threads = number) {
		measure(true, threads, cpus);
		measure(false, threads, cpus);
		if (threads == number)
			return 0;
	}
}
