/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _BUDDY_WITNESS_H
#define _BUDDY_WITNESS_H

struct dentry;

int witness_free_init(struct dentry *dir);
void witness_free_exit(void);

#endif /* _BUDDY_WITNESS_H */
