# SPDX-License-Identifier: GPL-2.0-only
"""Why a guest was lost: the line that says it, and no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.texts.alarms.loss import cause_of, where_the_boot_stood
from harness.texts.proc.kernel_log import classified

BOOT = "[    0.000000] Linux version 7.3.4 (gcc) #1 SMP\n"
OOPS = (
    "[    5.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
    "[    5.000001] Oops: 0002 [#1] PREEMPT SMP\n"
    "[    5.000002] RIP: 0010:compact_zone+0x12/0x9b0\n"
    "[    5.000003] Kernel panic - not syncing: Fatal exception\n"
)
DEADLOCK = (
    "[   33.161800] traps: stress[36] general protection fault ip:7f sp:2 error:0 in stress[5+1]\n"
    "[   40.000000] Out of memory and no killable processes...\n"
    "[   40.000001] Kernel panic - not syncing: System is deadlocked on memory\n"
)
SURVIVED = "[    3.000000] BUG: sleeping function called from invalid context at mm/a.c:1\n"
STUCK = (
    "[    9.000000] INFO: task a:1 blocked for more than 120 seconds.\n"
    "[    9.000000]  compact_zone+0x1/0x2\n"
    "[    9.500000] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]\n"
)
QUIET = "[    4.000000] all is well\n"
A_STRESSOR = "[    9.000000] Out of memory: Killed process 12 (fragment_stress) total-vm:1kB\n"


@pytest.mark.parametrize(
    ("text", "kind", "evidence", "fingerprint"),
    [
        (OOPS, "panic", "Oops: 0002 [#1] PREEMPT SMP", "oops in compact_zone"),
        (DEADLOCK, "panic", "Kernel panic - not syncing: System is deadlocked on memory", "panic"),
        (
            SURVIVED + QUIET * 200 + OOPS.splitlines()[-1] + "\n",
            "panic",
            "Kernel panic - not syncing: Fatal exception",
            "panic",
        ),
        (
            STUCK,
            "hang",
            "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]",
            "soft lockup",
        ),
        (
            "[    9.000000] Out of memory: Killed process 12 (python3) total-vm:1kB\n",
            "memory",
            "Out of memory: Killed process 12 (python3) total-vm:1kB",
            "OOM kill: python3",
        ),
        (
            (
                "[    9.000000] Out of memory: Killed process 12 (python3) total-vm:1kB\n"
                "[    9.100000] Out of memory: Killed process 9 (dropbear) total-vm:1kB\n"
            ),
            "memory",
            "Out of memory: Killed process 9 (dropbear) total-vm:1kB",
            "OOM kill of ours: dropbear",
        ),
    ],
)
def test_the_cause_is_the_line_that_explains_the_most(
    text: str, kind: str, evidence: str, fingerprint: str
) -> None:
    cause = cause_of(BOOT + text)
    assert cause is not None
    assert (cause.kind, cause.evidence, cause.fingerprint) == (kind, evidence, fingerprint)


@pytest.mark.parametrize(
    "text", ["", QUIET, SURVIVED, A_STRESSOR, "Kernel panic - not syncing: a program's\n"]
)
def test_what_was_survived_or_said_by_others_is_no_cause(text: str) -> None:
    assert cause_of(BOOT + text) is None


def test_where_a_boot_stood_is_its_last_word() -> None:
    assert where_the_boot_stood("") == "its console is empty"
    assert where_the_boot_stood("SeaBIOS (version 1.16.2)\n") == (
        "the kernel did not reach init; it stood after 'SeaBIOS (version 1.16.2)'"
    )
    assert where_the_boot_stood(BOOT + QUIET) == (
        "the kernel did not reach init; it stood after 'all is well'"
    )
    begun = BOOT + "[    1.000000] Run /init as init process\n" + QUIET + "a prompt"
    assert where_the_boot_stood(begun) == (
        "/init was begun; the kernel's last words are 'all is well'"
    )


@given(
    text=st.lists(
        st.one_of(
            st.text(max_size=30),
            st.sampled_from(
                ["[    1.000000] ", "[   T1] ", "BUG: ", "\r", "\n", "\0", "\x1b[3", "<4>"]
            ),
        ),
        max_size=40,
    ).map("".join)
)
def test_any_text_has_a_verdict(text: str) -> None:
    for one in classified(text):
        assert 1 <= one.line_number <= text.count("\n") + 1
        assert one.kind
    cause_of(text)
    where_the_boot_stood(text)
