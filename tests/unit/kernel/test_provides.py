# SPDX-License-Identifier: GPL-2.0-only
"""What patches say they provide is what their diffs add; nothing else tells what kernels can do."""

import re
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.assets import asset
from harness.host.series import series_in
from harness.items import COUNTERS, FRAG_PCT
from harness.texts.build.provides import KINDS, debugfs, mode, option, parse_provides, provided
from harness.texts.proc.monitor_details import DETAIL_FILES, LAST_RESORT_FILE
from harness.texts.proc.sysctl import MODE_WORDS

SERIES = series_in(asset("patches") / "series")
# What a line that a patch adds says of each kind. A mode has none: MODE_WORDS are held to those
# of the kernel's documentation below.
ADDED = {
    "option": r"^\+config (BUDDY_MONITOR\w*)",
    "proc": r'^\+.*proc_create_single\("(\w+)"',
    "debugfs": r'^\+\s*debugfs_create_file\("(\w+)"',
    "sysctl": r'^\+\s*\.procname\s*= "(\w+)"',
    "parameter": r'^\+(?:early_param\("|__setup\(")(\w+)',
    "event": r"^\+TRACE_EVENT\((\w+),",
    "symbol": r"^\+EXPORT_SYMBOL_GPL\((\w+)\)",
}
HEADER = re.compile(r'^\+\s*seq_puts\(m, "order (req [\w ]+)\\n"\)', re.MULTILINE)
# The documentation's word for the mode that does nothing.
NEVER, OFF = "never", "off"
MODE = re.compile(r"^\+([0-9]) ([A-Z][a-z]+)[:.] ", re.MULTILINE)


def mail(name: str) -> str:
    return (SERIES.directory / name).read_text()


@pytest.mark.parametrize("name", SERIES.patches)
def test_each_patch_provides_what_it_adds(name: str) -> None:
    words = SERIES.provides[name]
    for kind, pattern in ADDED.items():
        added = dict.fromkeys(re.findall(pattern, mail(name), re.MULTILINE))
        assert {word for word in words if word.startswith(f"{kind}.")} == {
            f"{kind}.{each}" for each in added
        }, kind


def test_columns_are_provided_as_they_come() -> None:
    known: set[str] = set()
    for name in SERIES.patches:
        columns = {word for word in SERIES.provides[name] if word.startswith("column.")}
        headers = HEADER.findall(mail(name))
        told = {f"column.{each}" for header in headers[-1:] for each in header.split()}
        assert columns == told - known, name
        known |= told
    assert known == {f"column.{each}" for each in (*COUNTERS, FRAG_PCT)}


def test_modes_are_provided_by_the_patch_that_documents_them() -> None:
    for name in SERIES.patches:
        found = [word.lower() for _, word in MODE.findall(mail(name))]
        told = {mode(OFF if word == NEVER else word) for word in found}
        assert {word for word in SERIES.provides[name] if word.startswith("mode.")} == told, name
    assert [mode(word) for word in MODE_WORDS] == [
        word for word in provided(SERIES.provides, SERIES.patches) if word.startswith("mode.")
    ]


def test_what_the_harness_asks_for_is_provided() -> None:
    words = provided(SERIES.provides, SERIES.patches)

    assert {word.partition(".")[0] for word in words} == KINDS
    for file in (*DETAIL_FILES, LAST_RESORT_FILE):
        assert debugfs(file.removeprefix("monitor_")) in words
    assert option("CONFIG_BUDDY_MONITOR") in words
    for path in (Path(__file__).parents[3] / "harness").rglob("*.py"):
        # No patch is told by its name, and none is counted.
        assert not re.search(r"00\d\d-mm|len\([\w.]*patches\) *[<>]=? *\d", path.read_text()), path


GOOD = b'"a.patch" = ["option.A", "mode.off"]\n"b.patch" = []\n'


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b'"b.patch" = []\n', b"", "the series disagree about b.patch"),
        (b"b.patch", b"c.patch", "the series disagree about b.patch, c.patch"),
        (b"option.A", b"options.A", "'options.A' is no KIND.NAME; kinds are column, debugfs"),
        (b"option.A", b"option.", "'option.' is no KIND.NAME"),
        (b"option.A", b"A", "'A' is no KIND.NAME"),
        (b"[]", b'["mode.off"]', "names mode.off twice"),
        (b"[]", b"3", "Expected `array`"),
        (b"[]", b"[", "provides.toml: "),
        (b"option.A", b"option.\xfc", "utf-8"),
    ],
)
def test_what_is_wrong_is_refused(before: bytes, after: bytes, said: str) -> None:
    names = ("a.patch", "b.patch")
    assert parse_provides(GOOD, names)["a.patch"] == ("option.A", "mode.off")
    with pytest.raises(UserError, match=re.escape(said)):
        parse_provides(GOOD.replace(before, after), names)


def test_prefix_of_a_series_can_do_less() -> None:
    by_patch = parse_provides(GOOD, ("a.patch", "b.patch"))

    assert provided(by_patch, ("a.patch", "b.patch", "edit.toml")) == ("option.A", "mode.off")
    assert provided(by_patch, ("b.patch",)) == ()
