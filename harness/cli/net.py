# SPDX-License-Identifier: GPL-2.0-only
"""Whatever stops a verb: told in words, and turned into the exit code that says whose matter it is.

Nothing leaves by Python's own way: its traceback exits 1, which means that a check failed.
"""

import errno
import logging
from collections.abc import Sequence
from pathlib import Path

from harness.errors import Exit, HarnessError, UserError

logger = logging.getLogger("buddylab")


def require_text(argv: Sequence[str]) -> None:
    """Refuse arguments whose bytes are no UTF-8: no report or record could name such a file."""
    for word in argv:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UserError(
                f"the argument {word!a} is not UTF-8; rename the file, or give a symbolic link to "
                "it"
            ) from None


def status_of(error: Exception, argv: Sequence[str]) -> Exit:
    """Tell what `error` is; return the exit code."""
    logger.debug("raised here", exc_info=error)
    if is_interrupt(error):
        return interrupted()
    match error:
        case HarnessError():
            logger.error("%s", error)
            return error.exit_code
        case OSError():
            return _refused_by_host(error)
        case MemoryError():
            logger.error("this host has not enough memory; end other programs, or ask for less")
            return Exit.HOST
        case _:
            return _bug(error, argv)


def is_interrupt(error: BaseException | None) -> bool:
    """Whether an interrupt led to `error`: a terminal that is gone fails what cleans up, too."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


def interrupted() -> Exit:
    """Say so; return the exit code."""
    logger.error("interrupted; what was complete is kept")
    return Exit.INTERRUPTED


def _refused_by_host(error: OSError) -> Exit:
    from harness.host.cache import CACHE_ELSEWHERE, Cache
    from harness.host.disk import disk_full, is_disk_full

    if isinstance(error, BrokenPipeError):
        return Exit.STAGE
    root = Cache.default().root
    if is_disk_full(error):
        logger.error("%s", disk_full(error, root, CACHE_ELSEWHERE))
        return Exit.HOST
    instead = "change that"
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        instead = "raise the limit of open files (ulimit -n)"
    elif error.filename is not None and _concerns(str(error.filename), root):
        instead += f", or {CACHE_ELSEWHERE}"
    logger.error("this host refused: %s; %s (--verbose shows where it happened)", error, instead)
    return Exit.HOST


def _concerns(file: str, root: Path) -> bool:
    """Whether `file` is in the cache, or on the way to it."""
    path = Path(file).absolute()
    return path.is_relative_to(root) or root.is_relative_to(path)


def _bug(error: Exception, argv: Sequence[str]) -> Exit:
    from harness.host import bug_report

    what = f"{type(error).__name__}: {error}".splitlines()[0]
    path = bug_report.kept(error, argv, _cache_root())
    if path is None:
        logger.error("a bug in buddylab (%s), and its report cannot be kept", what)
        logger.error("the report", exc_info=error)
    else:
        logger.error(
            "a bug in buddylab (%s); what was complete is kept; "
            "please send its maintainers the report in %s",
            what,
            path,
        )
    return Exit.BUG


def _cache_root() -> Path | None:
    from harness.host.cache import Cache

    try:
        return Cache.default().root
    except Exception:  # noqa: BLE001 - the fault may lie there
        return None
