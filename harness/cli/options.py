# SPDX-License-Identifier: GPL-2.0-only
"""The words of the `buddylab` command: its verbs, their options, and what each is for."""

import argparse
from pathlib import Path

from harness import __version__
from harness.texts.proc.sysctl import MODE_WORDS
from harness.values import Counters, RunMode

EPILOG = """exit codes: 0 all checks hold, 1 a check failed, 2 usage, 3 the host lacks something,
4 a stage failed, 5 the guest was lost. The cache is $BUDDYLAB_CACHE, else the platform's; QEMU is
$BUDDYLAB_QEMU, else the one on PATH."""


def parser() -> argparse.ArgumentParser:
    """Return the command's parser; it leaves the verb's word in `verb`."""
    command = argparse.ArgumentParser(
        prog="buddylab",
        description="Patch, build and boot a Linux page allocator; run, judge and report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--version", action="version", version=f"buddylab {__version__}")
    command.add_argument("--verbose", action="store_true", help="show every command")
    verbs = command.add_subparsers(required=True, metavar="VERB", dest="verb")
    _add_doctor(verbs)
    _add_stages(verbs)
    _add_run(verbs)
    _add_shell(verbs)
    _add_saved(verbs)
    _add_difference(verbs)
    _add_bench(verbs)
    _add_cost(verbs)
    _add_predict(verbs)
    _add_mutants(verbs)
    _add_review(verbs)
    _add_compare(verbs)
    _add_replay(verbs)
    return command


Verbs = argparse._SubParsersAction  # noqa: SLF001 - argparse names the type nowhere else


def _add_verb(
    verbs: "Verbs[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    return verbs.add_parser(name, help=text, description=text)


def _kernel_options(parser: argparse.ArgumentParser, *, patched: bool) -> None:
    parser.add_argument(
        "--kernel",
        metavar="NAME|PATH",
        help="5.15.180 (default), debian:6.1, or a source directory or archive",
    )
    if patched:
        parser.add_argument(
            "--upto", metavar="PATCH", help="apply the series up to this patch; 0 for none of it"
        )
        _counters_option(parser)


def _counters_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--counters",
        choices=(Counters.PERCPU.value, Counters.ATOMIC.value),
        default=Counters.PERCPU.value,
        help="the monitor's counters: one set for each CPU (default) or shared atomics",
    )


def _emulator_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--qemu",
        metavar="PATH|SUITE",
        help="another QEMU than the one on PATH: a program, or that of a suite of this machine's "
        "distribution, e.g. bookworm-backports, brought below the cache (default: $BUDDYLAB_QEMU)",
    )


def _add_doctor(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    doctor = _add_verb(verbs, "doctor", "say what this machine lacks")
    _emulator_option(doctor)
    doctor.add_argument("--install", action="store_true", help="install it, as root or with sudo")
    doctor.add_argument("--review", action="store_true", help="also what `review` needs")


def _add_stages(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    texts = {
        "fetch": "bring the kernel source",
        "patch": "apply the patch series to a copy",
        "build": "configure and build kernel and module",
        "guest": "make the guest's initramfs",
    }
    for name, text in texts.items():
        parser = _add_verb(verbs, name, text)
        _kernel_options(parser, patched=name != "fetch")


def _guest_options(parser: argparse.ArgumentParser) -> None:
    _emulator_option(parser)
    parser.add_argument(
        "--accelerator",
        choices=("auto", "kvm", "tcg"),
        default="auto",
        help="default: KVM in live mode if it boots a guest here, else TCG",
    )
    parser.add_argument("--cpus", type=_positive, default=2, help="of a live guest (default 2)")
    parser.add_argument("--memory", type=_positive, metavar="MIB", help="default: the scale's")


def _add_run(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    run = _add_verb(verbs, "run", "the main job: source to verdict")
    _kernel_options(run, patched=True)
    run.add_argument("--scale", choices=("paper", "small"), default="paper")
    run.add_argument("--mode", choices=[mode.value for mode in RunMode], default="repeatable")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument(
        "--policy",
        choices=MODE_WORDS,
        help="mode of adaptive compaction (default: the kernel's own, early)",
    )
    run.add_argument(
        "--cross-checks",
        choices=("on", "off"),
        default="on",
        help="load the cross-check module and trace what the monitor counts (default on)",
    )
    run.add_argument(
        "--page-owner",
        action="store_true",
        help="boot with page_owner=on: the kernel notes who has each page",
    )
    run.add_argument("--output", type=Path, metavar="DIR", help="run folder (default: runs/...)")
    _guest_options(run)


def _add_shell(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    shell = _add_verb(verbs, "shell", "open a live guest for a person")
    _kernel_options(shell, patched=True)
    _guest_options(shell)


def _add_saved(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    for name, text in (
        ("check", "judge a saved run folder again"),
        ("report", "judge a saved run folder and write its reports"),
    ):
        parser = _add_verb(verbs, name, text)
        parser.add_argument("folder", type=Path, metavar="RUN")


def _add_difference(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    text = "say by how much the counters of two saved runs differ"
    difference = _add_verb(verbs, "difference", text)
    difference.add_argument("one", type=Path, metavar="RUN")
    difference.add_argument("other", type=Path, metavar="RUN")


def _add_bench(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    bench = _add_verb(verbs, "bench", "measure the promised times on this machine")
    _kernel_options(bench, patched=False)
    _emulator_option(bench)
    bench.add_argument("--boots", type=_positive, default=200, help="live boots (default 200)")


def _add_cost(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    cost = _add_verb(verbs, "cost", "measure what the counters cost, by variant")
    _kernel_options(cost, patched=False)
    _emulator_option(cost)


def _add_predict(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    text = "foretell bursts from the free lists, run them and compare"
    predict = _add_verb(verbs, "predict", text)
    _kernel_options(predict, patched=False)
    _emulator_option(predict)
    predict.add_argument(
        "--seeds", type=_positive, default=1, metavar="N", help="seeds 1..N (default 1)"
    )
    predict.add_argument(
        "--memory",
        type=_megabytes,
        default=(1024,),
        metavar="MIB,...",
        help="of the guest (default 1024; above 3072 it has several large zones)",
    )


def _add_mutants(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    text = "run wrong versions of the series; each must be caught"
    mutants = _add_verb(verbs, "mutants", text)
    _kernel_options(mutants, patched=False)
    _emulator_option(mutants)
    _counters_option(mutants)
    mutants.add_argument(
        "directory",
        type=Path,
        nargs="?",
        default=Path("tests/mutants"),
        metavar="DIR",
        help="holds linux-*/*.patch (default: tests/mutants)",
    )
    mutants.add_argument(
        "--only", metavar="NAME,...", default="", help="mutants whose names begin so"
    )


def _add_review(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    review = _add_verb(verbs, "review", "look at the series as a kernel reviewer would")
    _kernel_options(review, patched=False)
    _emulator_option(review)
    review.add_argument(
        "--only",
        metavar="GATE,...",
        default="",
        help="of checkpatch, apply, identity, sparse, warnings, prefixes (default: all)",
    )
    review.add_argument(
        "--boot", action="store_true", help="prefixes: also build each whole and boot it"
    )


def _add_compare(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    compare = _add_verb(verbs, "compare", "run a plan's arms from the same memory")
    _kernel_options(compare, patched=False)
    _emulator_option(compare)
    _counters_option(compare)
    compare.add_argument("plan", type=Path, metavar="PLAN", help="a TOML file, see vm/plans")
    compare.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="results folder (default: runs/compare-NAME); what is finished in it is kept",
    )
    compare.add_argument(
        "--jobs", type=_positive, help="guests at a time (default: the CPUs there are)"
    )
    compare.add_argument(
        "--report-only",
        action="store_true",
        help="run nothing: write the report of what DIR holds, by PLAN's present predictions",
    )


def _add_replay(verbs: "Verbs[argparse.ArgumentParser]") -> None:
    replay = _add_verb(verbs, "replay", "run one arm again: the same bytes or an error")
    _emulator_option(replay)
    replay.add_argument("key", metavar="KEY", help="of a comparison's table, or its beginning")
    replay.add_argument(
        "--kernel", metavar="NAME|PATH", help="default: what the comparison names as its origin"
    )
    replay.add_argument(
        "--results",
        type=Path,
        action="append",
        metavar="DIR",
        help="where to look for it (default: docs/results and runs)",
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def _megabytes(text: str) -> tuple[int, ...]:
    return tuple(_positive(word) for word in text.split(","))
