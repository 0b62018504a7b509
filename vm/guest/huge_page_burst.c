// SPDX-License-Identifier: GPL-2.0-only
/*
 * huge_page_burst - ask for huge pages as programs and administrators do
 *
 *   huge_page_burst KIND ORDER REQUESTS HOLD_UNTIL_FAIL SEED OUTPUT
 *
 *   thp      a write to a page of each of REQUESTS aligned ranges of 2^ORDER pages
 *            of MADV_HUGEPAGE memory, in an order and at places that come from SEED.
 *            ORDER is that of a PMD. A fault got its huge page if the whole range is
 *            present at once.
 *   mthp     the same with smaller huge pages; the size must have statistics below
 *            /sys/kernel/mm/transparent_hugepage
 *   hugetlb  /proc/sys/vm/nr_hugepages is raised by one at a time; a request got its
 *            page if the number that is read back has risen. SEED chooses nothing.
 *
 * A latency is that of the write alone. What is got is written to whole, outside of
 * latencies, and held until the end; the single page of a fault that fell back is
 * given back at once. With HOLD_UNTIL_FAIL 1 the first failure ends the burst.
 * Faults end before memory is so short that their single page would call the OOM
 * killer: what fails is for want of blocks, not of memory. OUTPUT, all of it written
 * after the last request, while everything is still held:
 *
 *   huge_page_burst 1
 *   kind=thp order=9 requests=256 hold_until_fail=1 seed=7
 *   stop_reason=failure|requests|memory attempted=N succeeded=N failed=N
 *   seen anon_huge_kib=N [anon_fault_alloc=N anon_fault_fallback=N ...]
 *   records=N
 *   i=0 ok=1 latency_ns=N pfn=N
 *   (one line for each request; pfn is 0 where it failed or its pages are apart)
 *   end records=N
 *
 * Where the cross-check is loaded it is told of each request, outside of latencies.
 *
 * "seen" is what the kernel says of it: AnonHugePages of the memory in smaps, and by
 * how much the statistics of the size rose, where the kernel has them; of hugetlb
 * pool_before=N pool_after=N, the pool's size in pages.
 *
 * The pool stays as it is at the end. Exit status: 0 done, 1 failed, 2 usage.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "spare_memory.h"

#define PAGE_BYTES	4096UL
#define PMD_ORDER	9
#define REQUESTS_MAX	1000000UL
#define PAGEMAP_PRESENT	(UINT64_C(1) << 63)
/* Nothing is swapped out here: the page is being moved. */
#define PAGEMAP_SWAP	(UINT64_C(1) << 62)
#define PAGEMAP_PFN	((UINT64_C(1) << 55) - 1)
#define POOL		"/proc/sys/vm/nr_hugepages"
#define OBSERVER	"/sys/kernel/debug/cross_check/burst"
#define THP		"/sys/kernel/mm/transparent_hugepage/"
/* khugepaged looks once at memory that is new to it: before the first request. */
#define FIRST_LOOK_NS	200000000
/* A page table and a page, and some more for whoever else runs. */
#define SPARE_PAGES	128
#define WAITS_MAX	1000

struct burst {
	const char *kind;
	unsigned long order;
	unsigned long requests;
	unsigned long hold_until_fail;
	unsigned long seed;
	const char *output;
};

struct record {
	uint64_t latency_ns;
	uint64_t pfn;
	bool ok;
};

static const char * const stat_names[] = {
	"anon_fault_alloc",
	"anon_fault_fallback",
	"anon_fault_fallback_charge",
};

#define STATS	(sizeof(stat_names) / sizeof(stat_names[0]))

static struct record *records;
static unsigned long attempted, succeeded;
static uint64_t random_state;
static char seen[512];
static const char *stop_reason;
/* Zones are looked at when less is free; from then on for each request. */
static unsigned long near_the_end;

/* One line: fact, value, next step. */
__attribute__((noreturn, format(printf, 2, 3)))
static void fail(int status, const char *format, ...)
{
	va_list arguments;

	fputs("huge_page_burst: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(status);
}

/* xorshift64: the same seed gives the same choices everywhere. */
static uint64_t random_below(uint64_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 16) % bound;
}

static void random_seed(uint64_t seed)
{
	/* splitmix64's increment: xorshift must not start at 0. */
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15);
	if (!random_state)
		random_state = 1;
	for (int i = 0; i < 8; i++)
		random_below(2);
}

static unsigned long parse_number(const char *name, const char *text,
				  unsigned long lowest, unsigned long highest)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value < lowest ||
	    value > highest)
		fail(2, "%s=%s refused: give a number in %lu..%lu", name, text,
		     lowest, highest);
	return value;
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		fail(1, "cannot open %s: %s", path, strerror(errno));
	return fd;
}

/* Of a file that holds nothing else. */
static unsigned long read_number(int fd, const char *path)
{
	char text[32];
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	if (got <= 0)
		fail(1, "cannot read %s: %s", path, strerror(errno));
	text[got] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return parse_number(path, text, 0, ULONG_MAX);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Should memory run out all the same, this process is the one to go. */
static void volunteer_for_oom(void)
{
	int fd = open_file("/proc/self/oom_score_adj", O_WRONLY);

	if (write(fd, "1000", 4) != 4)
		fail(1, "cannot write /proc/self/oom_score_adj: %s", strerror(errno));
	close(fd);
}

static unsigned char *map(size_t bytes)
{
	void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (start == MAP_FAILED)
		fail(1, "cannot map %zu bytes: %s; ask for less", bytes,
		     strerror(errno));
	return start;
}

static void advise(unsigned char *start, size_t bytes, int advice)
{
	if (madvise(start, bytes, advice))
		fail(1, "madvise(%d) of %zu bytes failed: %s", advice, bytes,
		     strerror(errno));
}

/* No page of it is missing later, when requests are made. */
static void *table(size_t bytes)
{
	unsigned char *start = map(bytes);

	advise(start, bytes, MADV_NOHUGEPAGE);
	memset(start, 0, bytes);
	return start;
}

/* The cross-check, where it is loaded, keeps a time line: never within a latency. */
static void observe(const char *step)
{
	static int fd = -2;

	if (fd == -2)
		fd = open(OBSERVER, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, step, strlen(step)) < 0)
		fail(1, "cannot write %s to %s: %s", step, OBSERVER,
		     strerror(errno));
}

static void note(uint64_t latency_ns, uint64_t pfn, bool ok)
{
	records[attempted].latency_ns = latency_ns;
	records[attempted].pfn = pfn;
	records[attempted].ok = ok;
	attempted++;
	succeeded += ok;
	observe("request");
}

static bool goes_on(const struct burst *burst)
{
	if (burst->hold_until_fail && succeeded < attempted)
		stop_reason = "failure";
	else if (attempted == burst->requests)
		stop_reason = "requests";
	return !stop_reason;
}

static bool memory_is_left(void)
{
	unsigned long spare;

	if (near_the_end && free_pages() > near_the_end)
		return true;
	if (!spare_pages(&spare))
		fail(1, "cannot open /proc/zoneinfo: %s", strerror(errno));
	/* Watermarks may be raised to two and a half of what they are. */
	if (!near_the_end)
		near_the_end = 4 * (free_pages() - spare) + SPARE_PAGES;
	if (spare > SPARE_PAGES)
		return true;
	stop_reason = "memory";
	return false;
}

static void read_pagemap(int pagemap, const unsigned char *start, size_t pages,
			 uint64_t *entries)
{
	off_t at = (off_t)((uintptr_t)start / PAGE_BYTES * sizeof(*entries));
	ssize_t bytes = (ssize_t)(pages * sizeof(*entries));

	if (pread(pagemap, entries, (size_t)bytes, at) != bytes)
		fail(1, "cannot read /proc/self/pagemap: %s", strerror(errno));
}

/*
 * Whether all of a range is present, which one fault does with a huge page only;
 * pfn is its first page if compaction has not taken it apart since, else 0. Who
 * touches a page that is being moved waits for it.
 */
static bool is_huge(int pagemap, const unsigned char *start, unsigned long order,
		    uint64_t *pfn)
{
	static uint64_t entries[1UL << PMD_ORDER];
	size_t pages = 1UL << order, i = 0;
	int waits = 0;

	*pfn = 0;
	read_pagemap(pagemap, start, pages, entries);
	while (i < pages && waits < WAITS_MAX) {
		if (!(entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAP)))
			return false;
		if (entries[i++] & PAGEMAP_PRESENT)
			continue;
		(void)*(const volatile unsigned char *)(start + (i - 1) * PAGE_BYTES);
		read_pagemap(pagemap, start, pages, entries);
		i = 0;
		waits++;
	}
	if (i < pages)
		return false;
	while (--i && (entries[i] & PAGEMAP_PFN) == (entries[0] & PAGEMAP_PFN) + i)
		;
	if (!i && !((entries[0] & PAGEMAP_PFN) & (pages - 1)))
		*pfn = entries[0] & PAGEMAP_PFN;
	return true;
}

/* AnonHugePages of the mapping that begins at start. */
static unsigned long anon_huge_kib(const unsigned char *start)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long from, to, kib = 0;
	bool ours = false, found = false;
	char line[512];

	if (!f)
		fail(1, "cannot open /proc/self/smaps: %s", strerror(errno));
	while (!found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			ours = from == (uintptr_t)start;
		else if (ours)
			found = sscanf(line, "AnonHugePages: %lu kB", &kib) == 1;
	}
	fclose(f);
	if (!found)
		fail(1, "/proc/self/smaps does not tell AnonHugePages of %p", start);
	return kib;
}

/* Returns false where the kernel has no statistics of the size. */
static bool read_stats(unsigned long order, unsigned long stats[STATS])
{
	char path[160];

	for (size_t i = 0; i < STATS; i++) {
		int fd;

		snprintf(path, sizeof(path), THP "hugepages-%lukB/stats/%s",
			 PAGE_BYTES / 1024 << order, stat_names[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			return false;
		if (fd < 0)
			fail(1, "cannot open %s: %s", path, strerror(errno));
		stats[i] = read_number(fd, path);
		close(fd);
	}
	return true;
}

/*
 * A page of zeros is no page held: short of memory, a kernel of 6.12 or later takes
 * such huge pages apart and gives their empty pages back (mm/huge_memory.c
 * deferred_split_scan).
 */
static void use_all(unsigned char *range, unsigned long order)
{
	for (size_t i = 0; i < 1UL << order; i++)
		*(volatile unsigned char *)(range + i * PAGE_BYTES) = 1;
}

static void fault(unsigned char *range, size_t touched, unsigned long order,
		  int pagemap)
{
	uint64_t start_ns = now_ns(), latency_ns, pfn;
	bool huge;

	*(volatile unsigned char *)(range + touched * PAGE_BYTES) = 1;
	latency_ns = now_ns() - start_ns;
	huge = is_huge(pagemap, range, order, &pfn);
	note(latency_ns, pfn, huge);
	if (huge)
		use_all(range, order);
	else
		advise(range, PAGE_BYTES << order, MADV_DONTNEED);
}

static uint32_t *shuffled(unsigned long count)
{
	uint32_t *turn = table(count * sizeof(*turn));

	for (unsigned long i = 0; i < count; i++) {
		unsigned long j = random_below(i + 1);

		turn[i] = turn[j];
		turn[j] = (uint32_t)i;
	}
	return turn;
}

static void see(const char *name, unsigned long value)
{
	size_t length = strlen(seen);

	snprintf(seen + length, sizeof(seen) - length, " %s=%lu", name, value);
}

static void make_faults(const struct burst *burst)
{
	const struct timespec first_look = { .tv_nsec = FIRST_LOOK_NS };
	size_t range_bytes = PAGE_BYTES << burst->order;
	size_t pmd_bytes = PAGE_BYTES << PMD_ORDER;
	unsigned long before[STATS], after[STATS];
	uint32_t *turn = shuffled(burst->requests);
	int pagemap = open_file("/proc/self/pagemap", O_RDONLY);
	bool has_stats = read_stats(burst->order, before);
	unsigned char *start;

	if (!has_stats && burst->order != PMD_ORDER)
		fail(1, "this kernel has no statistics of huge pages of order %lu; give a kernel of 6.10 or later",
		     burst->order);
	start = map(burst->requests * range_bytes + pmd_bytes);
	start += -(uintptr_t)start & (pmd_bytes - 1);
	advise(start, burst->requests * range_bytes, MADV_HUGEPAGE);
	nanosleep(&first_look, NULL);
	observe("begin");
	while (goes_on(burst) && memory_is_left()) {
		unsigned long at = attempted;

		fault(start + turn[at] * range_bytes,
		      random_below(1UL << burst->order), burst->order, pagemap);
	}
	observe("end");
	see("anon_huge_kib", anon_huge_kib(start));
	if (!has_stats)
		return;
	read_stats(burst->order, after);
	for (size_t i = 0; i < STATS; i++)
		see(stat_names[i], after[i] - before[i]);
}

static void raise_pool(const struct burst *burst)
{
	int fd = open_file(POOL, O_RDWR);
	unsigned long pages = read_number(fd, POOL);

	see("pool_before", pages);
	observe("begin");
	while (goes_on(burst)) {
		char text[32];
		int length = snprintf(text, sizeof(text), "%lu\n", pages + 1);
		uint64_t start_ns = now_ns(), latency_ns;
		unsigned long got;

		if (pwrite(fd, text, (size_t)length, 0) != length)
			fail(1, "cannot write %s: %s", POOL, strerror(errno));
		latency_ns = now_ns() - start_ns;
		got = read_number(fd, POOL);
		note(latency_ns, 0, got == pages + 1);
		pages = got;
	}
	observe("end");
	see("pool_after", pages);
}

static void print_records(const struct burst *burst)
{
	FILE *f = fopen(burst->output, "wxe");

	if (!f)
		fail(1, "cannot create %s: %s", burst->output, strerror(errno));
	fprintf(f, "huge_page_burst 1\n");
	fprintf(f, "kind=%s order=%lu requests=%lu hold_until_fail=%lu seed=%lu\n",
		burst->kind, burst->order, burst->requests,
		burst->hold_until_fail, burst->seed);
	fprintf(f, "stop_reason=%s attempted=%lu succeeded=%lu failed=%lu\n",
		stop_reason, attempted, succeeded, attempted - succeeded);
	fprintf(f, "seen%s\nrecords=%lu\n", seen, attempted);
	for (unsigned long i = 0; i < attempted; i++)
		fprintf(f, "i=%lu ok=%d latency_ns=%" PRIu64 " pfn=%" PRIu64 "\n",
			i, records[i].ok, records[i].latency_ns, records[i].pfn);
	fprintf(f, "end records=%lu\n", attempted);
	if (fclose(f))
		fail(1, "cannot write %s: %s", burst->output, strerror(errno));
}

static void parse_arguments(struct burst *burst, int argc, char **argv)
{
	bool is_mthp = argc > 1 && !strcmp(argv[1], "mthp");

	if (argc != 7 || (!is_mthp && strcmp(argv[1], "thp") &&
			  strcmp(argv[1], "hugetlb"))) {
		fputs("usage: huge_page_burst thp|mthp|hugetlb ORDER REQUESTS HOLD_UNTIL_FAIL SEED OUTPUT\n",
		      stderr);
		exit(2);
	}
	burst->kind = argv[1];
	burst->order = parse_number("ORDER", argv[2], is_mthp ? 2 : PMD_ORDER,
				    PMD_ORDER);
	burst->requests = parse_number("REQUESTS", argv[3], 1, REQUESTS_MAX);
	burst->hold_until_fail = parse_number("HOLD_UNTIL_FAIL", argv[4], 0, 1);
	burst->seed = parse_number("SEED", argv[5], 0, UINT32_MAX);
	burst->output = argv[6];
}

int main(int argc, char **argv)
{
	struct burst burst;

	parse_arguments(&burst, argc, argv);
	volunteer_for_oom();
	random_seed(burst.seed);
	records = table(burst.requests * sizeof(*records));
	if (!strcmp(burst.kind, "hugetlb"))
		raise_pool(&burst);
	else
		make_faults(&burst);
	print_records(&burst);
	return 0;
}
