// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only program of a guest that breaks: for each word of faults=NAME,NAME... on the kernel's
 * command line it loads faults.ko in a child of its own, or does what a broken program does.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void fill_memory(void)
{
	for (;;) {
		char *more = malloc(1 << 20);

		if (more)
			memset(more, 1, 1 << 20);
	}
}

static void break_here(const char *name)
{
	char option[128];

	if (!strcmp(name, "user-segfault"))
		*(volatile int *)8 = 1;
	if (!strcmp(name, "user-protection"))
		*(volatile int *)0x0123456789abcdefUL = 1;
	if (!strcmp(name, "user-words"))
		puts("Kernel panic - not syncing: says a program\nBUG: unable to handle nothing");
	if (!strcmp(name, "user-kmsg")) {
		int log = open("/dev/kmsg", O_WRONLY);

		dprintf(log, "<12>program[7]: BUG: says a program\n");
		close(log);
	}
	if (!strcmp(name, "user-memory"))
		fill_memory();
	if (!strcmp(name, "inode") || !strcmp(name, "dentry")) {
		mkdir("/mnt", 0755);
		mount("none", "/mnt", "tmpfs", 0, NULL);
		close(open("/mnt/file", O_CREAT | O_WRONLY, 0644));
	}
	snprintf(option, sizeof(option), "how=%s", name);
	if (strncmp(name, "user-", 5))
		syscall(SYS_finit_module, open("/faults.ko", O_RDONLY), option, 0);
	umount("/mnt");
	exit(0);
}

int main(void)
{
	static char line[4096];
	char *word;

	mkdir("/proc", 0755);
	mount("none", "/proc", "proc", 0, NULL);
	mkdir("/dev", 0755);
	mount("none", "/dev", "devtmpfs", 0, NULL);
	read(open("/proc/cmdline", O_RDONLY), line, sizeof(line) - 1);
	word = strstr(line, "faults=");
	if (word)
		word = strtok(word + strlen("faults="), ", \n");
	for (; word; word = strtok(NULL, ", \n")) {
		if (!strcmp(word, "exit"))
			return 3;
		if (!strcmp(word, "deadlock"))
			fill_memory();
		if (!fork())
			break_here(word);
		wait(NULL);
		fflush(stdout);
	}
	reboot(RB_POWER_OFF);
	return 0;
}
