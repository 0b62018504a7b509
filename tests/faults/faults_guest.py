# SPDX-License-Identifier: GPL-2.0-only
"""What rows with real guests share: a cache with one kernel, which is theirs to damage."""

import os
import shutil
import subprocess  # noqa: TID251 - cp
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from faults_bench import Bench, Done

from harness import pipeline
from harness.host.cache import Cache
from harness.values import GuestImage, KernelBuild

# The least that is a comparison: one state, one arm.
PLAN = """
name = "faults"
why = "Does the next run go on after a fault?"
memory_mib = 256
seeds = [{seeds}]
baseline = "off"
{more}
[[states]]
name = "plain"
prepare = "{prepare}"
[[bursts]]
name = "order-3"
order = 3
requests = 20
[[arms]]
name = "off"
policy = "off"
"""
_SMALL = ("accelerators.json", "emulators.json", "imports", "digests", "stamps")


@dataclass(frozen=True)
class Lab:
    """A kernel and its guest in a cache of their own, and where they came from."""

    cache: Path
    origin: Cache
    build: KernelBuild
    image: GuestImage
    kernel: tuple[str, ...]  # as the command is told it
    compared: Path  # a comparison that is complete
    compare_s: float  # what it took

    def mend(self) -> None:
        """Put back what executes, byte for byte."""
        for entry in (self.build.directory, self.image.path.parent):
            place = self.cache / entry.relative_to(self.origin.root)
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(entry, place)


@contextmanager
def laboratory() -> Iterator[Lab]:
    """Build, or take from the user's cache, and copy: hard links where nothing is damaged."""
    origin = pipeline.open_cache()
    tested = os.environ.get("BUDDYLAB_TEST_KERNEL") or None
    build, image = pipeline.bootable(pipeline.KernelRequest(kernel=tested), origin)
    # On the cache's own file system, where links can be made.
    with origin.building("faults") as folder:
        cache = folder / "cache"
        linked = [build.tree.tree.parent, build.tree.source.tree.parent]
        linked += [path for path in (origin.root / "userspaces").glob("*") if path.is_dir()]
        small = [origin.root / name for name in _SMALL if (origin.root / name).exists()]
        for entry in (*linked, *small):
            place = cache / entry.relative_to(origin.root)
            place.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-al", str(entry), str(place)], check=True)
        kernel = ("--kernel", tested) if tested else ()
        made = Lab(cache, origin, build, image, kernel, folder / "compared", 0.0)
        made.mend()
        yield _with_comparison(made, folder)


def _with_comparison(made: Lab, folder: Path) -> Lab:
    """Run the plan once, whole: rows that damage results take a copy."""
    place = Bench(folder, made.cache, guests=made)
    began = time.monotonic()
    done = compare(place)
    assert done.status == 0, done.said
    (folder / "out").rename(made.compared)
    return replace(made, compare_s=time.monotonic() - began)


def plan(bench: Bench, *, seeds: str = "1", prepare: str = "true", more: str = "") -> str:
    """Write a plan; return its name."""
    text = PLAN.format(seeds=seeds, prepare=prepare, more=more)
    (bench.folder / "plan.toml").write_text(text)
    return "plan.toml"


def words(bench: Bench, output: str = "out") -> tuple[str, ...]:
    """Return the words of a comparison by the plan that was written last, or by the plain one."""
    if not (bench.folder / "plan.toml").exists():
        plan(bench)
    return ("compare", "plan.toml", *bench.lab.kernel, "--output", output)


def compare(bench: Bench, output: str = "out", **how: object) -> Done:
    """Run the comparison to its end."""
    return bench.run(*words(bench, output), **how)  # type: ignore[arg-type]


def guest(bench: Bench) -> Done:
    """Make what a guest boots: all that comes before one."""
    return bench.run("guest", *bench.lab.kernel)
