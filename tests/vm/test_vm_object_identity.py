# SPDX-License-Identifier: GPL-2.0-only
"""With the option off the kernel is the one without the series; a leak would be seen."""

import os
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.jobs.mutants import IDENTITY, read_mutants
from harness.jobs.review_builds import page_alloc_object
from harness.stages.fetch import fetch
from harness.stages.patch import patch
from harness.texts.build.objects import differences
from harness.values import KernelSource

pytestmark = [pytest.mark.vm, pytest.mark.long]

MUTANTS = Path(__file__).parents[1] / "mutants"


@pytest.fixture(scope="module")
def cache() -> Cache:
    """The user's own: these tests are about a real kernel, and it takes its time."""
    return Cache.default()


@pytest.fixture(scope="module")
def source(cache: Cache) -> KernelSource:
    return fetch(os.environ.get("BUDDYLAB_TEST_KERNEL"), cache)


@pytest.fixture(scope="module")
def unpatched(source: KernelSource, cache: Cache) -> bytes:
    return page_alloc_object(patch(source, cache, upto="0"), cache)


def test_page_alloc_is_the_same_code_with_the_option_off(
    source: KernelSource, cache: Cache, unpatched: bytes
) -> None:
    patched = page_alloc_object(patch(source, cache), cache)

    # The lines did move, so equality is not that of the input.
    assert patched != unpatched
    assert differences(unpatched, patched) == ()


def test_code_leaking_past_the_option_is_found(
    source: KernelSource, cache: Cache, unpatched: bytes
) -> None:
    mutants = read_mutants(MUTANTS, ())
    leaks = [mutant for mutant in mutants if mutant.caught_by == IDENTITY]
    assert leaks

    for leak in leaks:
        leaking = page_alloc_object(patch(source, cache, edit=leak.edit), cache)
        found = differences(unpatched, leaking)
        assert any(line.startswith("section .text: ") for line in found), (leak.edit.subject, found)
