# SPDX-License-Identifier: GPL-2.0-only
"""fetch: names, downloads, archives, directories; against a real HTTP server on the loopback."""

import hashlib
import http.server
import io
import logging
import shutil
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.digest import git_blob_id
from harness.errors import Exit, HostError, UserError
from harness.host import pristine
from harness.host.cache import Cache
from harness.host.files import sha256_file
from harness.stages import fetch as stage
from harness.stages.fetch import fetch
from harness.stages.sources import debian, description, release
from harness.texts.build.line import PAGE_ALLOC, UPSTREAM, Known, Line, stock_line
from harness.values import LOCAL, KernelSource


@dataclass
class Server:
    """A file server that can tear off, refuse ranges, or lie."""

    content: bytes = b""
    tear_after: int | None = None
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.requests.append((self.path, wanted))
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            body = state.content[start:]
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut, state.tear_after = state.tear_after, None
            self.wfile.write(body[:cut])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state.url = f"http://127.0.0.1:{httpd.server_address[1]}"
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield state
        httpd.shutdown()


@pytest.fixture
def kernel_org(server: Server, archive: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server plays kernel.org and has the archive whose digest is pinned."""
    server.content = archive.read_bytes()
    digest = hashlib.sha256(server.content).hexdigest()
    monkeypatch.setitem(release.ARCHIVE_SHA256, "5.15.180", digest)
    monkeypatch.setenv("BUDDYLAB_KERNEL_MIRROR", server.url)
    return server


def test_release_is_downloaded_checked_and_unpacked(kernel_org: Server, cache: Cache) -> None:
    source = fetch("5.15.180", cache)

    assert source.release == "5.15.180"
    assert source.origin == "5.15.180"
    assert source.page_alloc_upstream is False
    assert (source.tree / "mm/page_alloc.c").exists()
    assert kernel_org.requests == [("/v5.x/linux-5.15.180.tar.gz", None)]


def test_second_fetch_asks_nobody(kernel_org: Server, cache: Cache) -> None:
    first = fetch("5.15.180", cache)
    again = fetch("5.15.180", cache)

    assert again == first
    assert len(kernel_org.requests) == 1


def test_archive_that_was_altered_since_is_brought_again(
    kernel_org: Server, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    source = fetch("5.15.180", cache)
    shutil.rmtree(source.tree.parent)
    archive = cache.root / "downloads/linux-5.15.180.tar.gz"
    archive.write_bytes(archive.read_bytes() + b"x")

    assert fetch("5.15.180", cache) == source
    assert f"{archive} was altered since it was downloaded; downloading it again" in caplog.text
    assert len(kernel_org.requests) == 2


def test_torn_download_continues_where_it_stopped(kernel_org: Server, cache: Cache) -> None:
    kernel_org.tear_after = 100

    assert fetch("5.15.180", cache).release == "5.15.180"
    assert kernel_org.requests[1][1] == "bytes=100-"


def test_wrong_hash_is_refused_and_removed(kernel_org: Server, cache: Cache) -> None:
    kernel_org.content += b"x"

    with pytest.raises(HostError, match="sha256"):
        fetch("5.15.180", cache)
    assert not list((cache.root / "downloads").iterdir())


def test_named_release_never_falls_back(
    cache: Cache, fake_kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDDYLAB_KERNEL_MIRROR", "http://127.0.0.1:9")
    fetch(str(fake_kernel), cache)

    with pytest.raises(HostError, match="cannot be downloaded") as caught:
        fetch("5.15.180", cache)
    assert caught.value.exit_code == Exit.HOST


@pytest.fixture
def upstreams(fake_kernel: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fake kernel, whose allocator passes for upstream's own; kernel.org is out of reach."""
    monkeypatch.setenv("BUDDYLAB_KERNEL_MIRROR", "http://127.0.0.1:9")
    blob = git_blob_id((fake_kernel / PAGE_ALLOC).read_bytes())
    known = Known(release="5.15.180", whose=UPSTREAM, blobs={PAGE_ALLOC: blob})
    line = Line(name="5.15", versions=("5.15",), series=True, known=(known,), config={})
    monkeypatch.setattr(description, "line_for", lambda _version: line)
    return fake_kernel


def test_default_falls_back_on_a_cached_source_and_says_so_in_one_line(
    cache: Cache, upstreams: Path, caplog: pytest.LogCaptureFixture
) -> None:
    local = fetch(str(upstreams), cache)

    with caplog.at_level(logging.WARNING):
        source = fetch(None, cache)

    assert source == local
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("KERNEL.ORG CANNOT BE REACHED")
    assert "\n" not in line


def test_default_prefers_upstreams_own_allocator_to_a_newer_copy(
    cache: Cache, upstreams: Path
) -> None:
    first = fetch(str(upstreams), cache)
    (upstreams / PAGE_ALLOC).write_text("int mine;\n")
    fetch(str(upstreams), cache)

    assert fetch(None, cache) == first


def test_default_is_not_a_tree_that_its_user_changed(
    cache: Cache, upstreams: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (upstreams / PAGE_ALLOC).write_text("int mine;\n")
    mine = fetch(str(upstreams), cache)
    asked: list[str] = []

    def own(name: str, _cache: Cache) -> KernelSource:
        asked.append(name)
        return replace(mine, origin=name)

    monkeypatch.setattr(debian, "own", lambda _cache: "debian:6.1")
    monkeypatch.setattr(debian, "bring", own)

    fetch(None, cache)

    assert asked == ["debian:6.1"]


@pytest.mark.parametrize("name", ["nonsense", "6", "6.1.5.1", "7.7-rc1", "absent@HEAD", "@HEAD"])
def test_unknown_kernel_names_what_there_is(cache: Cache, name: str) -> None:
    with pytest.raises(
        UserError, match=r"5\.15\.180 or 6\.12, debian:LINE, .* DIR@COMMIT"
    ) as caught:
        fetch(name, cache)
    assert caught.value.exit_code == Exit.USAGE
    assert ("DIR@v6.13-rc1" in str(caught.value)) == ("-rc" in name)


def test_a_path_that_is_too_long(cache: Cache) -> None:
    with pytest.raises(UserError, match="cannot be looked at: File name too long"):
        fetch("x" * 300, cache)


def _archive_with(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def _member(name: str, **fields: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(member, key, value)
    return member


@pytest.mark.parametrize(
    "member",
    [
        _member("linux/../../evil", size=1),
        _member("/etc/evil", size=1),
        _member("linux/link", type=tarfile.SYMTYPE, linkname="../../evil"),
        _member("linux/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        _member("linux/link", type=tarfile.LNKTYPE, linkname="../evil"),
        _member("linux/device", type=tarfile.CHRTYPE),
    ],
    ids=["dotdot", "absolute", "symlink", "absolute symlink", "hard link", "device"],
)
def test_archive_that_leaves_its_root_writes_nothing(
    member: tarfile.TarInfo, cache: Cache, tmp_path: Path
) -> None:
    path = _archive_with(tmp_path / "evil.tar", _member("linux/Makefile", size=1), member)

    with pytest.raises(UserError):
        fetch(str(path), cache)
    assert not list(cache.root.glob("sources/*"))
    assert not list(cache.root.glob("tmp/*"))
    assert not (tmp_path / "evil").exists()


def test_torn_archive(cache: Cache, archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-200])

    with pytest.raises(UserError, match="cannot be unpacked|is truncated"):
        fetch(str(archive), cache)
    assert not list(cache.root.glob("sources/*"))


def test_directory_that_is_no_kernel(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(UserError, match="not a kernel source"):
        fetch(str(tmp_path / "empty"), cache)


def test_kernel_of_a_version_that_no_line_covers(cache: Cache, fake_kernel: Path) -> None:
    makefile = fake_kernel / "Makefile"
    makefile.write_text(makefile.read_text().replace("PATCHLEVEL = 15", "PATCHLEVEL = 4"))

    source = fetch(str(fake_kernel), cache)

    assert (source.release, source.line) == ("5.4.180", "5.4")
    assert source.page_alloc_upstream is None


def test_directory_is_imported_and_an_edit_gives_another_digest(
    cache: Cache, fake_kernel: Path
) -> None:
    first = fetch(str(fake_kernel), cache)
    same = fetch(str(fake_kernel), cache)
    (fake_kernel / "mm/page_alloc.c").write_text("int other;\n")
    edited = fetch(str(fake_kernel), cache)

    assert same == first
    assert edited.digest != first.digest
    assert (edited.tree / "mm/page_alloc.c").read_text() == "int other;\n"
    assert "int one;" in (first.tree / "mm/page_alloc.c").read_text()


def test_a_source_that_was_cached_before_its_line_was_known(
    cache: Cache, fake_kernel: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(description, "line_for", stock_line)
    for path in (fake_kernel, archive):
        assert fetch(str(path), cache).line == "5.15"
    line = Line(name="new", versions=("5.15",), series=True, known=(), config={})
    monkeypatch.setattr(description, "line_for", lambda _version: line)

    for path in (fake_kernel, archive):
        assert fetch(str(path), cache).line == "new"


def test_only_what_was_edited_is_read_again(
    cache: Cache, fake_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the digest is that of a source read from its first file to its last."""
    fetch(str(fake_kernel), cache)
    edited = fake_kernel / "mm" / "page_alloc.c"
    edited.write_text(edited.read_text() + "\nint edited;\n")
    read: list[str] = []

    def noted(path: Path) -> str:
        read.append(path.name)
        return sha256_file(path)

    monkeypatch.setattr(pristine, "sha256_file", noted)
    again = fetch(str(fake_kernel), cache)

    assert read == ["page_alloc.c"]
    assert again.digest == fetch(str(fake_kernel), Cache(tmp_path / "fresh")).digest


def test_what_a_build_left_does_not_count(cache: Cache, fake_kernel: Path) -> None:
    first = fetch(str(fake_kernel), cache)
    (fake_kernel / "mm/page_alloc.o").write_text("object")
    (fake_kernel / ".config").write_text("CONFIG_X=y\n")
    (fake_kernel / "vmlinux").write_text("image")
    (fake_kernel / "arch/x86/boot/compressed").mkdir(parents=True)
    (fake_kernel / "arch/x86/boot/compressed/vmlinux").write_text("image")

    assert fetch(str(fake_kernel), cache).digest == first.digest


def test_upstream_file_is_recognised(
    cache: Cache, fake_kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = fetch(str(fake_kernel), cache).page_alloc_blob
    known = Known(release="5.15.180", whose=UPSTREAM, blobs={PAGE_ALLOC: blob})
    line = Line(name="5.15", versions=("5.15",), series=True, known=(known,), config={})
    monkeypatch.setattr(description, "line_for", lambda _version: line)
    (fake_kernel / "README").write_text("another tree, the same allocator\n")

    assert fetch(str(fake_kernel), cache).page_alloc_upstream is True


def test_a_package_is_fetched_by_the_name_it_was_asked_for_by(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What replays an arm knows its kernel by the origin alone."""
    asked: list[object] = []
    monkeypatch.setattr(debian, "bring", lambda name, _cache: asked.append(name))
    fetch(stage.name_of("debian:6.1 6.1.192-2"), cache)
    assert asked == ["debian:6.1"]
    assert stage.name_of("5.15.180") in release.ARCHIVE_SHA256
    assert stage.name_of(LOCAL) is None
    assert stage.name_of(f"{LOCAL} commit 0123") is None
