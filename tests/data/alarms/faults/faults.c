// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults on purpose: what the logs of ../logs were made with. Loaded with how=NAME it does what
 * the name says; loading always fails, unless the kernel is gone by then.
 */

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irq_work.h>
#include <linux/irqdesc.h>
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/namei.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/version.h>
#include <linux/workqueue.h>

static char *how = "";
module_param(how, charp, 0);
MODULE_PARM_DESC(how, "which fault");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spin);
static DEFINE_SPINLOCK(other_spin);

static noinline void fault_panic(void)
{
	panic("asked for");
}

static noinline void fault_bug(void)
{
	BUG();
}

static noinline void fault_warn(void)
{
	WARN(1, "asked for: %d\n", 1);
}

static noinline void fault_null(void)
{
	*(volatile int *)8 = 1;
}

static noinline void fault_paging(void)
{
	*(volatile int *)0xffffc90000000123UL = 1;
}

static noinline void fault_protection(void)
{
	*(volatile int *)0x0123456789abcdefUL = 1;
}

static noinline void fault_opcode(void)
{
	asm volatile(".byte 0x0f, 0xff");
}

static noinline void fault_divide(void)
{
	asm volatile("xorl %%ecx, %%ecx; divl %%ecx" : : : "eax", "ecx", "edx");
}

static noinline int fault_stack(int depth)
{
	volatile char room[512];

	room[0] = depth;
	return depth > 1000000 ? 0 : fault_stack(depth + 1) + room[0];
}

static noinline void fault_lock_order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static noinline void fault_recursive(void)
{
	spinlock_t *locks = kcalloc(2, sizeof(*locks), GFP_KERNEL);
	int at;

	for (at = 0; locks && at < 2; at++)
		spin_lock_init(&locks[at]);
	spin_lock(&locks[0]);
	spin_lock(&locks[1]);
	spin_unlock(&locks[1]);
	spin_unlock(&locks[0]);
}

static noinline void fault_unbalanced(void)
{
	mutex_unlock(&first);
}

static noinline void fault_no_key(void)
{
	spinlock_t *lock = kzalloc(sizeof(*lock), GFP_KERNEL);

	spin_lock(lock);
	spin_unlock(lock);
}

static noinline void fault_freed_lock(void)
{
	struct mutex *lock = kmalloc(sizeof(*lock), GFP_KERNEL);

	mutex_init(lock);
	mutex_lock(lock);
	kfree(lock);
}

static noinline void fault_irq_state(void)
{
	spin_lock(&other_spin);
	spin_unlock(&other_spin);
	local_irq_disable();
	lockdep_hardirq_enter();
	spin_lock(&other_spin);
	spin_unlock(&other_spin);
	lockdep_hardirq_exit();
	local_irq_enable();
}

static noinline void fault_rcu_use(void)
{
	static int __rcu *pointer;

	pr_info("faults: %d\n", rcu_dereference(pointer) != NULL);
}

static noinline void fault_sleep(void)
{
	spin_lock(&spin);
	might_sleep();
	spin_unlock(&spin);
}

static noinline void fault_schedule(void)
{
	preempt_disable();
	schedule();
	preempt_enable();
}

static noinline void fault_use_after_free(void)
{
	volatile char *object = kmalloc(64, GFP_KERNEL);

	kfree((void *)object);
	object[8] = 1;
}

static noinline void fault_overrun(void)
{
	volatile char *object = kmalloc(60, GFP_KERNEL);
	unsigned int at = 60;

	OPTIMIZER_HIDE_VAR(at);
	object[at] = 1;
	kfree((void *)object);
}

static noinline void fault_double_free(void)
{
	void *object = kmalloc(64, GFP_KERNEL);

	kfree(object);
	kfree(object);
}

static noinline void fault_list(void)
{
	static LIST_HEAD(head);
	static struct list_head entry;

	list_add(&entry, &head);
	list_add(&entry, &head);
}

static noinline void fault_free_page(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	page->mapping = (void *)0x1234000;
	__free_page(page);
}

static noinline void fault_count(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	__free_page(page);
	put_page(page);
}

static noinline void fault_poison(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	char *address = page_address(page);
	struct page *pages[64];
	int at;

	__free_page(page);
	kasan_disable_current();
	READ_ONCE(*address);
	*(volatile char *)address = 0x55;
	kasan_enable_current();
	for (at = 0; at < 64; at++)
		pages[at] = alloc_page(GFP_KERNEL);
	for (at = 0; at < 64; at++)
		if (pages[at])
			__free_page(pages[at]);
}

static void nothing(struct timer_list *timer)
{
}

static noinline void fault_timer(void)
{
	struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

	timer_setup(timer, nothing, 0);
	mod_timer(timer, jiffies + 100 * HZ);
	kfree(timer);
}

static noinline void fault_order(void)
{
	free_pages((unsigned long)kmalloc(8 << 20, GFP_KERNEL), 0);
}

static noinline void fault_rcu_stall(void)
{
	unsigned long end = jiffies + 12 * HZ;

	rcu_read_lock();
	while (time_before(jiffies, end))
		cpu_relax();
	rcu_read_unlock();
}

static noinline void fault_hang(void)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

static noinline void fault_spin(void)
{
	for (;;)
		cpu_relax();
}

static noinline void fault_jump(void)
{
	void (*nowhere)(void) = NULL;

	OPTIMIZER_HIDE_VAR(nowhere);
	nowhere();
}

static noinline void fault_data(void)
{
	static unsigned char data[] = { 0xc3 };
	void (*code)(void) = (void *)data;

	OPTIMIZER_HIDE_VAR(code);
	code();
}

static void spin_for_long(void *unused)
{
	u64 end = ktime_get_ns() + 30ULL * NSEC_PER_SEC;

	while (ktime_get_ns() < end)
		cpu_relax();
}

/* The second CPU, with its interrupts off; the first waits for it to let RCU go on. */
static noinline void fault_other_cpu(void)
{
	smp_call_function_single(1, spin_for_long, NULL, 0);
	synchronize_rcu();
}

static noinline void fault_cache_left(void)
{
	struct kmem_cache *cache = kmem_cache_create("faults", 40, 0, 0, NULL);

	kmem_cache_alloc(cache, GFP_KERNEL);
	kmem_cache_destroy(cache);
}

static noinline void fault_duplicate(void)
{
	if (kobject_create_and_add("faults", NULL))
		pr_info("faults: %d\n", kobject_create_and_add("faults", NULL) != NULL);
}

static noinline void fault_refcount(void)
{
	static refcount_t count = REFCOUNT_INIT(1);

	if (refcount_dec_and_test(&count))
		refcount_inc(&count);
}

/* init.c mounts /mnt, and unmounts it afterwards. */
static noinline void fault_inode(void)
{
	struct path path;

	if (kern_path("/mnt/file", 0, &path))
		return;
	igrab(d_inode(path.dentry));
	path_put(&path);
}

static noinline void fault_dentry(void)
{
	struct path path;

	if (kern_path("/mnt/file", 0, &path))
		return;
	dget(path.dentry);
	path_put(&path);
}

static irqreturn_t not_mine(int irq, void *data)
{
	return IRQ_NONE;
}

#define LINE 10 /* no device has it */

static void raise_all(struct irq_work *work)
{
	int at;

	for (at = 0; at < 100001; at++)
		generic_handle_irq(LINE);
}

static noinline void fault_irq(void)
{
	static struct irq_work work;

	if (request_irq(LINE, not_mine, 0, "faults", NULL))
		return;
	init_irq_work(&work, raise_all);
	irq_work_queue(&work);
	irq_work_sync(&work);
	free_irq(LINE, NULL);
}

static noinline void fault_pages_counted(void)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	atomic_long_add(3, &current->mm->rss_stat.count[MM_ANONPAGES]);
#else
	percpu_counter_add(&current->mm->rss_stat[MM_ANONPAGES], 3);
#endif
}

static noinline void fault_page_map(void)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
	unsigned long address = current->mm->start_stack & PAGE_MASK;
	spinlock_t *lock;
	pte_t *pte;

	mmap_read_lock(current->mm);
	if (!follow_pte(current->mm, address, &pte, &lock)) {
		set_pte(pte, pfn_pte(0xabcdef0, PAGE_READONLY));
		pte_unmap_unlock(pte, lock);
	}
	mmap_read_unlock(current->mm);
#endif
}

static const struct {
	const char *name;
	void (*fault)(void);
} faults[] = {
	{ "panic", fault_panic }, { "bug", fault_bug }, { "warn", fault_warn },
	{ "null", fault_null }, { "paging", fault_paging }, { "protection", fault_protection },
	{ "opcode", fault_opcode }, { "divide", fault_divide },
	{ "lock-order", fault_lock_order }, { "recursive", fault_recursive },
	{ "unbalanced", fault_unbalanced }, { "no-key", fault_no_key },
	{ "freed-lock", fault_freed_lock }, { "irq-state", fault_irq_state },
	{ "rcu-use", fault_rcu_use }, { "sleep", fault_sleep }, { "schedule", fault_schedule },
	{ "use-after-free", fault_use_after_free }, { "overrun", fault_overrun },
	{ "double-free", fault_double_free }, { "list", fault_list },
	{ "free-page", fault_free_page }, { "count", fault_count }, { "poison", fault_poison },
	{ "timer", fault_timer }, { "order", fault_order }, { "rcu-stall", fault_rcu_stall },
	{ "hang", fault_hang }, { "spin", fault_spin }, { "jump", fault_jump },
	{ "data", fault_data }, { "other-cpu", fault_other_cpu },
	{ "cache-left", fault_cache_left }, { "duplicate", fault_duplicate },
	{ "refcount", fault_refcount }, { "inode", fault_inode }, { "dentry", fault_dentry },
	{ "irq", fault_irq }, { "pages-counted", fault_pages_counted },
	{ "page-map", fault_page_map },
};

static int __init faults_init(void)
{
	size_t at;

	pr_info("faults: %s begins\n", how);
	for (at = 0; at < ARRAY_SIZE(faults); at++)
		if (!strcmp(how, faults[at].name))
			faults[at].fault();
	if (!strcmp(how, "stack"))
		fault_stack(0);
	pr_info("faults: %s ends\n", how);
	return -EAGAIN;
}
module_init(faults_init);

MODULE_DESCRIPTION("faults on purpose");
MODULE_LICENSE("GPL");
