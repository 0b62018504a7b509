/* SPDX-License-Identifier: GPL-2.0-only */
/* What both parts of comb.h need: options, errors, choices, tables. */

#ifndef BUDDYLAB_COMB_BASE_H
#define BUDDYLAB_COMB_BASE_H

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES	4096UL
#define MIB_PAGES	256UL
#define ORDERS		11
/* 64 GiB: the table is as large as the memory that is there, not as this. */
#define PFN_MAX		(1UL << 24)
#define PAGEMAP_PRESENT	(UINT64_C(1) << 63)
#define PAGEMAP_PFN	((UINT64_C(1) << 55) - 1)

struct comb_options {
	unsigned long keep_one_in;
	unsigned long block_order;
	unsigned long seed;		/* 0: the first block of each stays */
	unsigned long mib;		/* 0: all but leave_mib */
	unsigned long leave_mib;	/* 0: as the zones' watermarks ask */
	unsigned long share;		/* percent given back whole, for "then" */
	unsigned long ready_s;
	unsigned long hold_s;
	const char *then;
	const char *file;
	const char *pid_file;
};

/* What makes the two kinds of memory differ. */
struct comb_kind {
	const char *name;
	bool needs_file;
	/* Returns a mapping with all pages present. */
	unsigned char *(*fill)(const struct comb_options *options, size_t pages);
	/* Called once, after the addresses are known. */
	void (*before_release)(unsigned char *start, size_t pages);
	void (*release)(unsigned char *start, size_t first, size_t pages);
};

/* The virtual page, plus one, that lies at a physical page; 0: not ours. */
static uint32_t *comb_page_at;
static unsigned long comb_pfn_end;
/* By virtual page: it is to be given back. */
static unsigned char *comb_released;
static uint64_t comb_random_state;
static int comb_report = STDERR_FILENO;

/* One line: fact, value, next step. */
__attribute__((noreturn, format(printf, 1, 2)))
static void fail(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

/* xorshift64: the same seed gives the same choices everywhere. */
static uint64_t random_below(uint64_t bound)
{
	comb_random_state ^= comb_random_state << 13;
	comb_random_state ^= comb_random_state >> 7;
	comb_random_state ^= comb_random_state << 17;
	return (comb_random_state >> 16) % bound;
}

static void random_seed(uint64_t seed)
{
	/* splitmix64's increment: xorshift must not start at 0. */
	comb_random_state = seed * UINT64_C(0x9e3779b97f4a7c15);
	if (!comb_random_state)
		comb_random_state = 1;
	for (int i = 0; i < 8; i++)
		random_below(2);
}

static void *comb_table(size_t bytes)
{
	void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (start == MAP_FAILED)
		fail("cannot map %zu bytes: %s", bytes, strerror(errno));
	/* EINVAL: a kernel without huge pages has none to avoid. */
	if (madvise(start, bytes, MADV_NOHUGEPAGE) && errno != EINVAL)
		fail("madvise(MADV_NOHUGEPAGE) failed: %s", strerror(errno));
	return start;
}

static FILE *comb_open(const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f)
		fail("cannot open %s: %s", path, strerror(errno));
	return f;
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
		fail("%s=%s refused: give a number in %lu..%lu", name, text,
		     lowest, highest);
	return value;
}

#endif
