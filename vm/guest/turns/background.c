// SPDX-License-Identifier: GPL-2.0-only
/*
 * background - use pages beside a burst, until it is told to end
 *
 *   background RESULT
 *   background RESULT FILE
 *
 * Without FILE it faults: anonymous memory of 4 MiB without huge pages is touched
 * page by page and then given back, again and again, so pages are taken and
 * freed. With FILE, which is of kmod/cache_source.c, pages of it are read and
 * dropped from the cache in the same way. After each 64 pages it sleeps for
 * 200 us, so a CPU of its own is busy for the most part.
 *
 * On SIGTERM it writes to RESULT:
 *
 *	background 1
 *	kind=faults|cache_reads pages=N rounds=N
 *	end
 *
 * Exit status: 0 told to end, 1 memory or system call failed, 2 usage.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES	4096UL
#define ROUND_PAGES	1024UL
#define BATCH_PAGES	64UL
#define PAUSE_NS	200000L

static volatile sig_atomic_t told_to_end;

static void on_term(int number)
{
	(void)number;
	told_to_end = 1;
}

static void require(int is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "background: %s failed: %s\n", what, strerror(errno));
	exit(1);
}

static void pause_shortly(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };

	nanosleep(&pause, NULL);
}

/* Returns whether it may go on. */
static int use(int file, unsigned char *memory, unsigned long page)
{
	static unsigned char buffer[PAGE_BYTES];

	if (file < 0)
		memory[page * PAGE_BYTES] = 1;
	else
		require(pread(file, buffer, PAGE_BYTES, (off_t)(page * PAGE_BYTES)) ==
			(ssize_t)PAGE_BYTES, "reading");
	if ((page + 1) % BATCH_PAGES == 0)
		pause_shortly();
	return !told_to_end;
}

static void give_back(int file, unsigned char *memory)
{
	if (file < 0)
		require(!madvise(memory, ROUND_PAGES * PAGE_BYTES, MADV_DONTNEED),
			"madvise(MADV_DONTNEED)");
	else
		require(!posix_fadvise(file, 0, (off_t)(ROUND_PAGES * PAGE_BYTES),
				       POSIX_FADV_DONTNEED),
			"posix_fadvise(POSIX_FADV_DONTNEED)");
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_term };
	unsigned long pages = 0, rounds = 0;
	unsigned char *memory = NULL;
	int file = -1;
	FILE *result;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: background RESULT [FILE]\n");
		return 2;
	}
	require(!sigaction(SIGTERM, &action, NULL), "sigaction()");
	if (argc == 3) {
		file = open(argv[2], O_RDONLY | O_CLOEXEC);
		require(file >= 0, argv[2]);
		/* Each page when it is read, and none before. */
		require(!posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM), "posix_fadvise()");
	} else {
		memory = mmap(NULL, ROUND_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		require(memory != MAP_FAILED, "mmap()");
		require(!madvise(memory, ROUND_PAGES * PAGE_BYTES, MADV_NOHUGEPAGE),
			"madvise(MADV_NOHUGEPAGE)");
	}
	while (!told_to_end) {
		unsigned long page;

		for (page = 0; page < ROUND_PAGES && use(file, memory, page); page++)
			pages++;
		give_back(file, memory);
		rounds++;
	}
	result = fopen(argv[1], "we");
	require(!!result, argv[1]);
	fprintf(result, "background 1\nkind=%s pages=%lu rounds=%lu\nend\n",
		file < 0 ? "faults" : "cache_reads", pages, rounds);
	require(!fclose(result), argv[1]);
	return 0;
}
