# SPDX-License-Identifier: GPL-2.0-only
"""What run_cost.sh prints, to instructions per pair; what is off is refused."""

import pytest

from harness.errors import RecordError
from harness.texts.guest.alloc_cost import parse_cost

TEXT = """pair_on order=0 pairs=200 failed=0 loop_ns=808000 empty_ns=8000
pair_on slowpath=0
entry_checked order=4 pairs=50 failed=0 loop_ns=400400 empty_ns=400
entry_checked slowpath=5000
"""


def test_instructions_are_the_loop_less_the_empty_one() -> None:
    samples = parse_cost(TEXT)

    # 800,000 ns at 8 ns an instruction, 200 pairs.
    assert samples["pair_on"].instructions(3) == 500.0
    assert samples["entry_checked"].instructions(3) == 1000.0
    assert samples["entry_checked"].slowpath == 5000


def test_a_failed_request_is_no_cost() -> None:
    with pytest.raises(RecordError, match="requests of 'pair_on' failed: 3"):
        parse_cost(TEXT.replace("failed=0", "failed=3", 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("loop_ns=808000 ", ""),
        ("pairs=200", "pairs=many"),
        ("entry_checked order=4 pairs=50 failed=0 loop_ns=400400 empty_ns=400\n", ""),
    ],
)
def test_damaged_text_is_refused(old: str, new: str) -> None:
    with pytest.raises(RecordError):
        parse_cost(TEXT.replace(old, new, 1))
