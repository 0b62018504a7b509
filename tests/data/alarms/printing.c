// SPDX-License-Identifier: GPL-2.0-only
/* What harness.texts.alarms.source is asked to find; never compiled. */

#define pmd_ERROR(e) \
	pr_err("%s:%d: bad pmd %p(%016lx)\n", __FILE__, __LINE__, &(e), pmd_val(e))

static void __report_bad(struct desc *desc, int ret)
{
	if (ret)
		printk(KERN_ERR "event %d: bogus return value %x\n", ret);
	printk(KERN_ERR
	       "handlers of it:\n");
	/* BUG: a comment is nothing that is printed */
	dump_stack();
}

static int plain(void)
{
	pr_info("memory is %s, all of it\n", "fine");
	pr_emerg_once("the clock has gone "
		      "\"mad\" by %d%%\n", 3);
	pr_emerg("and a detail of that follows\n");
	return 0;
}
