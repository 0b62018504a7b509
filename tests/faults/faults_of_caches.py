# SPDX-License-Identifier: GPL-2.0-only
"""Faults of disks and caches while a kernel is built: full, read-only, damaged, moved, shared.

The kernel is tests/fake_kernel: real git, make and gcc work on it, in a second.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from faults_bench import BUILD, Bench, Done, build, flipped, mounted, only, truncated
from faults_rows import Rows

from harness.errors import Exit

ROWS = Rows()
row = ROWS.row


@row("disk full at the cache", "a tmpfs of 120 KiB", Exit.HOST, said="no space left below .*cache")
def _(bench: Bench) -> Iterator[Done]:
    with mounted(bench.cache, "120k"):
        yield build(bench)
    yield build(bench)


@row("disk full at TMPDIR", "a tmpfs of 4 KiB", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    with mounted(bench.tmp, "4k"):
        yield build(bench)
    yield build(bench)


@row("cache read-only", "mount -o ro", Exit.HOST, said="[Rr]ead-only file system")
def _(bench: Bench) -> Iterator[Done]:
    with mounted(bench.cache, "8m", "ro"):
        yield build(bench)
    yield build(bench)


@row("cache is a file", "touch", Exit.HOST, said="move the cache with BUDDYLAB_CACHE")
def _(bench: Bench) -> Iterator[Done]:
    bench.cache.touch()
    yield build(bench)
    bench.cache.unlink()
    yield build(bench)


for name, fault, how in (
    ("a cache", "a space in the cache's path", "a cache"),
    ("a\nb", "a line break in the cache's path", r"a\nb"),
    ("it's,so", "quotes and commas in the cache's path", "it's,so"),
):
    ROWS.once(
        *(fault, how, Exit.USAGE),
        said=r"has the character ['\"].+['\"], which make does not take",
        env={"BUDDYLAB_CACHE": name},
    )
ROWS.once(
    *("letters beyond ASCII in the cache's path", "größe", Exit.OK),
    env={"BUDDYLAB_CACHE": "größe"},
)


@row("a kernel's path with spaces and quotes", "it's a tree", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    tree = shutil.copytree(bench.folder / "linux-5.15.180", bench.folder / "it's a tree")
    yield bench.run("build", "--kernel", str(tree), "--upto", "0")
    yield build(bench)


def _damaged(bench: Bench, pattern: str, damage: Callable[[Path], None]) -> Iterator[Done]:
    build(bench)
    damage(only(bench.cache.glob(pattern)))
    yield build(bench)
    yield build(bench)


@row("a manifest cut short", "kernels/*/manifest.json", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    yield from _damaged(bench, "kernels/*/manifest.json", truncated)


@row("a manifest with a bit turned", "sources/*/manifest.json", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    yield from _damaged(bench, "sources/*/manifest.json", flipped)


@row("a cached image cut short", "kernels/*/vmlinux", Exit.OK, said="absent or incomplete")
def _(bench: Bench) -> Iterator[Done]:
    yield from _damaged(bench, "kernels/*/vmlinux", truncated)


@row("a cached module gone", "kernels/*/*.ko", Exit.OK, said="absent or incomplete")
def _(bench: Bench) -> Iterator[Done]:
    yield from _damaged(bench, "kernels/*/high_order_test.ko", Path.unlink)


_SOURCE = "sources/*/tree/mm/page_alloc.c"


@row("a cached source with a bit turned", _SOURCE, Exit.STAGE, said="a cached source was altered")
def _(bench: Bench) -> Iterator[Done]:
    build(bench)
    shutil.rmtree(only(bench.cache.glob("trees/*")))
    flipped(only(bench.cache.glob(_SOURCE)))
    yield build(bench)
    shutil.rmtree(only(bench.cache.glob("sources/*")))
    yield build(bench)


@row("a file more in a cached tree", "trees/*/tree/mm", Exit.STAGE, said="was added")
def _(bench: Bench) -> Iterator[Done]:
    build(bench)
    shutil.rmtree(only(bench.cache.glob("kernels/*")))
    (only(bench.cache.glob("trees/*/tree/mm")) / "more.c").touch()
    yield build(bench)
    shutil.rmtree(only(bench.cache.glob("trees/*")))
    yield build(bench)


@row("objects of a make that was killed", "a half vmlinux in obj", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    build(bench)
    slot = only(bench.cache.glob("slots/*"))
    (slot / "making").touch()
    whole = (slot / "obj/vmlinux").read_bytes()
    (slot / "obj/vmlinux").write_bytes(whole[: len(whole) // 2])
    shutil.rmtree(only(bench.cache.glob("kernels/*")))
    yield build(bench)
    assert only(bench.cache.glob("kernels/*/vmlinux")).read_bytes() == whole
    yield build(bench)


@row("a cache that was moved", "mv", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    build(bench)
    moved = bench.cache.rename(bench.folder / "moved")
    yield bench.run(*BUILD, env={"BUDDYLAB_CACHE": str(moved)})
    yield build(bench)


@row("dates in the future", "touch -d 2037 of all objects", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    build(bench)
    for path in bench.cache.glob("slots/*/obj/**/*"):
        os.utime(path, (2.1e9, 2.1e9))
    shutil.rmtree(only(bench.cache.glob("kernels/*")))
    yield build(bench)
    yield build(bench)


def _at_once(bench: Bench, count: int) -> Iterator[Done]:
    started = [bench.start(*BUILD) for _ in range(count)]
    ended = [process.communicate()[0].decode() for process in started]
    worst = max(started, key=lambda process: process.returncode)
    yield Done(worst.returncode, ended[started.index(worst)], tuple(bench.left()))
    yield build(bench)


@row("two builds at once", "the same kernel", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    yield from _at_once(bench, 2)


@row("ten builds at once", "the same kernel", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    yield from _at_once(bench, 10)
