# SPDX-License-Identifier: GPL-2.0-only
"""What a row of the table is: a fault, how it is injected, and what must come of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from faults_bench import BUILD, Bench, Done, build

Run = Callable[[Bench], Iterator[Done]]


@dataclass(frozen=True)
class Row:
    """A fault; `run` gives what the command made of it and then, all mended, the next run."""

    fault: str
    how: str
    status: tuple[int, ...]
    said: str  # a pattern of the message
    run: Run
    may_leave: bool = False  # until the next run: of a command that was killed
    needs_guest: bool = False  # its cache is the one with a kernel that boots


@dataclass
class Rows:
    """The rows of one module, in their order."""

    needs_guest: bool = False
    rows: list[Row] = field(default_factory=list)

    def row(
        self, fault: str, how: str, *status: int, said: str = "", may_leave: bool = False
    ) -> Callable[[Run], Run]:
        """Take a function as the row of a fault."""

        def taken(run: Run) -> Run:
            self.rows.append(Row(fault, how, status, said, run, may_leave, self.needs_guest))
            return run

        return taken

    def once(
        self,
        fault: str,
        how: str,
        status: int,
        *,
        said: str = "",
        words: tuple[str | bytes, ...] = BUILD,
        env: Mapping[str, str] | None = None,
        before: str = "",
    ) -> None:
        """Take a command that meets the fault as the row; the next run is a build."""

        def run(bench: Bench) -> Iterator[Done]:
            yield bench.run(*words, env=env, before=before)
            yield build(bench)

        self.rows.append(Row(fault, how, (status,), said, run))
