// SPDX-License-Identifier: GPL-2.0-only
/*
 * snapshot - copy the files that describe memory as one set
 *
 *   snapshot DIR
 *
 * Writes DIR/<name> for each of sources[], and DIR/time, DIR/sysctl and
 * DIR/still. What a kernel may lack is left out; every other source must exist.
 *
 * No kernel interface reads several of these files at one instant, so the
 * reads follow each other with nothing between them: every file is open and
 * was read once before (which leaves the kernel's buffers allocated), the
 * memory they go to is locked, and nothing is written before the last read.
 * buddyinfo is read before and after what is to be compared with it as well: if
 * it has changed meanwhile (a process that was just killed gives back its
 * memory by and by), everything is read again a moment later, up to TRIES_MAX
 * times. DIR/still tells how often, and whether the last time nothing had moved.
 * Per-CPU counters are folded in by vm.stat_refresh just before the first.
 *
 * Exit status: 0 done, 1 a source or DIR failed, 2 usage.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* zoneinfo, the longest of /proc, is some 10 KiB per populated zone and 64 CPUs. */
#define TEXT_BYTES_MAX		(512 * 1024)
#define TABLE_BYTES_MAX		(64 * 1024)
#define TRIES_MAX		20
#define RETRY_NS		50000000
#define SYSCTL_BYTES_MAX	256
#define CLOCKSOURCE_PATH \
	"/sys/devices/system/clocksource/clocksource0/current_clocksource"
#define DEBUGFS			"/sys/kernel/debug/"
#define EVENTS			"/sys/kernel/tracing/events/"

struct source {
	const char *name;	/* in DIR */
	const char *path;
	size_t size;		/* of the buffer */
	bool optional;
	bool compared_only;	/* with the one that is saved */
	int fd;
	char *text;
	size_t length;
};

#define PROC(file, may_lack) \
	{ .name = file, .path = "/proc/" file, .size = TEXT_BYTES_MAX, \
	  .optional = may_lack }
#define MONITOR(file) \
	{ .name = "monitor_" file, .path = DEBUGFS "buddy_monitor/" file, \
	  .size = TABLE_BYTES_MAX, .optional = true }
#define CROSS_CHECK(as, file, bytes) \
	{ .name = as, .path = file, .size = bytes, .optional = true }

#define AGAIN(file) \
	{ .name = file, .path = "/proc/" file, .size = TEXT_BYTES_MAX, \
	  .compared_only = true }

/* In the order in which they are read. */
static struct source sources[] = {
	PROC("buddy_monitor", true),
	MONITOR("success_by_step"),
	MONITOR("last_resort"),
	MONITOR("fail_by_reason"),
	MONITOR("compact_by_result"),
	MONITOR("in_flight"),
	MONITOR("slowpath_latency"),
	MONITOR("invalid_order"),
	MONITOR("switches"),
	CROSS_CHECK("cross_check", DEBUGFS "cross_check/snapshot", TABLE_BYTES_MAX),
	CROSS_CHECK("decisions", DEBUGFS "cross_check/decisions", TEXT_BYTES_MAX),
	CROSS_CHECK("hist_alloc", EVENTS "kmem/mm_page_alloc/hist",
		TABLE_BYTES_MAX),
	CROSS_CHECK("hist_compact",
		EVENTS "compaction/mm_compaction_try_to_compact_pages/hist",
		TABLE_BYTES_MAX),
	AGAIN("buddyinfo"),
	PROC("vmstat", false),
	PROC("zoneinfo", false),
	PROC("pagetypeinfo", false),
	PROC("meminfo", false),
	CROSS_CHECK("free", DEBUGFS "cross_check/free", TABLE_BYTES_MAX),
	CROSS_CHECK("stop", DEBUGFS "cross_check/stop", TABLE_BYTES_MAX),
	PROC("buddyinfo", false),
	MONITOR("frag_pct"),
	CROSS_CHECK("unusable_index", DEBUGFS "extfrag/unusable_index",
		TABLE_BYTES_MAX),
	AGAIN("buddyinfo"),
};

#define SOURCE_COUNT	(sizeof(sources) / sizeof(sources[0]))

static const char * const sysctl_names[] = {
	"adaptive_compaction_mode",
	"adaptive_compaction_threshold",
	"adaptive_compaction_cutoff",
	"adaptive_compaction_min_order",
	"buddy_monitor",
	"extfrag_threshold",
	"compaction_proactiveness",
	"watermark_boost_factor",
	"min_free_kbytes",
};

#define SYSCTL_COUNT	(sizeof(sysctl_names) / sizeof(sysctl_names[0]))

/* One line: fact, value, next step. */
__attribute__((noreturn, format(printf, 1, 2)))
static void fail(const char *format, ...)
{
	va_list arguments;

	fputs("snapshot: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static void open_source(struct source *source)
{
	source->fd = open(source->path, O_RDONLY | O_CLOEXEC);
	if (source->fd < 0 && !(source->optional && errno == ENOENT))
		fail("cannot open %s: %s; check the kernel's configuration and that it is mounted",
		     source->path, strerror(errno));
	if (source->fd < 0)
		return;
	source->text = malloc(source->size);
	if (!source->text)
		fail("no memory for %zu bytes of %s", source->size,
		     source->path);
}

/* A seq_file read may return less than there is: read up to the end. */
static void read_source(struct source *source)
{
	ssize_t got;

	if (lseek(source->fd, 0, SEEK_SET))
		fail("cannot rewind %s: %s", source->path, strerror(errno));
	source->length = 0;
	do {
		got = read(source->fd, source->text + source->length,
			   source->size - source->length);
		if (got < 0 && errno != EINTR)
			fail("cannot read %s: %s", source->path,
			     strerror(errno));
		if (got > 0)
			source->length += (size_t)got;
	} while (got && source->length < source->size);
	if (got)
		fail("%s is longer than %zu bytes; raise its size in snapshot.c",
		     source->path, source->size);
}

static void read_sources(void)
{
	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		if (sources[i].fd >= 0)
			read_source(&sources[i]);
	}
}

static const struct source *saved(const char *name)
{
	const struct source *source = sources;

	while (source->compared_only || strcmp(source->name, name))
		source++;
	return source;
}

static bool nothing_moved(void)
{
	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		const struct source *other;

		if (!sources[i].compared_only)
			continue;
		other = saved(sources[i].name);
		if (other->length != sources[i].length ||
		    memcmp(other->text, sources[i].text, other->length))
			return false;
	}
	return true;
}

static void write_file(int directory, const char *name, const char *text,
		       size_t length)
{
	int fd = openat(directory, name,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	size_t done = 0;
	ssize_t put;

	if (fd < 0)
		fail("cannot create %s: %s", name, strerror(errno));
	while (done < length) {
		put = write(fd, text + done, length - done);
		if (put < 0 && errno != EINTR)
			fail("cannot write %s: %s", name, strerror(errno));
		if (put > 0)
			done += (size_t)put;
	}
	if (close(fd))
		fail("cannot close %s: %s", name, strerror(errno));
}

/* Returns false where the file does not exist. */
static bool read_line(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0) {
		if (errno == ENOENT)
			return false;
		fail("cannot open %s: %s", path, strerror(errno));
	}
	got = read(fd, line, size - 1);
	if (got < 0)
		fail("cannot read %s: %s", path, strerror(errno));
	close(fd);
	line[got] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return true;
}

static void write_time(int directory, const struct timespec *realtime,
		       const struct timespec *monotonic)
{
	char clocksource[64];
	char text[256];
	int length;

	if (!read_line(CLOCKSOURCE_PATH, clocksource, sizeof(clocksource)))
		fail("%s is absent; mount /sys first", CLOCKSOURCE_PATH);
	length = snprintf(text, sizeof(text),
			  "realtime_s=%lld monotonic_ns=%lld clocksource=%s\n",
			  (long long)realtime->tv_sec,
			  monotonic->tv_sec * 1000000000LL + monotonic->tv_nsec,
			  clocksource);
	write_file(directory, "time", text, (size_t)length);
}

static void write_still(int directory, int tries)
{
	char text[64];
	int length;

	length = snprintf(text, sizeof(text), "tries=%d still=%d\n", tries,
			  nothing_moved());
	write_file(directory, "still", text, (size_t)length);
}

static void write_sysctl(int directory)
{
	char text[SYSCTL_COUNT * SYSCTL_BYTES_MAX];
	char value[64];
	char path[128];
	int length = 0;

	for (size_t i = 0; i < SYSCTL_COUNT; i++) {
		snprintf(path, sizeof(path), "/proc/sys/vm/%s",
			 sysctl_names[i]);
		if (read_line(path, value, sizeof(value)))
			length += snprintf(text + length, SYSCTL_BYTES_MAX,
					   "vm.%s=%s\n", sysctl_names[i],
					   value);
	}
	write_file(directory, "sysctl", text, (size_t)length);
}

/*
 * EINVAL reports a counter below zero, which says nothing about the others
 * having been folded in; without SMP there is no such file.
 */
static void refresh_counters(int fd)
{
	if (fd >= 0 && write(fd, "1", 1) < 0 && errno != EINVAL)
		fail("cannot write /proc/sys/vm/stat_refresh: %s",
		     strerror(errno));
}

int main(int argc, char **argv)
{
	const struct timespec retry = { .tv_nsec = RETRY_NS };
	struct timespec monotonic;
	struct timespec realtime;
	int directory;
	int tries = 0;
	int refresh;

	if (argc != 2) {
		fputs("usage: snapshot DIR\n", stderr);
		return 2;
	}
	if (mkdir(argv[1], 0755) && errno != EEXIST)
		fail("cannot create %s: %s", argv[1], strerror(errno));
	directory = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		fail("cannot open %s: %s", argv[1], strerror(errno));
	for (size_t i = 0; i < SOURCE_COUNT; i++)
		open_source(&sources[i]);
	refresh = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);
	if (refresh < 0 && errno != ENOENT)
		fail("cannot open /proc/sys/vm/stat_refresh: %s; run as root",
		     strerror(errno));

	/* Locking also faults in every page of the buffers. */
	if (mlockall(MCL_CURRENT))
		fail("cannot lock the buffers: %s; run as root",
		     strerror(errno));
	read_sources();
	for (;;) {
		refresh_counters(refresh);
		clock_gettime(CLOCK_REALTIME, &realtime);
		clock_gettime(CLOCK_MONOTONIC, &monotonic);
		read_sources();
		tries++;
		if (nothing_moved() || tries == TRIES_MAX)
			break;
		nanosleep(&retry, NULL);
	}

	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		if (sources[i].fd >= 0 && !sources[i].compared_only)
			write_file(directory, sources[i].name, sources[i].text,
				   sources[i].length);
	}
	write_still(directory, tries);
	write_time(directory, &realtime, &monotonic);
	write_sysctl(directory);
	return 0;
}
