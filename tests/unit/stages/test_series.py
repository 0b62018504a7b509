# SPDX-License-Identifier: GPL-2.0-only
"""One series for all kernel lines: what lies in patches/, and what a line has of its own."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import StageError, UserError
from harness.host.assets import asset
from harness.host.cache import Cache
from harness.host.git import read_mail
from harness.host.series import design, line_for, line_named, lines, series_for, series_in
from harness.stages.configure import fragment_for
from harness.stages.fetch import fetch
from harness.stages.patch import patch
from harness.texts.build.edit import Edit, Replacement
from harness.texts.build.line import UPSTREAM, Line, line_of, parse_line, stock_line
from harness.texts.build.rules import Rule
from harness.texts.build.series import trailers
from harness.values import Counters, KernelSource

PATCHES = asset("patches")
MAIL = """From: buddylab <buddylab@localhost>
Subject: [PATCH] mm: count

---
diff --git a/mm/page_alloc.c b/mm/page_alloc.c
--- a/mm/page_alloc.c
+++ b/mm/page_alloc.c
@@ -3,3 +3,3 @@
 int two;
-int three;
+int THREE;
 int four;
"""
OVERRIDE = """subject = "this line counts otherwise"

[[replace]]
file = "mm/page_alloc.c"
instead_of = "int three;"
old = '''
int four;
int five;
'''
new = '''
int four;
int count;
int five;
'''
"""


@pytest.fixture
def source(cache: Cache, fake_kernel: Path) -> KernelSource:
    return fetch(str(fake_kernel), cache)


@pytest.fixture
def patches(tmp_path: Path) -> Path:
    """A series of one patch, and a line that has something else instead of its change."""
    for name, text in {
        "series/series": "0001-x.patch\n",
        "series/0001-x.patch": MAIL,
        "lines/5.15/line.toml": 'versions = ["5.15"]\n',
        "lines/6.1/line.toml": 'versions = ["6.1"]\n',
        "lines/6.1/0001-x.toml": OVERRIDE,
    }.items():
        path = tmp_path / "patches" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "patches"


def of_line(source: KernelSource, line: str) -> KernelSource:
    return replace(source, line=line)


def test_line_has_its_own_change_instead(source: KernelSource, cache: Cache, patches: Path) -> None:
    trees = {
        line: patch(source, cache, series=series_for(of_line(source, line), patches))
        for line in ("5.15", "6.1")
    }
    texts = {line: (tree.tree / "mm/page_alloc.c").read_text() for line, tree in trees.items()}

    assert "int THREE;" in texts["5.15"]
    assert "int count;" not in texts["5.15"]
    assert "int THREE;" not in texts["6.1"]
    assert "int four;\nint count;\nint five;" in texts["6.1"]
    assert trees["5.15"].key != trees["6.1"].key
    assert [tree.series_name for tree in trees.values()] == ["linux-5.15", "linux-6.1"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("int three;", "int 3;"), "no change has the line 'int 3;'"),
        (("int four;\nint five;", "int 4;\nint five;"), "has no line 'int 4;'"),
        (("mm/page_alloc.c", "mm/other.c"), "does not change mm/other.c"),
    ],
)
def test_override_that_does_not_fit_is_refused(
    source: KernelSource, cache: Cache, patches: Path, change: tuple[str, str], said: str
) -> None:
    file = patches / "lines/6.1/0001-x.toml"
    file.write_text(OVERRIDE.replace(*change))
    assert file.read_text() != OVERRIDE

    with pytest.raises(StageError, match=f"0001-x.patch.*{re.escape(said)}"):
        patch(source, cache, series=series_for(of_line(source, "6.1"), patches))


def test_line_has_its_own_names(source: KernelSource, cache: Cache, patches: Path) -> None:
    """In what a patch changes, in an edit of the patched kernel, and as whole words only."""
    (patches / "lines/6.1/0001-x.toml").unlink()
    names = '[[rename]]\nold = "THREE"\nnew = "four_\\\\1"\n[[rename]]\nold = "fou"\nnew = "x"\n'
    (patches / "lines/6.1/line.toml").write_text(f'versions = ["6.1"]\n{names}')
    edit = Edit(
        name="e",
        subject="s",
        replacements=(
            Replacement(file="mm/page_alloc.c", old="int THREE;\n", new="int THREE, fou;\n"),
        ),
    )
    tree = patch(source, cache, series=series_for(of_line(source, "6.1"), patches), edit=edit)

    text = (tree.tree / "mm/page_alloc.c").read_text()
    assert "int four_\\1, x;\nint four;\n" in text


def test_line_edits_what_a_patch_leaves(source: KernelSource, cache: Cache, patches: Path) -> None:
    file = patches / "lines/6.1/0001-x.toml"
    own = OVERRIDE.replace('instead_of = "int three;"\n', "").replace("int four;", "int THREE;", 2)
    file.write_text(own.replace("int five;", "int four;"))
    tree = patch(source, cache, series=series_for(of_line(source, "6.1"), patches))

    assert "int THREE;\nint count;\nint four;" in (tree.tree / "mm/page_alloc.c").read_text()


def test_override_of_no_patch_is_refused(source: KernelSource, patches: Path) -> None:
    (patches / "lines/6.1/0002-y.toml").write_text(OVERRIDE)

    with pytest.raises(UserError, match="has something for 0002-y.patch, which the series"):
        series_for(of_line(source, "6.1"), patches)


@pytest.mark.parametrize("known", [False, True])
def test_kernel_without_the_series_is_used_as_it_is(
    source: KernelSource,
    cache: Cache,
    patches: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    known: bool,
) -> None:
    """Also where something is known of its line, such as an option that its guest needs."""
    if known:
        place = patches / "lines/6.2/line.toml"
        place.parent.mkdir()
        place.write_text('versions = ["6.2"]\nseries = false\n[config]\nguest = "CONFIG_X=y\\n"\n')
    monkeypatch.setattr("harness.host.series.asset", lambda _name: patches)
    stock = replace(source, line=line_for("6.2").name, release="6.2.7")

    assert line_for("6.2").config == ({"guest": "CONFIG_X=y\n"} if known else {})
    assert line_named(stock.line) == line_for("6.2")
    for upto in (None, "1", "0001-x.patch"):
        with pytest.raises(UserError, match=r"made for Linux 6\.2\.7, but for 5\.15, 6\.1; as"):
            patch(stock, cache, upto=upto)
    tree = patch(stock, cache, upto="0")
    # What nobody looked at is not predicted; of a known line its file says what differs.
    unknown = () if known else (Rule.NOT_KNOWN.word,)
    assert (tree.patches, tree.provides, tree.series_name) == ((), unknown, "linux-6.2")
    assert (tree.tree / "mm/page_alloc.c").read_bytes() == (
        stock.tree / "mm/page_alloc.c"
    ).read_bytes()


def test_line_that_no_folder_covers_is_without_the_series() -> None:
    assert line_for("5.4") == line_named("5.4") == stock_line("5.4")
    assert not stock_line("5.4").series


GOOD = b"""versions = ["6.1", "6.2"]
[[known]]
release = "6.1.9"
whose = "upstream"
blobs."mm/page_alloc.c" = "abc"
[config]
guest = "CONFIG_X=y\\n"
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'versions = ["6.1", "6.2"]', b"versions = []"),
        (b'versions = ["6.1", "6.2"]', b""),
        (b"[[known]]", b"[[knows]]"),
        (b"guest = ", b"guest "),
        (b"upstream", b"upstre\xe4m"),
        (b'whose = "upstream"', b""),
    ],
)
def test_line_that_is_none_is_refused(before: bytes, after: bytes) -> None:
    assert before in GOOD
    with pytest.raises(UserError, match="line 6.1: line.toml"):
        parse_line("6.1", GOOD.replace(before, after))


def test_line_knows_upstreams_file() -> None:
    line = parse_line("6.1", GOOD)

    assert line.page_alloc_is_upstream("6.1.9", "abc") is True
    assert line.page_alloc_is_upstream("6.1.9", "abd") is False
    assert line.page_alloc_is_upstream("6.1.10", "abc") is None
    debian = parse_line("6.1", GOOD.replace(b"upstream", b"Debian"))
    assert debian.page_alloc_is_upstream("6.1.9", "abc") is None


def test_version_belongs_to_one_line() -> None:
    one, other = (
        Line(name=name, versions=versions, series=True, known=(), config={})
        for name, versions in (("6.1", ("6.1",)), ("6", ("6.1", "6.2")))
    )

    assert line_of("6.2", [one, other]) is other
    assert line_of("6.3", [one, other]) is None
    with pytest.raises(UserError, match="the lines 6.1, 6 all cover Linux 6.1"):
        line_of("6.1", [one, other])


def test_lines_fragment_comes_with_the_flavour_it_is_for(
    source: KernelSource, cache: Cache
) -> None:
    tree = patch(source, cache, upto="0")
    other = patch(of_line(source, "6.1"), cache, upto="0")

    assert "CONFIG_ARCH_RANDOM=y" in fragment_for(tree, "guest", Counters.PERCPU)
    assert "CONFIG_ARCH_RANDOM=y" in fragment_for(tree, "lean", Counters.PERCPU)
    assert "CONFIG_ARCH_RANDOM" not in fragment_for(other, "guest", Counters.PERCPU)


def test_ours_are_whole_unsigned_and_without_a_number(tmp_path: Path) -> None:
    series = series_in(PATCHES / "series")
    mails = {name: (PATCHES / "series" / name).read_bytes() for name in series.patches}

    assert len(mails) > 1
    for name, mail in mails.items():
        head = mail.partition(b"\n\n")[0].replace(b"\n ", b" ")
        assert b"\nFrom: buddylab <buddylab@localhost>\n" in head, name
        assert re.search(rb"^Subject: \[PATCH\] (mm|selftests)", head, re.MULTILINE), name
        assert trailers(read_mail(PATCHES / "series" / name, tmp_path).body) == (), name


def test_our_lines_are_consistent() -> None:
    ours = lines()
    kept = set(series_in(PATCHES / "series").patches)

    assert [line.name for line in ours if line.series] == ["5.15", "6.1", "6.12", "7.3"]
    assert all(line_for(version) == line for line in ours for version in line.versions)
    assert all(line_named(line.name) == line for line in ours)
    assert any(known.whose == UPSTREAM for line in ours for known in line.known)
    overrides = [path for path in PATCHES.glob("lines/*/*.toml") if path.name != "line.toml"]
    assert {f"{path.stem}.patch" for path in overrides} <= kept
    # What lies in a line's folder is used.
    assert {path.suffix for path in PATCHES.glob("lines/*/*")} == {".toml"}


def test_design_is_found_by_name() -> None:
    assert design("sweep").touched == {"mm/buddy_monitor.c", "mm/compaction.c"}
    with pytest.raises(UserError, match="no design sweeping; there are: .*sweep"):
        design("sweeping")
