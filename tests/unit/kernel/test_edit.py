# SPDX-License-Identifier: GPL-2.0-only
"""An edit replaces exact lines that stand once, and says what stands there otherwise."""

import pytest

from harness.errors import StageError, UserError
from harness.texts.build.edit import Edit, Replacement, parse_edit

FILE = "mm/page_alloc.c"
CONTENT = b"a\n\tb();\n}\na\n\tc();\n}\nlast"


def edit(*replacements: tuple[str, str], file: str = FILE) -> Edit:
    return Edit(
        name="x.toml",
        subject="a change",
        replacements=tuple(Replacement(file=file, old=o, new=n) for o, n in replacements),
    )


def test_lines_are_replaced_where_they_stand() -> None:
    changed = edit(("\tb();\n", "\tB();\n\tmore();\n")).applied(FILE, CONTENT)

    assert changed == b"a\n\tB();\n\tmore();\n}\na\n\tc();\n}\nlast"


def test_all_lines_are_looked_for_in_the_file_as_it_was() -> None:
    """Moved lines: the first replacement makes a second one of what the other takes away."""
    moved = edit(("}\na\n", "}\na\n\tb();\n"), ("\tb();\n", ""))

    assert moved.applied(FILE, CONTENT) == b"a\n}\na\n\tb();\n\tc();\n}\nlast"


def test_only_the_named_file_is_edited() -> None:
    assert edit(("\tb();\n", ""), file="mm/other.c").applied(FILE, CONTENT) == CONTENT
    assert edit(("\tb();\n", ""), file="mm/other.c").touched == {"mm/other.c"}


@pytest.mark.parametrize(
    ("old", "said"),
    [
        ("a\n", "has the lines to replace at 1, 4; give more"),
        ("z\n", "has no line 'z', the first to replace"),
        ("a\n\tc();\n\td();\n", r"there is line 6, '}', where '\\td\(\);' is to be"),
        # A line is a whole line: no end of a longer one, and none that lacks its end.
        ("b();\n", r"has no line 'b\(\);'"),
        ("last\n", "has no line 'last', the first"),
        ("c();\n}\nlast\n", r"has no line 'c\(\);'"),
        ("\tc();\n}\nlast\n", r"is line 7, 'last' \(no line end\), where 'last' is to be"),
    ],
)
def test_lines_that_do_not_stand_there_once(old: str, said: str) -> None:
    with pytest.raises(StageError, match=f"x.toml: {FILE} .*{said}"):
        edit((old, "")).applied(FILE, CONTENT)


def test_end_of_file_is_named() -> None:
    with pytest.raises(StageError, match="there is the file's end, where 'c' is to be"):
        edit(("b\nc\n", "")).applied(FILE, b"a\nb\n")


def test_replacements_that_meet_are_refused() -> None:
    with pytest.raises(StageError, match=f"replaces line 2 of {FILE} twice"):
        edit(("a\n\tb();\n", ""), ("\tb();\n}\n", "")).applied(FILE, CONTENT)


GOOD = b"""subject = "s"
[[replace]]
file = "f"
old = '''
a
'''
new = '''
b
'''
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'subject = "s"', b'subject = " "'),
        (b'subject = "s"', b""),
        (b"[[replace]]", b"[[replaces]]"),
        (b"old = '''\na\n'''", b"old = '''\nb\n'''"),
        (b"old = '''\na\n'''", b"old = 'a'"),
        (b"old = '''\na\n'''", b"old = ''"),
        (b"new = '''\nb\n'''", b"new = 'b'"),
        (b"\na\n", b"\n\xfc\n"),
        (b'file = "f"', b"file = 1"),
        (b'file = "f"', b'file = "f"\nline = 3'),
    ],
)
def test_edit_that_is_none_is_refused(before: bytes, after: bytes) -> None:
    assert parse_edit("x.toml", GOOD).replacements == (Replacement(file="f", old="a\n", new="b\n"),)
    assert before in GOOD
    with pytest.raises(UserError, match="x.toml"):
        parse_edit("x.toml", GOOD.replace(before, after))
