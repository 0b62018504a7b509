// SPDX-License-Identifier: GPL-2.0-only
/*
 * fragment_stress - shape the free memory of the machine from user space
 *
 *   fragment_stress [--seed N] MIB ROUNDS
 *
 * Each round maps blocks of 4 KiB to 4 MiB up to MIB in total and touches
 * every page, then unmaps about half of the blocks and punches single pages
 * out of some others, then maps and touches bursts of 8 MiB as long as MIB is
 * not exceeded, and at last unmaps everything. All choices come from the seed.
 *
 *   fragment_stress --hold KEEP_ONE_IN MIB --ready-file PATH [--max-hold-s N]
 *
 * Touches MIB of anonymous memory without huge pages, gives back all but
 * every KEEP_ONE_IN-th page (by virtual address), creates PATH, and sleeps
 * until SIGTERM or for N seconds. It neither allocates nor touches anything
 * after PATH exists.
 *
 * Output is key=value lines. Exit status: 0 done, 1 memory or system call
 * failed, 2 refused (usage, or MIB does not fit into MemAvailable).
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES	4096UL
#define MIB_BYTES	1048576UL
#define BLOCK_PAGES_MAX	(4 * MIB_BYTES / PAGE_BYTES)
#define BURST_BYTES	(8 * MIB_BYTES)
/* Room for page tables and for the rest of the system. */
#define MARGIN_MIB	64UL
/* The kernel's default vm.max_map_count is 65530; stay clear of it. */
#define BLOCKS_MAX	60000UL
#define MIB_MAX		1048576UL
#define ROUNDS_MAX	10000UL
#define HOLD_S_DEFAULT	600UL
#define HOLD_S_MAX	86400UL

struct block {
	unsigned char *start;
	size_t bytes;
};

struct options {
	unsigned long mib;
	unsigned long rounds;
	unsigned long seed;
	unsigned long keep_one_in;	/* 0: not the hold mode */
	unsigned long max_hold_s;
	const char *ready_file;
};

static uint64_t random_state;

/* xorshift64: the same seed gives the same choices everywhere. */
static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t random_below(uint64_t bound)
{
	return (random_next() >> 16) % bound;
}

static void random_seed(uint64_t seed)
{
	/* splitmix64's increment: xorshift must not start at 0. */
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15);
	if (!random_state)
		random_state = 1;
	for (int i = 0; i < 8; i++)
		random_next();
}

/* One line: fact, value, next step. */
__attribute__((noreturn, format(printf, 2, 3)))
static void fail(int status, const char *format, ...)
{
	va_list arguments;

	fputs("fragment_stress: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(status);
}

__attribute__((noreturn))
static void usage(void)
{
	fputs("usage: fragment_stress [--seed N] MIB ROUNDS\n"
	      "       fragment_stress --hold KEEP_ONE_IN MIB --ready-file PATH [--max-hold-s N]\n",
	      stderr);
	exit(2);
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
		fail(2, "%s=%s refused: give a number in %lu..%lu",
		     name, text, lowest, highest);
	return value;
}

static unsigned long available_mib(void)
{
	unsigned long kib = 0;
	bool found = false;
	char line[256];
	FILE *f;

	f = fopen("/proc/meminfo", "re");
	if (!f) {
		fail(1, "cannot open /proc/meminfo: %s; mount /proc first",
		     strerror(errno));
	}
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "MemAvailable: %lu kB", &kib) == 1;
	fclose(f);
	if (!found)
		fail(1, "/proc/meminfo has no MemAvailable; cannot tell how much memory is safe");
	return kib / 1024;
}

static void check_memory(unsigned long mib)
{
	unsigned long available = available_mib();

	if (mib + MARGIN_MIB <= available)
		return;
	fail(2, "MIB=%lu refused: MemAvailable is %lu MiB and %lu MiB of it stay free; give at most %lu",
	     mib, available, MARGIN_MIB,
	     available > MARGIN_MIB ? available - MARGIN_MIB : 0);
}

/* Should memory run out all the same, this process is the one to go. */
static void volunteer_for_oom(void)
{
	static const char score[] = "1000";
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, score, sizeof(score) - 1) < 0)
		printf("warning=no_oom_score_adj errno=%d\n", errno);
	if (fd >= 0)
		close(fd);
}

static void touch(unsigned char *start, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += PAGE_BYTES)
		*(volatile unsigned char *)(start + at) = 1;
}

static unsigned char *map(size_t bytes)
{
	void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED)
		fail(1, "cannot map %zu bytes: %s; MemAvailable is %lu MiB: give a smaller MIB",
		     bytes, strerror(errno), available_mib());
	return start;
}

static void give_back(unsigned char *start, size_t bytes)
{
	if (madvise(start, bytes, MADV_DONTNEED))
		fail(1, "madvise(MADV_DONTNEED) of %zu bytes failed: %s",
		     bytes, strerror(errno));
}

static void unmap(struct block *block)
{
	if (munmap(block->start, block->bytes)) {
		fail(1, "cannot unmap %zu bytes: %s; vm.max_map_count may be too small",
		     block->bytes, strerror(errno));
	}
	block->start = NULL;
}

/*
 * Half of the blocks are up to 64 KiB and half up to 4 MiB: with sizes drawn
 * evenly, almost no block would be small.
 */
static size_t random_block_bytes(size_t bytes_left)
{
	size_t pages = 1 + random_below(random_below(2) ? BLOCK_PAGES_MAX : 16);

	if (pages * PAGE_BYTES > bytes_left)
		pages = bytes_left / PAGE_BYTES;
	return pages * PAGE_BYTES;
}

static size_t fill(struct block *blocks, size_t *count, size_t bytes_max)
{
	size_t resident = 0;

	*count = 0;
	while (resident < bytes_max && *count < BLOCKS_MAX) {
		struct block *block = &blocks[(*count)++];

		block->bytes = random_block_bytes(bytes_max - resident);
		block->start = map(block->bytes);
		touch(block->start, block->bytes);
		resident += block->bytes;
	}
	return resident;
}

/* Give back every second to eighth page; returns the bytes given back. */
static size_t punch(const struct block *block)
{
	size_t stride = (2 + random_below(7)) * PAGE_BYTES;
	size_t punched = 0;

	for (size_t at = 0; at < block->bytes; at += stride) {
		give_back(block->start + at, PAGE_BYTES);
		punched += PAGE_BYTES;
	}
	return punched;
}

struct holes {
	size_t blocks;
	size_t block_bytes;
	size_t punched_bytes;
};

static struct holes make_holes(struct block *blocks, size_t count)
{
	struct holes holes = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (random_below(2)) {
			holes.blocks++;
			holes.block_bytes += blocks[i].bytes;
			unmap(&blocks[i]);
		} else if (random_below(2)) {
			holes.punched_bytes += punch(&blocks[i]);
		}
	}
	return holes;
}

static size_t burst(struct block *bursts, size_t bytes_free)
{
	size_t count;

	for (count = 0; (count + 1) * BURST_BYTES <= bytes_free; count++) {
		bursts[count].bytes = BURST_BYTES;
		bursts[count].start = map(BURST_BYTES);
		touch(bursts[count].start, BURST_BYTES);
	}
	return count;
}

static void unmap_all(struct block *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (blocks[i].start)
			unmap(&blocks[i]);
	}
}

static void run_round(unsigned long round, size_t bytes_max,
		      struct block *blocks, struct block *bursts)
{
	size_t filled;
	size_t count;
	size_t burst_count;
	struct holes holes;

	filled = fill(blocks, &count, bytes_max);
	holes = make_holes(blocks, count);
	/*
	 * Punched pages do not count as free: a page punched out of a huge one
	 * stays with it until the kernel splits it.
	 */
	burst_count = burst(bursts, bytes_max - filled + holes.block_bytes);
	unmap_all(bursts, burst_count);
	unmap_all(blocks, count);
	printf("round=%lu blocks=%zu filled_kib=%zu freed_blocks=%zu freed_kib=%zu punched_kib=%zu bursts=%zu burst_kib=%zu\n",
	       round, count, filled / 1024, holes.blocks,
	       holes.block_bytes / 1024, holes.punched_bytes / 1024,
	       burst_count, burst_count * BURST_BYTES / 1024);
	fflush(stdout);
}

static int run_rounds(const struct options *options)
{
	size_t bytes_max = options->mib * MIB_BYTES;
	struct block *blocks = calloc(BLOCKS_MAX, sizeof(*blocks));
	struct block *bursts = calloc(bytes_max / BURST_BYTES + 1,
				      sizeof(*bursts));

	if (!blocks || !bursts) {
		fail(1, "no memory for the tables of MIB=%lu; give a smaller MIB",
		     options->mib);
	}
	printf("fragment_stress mib=%lu rounds=%lu seed=%lu\n",
	       options->mib, options->rounds, options->seed);
	random_seed(options->seed);
	for (unsigned long round = 1; round <= options->rounds; round++)
		run_round(round, bytes_max, blocks, bursts);
	printf("done rounds=%lu seed=%lu\n", options->rounds, options->seed);
	free(bursts);
	free(blocks);
	return 0;
}

static void create_ready_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0) {
		fail(1, "cannot create the ready file %s: %s; remove it or name another",
		     path, strerror(errno));
	}
	close(fd);
}

/* Returns the pages kept. */
static size_t punch_comb(unsigned char *start, size_t pages,
			 unsigned long keep_one_in)
{
	size_t kept = 0;

	for (size_t page = 0; page < pages; page += keep_one_in) {
		size_t hole = page + 1;
		size_t end = page + keep_one_in;

		if (end > pages)
			end = pages;
		if (end > hole)
			give_back(start + hole * PAGE_BYTES,
				  (end - hole) * PAGE_BYTES);
		kept++;
	}
	return kept;
}

static int hold(const struct options *options)
{
	size_t pages = options->mib * MIB_BYTES / PAGE_BYTES;
	struct timespec limit = { .tv_sec = (time_t)options->max_hold_s };
	unsigned char *start = map(pages * PAGE_BYTES);
	sigset_t stop_signals;
	size_t kept;
	int received;

	/* Blocked from here on, so a SIGTERM before the wait is not lost. */
	sigemptyset(&stop_signals);
	sigaddset(&stop_signals, SIGTERM);
	sigaddset(&stop_signals, SIGINT);
	sigprocmask(SIG_BLOCK, &stop_signals, NULL);

	/* EINVAL: a kernel without huge pages has none to avoid. */
	if (madvise(start, pages * PAGE_BYTES, MADV_NOHUGEPAGE) &&
	    errno != EINVAL)
		fail(1, "madvise(MADV_NOHUGEPAGE) failed: %s",
		     strerror(errno));
	touch(start, pages * PAGE_BYTES);
	kept = punch_comb(start, pages, options->keep_one_in);
	printf("held pages=%zu kept=%zu keep_one_in=%lu\n", pages, kept,
	       options->keep_one_in);
	fflush(stdout);
	create_ready_file(options->ready_file);

	do {
		received = sigtimedwait(&stop_signals, NULL, &limit);
	} while (received < 0 && errno == EINTR);
	printf("released reason=%s\n", received < 0 ? "deadline" : "signal");
	return 0;
}

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option long_options[] = {
		{ "seed",	required_argument, NULL, 's' },
		{ "hold",	required_argument, NULL, 'k' },
		{ "ready-file",	required_argument, NULL, 'r' },
		{ "max-hold-s",	required_argument, NULL, 'm' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 's':
			options->seed = parse_number("seed", optarg, 0,
						     UINT32_MAX);
			break;
		case 'k':
			options->keep_one_in = parse_number("KEEP_ONE_IN",
							    optarg, 1, 4096);
			break;
		case 'r':
			options->ready_file = optarg;
			break;
		case 'm':
			options->max_hold_s = parse_number("max-hold-s", optarg,
							   1, HOLD_S_MAX);
			break;
		default:
			usage();
		}
	}
	if (argc - optind != (options->keep_one_in ? 1 : 2) ||
	    !options->keep_one_in != !options->ready_file)
		usage();
	options->mib = parse_number("MIB", argv[optind], 1, MIB_MAX);
	if (!options->keep_one_in)
		options->rounds = parse_number("ROUNDS", argv[optind + 1], 1,
					       ROUNDS_MAX);
}

int main(int argc, char **argv)
{
	struct options options = {
		.seed = 1,
		.max_hold_s = HOLD_S_DEFAULT,
	};

	parse_options(argc, argv, &options);
	if (sysconf(_SC_PAGESIZE) != (long)PAGE_BYTES) {
		fail(1, "page size %ld is not %lu; built for x86-64",
		     sysconf(_SC_PAGESIZE), PAGE_BYTES);
	}
	check_memory(options.mib);
	volunteer_for_oom();
	return options.keep_one_in ? hold(&options) : run_rounds(&options);
}
