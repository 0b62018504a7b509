# SPDX-License-Identifier: GPL-2.0-only
"""Verbs with `--on` and real workers, one of which is killed: the bytes of the local run."""

import json
import os
import signal
import subprocess  # noqa: TID251 - the commands as a user types them
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import pipeline
from harness.compare.results import RESULTS, Results, parse_results
from harness.engines.dask_runner import DaskRunner
from harness.engines.target import Target
from harness.host.cache import Cache
from harness.host.files import contents
from harness.jobs.runner import LocalRunner, Task
from harness.jobs.trial import MEMORY_MIB, Trial, TrialWork
from harness.pipeline import KernelRequest
from harness.stages.boot_files import boot_files
from harness.stages.run import made

pytestmark = pytest.mark.vm

LIMIT_S = 1500
SMOKE = "vm/plans/smoke.toml"


KERNEL = os.environ.get("BUDDYLAB_TEST_KERNEL")


def said(*words: str, cwd: Path | None = None) -> tuple[str, str]:
    """Return what a command answers, and what it tells beside."""
    argv = [sys.executable, "-m", "harness", *words, *(("--kernel", KERNEL) if KERNEL else ())]
    done = subprocess.run(
        argv,
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    sys.stdout.write(done.stdout + done.stderr)
    assert done.returncode == 0
    return done.stdout, done.stderr


def compared(folder: Path, *more: str) -> tuple[Results, str]:
    _, told = said("compare", SMOKE, "--output", str(folder), *more)
    path = folder / RESULTS
    return parse_results(path.read_bytes(), str(path)), told


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


def test_exactness_is_that_of_here() -> None:
    asked = ("exactness", "--times", "4", "--boots", "2", "--json")
    here, _ = said(*asked)
    there, _ = said(*asked, "--on", "local:2")
    assert json.loads(there) == json.loads(here)


@pytest.mark.long
def test_predictions_are_those_of_here(tmp_path: Path) -> None:
    asked = ("predict", "--seeds", "2", "--json")
    here, _ = said(*asked, cwd=tmp_path)
    there, told = said(*asked, "--on", "local:2", "--recheck", "100", cwd=tmp_path)
    assert json.loads(there)["runs"] == json.loads(here)["runs"]
    assert all(one["digest"] for one in json.loads(there)["runs"])
    assert "2 run again on another worker, the same to the byte" in told
    for name in ("1024-1", "1024-2"):
        one, other = (tmp_path / json.loads(each)["folder"] / name for each in (here, there))
        assert contents(one / "raw") == contents(other / "raw")


@pytest.mark.long
def test_a_trial_is_that_of_here() -> None:
    """What `mutants` runs of each kernel, of the series as it is: to build others takes long."""
    cache = Cache.default()
    built = pipeline.bootable(KernelRequest(kernel=KERNEL), cache)
    task = Task(
        title="unmutated",
        what=boot_files(*built),
        memory_mib=MEMORY_MIB,
        work=TrialWork(mutant=None, known=made(*built), cpus=1),
    )
    trials: list[Trial] = []

    def take(_task: Task, trial: Trial) -> bool:
        trials.append(trial)
        return True

    for runner in (LocalRunner(1), DaskRunner(target=Target(workers=2), share=1.0)):
        assert list(runner.run([task], cache, take)) == []
    here, there = trials
    assert here.digest
    assert there == here
