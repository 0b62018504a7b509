# SPDX-License-Identifier: GPL-2.0-only
"""Mails that git am and quilt take; then a tree is what `buddylab patch` made, to the byte."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pristine_tree import committed, contents, git, with_git_am, with_quilt

from harness.cli.main import main
from harness.errors import Exit, UserError
from harness.host.cache import Cache
from harness.host.git_repo import Author, own_identity
from harness.host.series import Series, series_for
from harness.jobs.export import export, mails, results_of
from harness.stages.fetch import fetch
from harness.stages.patch import patch
from harness.values import KernelSource

FILE = "mm/page_alloc.c"
AUTHOR = Author(name="Ann Önym", email="ann@example.org")
HEAD = """From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: buddylab <buddylab@localhost>
Date: Sun, 22 Nov 2026 12:01:00 +0000
Subject: [PATCH] mm: {subject}

Because it is so. # not a remark
{more}
---

"""
CHANGE = """diff --git a/mm/page_alloc.c b/mm/page_alloc.c
--- a/mm/page_alloc.c
+++ b/mm/page_alloc.c
@@ -{line},3 +{line},{size} @@
 {before}
{group}
 {after}
"""
FIRST = CHANGE.format(
    line=2, size=3, before="int one;", group="-int two;\n+int TWO;", after="int three;"
)
FILES = """diff --git a/usr/gen_init_cpio b/usr/gen_init_cpio
old mode 100755
new mode 100644
diff --git a/mm/old.c b/mm/old.c
deleted file mode 100644
--- a/mm/old.c
+++ /dev/null
@@ -1 +0,0 @@
-old
diff --git a/mm/bare.c b/mm/bare.c
--- a/mm/bare.c
+++ b/mm/bare.c
@@ -1 +1,2 @@
-bare
\\ No newline at end of file
+bare
+f\xfcnf
\\ No newline at end of file
diff --git a/Documentation/new file.rst b/Documentation/new file.rst
new file mode 100644
--- /dev/null
+++ b/Documentation/new file.rst
@@ -0,0 +1,2 @@
+From nobody
+--{blank}
diff --git "a/mm/\\303\\244.c" "b/mm/\\303\\244.c"
new file mode 100644
--- /dev/null
+++ "b/mm/\\303\\244.c"
@@ -0,0 +1 @@
+---
""".replace("{blank}", " ")
# 6.1 has a line between the neighbours of the first change's context, and no `int five;`.
LAST = CHANGE.format(
    line=5, size=4, before="int four;", group="+int count;\n int five;", after="int six;"
)
OVERRIDE = """subject = "there is no five"

[[replace]]
file = "mm/page_alloc.c"
instead_of = "int count;"
old = '''
int six;
'''
new = '''
int count_six;
int six;
'''
"""

Lines = dict[str, KernelSource]


@pytest.fixture
def patches(tmp_path: Path) -> Path:
    texts = {
        "series/series": "0001-a.patch\n0002-b.patch\n0003-c.patch\n",
        "series/cover-letter.txt": "mm: a series\n\nWhat it is for.\n",
        "series/0001-a.patch": HEAD.format(subject="first", more="") + FIRST,
        "series/0002-b.patch": HEAD.format(
            subject="files,\n of all kinds", more="\n@@ -1 +1 @@ is no hunk\ndiff  of words"
        )
        + FILES,
        "series/0003-c.patch": HEAD.format(subject="last, \u00fc", more="Gr\u00fc\u00dfe") + LAST,
        "lines/5.15/line.toml": 'versions = ["5.15"]\n',
        "lines/6.1/line.toml": 'versions = ["6.1"]\n',
        "lines/6.1/0003-c.toml": OVERRIDE,
    }
    for name, text in texts.items():
        path = tmp_path / "patches" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        encoding = "latin-1" if name.endswith("0002-b.patch") else "utf-8"
        path.write_bytes(text.encode(encoding))
    return tmp_path / "patches"


@pytest.fixture
def sources(fake_kernel: Path, cache: Cache, tmp_path: Path) -> Lines:
    """The fake kernel as two lines, which differ in what the series touches."""
    (fake_kernel / "mm/old.c").write_text("old\n")
    (fake_kernel / "mm/bare.c").write_text("bare")
    own = "int one;\nint two;\nint three;\nint four;\nint five;\nint six;\n"
    (fake_kernel / "mm/page_alloc.c").write_text("/* head */\n" + own)
    later = Path(shutil.copytree(fake_kernel, tmp_path / "linux-6.1.192"))
    changed = own.replace("int three;", "int between;\nint three;").replace("int five;\n", "")
    (later / "mm/page_alloc.c").write_text("/* other\n * head */\n" + changed)
    makefile = (later / "Makefile").read_text()
    makefile = makefile.replace("VERSION = 5", "VERSION = 6", 1).replace("= 15", "= 1", 1)
    (later / "Makefile").write_text(makefile.replace("SUBLEVEL = 180", "SUBLEVEL = 192"))
    return {path.name: fetch(str(path), cache) for path in (fake_kernel, later)}


@pytest.fixture(params=["linux-5.15.180", "linux-6.1.192"])
def source(request: pytest.FixtureRequest, sources: Lines) -> KernelSource:
    return sources[request.param]


@pytest.fixture
def series(source: KernelSource, patches: Path) -> Series:
    return series_for(source, patches)


def copied(source: KernelSource, target: Path) -> Path:
    return Path(shutil.copytree(source.tree, target, symlinks=True))


def test_tree_after_git_am_is_the_tree_that_is_built(
    source: KernelSource, series: Series, cache: Cache, tmp_path: Path
) -> None:
    built = patch(source, cache, series=series)
    written = mails(source, series, cache, author=AUTHOR, target=tmp_path / "mails")
    tree = with_git_am(committed(copied(source, tmp_path / "am")), written)

    assert contents(tree) == contents(built.tree)
    assert contents(tree) != contents(source.tree)
    told = git("log", "--reverse", "--format=%an <%ae> %aI %s|%b", "-3", cwd=tree)
    told = told.replace("+00:00 ", "Z ")  # as git writes it since 2.45
    assert told.count("Ann Önym <ann@example.org> 2026-11-22T12:01:00Z mm: ") == 3
    assert "mm: first|Because it is so. # not a remark\n" in told
    assert "mm: files, of all kinds|" in told
    assert "Grüße\n" in told


@pytest.mark.skipif(
    shutil.which("quilt") is None, reason="quilt is not installed (doctor --review)"
)
def test_tree_after_quilt_is_the_tree_that_is_built(
    source: KernelSource, series: Series, cache: Cache, tmp_path: Path
) -> None:
    built = patch(source, cache, series=series)
    mails(source, series, cache, author=AUTHOR, target=tmp_path / "mails")
    tree = copied(source, tmp_path / "quilt")
    said = with_quilt(tree, tmp_path / "mails")

    assert contents(tree) == contents(built.tree)
    assert "fuzz" not in said
    assert "offset" not in said


def test_each_mail_has_its_number_and_no_more_than_git_needs(
    source: KernelSource, series: Series, cache: Cache, tmp_path: Path
) -> None:
    written = mails(source, series, cache, author=AUTHOR, target=tmp_path / "mails")
    texts = [path.read_bytes().decode(errors="replace") for path in written]

    for number, text in enumerate(texts, start=1):
        assert re.search(rf"^Subject: .*\[PATCH {number}/3\]", text, re.MULTILINE)
        assert text.startswith("From 0000000000000000000000000000000000000000 ")
        assert "buddylab@localhost" not in text
        assert "Signed-off-by" not in text
    assert [path.name for path in written] == ((tmp_path / "mails/series").read_text().splitlines())


def test_letter_tells_the_base_and_that_there_are_no_results(
    sources: Lines, patches: Path, cache: Cache, tmp_path: Path
) -> None:
    source = sources["linux-6.1.192"]
    series = series_for(source, patches)
    letter, *rest = export(
        source, cache, author=AUTHOR, target=tmp_path / "out", series=series, results=tmp_path
    )

    text = letter.read_text()
    assert letter.name == "0000-cover-letter.patch"
    assert len(rest) == 3
    assert re.search(r"^Subject: \[PATCH 0/3\] mm: a series$", text, re.MULTILINE)
    assert "\nWhat it is for.\n\nThere are no results for Linux 6.1 yet.\n" in text
    assert (
        f"\nbase: Linux 6.1.192 (local)\nmm/page_alloc.c: git blob {source.page_alloc_blob}\n"
        in text
    )
    assert "base-commit" not in text
    assert "*** " not in text
    assert " mm/page_alloc.c " in text


def test_commit_of_a_checkout_is_told_if_the_source_is_that_commit(
    sources: Lines, patches: Path, cache: Cache, tmp_path: Path, fake_kernel: Path
) -> None:
    source = sources["linux-5.15.180"]
    series = series_for(source, patches)
    head = git("rev-parse", "HEAD", cwd=committed(fake_kernel)).strip()

    def letter(folder: str, tree: Path) -> str:
        first, *_ = export(
            source,
            cache,
            author=AUTHOR,
            target=tmp_path / folder,
            series=series,
            checkout=tree,
            results=tmp_path,
        )
        return first.read_text()

    assert f"\nbase-commit: {head}\n" in letter("one", fake_kernel)
    first, *_ = export(
        fetch(f"{fake_kernel}@HEAD", cache),
        cache,
        author=AUTHOR,
        target=tmp_path / "commit",
        series=series,
        results=tmp_path,
    )
    assert f"(local commit {head})\n" in first.read_text()
    assert f"\nbase-commit: {head}\n" in first.read_text()
    assert "base-commit" not in letter("two", fake_kernel / "mm")
    (fake_kernel / "mm/old.c").write_text("other\n")
    git("commit", "--quiet", "--all", "--message=other", cwd=fake_kernel)
    assert "base-commit" not in letter("three", fake_kernel)


def test_carriage_returns_are_not_exported(
    sources: Lines, patches: Path, cache: Cache, tmp_path: Path
) -> None:
    """Git am takes them for a mailer's, and the tree would be another."""
    source = sources["linux-5.15.180"]
    mail = patches / "series/0001-a.patch"
    mail.write_bytes(mail.read_bytes().replace(b"+int TWO;\n", b"+int TWO;\r\n"))
    series = series_for(source, patches)
    assert b"TWO;\r\n" in (patch(source, cache, series=series).tree / FILE).read_bytes()

    with pytest.raises(UserError, match="0001-a.patch changes mm/page_alloc.c, .* CR LF"):
        mails(source, series, cache, author=AUTHOR, target=tmp_path / "mails")
    assert not (tmp_path / "mails").exists()


@pytest.fixture
def home(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which git knows nobody; the cache is in none."""
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    assert not cache.root.exists()
    return tmp_path / "home"


@pytest.mark.usefixtures("home")
def test_the_verb_answers_as_json(
    source: KernelSource,
    patches: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (("user.name", AUTHOR.name), ("user.email", AUTHOR.email)):
        git("config", "--global", name, value, cwd=tmp_path)
    monkeypatch.setattr("harness.jobs.export.series_for", lambda one: series_for(one, patches))
    monkeypatch.chdir(tmp_path)
    words = ("export", "--kernel", str(source.tree), "--output", "mails")

    assert main([*words, "--json"]) == Exit.OK
    answer = json.loads(capsys.readouterr().out)
    assert answer["release"] == source.release
    assert answer["author"] == "Ann \u00d6nym <ann@example.org>"
    assert answer["folder"] == str(tmp_path / "mails")
    assert [Path(each).name[:4] for each in answer["mails"]] == ["0001", "0002", "0003"]
    assert all((tmp_path / each).is_file() for each in (answer["letter"], *answer["mails"]))
    assert main([*words, "--json"]) == Exit.USAGE
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("known", [(), ("user.name",), ("user.email",)])
@pytest.mark.usefixtures("home")
def test_nobody_sends_nothing(
    known: tuple[str, ...],
    cache: Cache,
    fake_kernel: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in known:
        git("config", "--global", name, "somebody", cwd=tmp_path)

    assert main(["export", "--kernel", str(fake_kernel)]) == Exit.USAGE
    assert 'git config --global user.name "Your Name"' in caplog.text
    assert "git config --global user.email you@example.org" in caplog.text
    assert not cache.root.exists()
    for name in ("user.name", "user.email"):
        git("config", "--global", name, name, cwd=tmp_path)
    assert own_identity() == Author(name="user.name", email="user.email")


def test_saved_results_are_of_the_line_or_of_another(
    sources: Lines, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = sources["linux-5.15.180"]
    results = Path(__file__).parents[3] / "docs/results"
    ours = results_of(source, results)
    others = results_of(sources["linux-6.1.192"], results)

    assert ours
    assert not set(ours) & set(others)
    for one in (*ours.values(), *others.values()):
        assert one.arms
    (tmp_path / "x").mkdir()
    (tmp_path / "x/results.json.gz").write_bytes(b"no results")
    assert results_of(replace(source, line="5.15"), tmp_path) == {}
    assert "x/results.json.gz is damaged" in caplog.text
