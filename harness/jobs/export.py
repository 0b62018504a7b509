# SPDX-License-Identifier: GPL-2.0-only
"""export: the series as mails for one kernel, which `git am` and `quilt push -a` take.

The mails of patches/series have no number and no sender; for a kernel of another line some of
their hunks stand elsewhere. Here git makes them anew, from what each patch did to that kernel.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.compare.letter import results_text
from harness.compare.results import RESULTS, Results, parse_results
from harness.errors import RecordError, UserError
from harness.host.cache import Cache
from harness.host.few_files import ABSENT, FileState
from harness.host.files import atomic_write
from harness.host.git_repo import Author, Repository, head_with
from harness.host.series import Series, line_named, series_for
from harness.stages.apply import Applied, applied, steps_of
from harness.stages.sources.commit import commit_told
from harness.texts.build.line import PAGE_ALLOC
from harness.values import KernelSource

logger = logging.getLogger("export")

RESULTS_PLACE = Path("docs/results")
_LETTER = "cover-letter.txt"
_ORDER = "series"


def export(
    source: KernelSource,
    cache: Cache,
    *,
    author: Author,
    target: Path,
    series: Series | None = None,
    checkout: Path | None = None,
    results: Path = RESULTS_PLACE,
) -> tuple[Path, ...]:
    """Write the series for `source`, with a cover letter drawn from `results`, to `target`.

    `checkout` is where the source was brought from, if that may be a git checkout. Returns the
    letter and the mails; quilt's order file lies beside them.
    """
    series = series or series_for(source)
    with cache.building("export") as scratch:
        steps = list(applied(source, steps_of(series, None), None, scratch))
        for step in steps:
            for note in step.notes:
                logger.info("%s", note)
        said = (series.directory / _LETTER).read_text().rstrip()
        measured = results_text(results_of(source, results), source.line).rstrip()
        letter = f"{said}\n\n{measured}\n\n{_base(source, steps, checkout)}\n"
        return _written(steps, scratch, author=author, target=target, letter=letter)


def mails(
    source: KernelSource, series: Series, cache: Cache, *, author: Author, target: Path
) -> tuple[Path, ...]:
    """Write the mails alone, in order."""
    with cache.building("mails") as scratch:
        steps = list(applied(source, steps_of(series, None), None, scratch))
        return _written(steps, scratch, author=author, target=target, letter=None)


def results_of(source: KernelSource, place: Path) -> dict[str, Results]:
    """Return the saved comparisons of the source's kernel line, by folder; those we can read."""
    found = {}
    versions = line_named(source.line).versions
    for path in sorted(place.glob(f"*/{RESULTS}")):
        try:
            one = parse_results(path.read_bytes(), str(path))
        except RecordError as error:
            logger.warning("the letter says nothing of %s: %s", path.parent, error)
            continue
        releases = {kernel.provenance.kernel_release for kernel in one.kernels.kernels}
        if all(".".join(release.split(".")[:2]) in versions for release in releases):
            found[path.parent.name] = one
    return found


def _written(
    steps: Sequence[Applied], scratch: Path, *, author: Author, target: Path, letter: str | None
) -> tuple[Path, ...]:
    _require_mailable(steps)
    repository = Repository(scratch / "repository", author)
    repository.begin(_before(steps))
    for step in steps:
        if step.mail is not None:
            message = f"{step.mail.subject}\n\n{step.mail.body}\n"
            repository.commit(step.after, message, date=step.mail.date)
    written = repository.mails(target, letter=letter)
    patches = written if letter is None else written[1:]
    atomic_write(target / _ORDER, "".join(f"{path.name}\n" for path in patches))
    return written


def _before(steps: Sequence[Applied]) -> Mapping[str, FileState]:
    """Return what all touched files are without the series."""
    return {name: state for step in reversed(steps) for name, state in step.before.items()}


def _base(source: KernelSource, steps: Sequence[Applied], checkout: Path | None) -> str:
    """Say what the mails apply to: a commit, if the source is one, and its release."""
    files = {name: state.content for name, state in _before(steps).items() if state != ABSENT}
    commit = head_with(checkout, files) if checkout else commit_told(source.origin)
    upstream = {True: "upstream's own", False: "not upstream's", None: "git blob"}
    whose = upstream[source.page_alloc_upstream]
    lines = [
        f"base: Linux {source.release} ({source.origin})",
        f"{PAGE_ALLOC}: {whose} {source.page_alloc_blob}",
    ]
    return "\n".join([*lines, *([f"base-commit: {commit}"] if commit else ())])


def _require_mailable(steps: Sequence[Applied]) -> None:
    """Refuse what git am would not bring back: it takes a carriage return for a mailer's."""
    for step in steps:
        for name, state in step.after.items():
            if b"\r\n" in step.before[name].content + state.content:
                raise UserError(
                    f"{step.name} changes {name}, which has lines that end in CR LF; git am takes "
                    "the CR away from mails, so this change cannot be exported"
                )
