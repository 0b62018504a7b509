# SPDX-License-Identifier: GPL-2.0-only
"""Bad input through the `buddylab` command: exit code, message, and a cache left whole."""

import http.server
import io
import shutil
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from command_line import buddylab, names, refused

from harness.errors import Exit
from harness.host.cache import Cache


@dataclass
class Mirror:
    """Plays kernel.org: promises more bytes than it sends, until `content` is all it has."""

    content: bytes = bytes(1000)
    sent_bytes: int | None = None  # None: all
    ranges: list[str | None] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    state = Mirror()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            body = state.content[start:]
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.sent_bytes])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state.env["BUDDYLAB_KERNEL_MIRROR"] = f"http://127.0.0.1:{httpd.server_address[1]}"
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield state
        httpd.shutdown()


def test_unknown_kernel(cache: Cache) -> None:
    refused(
        buddylab("run", "--kernel", "linux-7.7"),
        Exit.USAGE,
        "unknown kernel 'linux-7.7'",
        "use a release such as 5.15.180 or 6.12, debian:LINE",
        "or DIR@COMMIT of a git repository",
    )
    assert names(cache) == []


def test_unknown_patch_of_the_series(cache: Cache, fake_kernel: Path) -> None:
    done = buddylab("patch", "--kernel", str(fake_kernel), "--upto", "0099")

    refused(done, Exit.USAGE, "0099", "0001-mm-page_alloc-count-requests")
    assert names(cache) == []


def test_wrong_hash(cache: Cache, mirror: Mirror) -> None:
    done = buddylab("fetch", "--kernel", "5.15.180", env=mirror.env)

    refused(
        done,
        Exit.HOST,
        "linux-5.15.180.tar.gz has sha256 541b3e9daa09b20b",
        "expected a4713a2bcb229722",
        "the file was removed",
        "try again, or use --kernel PATH",
    )
    assert list((cache.root / "downloads").iterdir()) == []
    assert names(cache) == []


def test_torn_download_is_kept_and_continued(cache: Cache, mirror: Mirror) -> None:
    mirror.sent_bytes = 100
    part = cache.root / "downloads/linux-5.15.180.tar.gz.part"

    torn = buddylab("fetch", "--kernel", "5.15.180", env=mirror.env)

    refused(torn, Exit.HOST, "cannot be downloaded", "500 bytes are kept", "--kernel PATH")
    assert part.stat().st_size == 500
    assert names(cache) == []

    mirror.sent_bytes = None
    refused(buddylab("fetch", "--kernel", "5.15.180", env=mirror.env), Exit.HOST, "has sha256")
    assert mirror.ranges == [None, *(f"bytes={n}-" for n in (100, 200, 300, 400, 500))]
    assert not part.exists()


def test_named_release_out_of_reach(cache: Cache, fake_kernel: Path) -> None:
    """Another 5.15.180 in the cache is not what was asked for."""
    assert buddylab("fetch", "--kernel", str(fake_kernel)).returncode == 0
    nobody = {"BUDDYLAB_KERNEL_MIRROR": "http://127.0.0.1:9"}

    done = buddylab("fetch", "--kernel", "5.15.180", env=nobody)

    refused(done, Exit.HOST, "http://127.0.0.1:9/v5.x/linux-5.15.180.tar.gz", "--kernel PATH")
    assert names(cache) == ["sources"]


def tar(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, size: int = 0, *, link: str = "", kind: bytes = b"") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.linkname = size, link
    info.type = kind or info.type
    return info


@pytest.mark.parametrize(
    "evil",
    [
        member("linux/../../evil", 1),
        member("/etc/evil", 1),
        member("linux/mm", link="../../..", kind=tarfile.SYMTYPE),
        member("linux/mm", link="../evil", kind=tarfile.LNKTYPE),
    ],
    ids=["dotdot", "absolute", "symlink", "hard link"],
)
def test_archive_with_a_path_outside_its_root(
    cache: Cache, tmp_path: Path, evil: tarfile.TarInfo
) -> None:
    path = tar(tmp_path / "evil.tar", member("linux/Makefile", 1), evil)

    done = buddylab("fetch", "--kernel", str(path))

    refused(done, Exit.USAGE, str(path), repr(evil.name), "leaves the archive's root", "not trust")
    assert names(cache) == []
    assert not list(tmp_path.rglob("evil"))


def test_torn_archive(cache: Cache, archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-300])

    done = buddylab("fetch", "--kernel", str(archive))

    refused(done, Exit.USAGE, str(archive), "truncated", "download it again")
    assert names(cache) == []


def test_file_that_is_no_archive(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing\n" * 1000)

    done = buddylab("fetch", "--kernel", str(tmp_path / "notes.txt"))

    refused(done, Exit.USAGE, "notes.txt", "not an archive")
    assert names(cache) == []


@pytest.mark.parametrize("lacking", ["Makefile", "mm/page_alloc.c"])
def test_directory_that_is_no_kernel(cache: Cache, fake_kernel: Path, lacking: str) -> None:
    (fake_kernel / lacking).unlink()

    done = buddylab("fetch", "--kernel", str(fake_kernel))

    refused(done, Exit.USAGE, "not a kernel source", lacking, "holds Makefile and mm/page_alloc.c")
    assert names(cache) == []


@pytest.mark.parametrize(
    "members",
    [
        (member("thing/README", 1),),
        (member("README", 1),),
        (member("thing/Makefile/x", 1), member("thing/mm/page_alloc.c", 1)),
    ],
    ids=["another project", "a single file", "a directory named Makefile"],
)
def test_archive_that_is_no_kernel(
    cache: Cache, tmp_path: Path, members: tuple[tarfile.TarInfo, ...]
) -> None:
    done = buddylab("fetch", "--kernel", str(tar(tmp_path / "thing.tar", *members)))

    refused(done, Exit.USAGE, "not a kernel source", "holds Makefile and mm/page_alloc.c")
    assert names(cache) == []


def test_makefile_of_something_else(cache: Cache, fake_kernel: Path) -> None:
    (fake_kernel / "Makefile").write_text("all:\n\ttrue\n")

    done = buddylab("fetch", "--kernel", str(fake_kernel))

    refused(done, Exit.USAGE, "not a kernel source", "VERSION, PATCHLEVEL and SUBLEVEL")
    assert names(cache) == []


def test_series_on_a_kernel_that_it_is_not_made_for(cache: Cache, fake_kernel: Path) -> None:
    makefile = fake_kernel / "Makefile"
    makefile.write_text(makefile.read_text().replace("PATCHLEVEL = 15", "PATCHLEVEL = 4"))

    done = buddylab("run", "--kernel", str(fake_kernel))

    refused(done, Exit.USAGE, "not made for Linux 5.4.180, but for 5.15", "runs with --upto 0")
    assert names(cache) == ["sources"]


def test_prediction_of_a_kernel_whose_rules_are_not_known(cache: Cache, fake_kernel: Path) -> None:
    makefile = fake_kernel / "Makefile"
    makefile.write_text(makefile.read_text().replace("PATCHLEVEL = 15", "PATCHLEVEL = 4"))

    done = buddylab("predict", "--kernel", str(fake_kernel), "--upto", "0")

    refused(done, Exit.USAGE, "does not know the rules of Linux 5.4.180", "`run` makes")
    assert "kernels" not in names(cache)


def test_patch_that_does_not_apply(cache: Cache, fake_kernel: Path) -> None:
    """Our own series is not for a page allocator of five lines."""
    done = buddylab("patch", "--kernel", str(fake_kernel))

    refused(
        done,
        Exit.STAGE,
        "0001-mm-page_alloc-count-requests-and-outcomes-by-order.patch does not apply",
        "say what this kernel line has instead (patches/README.md)",
    )
    assert names(cache) == ["sources"]


def test_config_option_that_is_not_kept(cache: Cache, fake_kernel: Path) -> None:
    command = ("build", "--kernel", str(fake_kernel), "--upto", "0")

    done = buddylab(*command, env={"BUDDYLAB_DROP": "CONFIG_COMPACTION"})

    refused(
        done, Exit.STAGE, "did not keep CONFIG_COMPACTION=y (is absent)", "add it to the fragment"
    )
    assert names(cache) == ["sources", "trees"]
    assert buddylab(*command).returncode == 0


@pytest.mark.parametrize(
    ("target", "stage"),
    [("vmlinux", "build"), ("modules", "build"), ("olddefconfig", "configure")],
)
def test_compiler_error(cache: Cache, fake_kernel: Path, target: str, stage: str) -> None:
    command = ("build", "--kernel", str(fake_kernel), "--upto", "0")
    text = "mm/page_alloc.c:7:1: error: expected ';' before 'int'"

    done = buddylab(*command, env={"BUDDYLAB_FAIL": target, "BUDDYLAB_FAIL_TEXT": text})

    refused(done, Exit.STAGE, f"buddylab: {stage}: {text}\n", "whole output: ")
    log = Path(done.stderr.rpartition("whole output: ")[2].strip())
    assert f"[{target}] Error 1" in log.read_text()
    assert names(cache) == ["sources", "trees"]

    assert buddylab(*command).returncode == 0
    assert names(cache) == ["kernels", "sources", "trees"]


def test_tool_that_finds_no_space_left_is_the_hosts_matter(cache: Cache, fake_kernel: Path) -> None:
    done = buddylab(
        *("build", "--kernel", str(fake_kernel), "--upto", "0"),
        env={
            "BUDDYLAB_FAIL": "olddefconfig",
            "BUDDYLAB_FAIL_TEXT": "cp: write error: No space left on device",
        },
    )

    refused(done, Exit.HOST, "no space left", str(cache.root), "BUDDYLAB_CACHE")
    assert names(cache) == ["sources", "trees"]


def test_qemu_missing_is_told_before_a_kernel_is_built(
    cache: Cache, fake_kernel: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "env", "gcc", "ld", "make", "git", "find", "cp", "setpriv", "apt-get"):
        if path := shutil.which(name):
            (programs / name).symlink_to(path)

    done = buddylab("run", "--kernel", str(fake_kernel), "--upto", "0", env={"PATH": str(programs)})

    refused(done, Exit.HOST, "qemu-system-x86_64 is not installed", "`buddylab doctor`")
    assert names(cache) == []


def test_compiler_missing(cache: Cache, fake_kernel: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("find", "cp", "git", "setpriv"):
        (programs / name).symlink_to(shutil.which(name) or "")

    done = buddylab(
        *("build", "--kernel", str(fake_kernel), "--upto", "0"), env={"PATH": str(programs)}
    )

    refused(done, Exit.HOST, "gcc is not installed", "`buddylab doctor`")
    assert names(cache) == ["sources", "trees"]


@pytest.mark.parametrize("kind", ["full", "file"])
def test_run_folder_that_is_taken(
    cache: Cache, fake_kernel: Path, tmp_path: Path, kind: str
) -> None:
    taken = tmp_path / "taken"
    if kind == "full":
        taken.mkdir()
        (taken / "precious").write_text("")
    else:
        taken.write_text("precious")

    done = buddylab("run", "--kernel", str(fake_kernel), "--output", str(taken))

    refused(done, Exit.USAGE, str(taken), "name a new folder with --output")
    assert names(cache) == []
