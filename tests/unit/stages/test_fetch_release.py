# SPDX-License-Identifier: GPL-2.0-only
"""fetch X.Y.Z: releases of a mirror, on the loopback, that are listed in its signed sums."""

import base64
import http.server
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HostError, UserError
from harness.host.cache import Cache
from harness.host.download import DigestError, UnreachableError
from harness.host.files import sha256_file
from harness.stages.fetch import fetch, name_of
from harness.stages.sources import release as stage
from harness.texts.build.sums import parse_sums, releases_in, signed_text

MIRROR = Path(__file__).parents[2] / "data" / "mirror"
KEYS = MIRROR / "keys.asc"
KEY = "76363A8FD6BA6BD1BF18EE42AC4D3D28B9AC4734"
KERNEL_ORG = stage.AUTOSIGNER
SUMS = "/v6.x/sha256sums.asc"
ARCHIVE = "/v6.x/linux-6.1.5.tar.xz"
HEADER = "-----BEGIN PGP SIGNED MESSAGE-----"

needs_gpgv = pytest.mark.skipif(shutil.which("gpgv") is None, reason="gpgv is not installed")


@dataclass
class Mirror:
    """What it has, by path, and what was asked of it."""

    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    state = Mirror(
        {
            f"/{path.relative_to(MIRROR).as_posix()}": path.read_bytes()
            for path in MIRROR.glob("v*/*")
        }
    )

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            body = state.files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        url = f"http://127.0.0.1:{httpd.server_address[1]}"
        monkeypatch.setenv("BUDDYLAB_KERNEL_MIRROR", url)
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield state
        httpd.shutdown()


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDDYLAB_KERNEL_KEYRING", str(KEYS))


@pytest.fixture(autouse=True)
def _key_of_the_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GNUPGHOME", raising=False)
    monkeypatch.setattr(stage, "AUTOSIGNER", KEY)


@needs_gpgv
@pytest.mark.usefixtures("trusted")
def test_a_release_is_what_the_signed_sums_say(
    mirror: Mirror, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        source = fetch("6.1.5", cache)

    assert (source.release, source.line, source.origin) == ("6.1.5", "6.1", "6.1.5")
    assert name_of(source.origin) == "6.1.5"
    assert source.digest == sha256_file(MIRROR / "v6.x/linux-6.1.5.tar.xz")
    assert mirror.asked == [SUMS, ARCHIVE]
    assert caplog.text == ""


def test_a_second_fetch_asks_nobody_and_another_mirror_is_asked(
    mirror: Mirror, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fetch("6.1.5", cache)
    assert fetch("6.1.5", cache) == first
    assert len(mirror.asked) == 2

    monkeypatch.setenv("BUDDYLAB_KERNEL_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(UnreachableError):
        fetch("6.1.5", cache)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("end", ["/", "//"])
def test_a_mirror_is_the_same_with_a_slash_at_its_end(
    mirror: Mirror, cache: Cache, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setenv("BUDDYLAB_KERNEL_MIRROR", os.environ["BUDDYLAB_KERNEL_MIRROR"] + end)
    source = fetch("6.1.5", cache)
    assert mirror.asked == [SUMS, ARCHIVE]

    monkeypatch.setenv("BUDDYLAB_KERNEL_MIRROR", os.environ["BUDDYLAB_KERNEL_MIRROR"].rstrip("/"))
    assert fetch("6.1.5", cache) == source
    assert mirror.asked == [SUMS, ARCHIVE]


@needs_gpgv
def test_without_the_key_it_is_said_that_nobody_verified(
    mirror: Mirror, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert fetch("6.1.5", cache).release == "6.1.5"

    (line,) = [record.getMessage() for record in caplog.records]
    assert f"sha256sums.asc WAS NOT VERIFIED: no keyring here has the key {KEY}" in line
    assert "gpg --locate-keys autosigner@kernel.org" in line
    assert mirror.asked == [SUMS, ARCHIVE]


@pytest.mark.usefixtures("mirror", "trusted")
def test_without_gpgv_it_is_said_that_nobody_verified(
    cache: Cache, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "gpgv" else which(name))
    with caplog.at_level(logging.WARNING):
        assert fetch("6.1.5", cache).release == "6.1.5"

    assert "sha256sums.asc WAS NOT VERIFIED: gpgv is not installed" in caplog.text


@needs_gpgv
@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize("place", [".gnupg", "elsewhere"])
def test_keys_that_the_user_has_are_used_and_not_written(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    home = tmp_path / "home" / place
    home.mkdir(parents=True)
    armoured = KEYS.read_text().split("\n\n")[1].partition("\n=")[0]
    (home / "pubring.gpg").write_bytes(base64.b64decode(armoured))
    if place != ".gnupg":
        monkeypatch.setenv("GNUPGHOME", str(home))

    monkeypatch.setattr(stage, "AUTOSIGNER", KERNEL_ORG)
    with pytest.raises(HostError, match=f"is not signed by {KERNEL_ORG}, but by {KEY}"):
        fetch("6.1.5", cache)  # by somebody whom the user knows, who is not kernel.org
    monkeypatch.setattr(stage, "AUTOSIGNER", KEY)
    assert fetch("6.1.5", cache).release == "6.1.5"
    assert [path.name for path in home.iterdir()] == ["pubring.gpg"]


@needs_gpgv
@pytest.mark.usefixtures("mirror")
def test_sums_of_an_unknown_signer_are_refused(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever alters sums can sign them: an unknown key is no lack of ours."""
    monkeypatch.setattr(stage, "AUTOSIGNER", KERNEL_ORG)
    with pytest.raises(HostError, match=f"is not signed by {KERNEL_ORG}, but by {KEY[-16:]}"):
        fetch("6.1.5", cache)

    monkeypatch.setattr(stage, "AUTOSIGNER", KEY)
    (tmp_path / "none.gpg").write_bytes(b"")
    monkeypatch.setenv("BUDDYLAB_KERNEL_KEYRING", str(tmp_path / "none.gpg"))
    with pytest.raises(HostError, match=r"is not signed by a key of \$BUDDYLAB_KERNEL_KEYRING"):
        fetch("6.1.5", cache)


@needs_gpgv
@pytest.mark.usefixtures("trusted")
def test_a_signature_that_cannot_be_read_is_none(mirror: Mirror, cache: Cache) -> None:
    begin, mark, signature = mirror.files[SUMS].partition(b"-----BEGIN PGP SIGNATURE-----\n\n")
    mirror.files[SUMS] = begin + mark + b"AAAA" + signature[4:]

    with pytest.raises(HostError, match="is not signed by a key of .*, but by nobody"):
        fetch("6.1.5", cache)


@needs_gpgv
@pytest.mark.usefixtures("trusted")
def test_sums_that_were_altered_are_refused(mirror: Mirror, cache: Cache) -> None:
    sums = mirror.files[SUMS].decode()
    digest = parse_sums(sums)["linux-6.1.5.tar.xz"]
    mirror.files[SUMS] = sums.replace(digest, digest[::-1]).encode()

    with pytest.raises(HostError, match=r"signature of .*sha256sums\.asc is wrong \(BADSIG\)"):
        fetch("6.1.5", cache)
    assert mirror.asked == [SUMS]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("how", ["unsigned", "twice", "before", "after", "torn", "empty"])
def test_sums_that_are_not_one_signed_text_are_refused(
    mirror: Mirror, cache: Cache, how: str
) -> None:
    sums = mirror.files[SUMS]
    evil = b"0" * 64 + b"  linux-6.1.5.tar.xz\n"
    mirror.files[SUMS] = {
        "unsigned": b"".join(line for line in sums.splitlines(keepends=True) if b"  " in line),
        "twice": sums + sums,
        "before": evil + sums,
        "after": sums + evil,
        "torn": sums[:-100],
        "empty": b"",
    }[how]

    with pytest.raises(HostError, match=r"sha256sums\.asc is not one signed text"):
        fetch("6.1.5", cache)
    assert mirror.asked == [SUMS]
    assert not (cache.root / "sources").exists()


def test_an_archive_that_is_not_what_was_signed_is_refused(mirror: Mirror, cache: Cache) -> None:
    mirror.files[ARCHIVE] += b"x"

    with pytest.raises(DigestError, match=r"linux-6\.1\.5\.tar\.xz has sha256 .*, expected"):
        fetch("6.1.5", cache)
    assert list((cache.root / "downloads").iterdir()) == []


@pytest.mark.parametrize(
    ("release", "instead"),
    [
        ("6.1.99", r"its newest of 6\.1 are 6\.1, 6\.1\.4, 6\.1\.5$"),
        ("6.9", r"its newest are 6\.1, 6\.1\.4, 6\.1\.5, 6\.2, 6\.12\.1$"),
    ],
)
def test_a_release_that_is_not_listed(
    mirror: Mirror, cache: Cache, release: str, instead: str
) -> None:
    with pytest.raises(UserError, match=rf"v6\.x lists no linux-{release}\.tar\.xz; {instead}"):
        fetch(release, cache)
    assert mirror.asked == [SUMS]


def test_a_directory_that_the_mirror_does_not_have(mirror: Mirror, cache: Cache) -> None:
    with pytest.raises(UserError, match=r"v77\.x has no sha256sums\.asc: no release 77\.1 "):
        fetch("77.1", cache)
    assert mirror.asked == ["/v77.x/sha256sums.asc"]


def test_a_mirror_out_of_reach(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDDYLAB_KERNEL_MIRROR", "http://user:secret@127.0.0.1:9")

    with pytest.raises(UnreachableError, match="cannot be read .*--kernel PATH") as caught:
        fetch("6.1.5", cache)
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("mirror")
def test_a_keyring_that_is_not_there(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("gpgv"):
        monkeypatch.setenv("BUDDYLAB_KERNEL_KEYRING", "/nowhere/keys.asc")
        with pytest.raises(UserError, match=r"/nowhere/keys\.asc, which cannot be read"):
            fetch("6.1.5", cache)


@given(st.text())
def test_any_text_is_signed_or_not(text: str) -> None:
    assert signed_text(text) is None or text.startswith(HEADER)
    parse_sums(text)


def test_what_is_signed_is_read_as_gpg_writes_it() -> None:
    text = f"{HEADER}\nHash: SHA512\n\na\n- - dash\n\nb  \r\n-----BEGIN PGP SIGNATURE-----\n\nx\n"
    assert signed_text(f"{text}-----END PGP SIGNATURE-----\n") == "a\n- dash\n\nb\n"


def test_releases_are_in_the_order_of_their_numbers() -> None:
    names = ["linux-6.10.tar.xz", "linux-6.9.12.tar.xz", "linux-6.9.tar.gz", "patch-6.9.xz"]
    # Python refuses to read a number of more than 4300 digits.
    names.append(f"linux-6.{'9' * 5000}.tar.xz")
    assert releases_in(names) == ["6.9.12", "6.10"]
