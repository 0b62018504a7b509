# SPDX-License-Identifier: GPL-2.0-only
"""Who runs the boots of a comparison: a boot goes in, what it produced comes out.

Another engine than this machine's threads is another class with this one method.
"""

import contextlib
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Protocol

from harness.jobs.group import Boot, Produced

Execute = Callable[[Boot], Generator[Produced, None, None]]
# Whether the boot is to go on.
Take = Callable[[Boot, Produced], bool]


class Runner(Protocol):
    """Runs boots, as many at a time as it has room for."""

    def run(self, boots: Sequence[Boot], execute: Execute, take: Take) -> None:
        """Execute all boots; hand what each produces to `take` as it comes, from any thread."""


class LocalRunner:
    """Runs them on this machine, `at_once` at a time; `stop` is set however it ends."""

    def __init__(self, at_once: int, stop: threading.Event) -> None:
        self._at_once = at_once
        self._stop = stop

    def run(self, boots: Sequence[Boot], execute: Execute, take: Take) -> None:
        """Execute all boots; the first exception ends them all and is raised."""

        def one(boot: Boot) -> None:
            with contextlib.closing(execute(boot)) as produced:
                for each in produced:
                    if not take(boot, each):
                        break

        with ThreadPoolExecutor(max_workers=self._at_once, thread_name_prefix="boot") as pool:
            futures: list[Future[None]] = [pool.submit(one, boot) for boot in boots]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            finally:
                # However this ends: no thread begins another guest, and all guests are ended.
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
