# SPDX-License-Identifier: GPL-2.0-only
"""An OOM kill of what the harness runs is a failure, of what is there to take memory it is data."""

import re
from pathlib import Path

import pytest

from harness.checks.identity import _judge_log
from harness.stages.userspace import C_TOOLS, PROGRAMS
from harness.texts.alarms.oom import OURS, STRESSORS, is_ours, is_stressor
from harness.texts.proc.kernel_log import KernelLog, parse_console

GUEST = Path(__file__).parents[3] / "vm" / "guest"
BOOT = "[    0.000000] Linux version 6.1.192 (gcc) #1 SMP\n"
MOST_COMM_BYTES = 15  # include/linux/sched.h TASK_COMM_LEN, less its NUL


def log_of(*lines: str) -> KernelLog:
    return parse_console(BOOT + "".join(f"[    9.000000] {line}\n" for line in lines))


SUMMARY = (
    "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
    "task_memcg=/,task={name},pid=37,uid=0"
)
# As each line of kernels has it, the newest first.
FORMS = {
    "7.3": (
        SUMMARY,
        (
            "Out of memory: Killed process 37 ({name}) total-vm:228184kB, anon-rss:227048kB, "
            "file-rss:0kB, shmem-rss:324kB, UID:0 pgtables:484kB oom_score_adj:0"
        ),
        "oom_reaper: reaped process 37 ({name}), now anon-rss:0kB, file-rss:0kB",
    ),
    "a group's limit": (
        SUMMARY.replace("global_oom", "oom_memcg=/a"),
        "Memory cgroup out of memory: Killed process 37 ({name}) total-vm:1kB, anon-rss:1kB",
    ),
    "a whole group": (
        "Tasks in /a are going to be killed due to memory.oom.group set",
        "Memory cgroup out of memory: Killed process 37 ({name}) total-vm:1kB, anon-rss:1kB",
    ),
    "who asked": (
        "Out of memory (oom_kill_allocating_task): Killed process 37 ({name}) total-vm:1",
    ),
    "4.19": (
        "Out of memory: Kill process 37 ({name}) score 912 or sacrifice child",
        "Killed process 37 ({name}) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB",
    ),
    "4.19, a child": (
        "Out of memory: Kill process 36 (other) score 912 or sacrifice child",
        "Killed process 37 ({name}) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB",
    ),
    "2.6.32 with a user": (
        "Out of memory: Kill process 37 ({name}) score 9 or sacrifice child",
        "Killed process 37, UID 0, ({name}) total-vm:1kB, anon-rss:1kB, file-rss:0kB",
    ),
    "2.6.18": ("Out of memory: Killed process 37 ({name}).",),
    "a cut end": ("Out of memory: Kill process 37 ({name}) score 912 or sacrifice child",),
}


@pytest.mark.parametrize("form", FORMS)
def test_one_of_ours_is_a_failure_and_a_stressor_is_data(form: str) -> None:
    ours = log_of(*(line.format(name="bash") for line in FORMS[form]))
    assert (ours.oom_kills, ours.bugs) == (1, ())
    assert [one.fingerprint for one in ours.ours_killed] == ["OOM kill of ours: bash"]
    assert [one.holds for one in _judge_log("console", ours)] == [False, False]

    data = log_of(*(line.format(name="stress-ng-vm") for line in FORMS[form]))
    assert (data.oom_kills, data.ours_killed, data.bugs) == (1, (), ())
    assert [one.holds for one in _judge_log("console", data)] == [True]


def test_a_child_is_taken_for_its_parent() -> None:
    """That the parent is ours says nothing of who was killed, and the other way round."""
    chosen = "Out of memory: Kill process 1 (init) score 9 or sacrifice child"
    taken = "Killed process 37 (movable_comb) total-vm:1kB"
    assert log_of(chosen, "a word between", taken).ours_killed == ()
    ours = log_of(chosen.replace("init", "stress-ng"), taken.replace("movable_comb", "init"))
    assert [one.victim for one in ours.ours_killed] == ["init"]


@pytest.mark.parametrize("name", ["python3", "a) total-vm:1", "(sd-pam)", "ba sh", "", "/bin/bash"])
def test_whom_we_do_not_know_is_data(name: str) -> None:
    log = log_of(f"Out of memory: Killed process 7 ({name}) total-vm:1kB")
    assert (log.oom_kills, log.ours_killed) == (1, ())


def test_what_a_program_prints_kills_nobody() -> None:
    said = "Out of memory: Killed process 7 (bash) total-vm:1kB\n"
    for text in (said, f"[    9.000000] program[7]: {said}", f"<12>[    9.000000] {said}"):
        assert parse_console(BOOT + text).oom_kills == 0


def test_everybody_in_the_guest_has_a_side() -> None:
    """What the image brings, and what its scripts call."""
    programs = {Path(target).name for table in PROGRAMS.values() for target in table}
    programs |= {*C_TOOLS, *(path.stem for path in GUEST.rglob("*.c"))}
    assert [one for one in sorted(programs) if is_ours(one) == is_stressor(one)] == []
    assert all(len(one) <= MOST_COMM_BYTES for one in (*OURS, *STRESSORS, *programs))


def test_scripts_are_ours() -> None:
    """By the shell that runs them: none is started by its own name, which would be cut."""
    scripts = [*GUEST.rglob("*.sh"), GUEST / "init"]
    assert len(scripts) > 10
    called = re.compile(r"(?:^|[|;&(]|\bexec)\s*(?:\"\$root\"|\$root|/root)/scripts/", re.MULTILINE)
    assert [path.name for path in scripts if called.search(path.read_text())] == []
    assert is_ours("bash")
    assert is_ours("run_arm.sh")
    assert is_ours("init")
