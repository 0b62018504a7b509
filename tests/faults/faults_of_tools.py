# SPDX-License-Identifier: GPL-2.0-only
"""Faults of tools, archives, mirrors, streams, users and signals while a kernel is built.

The kernel is tests/fake_kernel: real git, make and gcc work on it, in a second.
"""

import http.server
import os
import signal
import subprocess  # noqa: TID251 - a build that goes on
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from faults_bench import BUILD, Bench, Done, build, program, without
from faults_rows import Rows
from interrupting import hold

from harness.errors import Exit

ROWS = Rows()
row = ROWS.row


@row("a program that is not installed", "no make", Exit.HOST, said="make is not installed")
def _(bench: Bench) -> Iterator[Done]:
    yield bench.run(*BUILD, env=without(bench.folder, "make"))
    yield build(bench)


@row("a program that is not installed", "no gcc", Exit.HOST, said="gcc is not installed")
def _(bench: Bench) -> Iterator[Done]:
    yield bench.run(*BUILD, env=without(bench.folder, "gcc"))
    yield build(bench)


@row("no git", "not on PATH", Exit.HOST, said="git is not installed")
def _(bench: Bench) -> Iterator[Done]:
    words = ("build", "--kernel", "linux-5.15.180", "--upto", "1")
    yield bench.run(*words, env=without(bench.folder, "git"))
    yield build(bench)


@row("a tool that fails once", "gcc: exit 1", Exit.STAGE, said="internal compiler error")
def _(bench: Bench) -> Iterator[Done]:
    text = 'case "$*" in *version*) exec $real "$@";; esac\necho "gcc: internal compiler error: no"'
    yield bench.run(*BUILD, env=program(bench.folder, "gcc", f"{text}\nexit 1"))
    yield build(bench)


@row("a make that is killed", "kill -9 of itself", Exit.STAGE, said="build: |configure: ")
def _(bench: Bench) -> Iterator[Done]:
    text = 'case "$*" in *vmlinux*) kill -9 $$;; esac\nexec $real "$@"'
    yield bench.run(*BUILD, env=program(bench.folder, "make", text))
    yield build(bench)


@row("a compiler that warns", "on stderr, of its version", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    build(bench)
    yield bench.run(*BUILD, env=program(bench.folder, "gcc", 'echo odd >&2\nexec $real "$@"'))
    assert len(list(bench.cache.glob("kernels/*"))) == 1
    yield build(bench)


def _archive(bench: Bench, cut: int | None, *names: str) -> Path:
    path = bench.folder / "linux-5.15.180.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(bench.folder / "linux-5.15.180", "linux-5.15.180")
        for name in names:
            tar.add(bench.folder / "linux-5.15.180/Makefile", name)
    path.write_bytes(path.read_bytes()[:cut])
    return path


@row("an archive cut short", "half of its bytes", Exit.USAGE, said="truncated or not an archive")
def _(bench: Bench) -> Iterator[Done]:
    yield bench.run("build", "--kernel", str(_archive(bench, 1000)), "--upto", "0")
    yield bench.run("build", "--kernel", str(_archive(bench, None)), "--upto", "0")


@row("an archive that leads out", "../../out", Exit.USAGE, said="leaves the archive's root")
def _(bench: Bench) -> Iterator[Done]:
    path = _archive(bench, None, "linux-5.15.180/../../out")
    yield bench.run("build", "--kernel", str(path), "--upto", "0")
    assert not list(bench.folder.rglob("out"))
    yield build(bench)


for mirror, fault, how, status, said in (
    ("http://127.0.0.1:9", "a mirror that refuses", "a closed port", Exit.HOST, "the network"),
    ("http://[::1", "a mirror that is none", "http://[::1", Exit.USAGE, "no address of a server"),
):
    ROWS.once(
        *(fault, how, status),
        said=said,
        words=("build", "--kernel", "5.15.180"),
        env={"BUDDYLAB_KERNEL_MIRROR": mirror},
    )


def _served(bench: Bench, content: bytes, announced: int) -> Iterator[Done]:
    """Let a mirror answer everything with `content`, and announce so many bytes."""

    class Mirror(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(announced))
            self.end_headers()
            self.wfile.write(content)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirror = {"BUDDYLAB_KERNEL_MIRROR": f"http://127.0.0.1:{server.server_port}"}
        yield bench.run("build", "--kernel", "5.15.180", env=mirror)
        server.shutdown()
    assert not list(bench.cache.glob("sources/*"))
    yield build(bench)


@row("a mirror that lies", "another file", Exit.HOST, said="expected [0-9a-f]{64}")
def _(bench: Bench) -> Iterator[Done]:
    yield from _served(bench, b"lies" * 999, 4 * 999)


@row("a download that is torn", "half of what was announced", Exit.HOST, said="bytes are kept")
def _(bench: Bench) -> Iterator[Done]:
    yield from _served(bench, b"lies" * 999, 8 * 999)


ROWS.once("stdout closed", ">&-", Exit.OK, before="exec >&-")
ROWS.once("stderr closed", "2>&-", Exit.OK, before="exec 2>&-")
ROWS.once(
    *("stdout full", ">/dev/full", Exit.HOST), said="[Nn]o space left", before="exec >/dev/full"
)
ROWS.once("no HOME", "unset", Exit.OK, before="unset HOME")
ROWS.once(
    *("an odd locale", "LC_ALL=tr_TR LANGUAGE=de", Exit.OK),
    env={"LC_ALL": "tr_TR.UTF-8", "LANGUAGE": "de"},
)
ROWS.once("an odd umask", "0077", Exit.OK, before="umask 0077")
ROWS.once(
    *("few open files", "ulimit -n 9", Exit.HOST),
    said="raise the limit of open files",
    before="ulimit -n 9",
)
ROWS.once(
    *("small files only", "ulimit -f 4", Exit.HOST),
    said="[Ff]ile too large",
    before="ulimit -f 4",
)
ROWS.once(
    *("an argument that is no text", r"--kernel \xff", Exit.USAGE),
    said="is not UTF-8",
    words=("build", "--kernel", b"\xff"),
)


@row("a reader that went away", "a closed pipe", Exit.STAGE)
def _(bench: Bench) -> Iterator[Done]:
    build(bench)
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        process = bench.start(*BUILD, stdout=theirs)
    finally:
        os.close(theirs)
    yield bench.ended(process)
    yield build(bench)


def held(bench: Bench) -> subprocess.Popen[bytes]:
    """Start a build and return while make works on the modules."""
    mark = bench.folder / "reached"
    hold(bench.folder / "linux-5.15.180", "modules", mark)
    process = bench.start(*BUILD, env={"BUDDYLAB_HOLD": "1"})
    while not mark.exists() and process.poll() is None:
        time.sleep(0.02)
    return process


def _signalled(number: signal.Signals, fault: str) -> None:
    @row(fault, f"{number.name} while make works", Exit.INTERRUPTED, said="interrupted; what was")
    def _(bench: Bench) -> Iterator[Done]:
        yield bench.killed(held(bench), number)
        yield build(bench)


_signalled(signal.SIGINT, "a build that is interrupted")
_signalled(signal.SIGTERM, "a build that is ended")
_signalled(signal.SIGHUP, "a terminal that is gone")


@row("a build that is killed", "KILL while make works", -signal.SIGKILL, may_leave=True)
def _(bench: Bench) -> Iterator[Done]:
    yield bench.killed(held(bench), signal.SIGKILL, waiting=False)
    # What make had started goes on, and holds the slot: the next run would wait for it.
    while below := bench.processes():
        for pid in below:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        time.sleep(0.1)
    yield build(bench)
