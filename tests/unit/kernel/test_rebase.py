# SPDX-License-Identifier: GPL-2.0-only
"""A change goes where its lines stand now, if that is one place; else somebody has to say.

Files are drawn as they stand, with `+` and `-` before what a patch adds and removes. The diff is
made by git from the first picture; the second is the file of another release.
"""

import subprocess  # noqa: TID251 - git makes the diffs
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import StageError
from harness.texts.build.diff import Section, groups, sections
from harness.texts.build.edit import LineChanges, Override, Place
from harness.texts.build.rebase import Rebased, rebased

Diff = Callable[[bytes, bytes], Section]


@pytest.fixture(scope="module")
def diff(tmp_path_factory: pytest.TempPathFactory) -> Diff:
    """Return git's own diff of two contents of mm/x.c."""
    folder = tmp_path_factory.mktemp("diff")

    def made(old: bytes, new: bytes) -> Section:
        for side, content in (("a", old), ("b", new)):
            path = folder / side / "mm/x.c"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        argv = ["git", "diff", "--no-index", "--no-prefix", "a/mm/x.c", "b/mm/x.c"]
        done = subprocess.run(argv, cwd=folder, capture_output=True, check=False)
        (section,) = sections(done.stdout)
        return section

    return made


def drawn(picture: str) -> tuple[bytes, bytes]:
    """Read a picture: the file before, and after."""
    lines = picture.removeprefix("\n").splitlines(keepends=True)
    before = "".join(line[2:] or "\n" for line in lines if not line.startswith("+"))
    after = "".join(line[2:] or "\n" for line in lines if not line.startswith("-"))
    return before.encode(), after.encode()


def moved(diff: Diff, patch: str, release: str, *, file: str = "mm/x.c") -> Rebased:
    """Rebase the first picture's change on the second one's file, and expect its change."""
    old, new = drawn(release)
    result = rebased(diff(*drawn(patch)), old, name="0001-x.patch", file=file)
    assert result.content.decode() == new.decode()
    return result


def refused(diff: Diff, patch: str, release: str, *said: str, file: str = "mm/x.c") -> None:
    old, new = drawn(release)
    assert old == new
    with pytest.raises(StageError) as caught:
        rebased(diff(*drawn(patch)), old, name="0001-x.patch", file=file)
    for text in ("0001-x.patch: ", file, *said):
        assert text in str(caught.value)


INSERT = """
  int f(void)
  {
      first();
      second();
+     count();
      third();
      fourth();
  }
"""
FURTHER_AWAY = """
  int f(void)
  {
      another();
      second();
+     count();
      third();
      other();
  }
"""
BETWEEN = """
  int f(void)
  {
      first();
      second();
      between();
      third();
      fourth();
  }
"""


def test_same_file_needs_no_part_of_the_context(diff: Diff) -> None:
    assert moved(diff, INSERT, INSERT).notes == ()


def test_other_context_further_away(diff: Diff) -> None:
    result = moved(diff, INSERT, FURTHER_AWAY)

    assert result.notes == (
        "0001-x.patch: mm/x.c, hunk 1: placed at line 5 by 2 of 6 lines of context",
    )


def test_line_between_the_neighbours_in_a_function_is_for_a_person(diff: Diff) -> None:
    refused(diff, INSERT, BETWEEN, "something else has come between: line 5, '    between();'")


@pytest.mark.parametrize("changed", ["first", "fourth"])
def test_more_lines_on_one_side_do_not_decide_within_a_function(diff: Diff, changed: str) -> None:
    neighbour = "third" if changed == "first" else "second"
    refused(
        diff,
        INSERT,
        BETWEEN.replace(changed, "other"),
        f"it adds lines {'after' if changed == 'first' else 'before'}",
        "something else has come between",
        f"'    {'second' if neighbour == 'third' else 'third'}();'",
    )


def test_one_line_alone_names_no_place(diff: Diff) -> None:
    """Unless it is the one of its kind in the function that the diff names."""
    alone = "\n  a\n  b\n      second();\n  x\n  y\n  z\n"
    refused(diff, INSERT, alone, "has no place", file="Documentation/x.rst")
    in_function = "\n  int f(void)\n  {\n      second();\n+     count();\n  }\n"
    moved(diff, INSERT, in_function)


@pytest.mark.parametrize("gone", ["second", "third"])
def test_one_neighbour_is_enough_where_the_other_is_gone(diff: Diff, gone: str) -> None:
    moved(diff, INSERT, INSERT.replace(f"      {gone}();\n", ""))


def test_function_of_another_name_leaves_the_file(diff: Diff) -> None:
    moved(diff, INSERT, INSERT.replace("int f(void)", "int f_noprof(int a)"))


CHANGE = """
  int f(void)
  {
      first();
-     if (order >= MAX_ORDER)
+     if (order > MAX)
          return NULL;
      fourth();
  }
"""
OTHER_CONTEXT = """
  int f(void)
  {
      before();
-     if (order >= MAX_ORDER)
+     if (order > MAX)
          goto out;
      after();
  }
"""
CHANGED_OTHERWISE = """
  int f(void)
  {
      first();
      if (order > MAX_PAGE_ORDER)
          return NULL;
      fourth();
  }
"""


def test_changed_lines_stand_where_they_are_however_the_context_changed(diff: Diff) -> None:
    moved(diff, CHANGE, OTHER_CONTEXT)


def test_changed_line_that_is_another_one_now(diff: Diff) -> None:
    refused(
        diff,
        CHANGE,
        CHANGED_OTHERWISE,
        "hunk 1 (line 4 of 'int f(void)') has no place",
        "after 3 of its lines there is line 4, '    if (order > MAX_PAGE_ORDER)'",
    )


INCLUDE = """
  #include "internal.h"
  #include "shuffle.h"
  #include "reporting.h"
+ #include "buddy.h"

  /* A comment */
  typedef int x_t;
"""
# One more than the patch knows came behind the last, another in front of it.
MORE_INCLUDES = """
  #include "internal.h"
%s  #include "shuffle.h"
  #include "reporting.h"
+ #include "buddy.h"
  #include "swap.h"

  /* A comment */
  typedef int x_t;
"""


@pytest.mark.parametrize("another", ["", '  #include "page.h"\n'])
def test_line_between_declarations_comes_behind_what_was_added(diff: Diff, another: str) -> None:
    moved(diff, INCLUDE, MORE_INCLUDES % another)


def test_strangers_are_no_neighbours(diff: Diff) -> None:
    """The line above stands far from the lines below: these are more, and they decide."""
    far = "".join(f"  int x{number};\n" for number in range(30))
    moved(
        diff,
        INCLUDE,
        f"""
  #include "reporting.h"

{far}
+ #include "buddy.h"

  /* A comment */
  typedef int x_t;
""",
    )


TWINS = """
  int f(void)
  {
%(long)s      page = get();
      if (page)
%(f)s          goto out;
      return 0;
  }

  int g(void)
  {
%(long)s      page = get();
      if (page)
%(g)s          goto out;
      return 0;
  }
"""
# So that the heading is in no hunk, but behind its @@ alone.
LONG = "".join(f"      f{number}();\n" for number in range(10))
COUNT = "+         count();\n"


@pytest.mark.parametrize("function", ["f", "g"])
@pytest.mark.parametrize("long", ["", LONG])
def test_same_lines_in_two_functions_go_where_the_diff_says(
    diff: Diff, function: str, long: str
) -> None:
    """Also if the functions have changed places: the name tells them apart."""
    patch = TWINS % ({"f": "", "g": "", "long": long} | {function: COUNT})
    moved(diff, patch, patch)
    first, second = patch.split("\n\n")
    moved(diff, patch, f"{second}\n{first.removeprefix(chr(10))}\n")


ONE_FUNCTION = """
  int f(void)
  {
      page = get();
      if (page)
          goto out;
      again();
      page = get();
      if (page)
          goto out;
      return 0;
  }
"""


def test_same_lines_twice_in_one_function_are_refused(diff: Diff) -> None:
    patch = TWINS % {"f": COUNT, "g": "", "long": LONG}
    release = ONE_FUNCTION.replace("return 0", "return 1")
    refused(diff, patch, release, "stand more than once, at lines 5, 9")


ORDERED = """
  one();
  two();
- three();
+ THREE();
  four();
  five();
- six();
+ SIX();
  seven();
"""
ALSO_BEFORE = """
  five();
  six();
  seven();
  one();
  two();
- three();
+ THREE();
  between();
  five();
- six();
+ SIX();
  seven();
"""


def test_group_goes_after_the_one_before_it(diff: Diff) -> None:
    """The lines of the second group stand before the first one, too."""
    moved(diff, ORDERED, ALSO_BEFORE, file="Documentation/x.rst")


def test_code_moved_before_what_stood_before_it_is_refused(diff: Diff) -> None:
    """Without a function's name to go by, order is all there is."""
    patch = "\n" + "".join(f"  line {n}\n" for n in range(20))
    patch = patch.replace("  line 2\n", "- line 2\n+ LINE 2\n")
    patch = patch.replace("  line 17\n", "- line 17\n+ LINE 17\n")
    numbers = [*range(14, 20), *range(14)]
    release = "\n" + "".join(f"  line {n}\n" for n in numbers)
    refused(diff, patch, release, "hunk 2 (line 18", "has no place", file="Documentation/x.rst")


ENDS = """
+ zero();
  one();
  two();
  three();
+ four();
"""
NEW_ENDS = """
  new();
+ zero();
  one();
  two();
  other();
  three();
+ four();
  newer();
"""


def test_start_and_end_of_a_file(diff: Diff) -> None:
    moved(diff, ENDS, NEW_ENDS)


@pytest.mark.parametrize("ends", [(True, True), (True, False), (False, True), (False, False)])
def test_line_end_at_the_end_of_a_file(diff: Diff, ends: tuple[bool, bool]) -> None:
    """A file's last line may lack its end before or after; in the other release it has one."""
    old, new = (b"one\ntwo\nlast" + (b"\n" if end else b"") for end in ends)
    new = new.replace(b"two", b"TWO")
    section = diff(old, new)

    assert rebased(section, old, name="x", file="mm/x.c").content == new
    other = b"zero\n" + old
    assert rebased(section, other, name="x", file="mm/x.c").content == b"zero\n" + new


def test_lost_line_end_is_another_line(diff: Diff) -> None:
    section = diff(b"one\ntwo\nlast", b"one\ntwo\nLAST")
    with pytest.raises(StageError, match=r"line 3, 'last'"):
        rebased(section, b"one\ntwo\nlast\n", name="x", file="mm/x.c")


def test_carriage_return_and_bytes_stay_as_they_are(diff: Diff) -> None:
    section = diff(b"one\r\ntwo\nth\xfcr\n", b"one\r\nTWO\nth\xfcr\n")
    changed = rebased(section, b"zero\none\r\ntwo\nth\xfcr\n", name="x", file="mm/x.c")
    assert changed.content == b"zero\none\r\nTWO\nth\xfcr\n"
    other = rebased(section, b"zero\none\ntwo\nth\xfcr\n", name="x", file="mm/x.c")
    assert other.content == b"zero\none\nTWO\nth\xfcr\n"


@pytest.mark.parametrize("line", ["}", "", "  */", "{"])
def test_line_that_could_stand_anywhere_names_no_place(diff: Diff, line: str) -> None:
    section = diff(b"a();\nb();\n%b\n" % line.encode(), b"a();\nb();\n%b\nnew();\n" % line.encode())
    with pytest.raises(StageError, match="has no place"):
        rebased(section, b"x();\ny();\n%b\n" % line.encode(), name="x", file="mm/x.c")


def test_change_that_is_in_already_is_not_made_twice(diff: Diff) -> None:
    _, new = drawn(INSERT)
    with pytest.raises(StageError, match="has no place|come between"):
        rebased(diff(*drawn(INSERT)), new, name="x", file="mm/x.c")


OVERRIDE = Override(
    file="mm/x.c",
    instead_of="    count();",
    old="    second();\n    between();\n",
    new="    second();\n    between_and_count();\n",
)
TWO_GROUPS = """
  int f(void)
  {
      first();
      second();
+     count();
      third();
      other();
-     fourth();
+     FOURTH();
  }
"""


def test_override_replaces_one_change_of_a_patch(diff: Diff) -> None:
    old, _ = drawn(TWO_GROUPS)
    old = old.replace(b"    third", b"    between();\n    third")
    result = rebased(
        diff(*drawn(TWO_GROUPS)),
        old,
        name="x",
        file="mm/x.c",
        ours=LineChanges(replace=(OVERRIDE,)),
    )

    assert b"    second();\n    between_and_count();\n    third();\n" in result.content
    assert b"    FOURTH();\n" in result.content
    assert b"    count();\n" not in result.content


def test_override_that_names_no_change_or_finds_no_lines_is_refused(diff: Diff) -> None:
    section = diff(*drawn(INSERT))
    old, _ = drawn(INSERT)
    other = Override(file="mm/x.c", instead_of="    counts();", old="    first();\n", new="")
    with pytest.raises(StageError, match="no change has the line '    counts"):
        rebased(section, old, name="x", file="mm/x.c", ours=LineChanges(replace=(other,)))
    with pytest.raises(StageError, match="there is line 5, .*third.* where .*between.* is to be"):
        rebased(section, old, name="x", file="mm/x.c", ours=LineChanges(replace=(OVERRIDE,)))


def test_line_says_where_added_lines_go(diff: Diff) -> None:
    section = diff(*drawn(INSERT))
    old, _ = drawn(INSERT)
    near = Place(file="mm/x.c", of="    count();", before="    first();\n")
    result = rebased(section, old, name="x", file="mm/x.c", ours=LineChanges(place=(near,)))

    assert b"    count();\n    first();\n" in result.content
    assert result.notes == ()
    for wrong, said in (
        (Place(file="mm/x.c", of="    counts();", before="    first();\n"), "no change has"),
        (Place(file="mm/x.c", of="    count();", before="    fifth();\n"), "has no line"),
    ):
        with pytest.raises(StageError, match=said):
            rebased(section, old, name="x", file="mm/x.c", ours=LineChanges(place=(wrong,)))


def test_hunk_that_git_could_misplace_is_known(diff: Diff) -> None:
    """Its lines stand twice, and not where it says: git would take the nearest."""
    body = b"".join(b"\tx%d();\n" % number for number in range(9))
    twice = b"int f(void)\n{\n%b}\n\nint g(void)\n{\n%b}\n" % (body, body)
    section = diff(twice, twice[::-1].replace(b";)(4x", b";)(4X", 1)[::-1])

    assert not section.may_be_misplaced(twice)
    shifted = b"/* new */\n" + twice
    assert section.may_be_misplaced(shifted)
    result = rebased(section, shifted, name="x", file="mm/x.c").content
    assert result.count(b"x4()") == 1
    assert result.index(b"x4()") < result.index(b"int g") < result.index(b"X4()")


def test_sections_and_groups_of_a_mail_with_everything() -> None:
    change = b"""---
 mm/x.c | 2 +-

diff --git a/mm/new.c b/mm/new.c
new file mode 100644
--- /dev/null
+++ b/mm/new.c
@@ -0,0 +1,2 @@
+--- a trap
++++ b/trap
diff --git a/mm/x.c b/mm/x.c
index 1..2 100644
--- a/mm/x.c
+++ b/mm/x.c
@@ -1,4 +1,4 @@ int f(void)
 a
--- removed decrement
+x

 b
@@ -10,2 +10,3 @@
 c
+d
 e
Index: mm/y.c
===================================================================
--- linux.orig/mm/y.c
+++ linux/mm/y.c
@@ -3 +3 @@
-a
+b
diff --git a/mm/z.c b/mm/w.c
rename from mm/z.c
rename to mm/w.c
--
2.39.5
"""
    found = sections(change)

    assert [len(section.hunks) for section in found] == [1, 2, 1, 0]
    assert [
        group.removed for section in found for hunk in section.hunks for group in groups(hunk)
    ] == [(), (b"-- removed decrement\n",), (), (b"a\n",)]
    assert found[1].hunks[0].old == (b"a\n", b"-- removed decrement\n", b"\n", b"b\n")


Lines = st.lists(st.integers(0, 400), min_size=30, max_size=60, unique=True)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    numbers=Lines,
    ours=st.dictionaries(
        st.integers(0, 29), st.sampled_from(["add", "drop", "change"]), min_size=1, max_size=4
    ),
    theirs=st.dictionaries(
        st.integers(0, 29), st.sampled_from(["add", "drop", "change"]), max_size=6
    ),
)
def test_both_changes_are_made_where_they_do_not_touch(
    diff: Diff, numbers: list[int], ours: dict[int, str], theirs: dict[int, str]
) -> None:
    """As a merge would do: lines apart by more than one, in a file whose lines all differ."""
    near = {index + step for index in ours for step in (-1, 0, 1)}
    theirs = {index: kind for index, kind in theirs.items() if index not in near}

    def with_changes(changes: dict[int, str], mark: str) -> bytes:
        text = ""
        for index, number in enumerate(numbers):
            kind = changes.get(index, "keep")
            text += "" if kind == "drop" else f"\tline_{number}();\n" if kind != "change" else ""
            text += f"\t{mark}_{number}();\n" if kind in {"add", "change"} else ""
        return text.encode()

    both = {index: (kind, "ours") for index, kind in ours.items()}
    both |= {index: (kind, "theirs") for index, kind in theirs.items()}
    expected = ""
    for index, number in enumerate(numbers):
        kind, mark = both.get(index, ("keep", ""))
        expected += f"\tline_{number}();\n" if kind in {"keep", "add"} else ""
        expected += f"\t{mark}_{number}();\n" if kind in {"add", "change"} else ""
    base = with_changes({}, "")
    section = diff(base, with_changes(ours, "ours"))

    result = rebased(section, with_changes(theirs, "theirs"), name="x", file="mm/x.c")
    assert result.content.decode() == expected


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    numbers=st.lists(st.integers(0, 3), min_size=12, max_size=40),
    at=st.integers(0, 11),
    prefix=st.lists(st.integers(0, 3), max_size=12),
    suffix=st.lists(st.integers(0, 3), max_size=12),
)
def test_same_lines_everywhere_are_refused_or_right(
    diff: Diff, numbers: list[int], at: int, prefix: list[int], suffix: list[int]
) -> None:
    """The file grew at both ends: what was changed is as it was, and may stand elsewhere, too."""

    def text(values: list[int]) -> bytes:
        return "".join(f"\tline_{value}();\n" for value in values).encode()

    base = text(numbers)
    patched = text(numbers[:at]) + b"\tours();\n" + text(numbers[at + 1 :])
    section = diff(base, patched)
    try:
        result = rebased(section, text(prefix) + base + text(suffix), name="x", file="x.rst")
    except StageError as error:
        said = str(error)
    else:
        said = "more than once" * (result.content == text(prefix) + patched + text(suffix))
    assert "more than once" in said


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_split_without_a_loss_or_an_exception(noise: bytes) -> None:
    text = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n" + noise
    found = sections(text)
    assert b"".join(section.raw for section in found) == text


def test_example_is_what_git_would_apply(diff: Diff, tmp_path: Path) -> None:
    """Where git takes a diff, so do we, and make the same."""
    old, new = drawn(INSERT)
    section = diff(old, new)
    (tmp_path / "mm").mkdir()
    (tmp_path / "mm/x.c").write_bytes(b"// moved down\n" + old)
    (tmp_path / "p").write_bytes(section.raw)
    subprocess.run(["git", "apply", "p"], cwd=tmp_path, check=True)
    assert (tmp_path / "mm/x.c").read_bytes() == rebased(
        section, b"// moved down\n" + old, name="x", file="mm/x.c"
    ).content
