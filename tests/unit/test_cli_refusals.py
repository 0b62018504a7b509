# SPDX-License-Identifier: GPL-2.0-only
"""What can be known before the work is refused before it: no source is brought, nothing built."""

import os
import subprocess  # noqa: TID251 - the command as a user without root's rights types it
import sys
from pathlib import Path

import pytest
from command_line import ROOT, buddylab, names, refused
from saved_folder import write_run

from harness.errors import Exit
from harness.host.cache import Cache
from harness.limits import SEED_MAX

# Not even root makes a directory here.
NOWHERE = "/proc/none/of/ours"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("predict --seeds abc", "argument --seeds: 'abc' is not a whole number from"),
        ("predict --seeds 1000001", "argument --seeds: '1000001' is not a whole number from 1 to"),
        (
            "reallocate --rounds 1001",
            "argument --rounds: '1001' is not a whole number from 1 to",
        ),
        (f"run --seed {'9' * 5000}", "is not a whole number from 0 to 4294967295"),
        ("predict --seeds 0", "argument --seeds: '0' is not a whole number from"),
        ("predict --memory 1024,", "argument --memory: '' is not a whole number from"),
        ("predict --memory 1024,128", "argument --memory: '128' is not a whole number from 256 to"),
        ("run --seed abc", f"argument --seed: 'abc' is not a whole number from 0 to {SEED_MAX}"),
        (f"run --seed {SEED_MAX + 1}", f"is not a whole number from 0 to {SEED_MAX}"),
        ("run --seed=-1", "argument --seed: '-1' is not"),
        ("reallocate --seed ٣", "argument --seed: '٣' is not"),
        ("run --memory 255", "argument --memory: '255' is not a whole number from 256 to"),
        ("run --flavour debug,rt", "argument --flavour: a real-time kernel's locks sleep"),
        ("review --only checkpatch,", "argument --only: 'checkpatch,' has no name where one"),
        ("review --only=", "argument --only: '' has no name where one belongs"),
        ("fetch --kernel=", "argument --kernel: it is empty"),
        ("patch --upto=", "argument --upto: it is empty"),
        ("run --output=", "argument --output: it is empty"),
        ("run --qemu=", "argument --qemu: it is empty"),
    ],
)
def test_value_that_no_work_can_begin_with(cache: Cache, command: str, told: str) -> None:
    done = buddylab(*command.split())

    refused(done, Exit.USAGE, told)
    assert names(cache) == []


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("review --only nosuch", "no gate is named nosuch; there are checkpatch, apply,"),
        ("review --only sparse --boot", "--boot boots what the gates selftests and prefixes build"),
        ("mutants --only nosuch", "no mutant's name begins with nosuch"),
        ("mutants --only 01-,nosuch", "no mutant's name begins with nosuch"),
        ("mutants nosuch", "nosuch holds no mutants"),
        ("build --flavour nosuch", "'nosuch' is no flavour of a guest's kernel; there are debug, "),
        ("run --flavour debug,guest", "'guest' is no flavour of a guest's kernel"),
        ("judge patches/series --flavour nosuch", "'nosuch' is no flavour"),
        ("judge nosuch.patch", "nosuch.patch is no change: there is no such file"),
        ("judge patches/series --with nosuch", "nosuch is no change: there is no such file"),
        ("judge patches/series --config nosuch", "nosuch cannot be read"),
        ("judge patches/series --plan nosuch", "nosuch cannot be read"),
        ("judge v6.1..v6.2", "give the repository that has them, --kernel DIR"),
        ("compare vm/plans/smoke.toml --report-only --dry-run", "give one of them"),
        ("compare vm/plans/turns.toml --cpus 1", "arm off-1: schedule = 1 says nothing to guests"),
        (
            "exactness --schedules 3 --cpus 1",
            "turns.toml: arm off-1: schedule = 1 says nothing",
        ),
        ("exactness --schedules 3 --plan vm/plans/smoke.toml", "takes no turns; say --cpus 2"),
        ("compare vm/plans/smoke.toml --report-only --flavour debug", "drop one"),
        ("compare vm/plans/smoke.toml --report-only --second-opinion", "give one of them"),
        (
            "compare vm/plans/smoke.toml --second-opinion --boots 101",
            "is more than 100 of each arm",
        ),
        ("run --accelerator kvm", "a repeatable run counts instructions, which KVM cannot"),
    ],
)
def test_request_that_no_kernel_can_meet(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, command: str, told: str
) -> None:
    monkeypatch.chdir(ROOT)

    done = buddylab(*command.split(), *kernel(command))

    refused(done, Exit.USAGE, told)
    assert names(cache) == []


def kernel(command: str) -> tuple[str, ...]:
    """Return a kernel whose name is looked at last: it is none."""
    return () if ".." in command else ("--kernel", "nosuch-kernel")


@pytest.mark.parametrize("sentence", ["nonsense more base", "huge_pages more base in nowhere"])
def test_expectation_is_read_before_the_source(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, sentence: str
) -> None:
    monkeypatch.chdir(ROOT)

    done = buddylab("judge", "patches/series", "--kernel", "nosuch", "--expect", sentence)

    refused(done, Exit.UNKNOWN, "--expect", sentence)
    assert names(cache) == []


@pytest.mark.parametrize(
    "command",
    [
        "run --memory 1073741824",
        "predict --memory 1024,1073741824",
        "reallocate --memory 1073741824",
        "compare vm/plans/smoke.toml --jobs 1000000",
        "judge patches/series --jobs 1000000",
    ],
)
def test_memory_that_this_host_lacks(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.chdir(ROOT)
    verb = command.split(maxsplit=1)[0]
    output = ("--output", str(tmp_path / "out")) if verb not in {"predict", "reallocate"} else ()

    done = buddylab(*command.split(), *output, "--kernel", "nosuch-kernel")

    refused(done, Exit.HOST, "MiB, this host has")
    assert names(cache) == []


@pytest.mark.parametrize(
    "command",
    [
        "run --kernel nosuch-kernel",
        "compare vm/plans/smoke.toml --kernel nosuch-kernel",
        "compare vm/plans/smoke.toml --report-only",
        "judge patches/series --kernel nosuch-kernel",
        "export --kernel nosuch-kernel",
        "bundle 0123456789",
    ],
)
def test_output_that_cannot_be_written(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(ROOT)
    name = "[user]\nname = Some One\nemail = some.one@example.org\n"
    home = Path(os.environ["HOME"])
    home.mkdir()
    (home / ".gitconfig").write_text(name)

    done = buddylab(*command.split(), "--output", f"{NOWHERE}/it")

    refused(done, Exit.USAGE, f"nothing can be written in {NOWHERE}", "another place with --output")
    assert names(cache) == []


def test_folders_that_were_tried_are_gone_again(
    cache: Cache, fake_kernel: Path, tmp_path: Path
) -> None:
    done = buddylab(
        *("run", "--kernel", str(fake_kernel), "--upto", "nosuch"),
        *("--output", str(tmp_path / "some/where")),
    )

    refused(done, Exit.USAGE, "nosuch")
    assert not (tmp_path / "some").exists()
    assert names(cache) == []


@pytest.mark.parametrize("place", ["/", "..", "."])
def test_directory_that_is_no_kernel_is_called_what_its_user_calls_it(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")

    done = buddylab("fetch", "--kernel", place)

    refused(done, Exit.USAGE, f"buddylab: {place} is not a kernel source (it has no Makefile)")
    assert names(cache) == []


@pytest.mark.parametrize("verb", ["check", "report"])
@pytest.mark.parametrize("hidden", ["raw", "raw/verify", "raw/verify/before", "predictions"])
def test_folder_that_cannot_be_read_is_not_called_absent(
    cache: Cache, tmp_path: Path, verb: str, hidden: str
) -> None:
    run = write_run(tmp_path / "run")
    (run / hidden).mkdir(exist_ok=True)
    (run / hidden).chmod(0)

    done = as_a_user_without_rights(verb, str(run))

    (run / hidden).chmod(0o755)
    refused(done, Exit.USAGE, f"{run / hidden} cannot be read (Permission denied)", "the right to")
    assert names(cache) == []


def as_a_user_without_rights(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command without root's right to read everything."""
    lost = "-dac_override,-dac_read_search"
    fence = ["setpriv", f"--bounding-set={lost}", f"--inh-caps={lost}"]
    return subprocess.run(
        [*(fence if os.geteuid() == 0 else ()), sys.executable, "-m", "harness", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
