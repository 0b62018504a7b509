# SPDX-License-Identifier: GPL-2.0-only
"""Runs the command again and again in processes of its own, its modules imported once.

A program for command_line.py: reads one request a line as JSON (arguments, environment, directory
and the files for both outputs), and answers each with the exit code. It ends with its input.
"""

import json
import os
import runpy
import sys

import harness.cli.main
import harness.pipeline

PRELOADED = (harness.cli.main, harness.pipeline)


def run(request: dict[str, object]) -> None:
    """Be the command: only its imports are there already."""
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    os.chdir(str(request["cwd"]))  # noqa: TID251 - a process of its own
    for number, name in enumerate((os.devnull, request["out"], request["err"])):
        flags = os.O_WRONLY if number else os.O_RDONLY
        os.dup2(os.open(str(name), flags), number)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        for number, mode in enumerate("rww")
    )
    sys.argv = ["harness", *request["arguments"]]  # type: ignore[misc]
    runpy.run_module("harness", run_name="__main__", alter_sys=True)


def status_of(pid: int) -> int:
    """Wait for a child; return its exit code, a signal as a negative number."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def serve() -> None:
    """Answer until nobody asks."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            run(json.loads(line))
            return
        sys.stdout.write(f"{status_of(pid)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
