# SPDX-License-Identifier: GPL-2.0-only
"""Mode clear beside what others want: each case failed before patch 12 minded it."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness import pipeline
from harness.host import ssh
from harness.host.cache import Cache
from harness.host.command import run
from harness.host.deadline import Deadline
from harness.host.files import sha256_file
from harness.stages import boot
from harness.stages.boot import RunSettings
from harness.stages.boot_files import boot_files
from harness.stages.guest import GEN_INIT_CPIO, TEST_MODULE
from harness.values import RunMode
from harness.workloads import paper as experiments

LIMIT_S = 1800.0
pytestmark = [pytest.mark.vm, pytest.mark.long, pytest.mark.timeout(2 * LIMIT_S)]

OURS = Path(__file__).parent / "guest"
COMBS = OURS.parents[2] / "vm/guest"
# Pages that are not the comb's: those of two ranges.
OTHERS_MOVE = 2 << 9


def appended(image: Path, directory: Path, folder: Path) -> Path:
    """Return the initramfs with what the cases need behind it, in /root/last_resort."""
    program = folder / "shared_comb"
    source = OURS / "shared_comb.c"
    argv = ["gcc", "-O2", "-s", "-static", "-I", str(COMBS), "-o", str(program), str(source)]
    run(argv, deadline=Deadline.after(120, "shared_comb.c"))
    files = {
        "shared_comb": program,
        "last_resort.sh": OURS / "last_resort.sh",
        TEST_MODULE: directory / TEST_MODULE,
    }
    listing = folder / "listing"
    lines = [f"file /root/last_resort/{name} {path} 0755 0 0" for name, path in files.items()]
    listing.write_text("\n".join(["dir /root/last_resort 0755 0 0", *lines]) + "\n")
    whole = folder / "initramfs.cpio"
    argv = ["sh", "-euc", '(cat "$1"; "$2" "$3") > "$4"', "append"]
    argv += [str(image), str(directory / GEN_INIT_CPIO), str(listing), str(whole)]
    run(argv, deadline=Deadline.after(120, "appending to the initramfs"))
    return whole


def told(case: str, folder: Path) -> Mapping[str, int]:
    """Return the numbers of a case, from a guest of its own."""
    kernel = os.environ.get("BUDDYLAB_TEST_KERNEL") or None
    cache = pipeline.open_cache()
    request = pipeline.KernelRequest(kernel=kernel)
    build, image = pipeline.bootable(request, cache)
    whole = appended(image.path, build.directory, folder)
    what = boot_files(build, replace(image, path=whole, digest=sha256_file(whole)))
    settings = RunSettings(
        mode=RunMode.LIVE,
        memory_mib=512,
        cpus=2,
        seed=1,
        scale=experiments.Scale.SMALL,
    )
    speed = boot.measured_speed(what, settings, Cache.default())
    with boot.live_guest(what, settings, speed, folder) as live:
        deadline = Deadline.after(LIMIT_S * speed.slowdown, case)
        with ssh.connected(live.address, deadline) as session:
            answer = session.run(f"bash /root/last_resort/last_resort.sh {case}", deadline)
    assert answer.exit == 0, answer.complaint
    lines = answer.output.decode().split()
    return {name: int(number) for name, _, number in (line.partition("=") for line in lines)}


def test_locked_pages_stay_where_the_administrator_wants_it(tmp_path: Path) -> None:
    case = told("locked", tmp_path)

    assert case["refused_tried"] > 0
    assert case["refused_moved"] < OTHERS_MOVE, case
    assert case["allowed_moved"] > OTHERS_MOVE, case


def test_a_request_without_fs_empties_nothing_and_keeps_nobody_from_trying(
    tmp_path: Path,
) -> None:
    case = told("nofs", tmp_path)

    assert case["nofs_tried"] > 0
    # Nothing of a range that is not yet free has moved unless a page has.
    assert case["nofs_ranges"] <= case["nofs_moved"], case
    assert case["kernel_succeeded"] > 0, case
