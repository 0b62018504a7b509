/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Put before high_order_test.c, by Kbuild, where the kernel has nodes:
 *
 *   node   take each block from this node and from no other; -1, the default,
 *          leaves it to the kernel. It can be written while the module waits.
 *
 * Elsewhere the module has nothing of this.
 */
#ifndef _ON_NODE_H
#define _ON_NODE_H

/* As high_order_test.c has it, for headers take the first that they meet. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/numa.h>

static int node = NUMA_NO_NODE;

static int on_node_set(const char *text, const struct kernel_param *parameter)
{
	int value;

	if (kstrtoint(text, 10, &value) || value < NUMA_NO_NODE ||
	    value >= MAX_NUMNODES)
		return -EINVAL;
	if (value != NUMA_NO_NODE && !node_state(value, N_MEMORY))
		return -ENODEV;
	WRITE_ONCE(node, value);

	return 0;
}

static const struct kernel_param_ops on_node_ops = {
	.set	= on_node_set,
	.get	= param_get_int,
};
module_param_cb(node, &on_node_ops, &node, 0644);
MODULE_PARM_DESC(node, "Take each block from this node alone (default -1: as the kernel chooses)");

static inline struct page *on_node_alloc_pages(gfp_t gfp, unsigned int order)
{
	int here = READ_ONCE(node);

	if (here == NUMA_NO_NODE)
		return alloc_pages(gfp, order);
	return alloc_pages_node(here, gfp | __GFP_THISNODE, order);
}

#undef alloc_pages
#define alloc_pages(gfp, order)	on_node_alloc_pages(gfp, order)

#endif /* _ON_NODE_H */
