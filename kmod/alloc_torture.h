/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ALLOC_TORTURE_H
#define ALLOC_TORTURE_H

#include <linux/gfp.h>
#include <linux/mmzone.h>

/* Kbuild tells whether this kernel has the header. */
#if defined(CONFIG_BUDDY_MONITOR) && defined(HAVE_BUDDY_MONITOR_H)
#include <linux/buddy_monitor.h>
#define TORTURE_MONITOR
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
void hammer_shoot_start(gfp_t gfp);
void hammer_shoot_stop(struct torture_count *count);

#endif
