"""check: a run folder's raw texts, judged. Needs no kernel, no guest and no cache."""

from pathlib import Path

import msgspec

from harness.checks.registry import judge
from harness.errors import RecordError, UserError
from harness.record import parse_run
from harness.report.document import Run
from harness.report.summary import summarise
from harness.values import ReplayKey
from harness.workspace import atomic_write, encode

RAW = "raw"
KEY = "key.json"
CONSOLE = "console.log"


def save_key(folder: Path, key: ReplayKey) -> None:
    """Keep the replay key beside the raw texts: what any later judging starts from."""
    atomic_write(folder / KEY, encode(key))


def check(folder: Path) -> Run:
    """Read and judge `folder`.

    Raises UserError when it is no run folder and RecordError when it is cut short.
    """
    if not (folder / RAW).is_dir() and not (folder / KEY).exists():
        raise UserError(f"{folder} is no run folder: it has neither {RAW}/ nor {KEY}")
    console = folder / CONSOLE
    if not console.exists():
        raise RecordError(f"{folder} has no {CONSOLE}; the folder is cut short: repeat the run")
    run = parse_run(_stages(folder / RAW), _key(folder), console=console.read_bytes())
    return summarise(run, judge(run))


def _key(folder: Path) -> ReplayKey:
    try:
        return msgspec.json.decode((folder / KEY).read_bytes(), type=ReplayKey)
    except FileNotFoundError:
        raise RecordError(
            f"{folder} has no {KEY}: the run did not reach its end; repeat it"
        ) from None
    except msgspec.MsgspecError as error:
        raise RecordError(
            f"{folder / KEY} is damaged or of another version ({error}); repeat the run"
        ) from error


def _stages(raw: Path) -> dict[str, dict[str, bytes]]:
    stages = sorted(path for path in raw.glob("*") if path.is_dir())
    return {
        stage.name: {
            path.relative_to(stage).as_posix(): path.read_bytes()
            for path in sorted(stage.rglob("*"))
            if path.is_file()
        }
        for stage in stages
    }
