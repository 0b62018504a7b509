# SPDX-License-Identifier: GPL-2.0-only
"""The kind of an alarm, by where a kernel's sources print it and what it begins with.

A message that no rule names is an `alarm`: what a new kernel line adds is found before anybody
has looked at it. A `notice` has one of the signs of harness.texts.alarms.source and yet says
nothing of the kernel's own state.
"""

import re

from harness.texts.alarms.source import Alarm

ALARM = "alarm"
NOTICE = "notice"
# What a shortage of memory may bring: counted, no fault.
PRESSURE = "pressure"
# A watch that gives up for want of memory: nobody is accused, but its silence says nothing more.
WATCH_OFF = "watch off"
_UNACCUSED = {NOTICE, PRESSURE, WATCH_OFF}

# Kind, path of the source, what the format holds: the first that fits both.
_KINDS = (
    (PRESSURE, r"^mm/(?:oom_kill|page_alloc)\.c", r"oom|stall|nodemask"),
    (PRESSURE, r"^mm/percpu\.c|^include/linux/gfp", r"^%pGg allocation|^allocation failed"),
    (WATCH_OFF, r"^mm/kmemleak\.c|^lib/debugobjects\.c", r"disabled"),
    ("kmemleak", r"^mm/kmemleak\.c", r"suspected"),
    ("kasan", r"^mm/kasan/", r"KASAN: "),
    ("kfence", r"^mm/kfence/", r"KFENCE: |Corrupted memory"),
    ("kmsan", r"^mm/kmsan/", r"KMSAN: "),
    ("kcsan", r"^kernel/kcsan/", r"KCSAN: "),
    ("ubsan", r"^lib/ubsan", r"^UBSAN"),
    ("slab", r"^mm/(?:sl[aou]b|usercopy)", r"BUG |SLUB|[Ss]lab|Kernel memory|[Rr]edzone"),
    ("page poison", r"^mm/page_poison\.c", r""),
    ("page table", r"^mm/|^arch/x86/|^include/", r"Bad page map|bad p(?:[mug4]d|te)|page table"),
    ("list", r"", r"^list_"),
    ("lockdep", r"^kernel/locking/lockdep\.c", r"WARNING|BUG|INFO|turning off"),
    ("spinlock", r"^kernel/locking/spinlock_debug\.c", r""),
    ("rcu stall", r"^kernel/rcu/", r"stall|starved"),
    ("hung task", r"^kernel/hung_task\.c", r"^INFO: task"),
    ("hard lockup", r"", r"hard LOCKUP|Hard lockup"),
    ("soft lockup", r"", r"soft lockup|Soft lockup|workqueue lockup|CSD lock"),
    ("irq", r"^kernel/irq/|^include/asm-generic/|^arch/x86/kernel/irq", r"^irq|IRQ|No irq handler"),
    ("vfs", r"^fs/", r"Busy inodes|Dentry|duplicate filename"),
    ("panic", r"", r"^Kernel panic|^PANIC"),
    ("warning", r"^kernel/panic\.c", r"^WARNING: "),
    ("oops", r"^arch/x86/(?:kernel|mm)/", r"^Oops|^kernel tried"),
    ("machine check", r"^arch/x86/|^mm/memory-failure", r"Machine [Cc]heck|MCE|MSR|[Mm]emory corr"),
    ("machine check", r"^mm/memory-failure", r"corrupted"),
    ("bug", r"", r"\bBUG\b|^kernel BUG|^Kernel BUG"),
)
# Path of the source, function, why it is no alarm.
_NOTICES = (
    (r"^arch/x86/kernel/cpu/(?!mce)", r"", "the processor, its microcode or an option"),
    (r"^arch/x86/kernel/(?:apic|alternative|setup|early_printk|process|tsc)", r"", "the same"),
    (r"^arch/x86/kernel/cpu/mce/core\.c", r"print_mce$|init$", "details of another line"),
    (r"^arch/x86/kernel/check\.c", r"setup_|start_", "a watch begins"),
    (
        r"^arch/x86/(?:include/asm/uv|mm/(?:mmio-mod|kmmio|testmmio))",
        r"",
        "other machines, tracers",
    ),
    (r"^arch/x86/kernel/(?:smp|nmi)", r"stop_other|stall_check", "details of another line"),
    (r"^arch/x86/kernel/(?:vm86|cet)", r"", "a program's own fault"),
    (r"^arch/x86/mm/fault", r"show_ldttss", "details of another line"),
    (r"^mm/(?:debug|page_owner)\.c", r"", "details of another line"),
    (r"^mm/kasan/report\.c", r"print_address_description", "details of another line"),
    (r"^mm/sl[au]b\.c", r"trace|print_|object_err|free_large|check_bytes", "details, or asked for"),
    (r"^mm/slab_common\.c|^mm/percpu\.c", r"create|setup", "words too common to know it by"),
    (r"^mm/kmemleak\.c", r"", "a watch begins"),
    (r"^mm/(?:swapfile|memblock|percpu-km|execmem|page_ext)\.c", r"", "no memory at the start"),
    (r"^mm/gup\.c|userfaultfd|^fs/namespace\.c|fanotify", r"", "a program's choice"),
    (r"^mm/memory_hotplug\.c", r"do_migrate_range", "a page in use: it is tried again"),
    (r"^lib/fault-inject\.c", r"", "a failure that was asked for"),
    (r"^lib/nmi_backtrace\.c|^kernel/sched/core\.c", r"backtrace|dump_cpu", "a stack asked for"),
    (r"^kernel/(?:reboot\.c|power/)", r"^kernel_|power_down", "the end that was asked for"),
    (r"^kernel/power/|^arch/x86/power/", r"freeze|hibernation", "a suspend that failed"),
    (r"^kernel/panic\.c", r"force_cpu", "on the way to a panic, which says so itself"),
    (r"^kernel/(?:capability|cpu|params|module|signal)\b", r"", "a program's or a user's choice"),
    (r"^kernel/workqueue\.c", r"systemwide|cpumask", "a module's use of an interface"),
    (r"^kernel/time/timekeeping\.c", r"", "a clock that was stopped from outside"),
    (r"^kernel/watchdog\.c", r"print_|init", "details of another line"),
    (r"^kernel/irq/", r"debug_setup", "an option"),
    (r"^kernel/locking/lockdep\.c", r"", "details of another line"),
    (r"^kernel/trace/", r"create_recursed", "no memory"),
    (
        r"^kernel/rcu/|^include/linux/srcu",
        r"torture|prio|nocb|dump_cpu|spawn_gp",
        "tests, options, details",
    ),
)


def kind_of(alarm: Alarm) -> str:
    """Return the kind of what a kernel's source prints."""
    for kind, path, words in _KINDS:
        if re.search(path, alarm.path) and re.search(words, alarm.format):
            return kind
    for path, function, _why in _NOTICES:
        if re.search(path, alarm.path) and re.search(function, alarm.function):
            return NOTICE
    return ALARM


def accuses(kind: str) -> bool:
    """Say whether a line of this kind means that the kernel is broken."""
    return kind not in _UNACCUSED
