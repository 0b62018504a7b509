// SPDX-License-Identifier: GPL-2.0
/*
 * snapshot - copy the files of /proc that describe memory as one set
 *
 *   snapshot DIR
 *
 * Writes DIR/<name> for buddy_monitor, vmstat, zoneinfo, buddyinfo,
 * pagetypeinfo and meminfo, and DIR/time and DIR/sysctl. A kernel without
 * buddy_monitor gives no such file; every other source must exist.
 *
 * No kernel interface reads several of these files at one instant, so the
 * reads follow each other with nothing between them: every file is open and
 * was read once before (which leaves the kernel's buffers allocated), the
 * memory they go to is locked, and nothing is written before the last read.
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

/* zoneinfo, the longest, is some 10 KiB per populated zone and 64 CPUs. */
#define SOURCE_BYTES_MAX	(512 * 1024)
#define SYSCTL_BYTES_MAX	256
#define CLOCKSOURCE_PATH \
	"/sys/devices/system/clocksource/clocksource0/current_clocksource"

struct source {
	const char *name;
	bool optional;
	int fd;
	size_t length;
};

/* In the order in which they are read. */
static struct source sources[] = {
	{ .name = "buddy_monitor", .optional = true },
	{ .name = "vmstat" },
	{ .name = "zoneinfo" },
	{ .name = "buddyinfo" },
	{ .name = "pagetypeinfo" },
	{ .name = "meminfo" },
};

#define SOURCE_COUNT	(sizeof(sources) / sizeof(sources[0]))

static char texts[SOURCE_COUNT][SOURCE_BYTES_MAX];

static const char * const sysctl_names[] = {
	"adaptive_compaction_mode",
	"adaptive_compaction_threshold",
	"adaptive_compaction_cutoff",
	"adaptive_compaction_min_order",
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
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s", source->name);
	source->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (source->fd < 0 && !(source->optional && errno == ENOENT))
		fail("cannot open %s: %s; check the kernel's configuration and that /proc is mounted",
		     path, strerror(errno));
}

/* A seq_file read may return less than there is: read up to the end. */
static void read_source(struct source *source, char *text)
{
	ssize_t got;

	source->length = 0;
	do {
		got = read(source->fd, text + source->length,
			   SOURCE_BYTES_MAX - source->length);
		if (got < 0 && errno != EINTR)
			fail("cannot read /proc/%s: %s", source->name,
			     strerror(errno));
		if (got > 0)
			source->length += (size_t)got;
	} while (got && source->length < SOURCE_BYTES_MAX);
	if (got)
		fail("/proc/%s is longer than %d bytes; raise SOURCE_BYTES_MAX",
		     source->name, SOURCE_BYTES_MAX);
}

static void read_sources(void)
{
	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		if (sources[i].fd >= 0)
			read_source(&sources[i], texts[i]);
	}
}

static void rewind_sources(void)
{
	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		if (sources[i].fd >= 0 && lseek(sources[i].fd, 0, SEEK_SET))
			fail("cannot rewind /proc/%s: %s", sources[i].name,
			     strerror(errno));
	}
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
	struct timespec monotonic;
	struct timespec realtime;
	int directory;
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
		fail("cannot lock %zu bytes: %s; run as root", sizeof(texts),
		     strerror(errno));
	read_sources();
	rewind_sources();
	refresh_counters(refresh);
	clock_gettime(CLOCK_REALTIME, &realtime);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	read_sources();

	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		if (sources[i].fd >= 0)
			write_file(directory, sources[i].name, texts[i],
				   sources[i].length);
	}
	write_time(directory, &realtime, &monotonic);
	write_sysctl(directory);
	return 0;
}
