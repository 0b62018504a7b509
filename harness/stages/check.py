# SPDX-License-Identifier: GPL-2.0-only
"""check: a run folder's raw texts, judged. Needs no kernel, no guest and no cache."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.checks.registry import judge
from harness.encoding import UNREADABLE, encode
from harness.errors import RecordError, UserError
from harness.host.files import atomic_write, files_below, sha256_file
from harness.record import schema
from harness.record.key import RunIdentity, require_sound
from harness.record.run import RunRecord
from harness.record.saved_run import parse_run
from harness.report.document import Run, decode_run
from harness.report.summary import summarise
from harness.stages.report import RUN_DOCUMENT
from harness.values import CONSOLE_LOG, PREDICTIONS, RAW, SUMS

KEY = "key.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dated:
    """The one field that every schema has."""

    schema: int


def save_key(folder: Path, identity: RunIdentity) -> None:
    """Keep which run it was beside the raw texts: what any later judging starts from.

    The console's digest is kept with the key's: a console cut short may lack the line that
    a check looks for. (Each stage has digests of its own, made in the guest.)
    """
    atomic_write(folder / KEY, encode(identity))
    sums = "".join(f"{sha256_file(folder / name)}  {name}\n" for name in (CONSOLE_LOG, KEY))
    atomic_write(folder / SUMS, sums)


def check(folder: Path, *, strict: bool = True) -> Run:
    """Read and judge `folder`; not `strict`: its run.json may be bad, as it is to be rewritten.

    Raises UserError when it is no run folder and RecordError when it is cut short.
    """
    run = read(folder, strict=strict)
    return summarise(run, judge(run))


def read(folder: Path, *, strict: bool = True) -> RunRecord:
    """Read `folder` without judging it; raises as `check` does."""
    require_run_folder(folder)
    console = folder / CONSOLE_LOG
    identity = read_identity(folder)
    require_sums(folder)
    if strict:
        _check_document(folder / RUN_DOCUMENT)
    return parse_run(
        _stages(folder / RAW),
        identity,
        console=console.read_bytes(),
        predictions={path.name: path.read_bytes() for path in files_below(folder / PREDICTIONS)},
    )


def require_run_folder(folder: Path) -> None:
    """Raise UserError for what is no run folder, RecordError for one without a console."""
    if not any((folder / name).exists() for name in (RAW, KEY, CONSOLE_LOG)):
        raise UserError(
            f"{folder} is not a run folder: it has neither {RAW}/ nor {KEY} nor {CONSOLE_LOG}"
        )
    if not (folder / CONSOLE_LOG).exists():
        raise RecordError(f"{folder} has no {CONSOLE_LOG}; the folder is cut short: repeat the run")


def read_identity(folder: Path) -> RunIdentity:
    """Read key.json alone; RecordError if it is absent, damaged, altered or older."""
    try:
        content = (folder / KEY).read_bytes()
        schema.RUN.require(msgspec.json.decode(content, type=_Dated).schema, str(folder / KEY))
        identity = msgspec.json.decode(content, type=RunIdentity)
    except FileNotFoundError:
        raise RecordError(
            f"{folder} has no {KEY}: the run did not reach its end; repeat it"
        ) from None
    except UNREADABLE as error:
        raise RecordError(f"{folder / KEY} is damaged ({error}); repeat the run") from error
    require_sound(identity, str(folder / KEY))
    return identity


def require_sums(folder: Path) -> None:
    """Raise RecordError unless console and key are what was saved."""
    try:
        lines = (folder / SUMS).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    for name in (CONSOLE_LOG, KEY):
        if f"{sha256_file(folder / name)}  {name}" not in lines:
            raise RecordError(
                f"{folder / name} is not what {SUMS} beside it says; "
                "the folder is cut short or altered: repeat the run"
            )


def _check_document(path: Path) -> None:
    """Refuse a saved verdict that cannot be read, though the run is judged anew."""
    if not path.exists():
        return
    try:
        decode_run(path.read_text(errors="replace"))
    except RecordError as error:
        raise RecordError(f"{error}; `buddylab report {path.parent}` writes it again") from error


def _stages(raw: Path) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    for path in files_below(raw):
        stage, *rest = path.relative_to(raw).parts
        if rest:
            found.setdefault(stage, {})["/".join(rest)] = path.read_bytes()
    return found
