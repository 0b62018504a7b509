# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own tests of the series, in its guests."""

import os

import pytest

from harness.host.cache import Cache
from harness.jobs.review import review
from harness.report.checklist import State
from harness.stages.fetch import fetch

# A kernel of another configuration is built for it.
pytestmark = [pytest.mark.vm, pytest.mark.long, pytest.mark.timeout(3600)]


def test_kernels_own_tests_hold() -> None:
    cache = Cache.default()
    source = fetch(os.environ.get("BUDDYLAB_TEST_KERNEL"), cache)
    (outcome,) = review(source, cache, only=["selftests"], boots=True)
    assert outcome.state is State.HELD
    # Each of them was run: there are user namespaces, and counters that can be switched off.
    assert not any("skipped" in detail for detail in outcome.details)
