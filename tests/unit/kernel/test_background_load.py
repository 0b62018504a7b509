# SPDX-License-Identifier: GPL-2.0-only
"""A background load's text is believed only if its counts are those its seed stands for."""

import pytest

from harness.errors import RecordError
from harness.texts.guest.background_load import expected_attempts, parse_background_load
from harness.texts.pages import Order

# Counts as a guest of 5.15.180 gave them; made final by hand.
TEXT = """background_load 1
seed=1 attempts=2000 held=64 period_us=1000 gfp=noretry
state=stopped done=401
order=0 attempts=193 failures=0 latency_ns_sum=503680 latency_ns_max=41344
order=1 attempts=68 failures=0 latency_ns_sum=281377 latency_ns_max=26048
order=2 attempts=66 failures=0 latency_ns_sum=240328 latency_ns_max=14112
order=3 attempts=66 failures=2 latency_ns_sum=224424 latency_ns_max=8720
order=5 attempts=8 failures=1 latency_ns_sum=56912 latency_ns_max=8192
end
"""


def test_what_a_guest_said_is_read() -> None:
    result = parse_background_load(TEXT)
    assert (result.state, result.done, result.failures) == ("stopped", 401, 3)
    assert result.orders[4].order == 5


def test_the_stream_depends_on_the_seed_alone() -> None:
    assert expected_attempts(1, 401) == {0: 193, 1: 68, 2: 66, 3: 66, 5: 8}
    assert expected_attempts(2, 401) != expected_attempts(1, 401)
    assert sum(expected_attempts(0, 100).values()) == 100
    assert expected_attempts(7, 0)[Order(5)] == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("attempts=193", "attempts=194"),
        ("seed=1", "seed=2"),
        ("done=401", "done=400"),
        ("state=stopped", "state=running"),
        ("attempts=66 failures=2", "attempts=66 failures=67"),
        ("order=5", "order=11"),
        ("end\n", ""),
        ("background_load 1", "background_load 2"),
    ],
)
def test_an_altered_text_is_refused(old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises(RecordError):
        parse_background_load(TEXT.replace(old, new))
