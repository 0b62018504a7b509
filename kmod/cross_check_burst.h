/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _CROSS_CHECK_BURST_H
#define _CROSS_CHECK_BURST_H

/* What whoever makes a burst tells of it, outside of what it times. */
enum cross_check_step {
	CROSS_CHECK_BEGIN,	/* the first request comes next */
	CROSS_CHECK_REQUEST,	/* one more was made */
	CROSS_CHECK_END,	/* none follows, and all that was got is still held */
};

void cross_check_burst(enum cross_check_step step);

#endif /* _CROSS_CHECK_BURST_H */
