/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _CROSS_CHECK_H
#define _CROSS_CHECK_H

struct dentry;
struct page;

enum page_kind {
	KIND_RESERVED,
	KIND_PINNED,
	KIND_MOVABLE,
	KIND_UNUSED,	/* on the list of a CPU, or about to be */
};

/* Of a page that is not in a free block. */
enum page_kind cross_check_page_kind(struct page *page);

int cross_check_free_init(struct dentry *dir);
void cross_check_free_exit(void);

/* Run where nobody else runs, nor an interrupt; it must not sleep. */
void cross_check_undisturbed(void (*function)(void));
/* Only there: note how each pageblock is taken as the machine stops. */
void cross_check_frames_stopped(void);

int cross_check_burst_init(struct dentry *dir);
void cross_check_burst_exit(void);

#endif /* _CROSS_CHECK_H */
