# SPDX-License-Identifier: GPL-2.0-only
"""The `buddylab` command: words to requests, errors to exit codes. No logic of its own."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from harness.cli.options import parser
from harness.errors import Exit, HarnessError
from harness.texts.proc.sysctl import mode_of
from harness.values import Counters, RunMode

if TYPE_CHECKING:
    from harness import pipeline

logger = logging.getLogger("buddylab")


def entry() -> NoReturn:
    """Be the `buddylab` process: once the answer is known, a late signal changes nothing."""
    try:
        status = main()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except KeyboardInterrupt:
        status = Exit.INTERRUPTED
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; expected failures are one message, no traceback."""
    arguments = parser().parse_args(argv)
    _configure_logging(verbose=arguments.verbose)
    # A killed harness cleans up as an interrupted one does: no QEMU stays behind.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _choose_emulator(arguments)
        return VERBS[arguments.verb](arguments)
    except HarnessError as error:
        logger.error("%s", error)  # noqa: TRY400 - the message is the whole story
        return error.exit_code
    except KeyboardInterrupt:
        logger.error("interrupted; what was complete is kept")  # noqa: TRY400
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return Exit.STAGE
    except OSError as error:
        return _refused_by_host(error)


def _refused_by_host(error: OSError) -> int:
    from harness.host.cache import CACHE_ELSEWHERE, Cache  # noqa: PLC0415
    from harness.host.disk import disk_full, is_disk_full  # noqa: PLC0415

    logger.debug("raised here", exc_info=error)
    if is_disk_full(error):
        logger.error("%s", disk_full(Cache.default().root, CACHE_ELSEWHERE))
    else:
        logger.error(
            "this host refused: %s; change that, or %s (--verbose shows where it happened)",
            error,
            CACHE_ELSEWHERE,
        )
    return Exit.HOST


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _configure_logging(*, verbose: bool) -> None:
    from harness.host.progress import log_handler  # noqa: PLC0415 - not for --help

    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(name)s: %(message)s",
        handlers=[log_handler()],
    )
    for noisy in ("paramiko", "fabric", "invoke", "filelock", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _choose_emulator(arguments: argparse.Namespace) -> None:
    """Let --qemu be what $BUDDYLAB_QEMU is: whoever starts a guest asks for one of them."""
    if chosen := getattr(arguments, "qemu", None):
        from harness.host import emulator  # noqa: PLC0415 - each verb loads what it needs

        os.environ[emulator.CHOICE] = chosen


def _doctor(arguments: argparse.Namespace) -> int:
    from harness.host import prerequisites  # noqa: PLC0415

    status = prerequisites.doctor(install=arguments.install, review=arguments.review)
    if status == Exit.OK:
        from harness.host import emulator  # noqa: PLC0415
        from harness.host.cache import Cache  # noqa: PLC0415

        used = emulator.find(Cache.default())
        logger.info("QEMU %s: %s, repeatable guests have %s", used.version, used.program, used.cpu)
    return status


def _kernel(arguments: argparse.Namespace) -> "pipeline.KernelRequest":
    from harness import pipeline  # noqa: PLC0415

    return pipeline.KernelRequest(
        kernel=arguments.kernel,
        upto=getattr(arguments, "upto", None),
        counters=Counters(getattr(arguments, "counters", Counters.PERCPU)),
    )


def _guest(arguments: argparse.Namespace) -> "pipeline.GuestRequest":
    from harness import pipeline  # noqa: PLC0415
    from harness.host.accelerator import AcceleratorChoice  # noqa: PLC0415

    return pipeline.GuestRequest(
        accelerator=AcceleratorChoice(arguments.accelerator),
        cpus=arguments.cpus,
        memory_mib=arguments.memory,
    )


def _stage(arguments: argparse.Namespace) -> int:
    from harness import pipeline  # noqa: PLC0415

    print(pipeline.upto_stage(arguments.verb, _kernel(arguments)))  # noqa: T201
    return Exit.OK


def _run(arguments: argparse.Namespace) -> int:
    from harness import pipeline  # noqa: PLC0415

    return pipeline.run_experiments(
        pipeline.RunRequest(
            kernel=_kernel(arguments),
            guest=_guest(arguments),
            scale=arguments.scale,
            mode=RunMode(arguments.mode),
            seed=arguments.seed,
            policy=None if arguments.policy is None else mode_of(arguments.policy),
            cross_checks=arguments.cross_checks == "on",
            page_owner=arguments.page_owner,
            folder=arguments.output,
        )
    )


def _shell(arguments: argparse.Namespace) -> int:
    from harness import pipeline  # noqa: PLC0415

    return pipeline.open_shell(_kernel(arguments), _guest(arguments))


def _bench(arguments: argparse.Namespace) -> int:
    from harness import pipeline  # noqa: PLC0415

    return pipeline.measure(_kernel(arguments), boots=arguments.boots)


def _cost(arguments: argparse.Namespace) -> int:
    from harness import pipeline  # noqa: PLC0415

    return pipeline.measure_cost(_kernel(arguments))


def _predict(arguments: argparse.Namespace) -> int:
    from harness import pipeline  # noqa: PLC0415

    return pipeline.predict_bursts(
        _kernel(arguments), seeds=arguments.seeds, memories_mib=arguments.memory
    )


def _mutants(arguments: argparse.Namespace) -> int:
    from harness import pipeline  # noqa: PLC0415

    return pipeline.try_mutants(
        _kernel(arguments), directory=arguments.directory, only=_names(arguments.only)
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _review(arguments: argparse.Namespace) -> int:
    from harness import pipeline  # noqa: PLC0415

    only = _names(arguments.only)
    return pipeline.review_series(_kernel(arguments), only=only, boots=arguments.boot)


def _difference(arguments: argparse.Namespace) -> int:
    from harness import pipeline  # noqa: PLC0415

    return pipeline.compare_counters(arguments.one, arguments.other)


def _compare(arguments: argparse.Namespace) -> int:
    from harness import pipeline  # noqa: PLC0415

    if arguments.report_only:
        return pipeline.report_comparison(plan_path=arguments.plan, folder=arguments.output)
    return pipeline.compare_arms(
        _kernel(arguments), plan_path=arguments.plan, folder=arguments.output, jobs=arguments.jobs
    )


def _replay(arguments: argparse.Namespace) -> int:
    from harness import pipeline  # noqa: PLC0415

    return pipeline.replay_arm(
        arguments.key, kernel=arguments.kernel, places=tuple(arguments.results or ())
    )


def _saved(arguments: argparse.Namespace) -> int:
    from harness import pipeline  # noqa: PLC0415

    return pipeline.judge_folder(arguments.folder, write=arguments.verb == "report")


VERBS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "doctor": _doctor,
    "fetch": _stage,
    "patch": _stage,
    "build": _stage,
    "guest": _stage,
    "run": _run,
    "shell": _shell,
    "check": _saved,
    "report": _saved,
    "difference": _difference,
    "bench": _bench,
    "cost": _cost,
    "predict": _predict,
    "mutants": _mutants,
    "review": _review,
    "compare": _compare,
    "replay": _replay,
}
