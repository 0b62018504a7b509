# SPDX-License-Identifier: GPL-2.0-only
"""Why a guest was lost: the line that says it, and no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.texts.alarms.loss import Signs, before_traces, cause_of, verdict, where_the_boot_stood
from harness.texts.alarms.monitor_events import MonitorEvent, parse_events
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


def test_a_panic_is_shown_without_what_follows_it() -> None:
    """Of 8 CPUs' traces the last 40 lines would be the idle task's."""
    traces = (
        "[    5.100000] Sending NMI from CPU 0 to CPUs 1:\n"
        "[    5.100001] NMI backtrace for cpu 1\n[    5.100002] CPU: 1 PID: 0 Comm: swapper/1\n"
    )
    stalled = "[    1.000000] rcu: INFO: rcu_sched self-detected stall on CPU\n" + traces
    assert before_traces(BOOT + stalled + OOPS + traces) == BOOT + stalled + OOPS
    assert before_traces(BOOT + stalled) == BOOT + stalled
    assert before_traces(BOOT + OOPS) == BOOT + OOPS


def event(name: str, **values: str) -> MonitorEvent:
    return MonitorEvent(name=name, values=values)


def shutdown(reason: str) -> MonitorEvent:
    return event("SHUTDOWN", guest="true", reason=reason)


STOP, RESUME = event("STOP"), event("RESUME")


@pytest.mark.parametrize(
    ("signs", "kind", "witness", "evidence"),
    [
        # The kernel knows more than the machine, the machine more than QEMU's status.
        (
            Signs(console=BOOT + OOPS, events=(shutdown("guest-reset"),), exit_status=0),
            "panic",
            "console",
            "Oops: 0002 [#1] PREEMPT SMP",
        ),
        (
            Signs(console=BOOT + STUCK, events=(STOP,), limit="hang"),
            "hang",
            "console",
            "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]",
        ),
        (
            Signs(console=BOOT, events=(shutdown("guest-reset"),), exit_status=0),
            "reset",
            "QEMU",
            "SHUTDOWN guest=true reason=guest-reset",
        ),
        (
            Signs(console=BOOT, events=(shutdown("guest-shutdown"),), exit_status=0),
            "power-off",
            "QEMU",
            "SHUTDOWN guest=true reason=guest-shutdown",
        ),
        (
            Signs(console=BOOT, events=(shutdown("host-signal"),), exit_status=0),
            "QEMU ended",
            "QEMU",
            "SHUTDOWN guest=true reason=host-signal",
        ),
        (
            Signs(console=BOOT, events=(shutdown("of-a-later-qemu"),), exit_status=0),
            "QEMU ended",
            "QEMU",
            "SHUTDOWN guest=true reason=of-a-later-qemu",
        ),
        # What follows a panic is not why; neither is what was taken back.
        (
            Signs(
                console=BOOT,
                events=(event("GUEST_PANICKED", action="pause"), STOP, shutdown("guest-panic")),
            ),
            "panic",
            "QEMU",
            "SHUTDOWN guest=true reason=guest-panic",
        ),
        (
            Signs(console=BOOT, events=(event("GUEST_PANICKED", action="pause"), STOP)),
            "panic",
            "QEMU",
            "GUEST_PANICKED action=pause",
        ),
        (Signs(console=BOOT, events=(STOP,), limit="deadline"), "hang", "QEMU", "STOP"),
        (
            Signs(console=BOOT, events=(STOP, RESUME), limit="deadline"),
            "deadline",
            "harness",
            "",
        ),
        (
            Signs(console=BOOT, events=(event("WATCHDOG", action="reset"),), limit="hang"),
            "hang",
            "QEMU",
            "WATCHDOG action=reset",
        ),
        (
            Signs(console=BOOT, events=(event("RTC_CHANGE", offset="1"),), limit="hang"),
            "hang",
            "harness",
            "",
        ),
        (Signs(console=BOOT, exit_status=0), "power-off", "QEMU", "QEMU ended with status 0"),
        (Signs(console=BOOT, exit_status=-9), "QEMU ended", "QEMU", "QEMU ended with status -9"),
        (Signs(console=BOOT, limit="deadline"), "deadline", "harness", ""),
        (Signs(console=""), "hang", "harness", ""),
    ],
)
def test_all_signs_give_one_verdict(signs: Signs, kind: str, witness: str, evidence: str) -> None:
    told = verdict(signs)
    assert (told.kind, told.witness, told.evidence) == (kind, witness, evidence)


def test_events_are_read_as_qemu_writes_them() -> None:
    said = (
        b'{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}}}\r\n'
        b'{"return": {}}\r\n'
        b'{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESUME"}\r\n'
        b'{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", '
        b'"data": {"guest": true, "reason": "guest-reset"}}\r\n'
        b'{"event": "MEMORY_FAILURE", "data": {"flags": {"ar": true}, "of": "guest\\u001b"}}\n'
        b'{"event": ["no name"]}\n["event"]\n{"event": \n{"event": "SHUTDOWN", "da'
    )
    assert [str(one) for one in parse_events(said)] == [
        "RESUME",
        "SHUTDOWN guest=true reason=guest-reset",
        "MEMORY_FAILURE of=guest?",
    ]


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
