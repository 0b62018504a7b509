# SPDX-License-Identifier: GPL-2.0-only
"""What accuses a kernel: every alarm its sources can print, and nothing that others say."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.texts.alarms import headings, table
from harness.texts.alarms.kinds import WATCH_OFF, accuses, kind_of
from harness.texts.alarms.source import Alarm, alarms_of, fragments, is_read
from harness.texts.proc.kernel_log import classified, parse_console, parse_kernel_log

ROWS = [row for row in table.stored() if accuses(row.kind) or row.kind == WATCH_OFF]
DATA = Path(__file__).parents[2] / "data" / "alarms"
BOOT = "[    0.000000] Linux version 7.3.4 (gcc) #1 SMP\n"


def found(*lines: str) -> list[str]:
    return [bug.kind for bug in parse_console(BOOT + "".join(f"{one}\n" for one in lines)).bugs]


def test_every_alarm_of_the_table_is_found_in_a_log() -> None:
    """Whatever stands for the arguments, with and without the subsystem's name before it."""
    missed = []
    for row in ROWS:
        said = "7".join(fragments(row.format))
        for text in (said, f"subsystem: {said}"):
            log = parse_console(f"{BOOT}[    1.000000] {text}\n")
            if [one.kind for one in (*log.bugs, *log.watches_off)] != [row.kind]:
                missed.append(f"{row.place}: {text}")
    assert missed == []
    assert len(ROWS) > 200


def test_a_notice_of_the_table_accuses_nobody() -> None:
    rows = [row for row in table.stored() if not accuses(row.kind) and row.kind != WATCH_OFF]
    accused = [row for row in rows if headings.kind("7".join(fragments(row.format)))]
    assert [row.format for row in accused] == []
    assert len(rows) > 50


def test_what_a_new_line_adds_is_seen(golden: Callable[[str, str], None]) -> None:
    """Written anew with the table: whoever does it looks at the kinds of what is new."""
    rows = [row for row in table.stored() if "7.3" in row.lines and "6.12" not in row.lines]
    golden("alarms-new-in-7.3.txt", "".join(f"{row.kind}: {row.format}\n" for row in rows))
    assert "hung task: INFO: task %s:%d blocked%s for more than %ld seconds." in {
        f"{row.kind}: {row.format}" for row in rows
    }


def test_alarms_are_read_from_a_source_by_their_signs() -> None:
    alarms = [
        (one.sign, one.function, one.format)
        for one in alarms_of("mm/some.c", (DATA / "printing.c").read_text())
    ]

    assert alarms == [
        ("word", "#define", "%s:%d: bad pmd %p(%016lx)"),
        ("company", "__report_bad", "event %d: bogus return value %x"),
        ("level", "plain", 'the clock has gone "mad" by %d%%'),
    ]
    assert fragments(alarms[2][2]) == ('the clock has gone "mad" by ', "%")


def test_what_no_rule_names_is_an_alarm() -> None:
    new = Alarm(path="mm/new.c", function="report", sign="company", format="the new thing broke")
    assert kind_of(new) == "alarm"
    assert kind_of(replace(new, format="BUG: the new thing broke")) == "bug"


def test_a_disk_is_not_the_kernel_and_a_test_prints_alarms_on_purpose() -> None:
    words = 'static void f(void)\n{\n\tpr_crit("inode is corrupted, run fsck\\n");\n%s}\n'
    assert list(alarms_of("fs/ext4/inode.c", words % "")) == []
    assert len(list(alarms_of("fs/ext4/inode.c", words % "\tdump_stack();\n"))) == 1
    assert [is_read(f"mm/{name}") for name in ("slub.c", "kasan/kasan_test_c.c", "a.rs")] == [
        True,
        True,
        False,
    ]
    assert not is_read("mm/tests/lib.c")
    assert not is_read("mm/kasan/kasan_test.c")


CASES = {
    "slab": ("BUG kmalloc-8 (Tainted: G    B            ): Redzone overwritten",),
    "lockdep": ("INFO: trying to register non-static key.",),
    "page table": ("mm/pgtable-generic.c:50: bad pmd ffff888003c1a0a8(8000000012345067)",),
    "kmemleak": (
        "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
        "unreferenced object 0xffff880133c63800 (size 1024):",
    ),
    "vfs": (
        "VFS: Busy inodes after unmount of tmpfs. Self-destruct in 5 seconds.  Have a nice day...",
        "VFS: Busy inodes after unmount of tmpfs (tmpfs)",
    ),
    "irq": ('irq 16: nobody cared (try booting with the "irqpoll" option)',),
    "hung task": (
        "INFO: task udevd:5612 blocked for more than 143 seconds.",
        "INFO: task udevd:5612 blocked in I/O wait for more than 143 seconds.",
        "INFO: task a b:5612 can't die for more than 143 seconds.",
        "b:18088 blocked for more than 143 seconds.",
    ),
    "warning": (
        "WARNING: CPU: 0 PID: 1 at mm/page_alloc.c:5344 __alloc_pages+0x1a/0x2b",
        "WARNING: mm/page_alloc.c:5344 at __alloc_pages+0x1a/0x2b, CPU#0: swapper/1",
        "WARNING: at mm/page_alloc.c:5344 __alloc_pages+0x1a/0x2b()",
    ),
    "kmsan": ("BUG: KMSAN: uninit-value in prepend_path+0x1/0x2",),
    "kcsan": ("BUG: KCSAN: data-race in a / b",),
    "kfence": ("BUG: KFENCE: memory corruption in kfree+0x1/0x2",),
    "ubsan": ("UBSAN: array-index-out-of-bounds in mm/a.c:1:2",),
    "panic": ("Kernel panic - not syncing: x", "PANIC: double fault, error_code: 0x0"),
    "hard lockup": ("NMI watchdog: Watchdog detected hard LOCKUP on cpu 0",),
    "soft lockup": ("watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]",),
    "rcu stall": ("rcu: INFO: rcu_preempt self-detected stall on CPU",),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_wording_is_found(kind: str) -> None:
    for text in CASES[kind]:
        assert found(f"[    1.000000] {text}") == [kind], text


FORMS = {
    "console": "[    1.000000] {}",
    "caller": "[    1.000000][  T123] {}",
    "level and caller": "<4>[    1.000000][    C1] {}",
    "prompt before it": "root@guest:~# [    1.000000] {}",
    "other text before it": "DHCPCD[5651]: LIBU[   53.573906][ T6865] {}",
    "carriage return": "[    1.000000] {}\r",
    "after a progress line": " 99% |####|\r[    1.000000] {}",
    "colours": "\x1b[32m[    1.000000] \x1b[0m\x1b[31m{}\x1b[0m",
    "NUL": "\0\0[    1.000000] {}",
    "bad UTF-8": "\ufffd[    1.000000] {}\ufffd",
    "dmesg -T": "[Sun Nov 29 11:55:01 2026] {}",
    "dmesg -x": "kern  :warn  : [    1.000000] {}",
    "dmesg -d": "[    1.000000 <    0.000012>] {}",
    "dmesg --time-format=iso": "2026-11-29T11:55:01,123456+00:00 {}",
    "syslog": "Nov 29 11:55:01 guest kernel: {}",
    "syslog with stamp": "Nov  9 11:55:01 guest kernel: [    1.000000] {}",
    "journalctl -o short-iso": "2026-11-29T11:55:01+0000 guest kernel: {}",
    "syslog after a progress line": " 99% |####|\rNov 29 11:55:01 guest kernel: {}",
    "rsyslog": "2026-11-29T11:55:01.123456+00:00 guest kernel: [    1.000000] {}",
}


@pytest.mark.parametrize("form", FORMS)
def test_the_kernel_is_heard_in_every_form(form: str) -> None:
    text = FORMS[form].format("BUG kmalloc-64 (Not tainted): Poison overwritten")
    (bug,) = parse_console(BOOT + text + "\n").bugs
    assert (bug.kind, bug.line_number) == ("slab", 2)
    assert bug.message.startswith("BUG kmalloc-64 (Not tainted): Poison overwritten")


@pytest.mark.parametrize(
    "line",
    [
        "Kernel panic - not syncing: says a program",
        "WARNING: CPU: 0 PID: 1 at says a program",
        "[    1.000000] traps: stress-ng[3615] general protection fault ip:7f sp:2 error:0 in a",
        "[    1.000000] a.out[12]: segfault at 8 ip 40 sp 7f error 6 in a.out[4+1]",
        "[    1.000000] program[7]: BUG: unable to handle page fault for address: 7",
        "<12>[    1.000000] BUG: a program's record in /dev/kmsg",
        "user  :warn  : [    1.000000] BUG: the same by dmesg -x",
        "Nov 29 11:55:01 guest stress[12]: BUG: of a program's own",
        "[    1.000000] WARNING: the mand mount option is being deprecated and",
        "[    1.000000] WARNING: fbcon: Driver 'vkmsdrmfb' missed to adjust virtual screen size",
        "[    1.000000] BUG UNIX (Not tainted): kasan: bad access detected",
        "[    1.000000] Out of memory: Killed process 12 (stress) total-vm:1kB",
        "[    1.000000] high_order_test: loading out-of-tree module taints kernel.",
    ],
)
def test_what_others_say_accuses_nobody(line: str) -> None:
    assert found(line) == []


def test_without_any_stamp_the_text_is_the_kernels() -> None:
    assert [bug.kind for bug in parse_kernel_log("BUG: unable to handle it\nfine\n").bugs] == [
        "bug"
    ]


def test_a_watch_that_gives_up_accuses_nobody_and_is_told() -> None:
    log = parse_console(BOOT + "[    1.000000] ODEBUG: Out of memory. ODEBUG disabled\n")
    assert (log.bugs, [off.kind for off in log.watches_off]) == ((), [WATCH_OFF])


def test_oom_kills_of_older_kernels_count_once() -> None:
    old = (
        "Out of memory: Kill process 4100 (stress) score 912 or sacrifice child",
        "Killed process 4100 (stress) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB",
    )
    new = ("Memory cgroup out of memory: Killed process 12 (stress) total-vm:1kB",)
    for lines in (old, new):
        log = parse_console(BOOT + "".join(f"[    1.000000] {line}\n" for line in lines))
        assert (log.oom_kills, log.bugs) == (1, ())


def test_a_kernel_that_starts_again_is_found() -> None:
    assert found(BOOT.rstrip()) == ["restart"]
    firmware = "\x1bc\x1b[2JSeaBIOS (version 1.16.2-debian)\r\n"
    assert parse_console(firmware + BOOT).bugs == ()
    (bug,) = parse_console("a program speaks\n" + firmware + BOOT).bugs
    assert bug.kind == "restart"


def test_two_reports_of_one_fault_share_a_fingerprint() -> None:
    report = (
        "[    1.0000{0}] BUG: kernel NULL pointer dereference, address: 00000000000000{0}\n"
        "[    1.0000{0}] Oops: 0002 [#1] PREEMPT SMP\n"
        "[    1.0000{0}] RIP: 0010:compact_zone.isra.3+0x{0}/0x9b0\n"
    )
    first, second = (parse_console(BOOT + report.format(number)).bugs for number in (10, 23))
    assert {bug.fingerprint for bug in (first[0], second[0])} == {"bug in compact_zone"}
    trace = (
        "[    2.000000] BUG: Bad page state in process a  pfn:12345\n"
        "[    2.000000]  dump_stack_lvl+0x1/0x2\n[    2.000000]  ? guessed+0x1/0x2\n"
        "[    2.000000]  free_unref_page+0x1/0x2\n"
    )
    assert parse_console(BOOT + trace).bugs[0].fingerprint == "bug in free_unref_page"
    assert parse_console(BOOT + "[    1.000000] BUG: alone\n").bugs[0].fingerprint == "bug"


LONG = {
    "progress": "\r".join(
        f"[{at % 70 * '='}] {at / 19:.1f}% INFO: task BUG " for at in range(5000)
    ),
    "one line": "INFO: ".ljust(190_000, "x"),
    "brackets": "[" * 190_000,
    "stamps": "[    1.000000] WARNING: " * 8_000,
    "kernels": "[    1.000000] Linux version 5\n" * 6_000,
    "reports": "[    1.000000] BUG: in f+0x1/0x2\n" * 5_000,
}


@pytest.mark.parametrize("name", LONG)
def test_time_is_linear_in_the_length(name: str) -> None:
    """190 KB in one line took 8.7 s: to the power of two of it."""
    began = time.process_time()
    parse_console(LONG[name])
    assert time.process_time() - began < 2


def test_a_cut_last_line_hides_nothing() -> None:
    whole = "[    1.000000] BUG: Bad page map in process a  pte:1 pmd:2"
    assert found(whole, "[    1.000001][   T31] INFO: t") == ["page table"]
    assert [bug.kind for bug in parse_console(f"{BOOT}{whole}\n[    2.00").bugs] == ["page table"]


def test_logs_of_kernels_that_really_broke(golden: Callable[[str, str], None]) -> None:
    """Made with tests/data/alarms/faults; what each is taken for was compared with its cause."""
    told = []
    for file in sorted((DATA / "logs").glob("*.log")):
        found = classified(file.read_text())
        told.append(f"{file.stem}: {', '.join(one.fingerprint for one in found) or 'nothing'}\n")
    golden("alarms-of-real-logs.txt", "".join(told))
    assert len(told) >= 40
