# SPDX-License-Identifier: GPL-2.0-only
"""The guest's scripts, as far as they can be tried on any host: usage, and what lib.sh gives."""

import subprocess  # noqa: TID251 - runs the scripts, whose host is a shell
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "vm" / "guest" / "scripts"
LIBRARY = "lib.sh"
# In images of kernels with nodes alone, beside the others there.
NODES = sorted((SCRIPTS.parent / "nodes").glob("*.sh"))
NAMES = sorted(path.name for path in SCRIPTS.glob("*.sh") if path.name != LIBRARY)
PROACTIVENESS = "vm.compaction_proactiveness"
MODE = "vm.adaptive_compaction_mode"


def bash(
    *words: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", *words],
        cwd=SCRIPTS.parent,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("name", NAMES)
def test_words_it_does_not_know_are_answered_with_its_usage(name: str) -> None:
    done = bash(f"scripts/{name}", *["?"] * 10)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"usage: {name}")


@pytest.mark.parametrize("path", NODES, ids=lambda path: path.name)
def test_scripts_for_nodes_answer_with_their_usage(path: Path) -> None:
    for wrong in ((), ("?",), ("--node", "x", "true"), ("--cpuset-mems", "a"), ("kernel", "0")):
        done = bash(f"nodes/{path.name}", *wrong)

        assert (done.returncode, done.stdout) == (2, ""), wrong
        assert done.stderr.startswith(f"usage: {path.name}")


@pytest.mark.parametrize(
    "words",
    [
        "?",
        "--schedule 3",
        "--schedule x true 1",
        "--schedule 01 true 1",
        "--cpu -1 true 1",
        "--background-cpu x true 1",
        "--cpus 1 true 1",
    ],
)
def test_the_script_of_turns_answers_with_its_usage(words: str) -> None:
    done = bash("turns/in_turns.sh", *words.split())

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: in_turns.sh")


@pytest.mark.parametrize("name", NAMES)
def test_what_scripts_share_is_in_the_library_alone(name: str) -> None:
    text = (SCRIPTS / name).read_text()

    assert '\n. "$root/scripts/lib.sh"\n' in text
    assert [each for each in ("usage", "fail", "load", "running") if f"\n{each}() {{" in text] == []


def test_usage_has_all_its_lines() -> None:
    done = bash("scripts/unmovable_comb.sh")

    assert done.stderr.splitlines() == [
        "usage: unmovable_comb.sh start ORDER KEEP_SHIFT [PLUG_ORDER [TAKE [RESERVE_MIB]]]",
        "       unmovable_comb.sh stop",
    ]


@pytest.fixture
def knobs(tmp_path: Path) -> dict[str, Path]:
    """Return the files of two sysctls of a kernel that has no adaptive compaction."""
    files = {name: tmp_path / "vm" / name for name in ("compaction_proactiveness", "swappiness")}
    (tmp_path / "vm").mkdir()
    files["compaction_proactiveness"].write_text("20\n")
    files["swappiness"].write_text("60\n")
    return files


def call(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return bash(
        "scripts/knobs.sh",
        *words,
        environment={"SYSCTL_DIR": str(tmp_path), "SAVED_KNOBS": str(tmp_path / "saved")},
    )


def values(knobs: dict[str, Path]) -> list[str]:
    return [file.read_text().strip() for file in knobs.values()]


def test_knobs_get_the_values_they_had(tmp_path: Path, knobs: dict[str, Path]) -> None:
    for words in ([f"{PROACTIVENESS}=0", "vm.swappiness=1"], [f"{PROACTIVENESS}=7"]):
        assert call(tmp_path, "set", *words).returncode == 0
    assert values(knobs) == ["7", "1"]

    done = call(tmp_path, "restore")

    assert done.returncode == 0
    assert values(knobs) == ["20", "60"]
    assert "nothing was set" in call(tmp_path, "restore").stderr


def test_a_knob_of_the_policy_may_be_absent(tmp_path: Path, knobs: dict[str, Path]) -> None:
    assert call(tmp_path, "set", f"{MODE}=5", "vm.swappiness=1").returncode == 0
    assert values(knobs) == ["20", "1"]


def test_another_that_is_absent_is_named(tmp_path: Path, knobs: dict[str, Path]) -> None:
    done = call(tmp_path, "set", "vm.swappines=1")

    assert done.returncode == 1
    assert "knobs.sh: this kernel has no vm.swappines\n" in done.stderr
    assert values(knobs) == ["20", "60"]


@pytest.mark.parametrize("word", ["vm.swappiness", "vm/swappiness=1", "vm.swappiness=-1", "=1"])
def test_a_word_that_is_no_setting_sets_nothing(
    word: str, tmp_path: Path, knobs: dict[str, Path]
) -> None:
    done = call(tmp_path, "set", f"{PROACTIVENESS}=0", word)

    assert done.returncode == 2
    assert values(knobs) == ["20", "60"]
