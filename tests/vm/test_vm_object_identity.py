"""With the option off the kernel is the one without the series; a leak would be seen."""

import os
import shutil
from pathlib import Path

import pytest

from harness.kernel.objects import differences
from harness.stages.fetch import fetch
from harness.stages.patch import patch, series_directory
from harness.stages.review import page_alloc_object
from harness.values import KernelSource
from harness.workspace import Cache

pytestmark = pytest.mark.vm

# The empty stub that callers see with the option off, as the patch adds it.
STUB = """+#else /* !CONFIG_BUDDY_MONITOR */
+
+static inline void buddy_count_request(unsigned int order)
+{
+}
"""
# One instruction; as many lines as before. (A volatile access to the argument itself is no
# leak: gcc drops it.)
LEAK = STUB.replace("+{\n", '+{	asm volatile("nop");\n')


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


def leaking_series(source: KernelSource, parent: Path) -> Path:
    """Copy our series, with code in a stub that must have none."""
    series = shutil.copytree(series_directory(source), parent / series_directory(source).name)
    (first,) = series.glob("0001-*.patch")
    text = first.read_text()
    assert text.count(STUB) == 1
    first.write_text(text.replace(STUB, LEAK))
    return series


def test_page_alloc_is_the_same_code_with_the_option_off(
    source: KernelSource, cache: Cache, unpatched: bytes
) -> None:
    patched = page_alloc_object(patch(source, cache), cache)

    # The lines did move, so equality is not that of the input.
    assert patched != unpatched
    assert differences(unpatched, patched) == ()


def test_code_leaking_past_the_option_is_found(
    source: KernelSource, cache: Cache, unpatched: bytes, tmp_path: Path
) -> None:
    series = leaking_series(source, tmp_path)
    leaking = page_alloc_object(patch(source, cache, directory=series), cache)

    found = differences(unpatched, leaking)
    assert any(line.startswith("section .text: ") for line in found), found
