// SPDX-License-Identifier: GPL-2.0-only
/*
 * cache_source - a file whose pages are page cache that can be reclaimed
 *
 * In a guest without a disk every file lives in memory, and its pages cannot be
 * reclaimed. This file system has one file, "data", of 64 GiB that reads as
 * zeroes. A page of it comes to be when it is first read, is clean for ever,
 * can be moved, and may be dropped at any time.
 *
 *   insmod cache_source.ko
 *   mount -t cache_source none /tmp/cache
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/backing-dev.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/highmem.h>
#include <linux/migrate.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sizes.h>
#include <linux/version.h>

#define CACHE_SOURCE_MAGIC	0x62756463
#define CACHE_SOURCE_BYTES	(64ULL * SZ_1G)
#define CACHE_SOURCE_INODE	2

/* read_folio() came in 5.19. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)
static int cache_source_read_folio(struct file *file, struct folio *folio)
{
	folio_zero_range(folio, 0, folio_size(folio));
	flush_dcache_folio(folio);
	folio_mark_uptodate(folio);
	folio_unlock(folio);
	return 0;
}

static const struct address_space_operations cache_source_aops = {
	.read_folio	= cache_source_read_folio,
	.migrate_folio	= filemap_migrate_folio,
};
#else
static int cache_source_readpage(struct file *file, struct page *page)
{
	clear_highpage(page);
	flush_dcache_page(page);
	SetPageUptodate(page);
	unlock_page(page);
	return 0;
}

static const struct address_space_operations cache_source_aops = {
	.readpage	= cache_source_readpage,
	.migratepage	= migrate_page,
};
#endif

static const struct file_operations cache_source_fops = {
	.read_iter	= generic_file_read_iter,
	.mmap		= generic_file_readonly_mmap,
	.llseek		= generic_file_llseek,
};

static int cache_source_fill(struct super_block *sb, struct fs_context *fc)
{
	static const struct tree_descr files[] = {
		[CACHE_SOURCE_INODE] = { "data", &cache_source_fops, 0444 },
		{ "" },
	};
	struct qstr name = QSTR_INIT("data", 4);
	struct inode *inode;
	struct dentry *data;
	int err;

	err = simple_fill_super(sb, CACHE_SOURCE_MAGIC, files);
	if (err)
		return err;
	sb->s_maxbytes = CACHE_SOURCE_BYTES;
	/* Without a device of its own, POSIX_FADV_DONTNEED would be ignored. */
	err = super_setup_bdi(sb);
	if (err)
		return err;
	/* One page for each that is read, and nothing to write back. */
	sb->s_bdi->ra_pages = 0;
	sb->s_bdi->io_pages = 0;
	sb->s_bdi->capabilities = 0;
	name.hash = full_name_hash(sb->s_root, name.name, name.len);
	data = d_lookup(sb->s_root, &name);
	if (!data)
		return -ENOENT;
	inode = d_inode(data);
	i_size_write(inode, CACHE_SOURCE_BYTES);
	inode->i_mapping->a_ops = &cache_source_aops;
	dput(data);
	return 0;
}

static int cache_source_get_tree(struct fs_context *fc)
{
	return get_tree_nodev(fc, cache_source_fill);
}

static const struct fs_context_operations cache_source_context_ops = {
	.get_tree	= cache_source_get_tree,
};

static int cache_source_init_fs_context(struct fs_context *fc)
{
	fc->ops = &cache_source_context_ops;
	return 0;
}

/* What simple_fill_super() made goes by itself since 6.19. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define cache_source_kill_sb	kill_anon_super
#else
#define cache_source_kill_sb	kill_litter_super
#endif

static struct file_system_type cache_source_type = {
	.owner			= THIS_MODULE,
	.name			= KBUILD_MODNAME,
	.init_fs_context	= cache_source_init_fs_context,
	.kill_sb		= cache_source_kill_sb,
};

static int __init cache_source_init(void)
{
	return register_filesystem(&cache_source_type);
}

static void __exit cache_source_exit(void)
{
	unregister_filesystem(&cache_source_type);
}

module_init(cache_source_init);
module_exit(cache_source_exit);

MODULE_DESCRIPTION("A file of page cache that can be reclaimed");
MODULE_LICENSE("GPL");
