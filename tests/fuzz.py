# SPDX-License-Identifier: GPL-2.0-only
"""Look for bytes that a parser of tests/shared/parsers.py neither reads nor refuses.

    python tests/fuzz.py [--inputs N] [--findings DIR] [NAME...]

A process for each parser, guided by what of harness/ an input reaches (atheris): what raises
anything but a HarnessError, takes over 60 s or asks for over 1 GiB is kept below --findings, and
ends that parser's search. Prints a line for each parser; exits 1 if something was found.
"""

import argparse
import contextlib
import subprocess  # noqa: TID251 - the fuzzer ends its process
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_TEXT_BYTES = 65_536  # the longest input
_LATE_S = 60  # of the clock: a busy machine gives a process little of it
_MEMORY_MIB = 1024


def main() -> int:
    """Fuzz the parsers named, or all; return the exit code."""
    parser = argparse.ArgumentParser(description="Fuzz the parsers.")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each parser")
    parser.add_argument("--findings", type=Path, default=ROOT / "runs/fuzz", metavar="DIR")
    parser.add_argument("--one", action="store_true", help="in this process, which the search ends")
    parser.add_argument("names", nargs="*", metavar="NAME")
    asked = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests/shared")]
    if asked.one:
        _search(asked.names[0], asked.inputs, asked.findings)
    import parsers  # noqa: PLC0415 - not instrumented here

    if unknown := set(asked.names) - set(parsers.ALL):
        parser.error(f"no parser is named {', '.join(sorted(unknown))}")
    failed = [
        name
        for name in asked.names or parsers.ALL
        if not _holds(name, parsers.ALL[name].seeds, asked.inputs, asked.findings)
    ]
    return int(bool(failed))


def _holds(name: str, seeds: tuple[bytes, ...], inputs: int, findings: Path) -> bool:
    """Search in a process of its own, from the texts that the parser reads."""
    findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            (Path(corpus) / f"seed-{number}").write_bytes(seed[:_TEXT_BYTES])
        argv = [sys.executable, __file__, "--one", f"--inputs={inputs}", f"--findings={findings}"]
        done = subprocess.run(
            [*argv, "--", name, corpus], capture_output=True, text=True, check=False
        )
    said = done.stderr + done.stdout
    told = [line for line in said.splitlines() if "Error" in line or "Test unit" in line]
    found = f"FOUND {' | '.join(told[:4]) or said[-2000:]}" if done.returncode else "nothing found"
    sys.stdout.write(f"{name}: {inputs} inputs, {found}\n")
    sys.stdout.flush()
    return done.returncode == 0


def _search(name: str, inputs: int, findings: Path) -> None:
    import atheris  # noqa: PLC0415 - of the group `fuzz`

    with atheris.instrument_imports(include=["harness"]):
        import parsers  # noqa: PLC0415

        from harness.errors import HarnessError  # noqa: PLC0415
    parse = parsers.ALL[name].parse

    def one_input(data: bytes) -> None:
        with contextlib.suppress(HarnessError):
            parse(data)

    limits = (
        f"-runs={inputs}",
        f"-max_len={_TEXT_BYTES}",
        f"-timeout={_LATE_S}",
        f"-rss_limit_mb={_MEMORY_MIB}",
        f"-artifact_prefix={findings}/{name}-",
        "-print_final_stats=1",
    )
    atheris.Setup([sys.argv[0], *limits, sys.argv[-1]], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
