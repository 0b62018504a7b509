# SPDX-License-Identifier: GPL-2.0-only
"""What nobody foresaw has an exit code and a report of its own; what was foreseen has words."""

import io
import re
import socket  # noqa: TID251 - a server that lies
import subprocess  # noqa: TID251 - the command as a user types it
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import LIMIT_S, argv, buddylab, names, refused

from harness.cli.main import main
from harness.cli.verbs import verbs
from harness.errors import Exit, UserError
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.host.download import UnreachableError, download, require_address

BROKEN = """
from harness.cli.main import entry
from harness.cli.verbs import verbs
def broken(arguments):
    raise ZeroDivisionError("nobody foresaw it")
verbs()["doctor"].act = broken
entry()
"""


def broken(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BROKEN, *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env=env,
    )


def report_of(said: str) -> Path:
    match = re.search(r"the report in (\S+)$", said)
    assert match, said
    return Path(match[1])


def test_a_fault_of_ours_has_its_own_code_and_a_report(cache: Cache, tmp_path: Path) -> None:
    env = {
        "BUDDYLAB_CACHE": str(cache.root),
        "BUDDYLAB_KERNEL_MIRROR": "https://me:secret@mirror.example/linux",
        "TOKEN_OF_MINE": "secret",
    }
    done = broken("doctor", "--install", env=env)

    refused(done, Exit.BUG, "a bug in buddylab (ZeroDivisionError: nobody foresaw it)")
    path = report_of(done.stderr)
    assert path.parent == cache.root
    text = path.read_text()
    assert "arguments: ['doctor', '--install']" in text
    assert "buddylab 0" in text
    assert "Traceback" in text
    assert "in broken" in text
    assert "BUDDYLAB_KERNEL_MIRROR='https://***@mirror.example/linux'" in text
    assert "secret" not in text
    assert list(tmp_path.iterdir()) == [cache.root]


def test_its_report_goes_elsewhere_where_the_cache_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    env = {"BUDDYLAB_CACHE": str(tmp_path / "file/cache"), "TMPDIR": str(tmp_path)}
    done = broken("doctor", env=env)

    refused(done, Exit.BUG, "a bug in buddylab")
    assert report_of(done.stderr).parent == tmp_path


def test_its_report_is_told_where_it_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> int:
        raise ZeroDivisionError("nobody foresaw it")

    monkeypatch.setenv("BUDDYLAB_CACHE", str(tmp_path / "file/cache"))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    monkeypatch.setattr(verbs()["doctor"], "act", broken)
    assert main(["doctor"]) == Exit.BUG
    assert "its report cannot be kept" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (MemoryError(), Exit.HOST),
        (RecursionError("deep"), Exit.BUG),
        (OSError(5, "EIO"), Exit.HOST),
    ],
)
def test_each_has_its_code(
    raised: Exception, code: Exit, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> int:
        raise raised

    monkeypatch.setattr(verbs()["doctor"], "act", broken)
    assert main(["doctor"]) == code
    assert len(list(cache.root.glob("buddylab-bug-*"))) == (code is Exit.BUG)


def with_streams(how: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with streams redirected as a shell does."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {how}', "sh", *argv(*arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


@pytest.mark.parametrize("how", ["2>&- >&- <&-", "2>/dev/full"])
def test_closed_streams_change_nothing(cache: Cache, fake_kernel: Path, how: str) -> None:
    """And nothing that is opened afterwards is taken for one of them."""
    build = ("build", "--kernel", str(fake_kernel), "--upto", "0")
    assert with_streams(how, *build).returncode == Exit.OK
    assert names(cache) == ["kernels", "sources", "trees"]
    assert with_streams(how, "fetch", "--kernel", "nope").returncode == Exit.USAGE


def test_an_answer_that_does_not_fit(cache: Cache, fake_kernel: Path) -> None:
    done = with_streams(">/dev/full", "fetch", "--kernel", str(fake_kernel))

    refused(done, Exit.HOST, "standard output does not take the answer: No space left on device")
    assert str(cache.root) not in done.stderr
    assert names(cache) == ["sources"]


def test_a_reader_that_went_away(cache: Cache, fake_kernel: Path) -> None:
    done = with_streams("| true", "fetch", "--kernel", str(fake_kernel))
    assert (done.returncode, done.stderr.count("Exception")) == (0, 0)
    assert names(cache) == ["sources"]


@pytest.mark.parametrize(
    "address",
    [
        "foo",
        "http://[::1",
        "http://host:port/",
        "http:///v5",
        "gopher://host/",
        "http://h/ö",
        "a b",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UserError, match="here is .*, which is no address of a server; give one"):
        require_address(address, "here")


def test_what_is_an_address() -> None:
    for address in ("http://127.0.0.1:9", "https://host.example/pub/linux", "http://[::1]:80/x"):
        require_address(address, "here")


def test_a_mirror_that_is_no_address(cache: Cache) -> None:
    done = buddylab("fetch", "--kernel", "5.15.180", env={"BUDDYLAB_KERNEL_MIRROR": "foo"})

    refused(done, Exit.USAGE, "$BUDDYLAB_KERNEL_MIRROR is 'foo', which is no address of a server")
    assert not cache.root.exists() or names(cache) == []


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """Give the address of a server that says `answer` to each."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(LIMIT_S)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("200 OK\r\nContent-Length: abc\r\n\r\nx", "announces a Content-Length of 'abc'"),
        ("200 OK\r\nContent-Length: -5\r\n\r\nx", "announces a Content-Length of '-5'"),
        ("302 Found\r\nLocation: http://[::1\r\n\r\n", "leads to no address"),
        ("302 Found\r\nLocation: foo://x\r\n\r\n", "cannot be downloaded"),
        ("200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "cannot be downloaded"),
    ],
)
def test_a_server_that_lies(tmp_path: Path, answer: str, told: str) -> None:
    limit = Deadline.after(LIMIT_S, "the test")
    with (
        server(f"HTTP/1.1 {answer}".encode()) as address,
        pytest.raises(UnreachableError, match=re.escape(told)),
    ):
        download(f"{address}/x", tmp_path / "file", sha256="0" * 64, deadline=limit)


def test_credentials_of_a_mirror_are_not_told(tmp_path: Path) -> None:
    limit = Deadline.after(LIMIT_S, "the test")
    with pytest.raises(UnreachableError, match=re.escape("http://***@127.0.0.1:9/x")) as error:
        download("http://me:secret@127.0.0.1:9/x", tmp_path / "f", sha256="0", deadline=limit)
    assert "secret" not in str(error.value)


def test_an_archive_with_a_malformed_header(cache: Cache, tmp_path: Path) -> None:
    path = tmp_path / "linux.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("linux/Makefile")
        member.pax_headers = {"GNU.sparse.map": "0,x"}  # tarfile raises ValueError
        archive.addfile(member, io.BytesIO())

    done = buddylab("fetch", "--kernel", str(path))

    refused(done, Exit.USAGE, str(path), "is truncated or not an archive")
    assert names(cache) == []


def test_arguments_that_are_no_text(cache: Cache, fake_kernel: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "out\udcff")

    done = buddylab("run", "--kernel", str(fake_kernel), "--output", output)

    refused(done, Exit.USAGE, r"out\udcff' is not UTF-8", "rename the file")
    assert list(tmp_path.glob("out*")) == []
    assert not cache.root.exists()


def test_a_cache_that_is_no_text(fake_kernel: Path, tmp_path: Path) -> None:
    env = {"BUDDYLAB_CACHE": str(tmp_path / "cache\udcff")}

    refused(
        buddylab("fetch", "--kernel", str(fake_kernel), env=env),
        Exit.USAGE,
        r"cache\udcff' is not UTF-8",
        "BUDDYLAB_CACHE",
    )
