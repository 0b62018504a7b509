// SPDX-License-Identifier: GPL-2.0-only
/*
 * request_here - request blocks in the context of whoever writes
 *
 * high_order_test asks from a thread of the kernel, which nobody confines and
 * nobody kills. Here the cpuset, the memory policy and the signals are those of
 * the process that writes. Only guests have it that ask for it.
 *
 * In /sys/kernel/debug/request_here/:
 *
 *   ask      "ORDER REQUESTS GFP": makes the requests, and keeps what they get;
 *            a fatal signal ends them. GFP is kernel, movable, nofs or hardwall
 *   answer   "attempted=N succeeded=N killed=0|1 longest_ns=N on_node=A,B,..."
 *            of the last write, "none" before the first
 *   release  any write frees all that is kept, and so does rmmod
 *
 * Example:
 *
 *   echo 10 4 kernel > /sys/kernel/debug/request_here/ask
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "compat.h"

#define REQUEST_HERE_BLOCKS	4096
#define REQUEST_HERE_NODES	4

struct request_here_class {
	const char *name;
	gfp_t gfp;
};

static const struct request_here_class request_here_classes[] = {
	{ "kernel",	GFP_KERNEL },
	{ "movable",	GFP_HIGHUSER_MOVABLE },
	{ "nofs",	GFP_NOFS },
	{ "hardwall",	GFP_KERNEL | __GFP_HARDWALL },
};

struct request_here_block {
	struct page *page;
	unsigned int order;
};

struct request_here_answer {
	bool given;
	unsigned int attempted;
	unsigned int succeeded;
	bool killed;
	u64 longest_ns;
	unsigned int on_node[REQUEST_HERE_NODES];
};

static DEFINE_MUTEX(request_here_mutex);
static struct request_here_block request_here_kept[REQUEST_HERE_BLOCKS];
static unsigned int request_here_count;
static struct request_here_answer request_here_answer;
static struct dentry *request_here_dir;

static void request_here_free(void)
{
	while (request_here_count) {
		struct request_here_block *block;

		block = &request_here_kept[--request_here_count];
		__free_pages(block->page, block->order);
	}
}

static void request_here_keep(struct page *page, unsigned int order)
{
	unsigned int node = page_to_nid(page);

	request_here_kept[request_here_count++] = (struct request_here_block){
		.page = page,
		.order = order,
	};
	request_here_answer.succeeded++;
	if (node < REQUEST_HERE_NODES)
		request_here_answer.on_node[node]++;
}

static void request_here_run(unsigned int order, unsigned int requests,
			     gfp_t gfp)
{
	struct request_here_answer *answer = &request_here_answer;

	*answer = (struct request_here_answer){ .given = true };
	while (answer->attempted < requests &&
	       request_here_count < REQUEST_HERE_BLOCKS) {
		u64 start_ns = ktime_get_ns();
		struct page *page = alloc_pages(gfp | __GFP_NOWARN, order);
		u64 ns = ktime_get_ns() - start_ns;

		answer->attempted++;
		answer->longest_ns = max(answer->longest_ns, ns);
		if (page)
			request_here_keep(page, order);
		if (fatal_signal_pending(current)) {
			answer->killed = true;
			break;
		}
		cond_resched();
	}
}

static ssize_t request_here_ask(struct file *file, const char __user *from,
				size_t length, loff_t *pos)
{
	unsigned int order, requests, i;
	char text[64] = "", name[16];

	if (length >= sizeof(text) || copy_from_user(text, from, length))
		return -EINVAL;
	if (sscanf(text, "%u %u %15s", &order, &requests, name) != 3 ||
	    order > MAX_PAGE_ORDER)
		return -EINVAL;

	for (i = 0; i < ARRAY_SIZE(request_here_classes); i++) {
		if (strcmp(request_here_classes[i].name, name))
			continue;
		mutex_lock(&request_here_mutex);
		request_here_run(order, requests, request_here_classes[i].gfp);
		mutex_unlock(&request_here_mutex);
		return length;
	}

	return -EINVAL;
}

static const struct file_operations request_here_ask_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = request_here_ask,
};

static ssize_t request_here_release(struct file *file, const char __user *from,
				    size_t length, loff_t *pos)
{
	mutex_lock(&request_here_mutex);
	request_here_free();
	mutex_unlock(&request_here_mutex);

	return length;
}

static const struct file_operations request_here_release_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = request_here_release,
};

static int request_here_answer_show(struct seq_file *m, void *v)
{
	const struct request_here_answer *answer = &request_here_answer;
	unsigned int node;

	mutex_lock(&request_here_mutex);
	if (answer->given) {
		seq_printf(m, "attempted=%u succeeded=%u killed=%d longest_ns=%llu on_node=",
			   answer->attempted, answer->succeeded, answer->killed,
			   answer->longest_ns);
		for (node = 0; node < REQUEST_HERE_NODES; node++)
			seq_printf(m, "%s%u", node ? "," : "",
				   answer->on_node[node]);
		seq_putc(m, '\n');
	} else {
		seq_puts(m, "none\n");
	}
	mutex_unlock(&request_here_mutex);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(request_here_answer);

static int __init request_here_init(void)
{
	request_here_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	if (IS_ERR(request_here_dir))
		return PTR_ERR(request_here_dir);

	debugfs_create_file("ask", 0200, request_here_dir, NULL,
			    &request_here_ask_fops);
	debugfs_create_file("answer", 0444, request_here_dir, NULL,
			    &request_here_answer_fops);
	debugfs_create_file("release", 0200, request_here_dir, NULL,
			    &request_here_release_fops);

	return 0;
}
module_init(request_here_init);

static void __exit request_here_exit(void)
{
	debugfs_remove_recursive(request_here_dir);
	request_here_free();
}
module_exit(request_here_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("request blocks in the context of whoever writes");
