# SPDX-License-Identifier: GPL-2.0-only
"""`buddylab compare --on` real workers, one of which is killed: the bytes of the local run."""

import os
import signal
import subprocess  # noqa: TID251 - the commands as a user types them
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.compare.results import RESULTS, Results, parse_results

pytestmark = pytest.mark.vm

LIMIT_S = 1500
SMOKE = "vm/plans/smoke.toml"


def compared(folder: Path, *more: str) -> tuple[Results, str]:
    kernel = os.environ.get("BUDDYLAB_TEST_KERNEL")
    which = ("--kernel", kernel) if kernel else ()
    argv = [sys.executable, "-m", "harness", "compare", SMOKE, "--output", str(folder)]
    done = subprocess.run(
        [*argv, *more, *which],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    sys.stdout.write(done.stdout)
    assert done.returncode == 0
    path = folder / RESULTS
    return parse_results(path.read_bytes(), str(path)), done.stdout


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start a scheduler, and two workers with caches of their own."""
    file = str(tmp_path / "sched.json")
    dask = [sys.executable, "-m", "dask"]
    local = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")
    argvs = [[*dask, "scheduler", "--port", "0", *local, "--scheduler-file", file]]
    one = ["worker", "--scheduler-file", file, "--no-nanny", "--nthreads", "1", *local]
    argvs += [[*dask, *one], [*dask, *one]]
    processes = []
    for number, argv in enumerate(argvs):
        home = tmp_path / f"host-{number}"
        home.mkdir()
        variables = {**os.environ, "BUDDYLAB_CACHE": str(home / "cache")}
        variables["PYTHONPATH"] = os.pathsep.join(sys.path)
        with (tmp_path / f"log-{number}").open("wb") as log:
            processes.append(
                subprocess.Popen(argv, cwd=home, env=variables, stdout=log, stderr=log)
            )
    yield processes[1:]
    for process in processes:
        process.kill()
        process.wait()


def test_workers_give_the_bytes_of_the_local_run(
    tmp_path: Path, workers: list[subprocess.Popen[bytes]]
) -> None:
    here, _ = compared(tmp_path / "here")
    out = tmp_path / "there"

    def kill_one() -> None:
        end_s = time.monotonic() + LIMIT_S
        while not list(out.rglob("arms/*/*/seed-*/*.json")) and time.monotonic() < end_s:
            time.sleep(0.1)
        workers[0].send_signal(signal.SIGKILL)

    murderer = threading.Thread(target=kill_one)
    murderer.start()
    there, told = compared(out, "--on", f"scheduler-file={tmp_path / 'sched.json'}")
    murderer.join()
    assert there.arms == here.arms
    assert [kernel.key for kernel in there.kernels.kernels] == [
        kernel.key for kernel in here.kernels.kernels
    ]
    assert "is gone" in told
