/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ALLOC_TORTURE_H
#define ALLOC_TORTURE_H

#include <linux/gfp.h>
#include <linux/mmzone.h>

#if defined(CONFIG_BUDDY_MONITOR) && defined(__has_include)
#if __has_include("linux/buddy_monitor.h")
#include <linux/buddy_monitor.h>
#define TORTURE_MONITOR
#endif
#endif

#define HAMMER_FIRST	4	/* orders that nobody else asks for */
#define HAMMER_LAST	6

struct torture_count {
	unsigned long requests;
	unsigned long ok;
	unsigned long failed;
	unsigned long pages;
};

struct hammer_count {
	struct torture_count order[HAMMER_LAST + 1];
};

int hammer_run(gfp_t gfp, void (*before)(void), void (*after)(void),
	       struct hammer_count *count);
int hammer_irq_run(gfp_t gfp, gfp_t irq_gfp, void (*before)(void),
		   void (*after)(void), struct hammer_count *count);

#endif
