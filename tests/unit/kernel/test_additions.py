# SPDX-License-Identifier: GPL-2.0-only
# ruff: noqa: E101 - what is looked through has the kernel's tabs
"""What a change adds that its Documentation has to name, found in its sources."""

import re

import pytest

from harness.texts.build.additions import (
    BOOT_PARAMETER,
    DEBUGFS,
    DESCRIPTION,
    EXPORT,
    IOCTL,
    MODULE_PARAMETER,
    PROC,
    SYSCTL,
    SYSFS,
    File,
    added,
    barriers,
    functions,
    has_kernel_doc,
    options,
)

SOURCE = """
/* proc_create("in a comment", 0444) is none */
static int __init start(void)
{
	proc_create_single("numbers", 0444,
			   NULL, show);
	proc_create(
		"more", 0444, NULL, &ops);
	debugfs_create_file("deep", 0444, dir, NULL, &fops);
	return 0;
}
static DEVICE_ATTR_RO(depth);
static struct ctl_table table[] = {
	{ .procname	= "knob", },
};
early_param("early", f);
__setup("late=", f);
module_param(size, int, 0444);
MODULE_PARM_DESC(size, "its size");
#define DO_IT _IOW('b', 1, int)
/**
 * reader() - read
 */
unsigned long reader(void)
{
}
EXPORT_SYMBOL_GPL(reader);
const char *names[3];
EXPORT_SYMBOL(names);
"""


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (PROC, ("numbers", "more")),
        (DEBUGFS, ("deep",)),
        (SYSFS, ("depth",)),
        (SYSCTL, ("knob",)),
        (BOOT_PARAMETER, ("early", "late")),
        (MODULE_PARAMETER, ("size",)),
        (DESCRIPTION, ("size",)),
        (IOCTL, ("DO_IT",)),
        (EXPORT, ("reader", "names")),
    ],
)
def test_what_is_added(pattern: re.Pattern[str], found: tuple[str, ...]) -> None:
    change = {"mm/a.c": File("", SOURCE), "Documentation/a.rst": File("", 'proc_create("x"')}

    assert added(change, pattern) == found
    assert added({"mm/a.c": File(SOURCE, SOURCE)}, pattern) == ()
    moved = {"mm/a.c": File(SOURCE, ""), "mm/b.c": File("", SOURCE)}
    assert added(moved, pattern) == ()


def test_functions_and_their_kernel_doc() -> None:
    change = {"mm/a.c": File("", SOURCE)}

    assert functions(change, ("reader", "names")) == ("reader",)
    assert has_kernel_doc(change, "reader")
    assert not has_kernel_doc(change, "start")


BARRIERS = """
	/* The request before its outcome */
	smp_wmb();
	count++;
	smp_mb__after_atomic(); /* here */
	smp_rmb();
	barrier();
 * a text about smp_rmb()
"""


def test_barriers_without_a_comment() -> None:
    found = list(
        barriers({"mm/a.h": File("\tbarrier();\n", BARRIERS.replace(" * a", "/* a */ //"))})
    )

    assert [(str(one), one.explained) for one in found] == [
        ("mm/a.h:3: smp_wmb();", True),
        ("mm/a.h:5: smp_mb__after_atomic();", True),
        ("mm/a.h:6: smp_rmb();", False),
    ]


KCONFIG = """
config A
	bool "A choice of yours"
	default y
	help
	  What it does.

config B
	bool "Another"
	depends on A

# a remark
config C
	def_bool y

choice
	prompt "Which"
	default D

config D
	tristate "This"
	help

	  It is.
endchoice
"""


def test_options_that_are_on_or_mute() -> None:
    found = {one.name: one for one in options({"mm/Kconfig": File("", KCONFIG)})}

    assert list(found) == ["A", "B", "C", "D"]
    assert {name: one.default_on for name, one in found.items()} == {
        "A": "default y", "B": "", "C": "def_bool y", "D": "",
    }  # fmt: skip
    assert {name: one.has_help for name, one in found.items()} == {
        "A": True, "B": False, "C": False, "D": True,
    }  # fmt: skip
    assert [one.name for one in found.values() if one.asked] == ["A", "B", "D"]
    assert options({"mm/Kconfig": File(KCONFIG, KCONFIG)}) == ()
    assert options({"mm/notes.txt": File("", KCONFIG)}) == ()
