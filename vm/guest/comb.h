/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * comb.h - what movable_comb and cache_comb share
 *
 * Memory is filled with pages of one kind, their physical addresses are read
 * from /proc/self/pagemap, and pages are given back by physical address: of
 * every aligned keep_one_in blocks of 2^block_order pages one block stays.
 *
 * A unit is the shortest aligned stretch in which that is the same everywhere:
 * keep_one_in rounded up to a power of two, times its odd part, blocks. No free
 * block of a whole unit can merge with one outside, so each whole unit adds the
 * same free blocks. Where a unit holds pages of others, one block of those that
 * are ours stays if the planned one is not ours.
 *
 * The process that is started waits for the one that fills, passes its report
 * on, and ends; the other holds the memory until SIGTERM or its time limit.
 */

#ifndef BUDDYLAB_COMB_H
#define BUDDYLAB_COMB_H

#include "comb_base.h"
#include "comb_plan.h"

/* Should memory run out all the same, this process is the one to go. */
static void volunteer_for_oom(void)
{
	static const char score[] = "1000";
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, score, sizeof(score) - 1) < 0)
		fail("cannot write /proc/self/oom_score_adj: %s", strerror(errno));
	close(fd);
}

static void comb_share(const struct comb_options *options,
		       const struct comb_kind *kind, unsigned char *start,
		       size_t pages, const unsigned long rest[ORDERS], int go)
{
	char byte;

	comb_plan_share(options, rest);
	comb_release(kind, start, pages);
	comb_forget_released(pages);
	dprintf(comb_report, "released\n");
	/* The parent runs the command and says when it is done. */
	if (read(go, &byte, 1) != 1)
		fail("the command after the release did not succeed");
}

/* Whoever reads the output of the start must see its end. */
static void comb_let_go_of_output(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("cannot open /dev/null: %s", strerror(errno));
	for (int i = 0; i <= STDERR_FILENO; i++)
		dup2(fd, i);
}

__attribute__((noreturn))
static void comb_hold(const struct comb_options *options,
		      const struct comb_kind *kind, int go)
{
	struct timespec limit = { .tv_sec = (time_t)options->hold_s };
	unsigned long rest[ORDERS];
	sigset_t stop_signals;
	unsigned char *start;
	size_t pages;
	int received;

	setsid();
	/* Until it is ready, nothing is held for a parent that is gone. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	volunteer_for_oom();
	/* Blocked from here on, so a SIGTERM before the wait is not lost. */
	sigemptyset(&stop_signals);
	sigaddset(&stop_signals, SIGTERM);
	sigaddset(&stop_signals, SIGINT);
	sigprocmask(SIG_BLOCK, &stop_signals, NULL);

	pages = comb_pages(options);
	comb_page_at = comb_table(PFN_MAX * sizeof(*comb_page_at));
	comb_released = comb_table(pages);
	memset(comb_released, 0, pages);
	random_seed(options->seed);
	start = kind->fill(options, pages);
	comb_find_pages(start, pages);
	kind->before_release(start, pages);
	comb_buddyinfo(rest);
	dprintf(comb_report, "%s keep_one_in=%lu block_order=%lu seed=%lu pages=%zu\n",
		kind->name, options->keep_one_in, options->block_order,
		options->seed, pages);
	comb_print_blocks("rest", rest);
	if (options->share)
		comb_share(options, kind, start, pages, rest, go);
	comb_plan(options);
	comb_release(kind, start, pages);
	comb_let_go_of_output();
	prctl(PR_SET_PDEATHSIG, 0);
	dprintf(comb_report, "ready\n");
	close(comb_report);
	close(go);
	do {
		received = sigtimedwait(&stop_signals, NULL, &limit);
	} while (received < 0 && errno == EINTR);
	exit(received < 0 ? 3 : 0);
}

/* Returns a line without its end, false at the end of the report. */
static bool comb_read_line(int fd, char *line, size_t size, time_t end_s)
{
	struct pollfd wanted = { .fd = fd, .events = POLLIN };
	struct timespec now;
	size_t length = 0;

	while (length + 1 < size) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= end_s ||
		    poll(&wanted, 1, (int)(end_s - now.tv_sec) * 1000) == 0)
			fail("not ready in time; raise --ready-s");
		if (read(fd, line + length, 1) != 1)
			return false;
		if (line[length] == '\n') {
			line[length] = '\0';
			return true;
		}
		length++;
	}
	fail("a line of the report is longer than %zu bytes", size);
}

static void comb_end_child(pid_t child)
{
	int status;

	kill(child, SIGKILL);
	if (waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGKILL)
		fail("the holder was killed before it was ready; memory is short: leave more of it");
	fail("the holder ended before it was ready");
}

static void comb_write_pid(const char *path, pid_t child)
{
	FILE *f = fopen(path, "wxe");

	if (!f || fprintf(f, "%d\n", (int)child) < 0 || fclose(f)) {
		kill(child, SIGKILL);
		fail("cannot write %s: %s; remove it or name another", path,
		     strerror(errno));
	}
}

static void comb_wait_ready(const struct comb_options *options, pid_t child,
			    int report, int go)
{
	struct timespec now;
	char line[512];
	int status;

	/* Also for the command, which nothing else limits. */
	alarm((unsigned int)options->ready_s + 10);
	clock_gettime(CLOCK_MONOTONIC, &now);
	now.tv_sec += (time_t)options->ready_s;
	while (comb_read_line(report, line, sizeof(line), now.tv_sec)) {
		puts(line);
		fflush(stdout);
		if (!strcmp(line, "ready"))
			return;
		if (strcmp(line, "released"))
			continue;
		status = options->then ? system(options->then) : 0;
		if (status) {
			kill(child, SIGKILL);
			fail("\"%s\" ended with status %d", options->then, status);
		}
		if (write(go, "", 1) != 1)
			break;
	}
	comb_end_child(child);
}

static const struct option comb_long_options[] = {
	{ "keep-one-in",	required_argument, NULL, 'k' },
	{ "block-order",	required_argument, NULL, 'b' },
	{ "seed",		required_argument, NULL, 's' },
	{ "mib",		required_argument, NULL, 'm' },
	{ "leave-mib",		required_argument, NULL, 'l' },
	{ "share",		required_argument, NULL, 'x' },
	{ "ready-s",		required_argument, NULL, 'r' },
	{ "hold-s",		required_argument, NULL, 'h' },
	{ "then",		required_argument, NULL, 't' },
	{ "file",		required_argument, NULL, 'f' },
	{ "pid-file",		required_argument, NULL, 'p' },
	{ }
};

static bool comb_parse_option(struct comb_options *options, int option)
{
	switch (option) {
	case 'k':
		options->keep_one_in = parse_number("keep-one-in", optarg, 1, 1024);
		return true;
	case 'b':
		options->block_order = parse_number("block-order", optarg, 0, 10);
		return true;
	case 's':
		options->seed = parse_number("seed", optarg, 0, UINT32_MAX);
		return true;
	case 'm':
		options->mib = parse_number("mib", optarg, 1, PFN_MAX / MIB_PAGES);
		return true;
	case 'l':
		options->leave_mib = parse_number("leave-mib", optarg, 1,
						  PFN_MAX / MIB_PAGES);
		return true;
	case 'x':
		options->share = parse_number("share", optarg, 0, 100);
		return true;
	case 'r':
		options->ready_s = parse_number("ready-s", optarg, 1, 3600);
		return true;
	case 'h':
		options->hold_s = parse_number("hold-s", optarg, 1, 86400);
		return true;
	case 't':
		options->then = optarg;
		return true;
	case 'f':
		options->file = optarg;
		return true;
	case 'p':
		options->pid_file = optarg;
		return true;
	}
	return false;
}

static int comb_main(int argc, char **argv, const struct comb_kind *kind)
{
	struct comb_options options = { .ready_s = 300, .hold_s = 3600 };
	int report[2], go[2];
	int option;
	pid_t child;

	while ((option = getopt_long(argc, argv, "", comb_long_options, NULL)) != -1) {
		if (!comb_parse_option(&options, option))
			break;
	}
	if (option != -1 || optind != argc || !options.keep_one_in ||
	    !options.pid_file || kind->needs_file != !!options.file) {
		fprintf(stderr, "usage: %s --keep-one-in N --pid-file PATH %s[--block-order N] [--seed N]\n"
			"       [--mib N | --leave-mib N] [--share PERCENT --then COMMAND] [--ready-s N] [--hold-s N]\n",
			kind->name, kind->needs_file ? "--file PATH " : "");
		return 2;
	}
	if (pipe2(report, O_CLOEXEC) || pipe2(go, O_CLOEXEC))
		fail("cannot make a pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		fail("cannot fork: %s", strerror(errno));
	if (!child) {
		/* A pipe of ours that stays open would hide the other's end. */
		close(report[0]);
		close(go[1]);
		comb_report = report[1];
		comb_hold(&options, kind, go[0]);
	}
	close(report[1]);
	close(go[0]);
	/* A holder that ended must not end us by a signal: it is told below. */
	signal(SIGPIPE, SIG_IGN);
	comb_wait_ready(&options, child, report[0], go[1]);
	comb_write_pid(options.pid_file, child);
	return 0;
}

#endif
