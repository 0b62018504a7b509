/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _CROSS_CHECK_H
#define _CROSS_CHECK_H

struct dentry;

int cross_check_free_init(struct dentry *dir);
void cross_check_free_exit(void);

#endif /* _CROSS_CHECK_H */
