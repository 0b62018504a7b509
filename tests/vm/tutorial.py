# SPDX-License-Identifier: GPL-2.0-only
"""The tutorial's commands, as its page has them, in a new clone: `nox -s tutorial`.

It is no part of CI, for it builds a kernel three times and boots 36 guests; that its commands are
ones is checked there (tests/unit/test_documents.py). Of the machine it takes the cache alone.
"""

import re
import subprocess  # noqa: TID251 - a shell, as a reader has it
from pathlib import Path

import pytest

pytestmark = pytest.mark.vm

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/tutorial.md"
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_WORDS = ("BETTER", "WORSE", "MIXED", "NO DIFFERENCE")


def blocks() -> list[str]:
    return _BLOCK.findall(PAGE.read_text())


def test_the_tutorial_leads_to_a_verdict(tmp_path: Path) -> None:
    clone = tmp_path / "buddylab"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    # No pipefail, as in a reader's shell: diff ends with 1 where it shows a difference.
    script = "set -eu\n" + "\n".join(
        f"echo '### {at}'\n{one}" for at, one in enumerate(blocks(), 1)
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=clone, stdout=subprocess.PIPE, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
    parts = re.split(r"^### (\d+)\n", done.stdout, flags=re.MULTILINE)
    said = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert len(said) == len(blocks())
    assert re.findall(r"^[+-]\s.*", said["3"], re.MULTILINE) == [
        "-\t\t\t\t\t\tINIT_COMPACT_PRIORITY,",
        "+\t\t\t\t\t\tCOMPACT_PRIO_SYNC_LIGHT,",
    ]
    assert said["4"].startswith(_WORDS)
    assert (clone / "tutorial/judged/report.html").is_file()
    assert "Gains" in said["5"]
    assert said["6"].endswith("1 of 1 identical\n")
