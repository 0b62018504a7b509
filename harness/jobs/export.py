# SPDX-License-Identifier: GPL-2.0-only
"""export: the series as mails for one kernel, which `git am` and `quilt push -a` take.

The mails of patches/series have no number and no sender; for a kernel of another line some of
their hunks stand elsewhere. Here git makes them anew, from what each patch did to that kernel.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UserError
from harness.host.cache import Cache
from harness.host.files import atomic_write
from harness.host.git_repo import Author, Repository
from harness.host.series import Series
from harness.stages.apply import Applied, applied, steps_of
from harness.values import KernelSource

logger = logging.getLogger("export")


def mails(
    source: KernelSource,
    series: Series,
    cache: Cache,
    *,
    author: Author,
    target: Path,
    letter: str | None = None,
) -> tuple[Path, ...]:
    """Write the series for `source` below `target`, with quilt's `series` file; return the mails.

    Raises StageError where a patch has no place, UserError where a mail cannot carry a change.
    """
    with cache.building("export") as scratch:
        steps = list(applied(source, steps_of(series, None), None, scratch))
        _require_mailable(steps)
        repository = Repository(scratch / "repository", author)
        repository.begin(
            {name: state for step in reversed(steps) for name, state in step.before.items()}
        )
        for step in steps:
            assert step.mail is not None  # noqa: S101 - there is no edit
            message = f"{step.mail.subject}\n\n{step.mail.body}\n"
            repository.commit(step.after, message, date=step.mail.date)
        written = repository.mails(target, letter=letter)
    patches = [path for path in written if not path.name.startswith("0000-")]
    atomic_write(target / "series", "".join(f"{path.name}\n" for path in patches))
    return written


def _require_mailable(steps: Sequence[Applied]) -> None:
    """Refuse what git am would not bring back: it takes a carriage return for a mailer's."""
    for step in steps:
        for name, state in step.after.items():
            if b"\r\n" in step.before[name].content + state.content:
                raise UserError(
                    f"{step.name} changes {name}, which has lines that end in CR LF; git am takes "
                    "the CR away from mails, so this change cannot be exported"
                )
