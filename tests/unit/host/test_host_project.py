# SPDX-License-Identifier: GPL-2.0-only
"""Which commit of the project runs: a checkout's own, an installed version's, or unknown."""

import subprocess  # noqa: TID251 - a git checkout to stand in
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.host import assets, project

GIT = ("git", "-c", "user.name=x", "-c", "user.email=x@example.org")


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    project.commit.cache_clear()
    yield
    project.commit.cache_clear()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setattr(assets, "checkout", lambda: folder)
    return folder


def committed(folder: Path) -> str:
    (folder / "file").write_text("one\n")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*GIT, *words], cwd=folder, check=True)
    subprocess.run([*GIT, "tag", "v9"], cwd=folder, check=True)
    argv = [*GIT, "rev-parse", "HEAD"]
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout[:40]


def test_a_checkout_tells_its_commit_whatever_its_tags(checkout: Path) -> None:
    assert project.commit() == project.UNKNOWN
    head = committed(checkout)
    project.commit.cache_clear()
    assert project.commit() == head


def test_a_changed_checkout_says_so(checkout: Path) -> None:
    head = committed(checkout)
    (checkout / "file").write_text("two\n")
    assert project.commit() == f"{head}-dirty"


def test_an_archive_inside_of_anothers_repository_is_unknown(checkout: Path) -> None:
    committed(checkout.parent)
    assert project.commit() == project.UNKNOWN


@pytest.mark.parametrize(
    ("version", "commit"),
    [
        ("0.1.dev7+g0123abc.d20261129", "0123abc"),
        ("0.0.1.dev241+unknown.gd9c072278", "d9c072278"),
        ("1.2", project.UNKNOWN),
        ("0.0.0+unknown", project.UNKNOWN),
    ],
)
def test_an_installed_version_tells_what_it_carries(
    monkeypatch: pytest.MonkeyPatch, version: str, commit: str
) -> None:
    monkeypatch.setattr(assets, "checkout", lambda: None)
    monkeypatch.setattr(project, "__version__", version)
    assert project.commit() == commit
