# SPDX-License-Identifier: GPL-2.0-only
"""review: each gate holds for a good series and fails for one that does what it looks for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import HostError, StageError, UserError
from harness.host.cache import Cache
from harness.host.series import series_in
from harness.jobs import review_gates as gates
from harness.jobs.review import GateOutcome, review, table
from harness.jobs.review_builds import CONFIGURATIONS
from harness.jobs.review_gates import GATES, Findings, Reviewed
from harness.stages.fetch import fetch
from harness.texts.build.review_log import (
    Complaint,
    complaints,
    displaced_hunks,
    new_complaints,
    style_complaints,
)
from harness.values import KernelSource, PatchedTree

SAME_CODE = ("int one;", "int two;", "int two; /* counted */", "int three;")
OTHER_CODE = ("int one;", "int two;", "int TWO;", "int three;")
UNCLEAN = ("int one;", "int two;", "int two; /* warning: unused variable */", "int three;")
REPAIRED = ("int one;", "int two; /* warning: unused variable */", "int two;", "int three;")
ELSEWHERE = ("int three;", "int four;", "int four; /* counted */", "int five;")

# What the gates ask of kbuild: a compiler that finds the warnings that a source asks for.
MAKEFILE = r"""
defconfig allnoconfig: tinyconfig

.PHONY: mm/page_alloc.o mm/
mm/: mm/page_alloc.o
mm/page_alloc.o:
	$(fail)
	@mkdir -p $(O)/mm
	@sed -n 's|.*/[*] \(warning: .*\) [*]/|$(CURDIR)/mm/page_alloc.c:1:1: \1|p' mm/page_alloc.c
	@gcc -c mm/page_alloc.c -o $(O)/mm/page_alloc.o
"""
CHECKPATCH = r"""
open(my $words, ">", ".checkpatch-camelcase.git.");
while (<>) {
	print "$ARGV:$.: WARNING:FILE_PATH_CHANGES: added file\n" if /new file/;
	print "$ARGV:$.: ERROR:SPACING: space missing\n", $found = 1 if /TWO/;
}
exit($found);
"""

WriteSeries = Callable[..., Path]
Judge = Callable[..., GateOutcome]


@pytest.fixture
def source(fake_kernel: Path, cache: Cache) -> KernelSource:
    with (fake_kernel / "Makefile").open("a") as makefile:
        makefile.write(MAKEFILE)
    script = "BEGIN { shift @ARGV while $ARGV[0] =~ /^--/ }" + CHECKPATCH
    (fake_kernel / "scripts/checkpatch.pl").write_text(script)
    return fetch(str(fake_kernel), cache)


@pytest.fixture
def judge(source: KernelSource, cache: Cache, write_series: WriteSeries) -> Judge:
    """Put a series through one gate."""

    def through(
        gate: str, *changes: tuple[str, str, str, str], upstream: bool | None = None
    ) -> GateOutcome:
        (outcome,) = review(
            replace(source, page_alloc_upstream=upstream),
            cache,
            only=[gate],
            series=series_in(write_series(*changes)),
        )
        assert outcome.gate == gate
        return outcome

    return through


def test_checkpatch_says_what_it_expects(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judge("checkpatch", SAME_CODE).held

    bad = judge("checkpatch", OTHER_CODE)
    assert not bad.held
    assert bad.details[0] == "0001-change.patch: line 18: SPACING: space missing"

    monkeypatch.setitem(gates.EXPECTED_STYLE, "SPACING", "a reason")
    expected = judge("checkpatch", OTHER_CODE)
    assert expected.held
    assert expected.details[1].endswith("SPACING: space missing (expected: a reason)")


def test_checkpatch_leaves_nothing_where_the_user_is(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}

    assert judge("checkpatch", SAME_CODE).held
    assert {path.name for path in tmp_path.iterdir()} - before == {"series"}


def test_checkpatch_that_breaks_is_no_pass(judge: Judge, source: KernelSource) -> None:
    script = source.tree / "scripts/checkpatch.pl"
    script.unlink()
    script.write_text('die "no such option";')

    broken = judge("checkpatch", SAME_CODE)
    assert not broken.held
    assert "no such option" in broken.details[0]


def test_patch_in_its_place_applies(judge: Judge) -> None:
    outcome = judge("apply", SAME_CODE, ELSEWHERE, upstream=True)

    assert outcome.held
    assert outcome.details == ("2 patches with --fuzz=0",)


@pytest.mark.parametrize(("upstream", "held"), [(True, False), (False, True), (None, True)])
def test_kept_mail_is_as_it_is_exported_for_upstreams_own_file(
    source: KernelSource,
    cache: Cache,
    write_series: WriteSeries,
    upstream: bool | None,  # noqa: FBT001 - three cases
    held: bool,  # noqa: FBT001
) -> None:
    directory = write_series(SAME_CODE)
    mail = directory / "0001-change.patch"
    mail.write_text(mail.read_text().replace("@@ -2,3 +2,3 @@", "@@ -3,3 +3,3 @@"))

    (outcome,) = review(
        replace(source, page_alloc_upstream=upstream),
        cache,
        only=["apply"],
        series=series_in(directory),
    )
    assert outcome.held is held
    assert outcome.details == (
        ("1 patches with --fuzz=0, of which 1 are other than those kept",)
        if held
        else (
            "0001-change.patch is not as it is exported for upstream's own source",
            "1 patches with --fuzz=0",
        )
    )


def test_patch_that_needs_fuzz_is_wrong(judge: Judge) -> None:
    outcome = judge("apply", SAME_CODE, OTHER_CODE)

    assert not outcome.held
    assert outcome.details[0].startswith("patch: 0002-change.patch: mm/page_alloc.c, hunk 1")


def test_identity_of_code(judge: Judge) -> None:
    assert judge("identity", SAME_CODE).held

    leaking = judge("identity", OTHER_CODE)
    assert not leaking.held
    assert "symbol TWO in .bss (only in the second object)" in leaking.details


def test_new_warning_is_found_in_every_configuration(judge: Judge) -> None:
    unclean = judge("warnings", UNCLEAN)
    assert not unclean.held
    assert [line for line in unclean.details if "warning" in line] == [
        f"{item.name}: mm/page_alloc.c: warning: unused variable" for item in CONFIGURATIONS
    ]


def test_lost_option_is_no_pass(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDDYLAB_DROP", "CONFIG_BUDDY_MONITOR")

    outcome = judge("warnings", SAME_CODE)
    assert not outcome.held
    assert "defconfig did not keep CONFIG_BUDDY_MONITOR=y" in outcome.details[0]


def test_sparse_is_asked(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    # A fresh machine has none, and make asks the fake kernel's.
    for module in ("review", "review_gates"):
        monkeypatch.setattr(f"harness.jobs.{module}.require", lambda program: program)
    assert judge("sparse", SAME_CODE).held
    assert not judge("sparse", UNCLEAN).held


def test_prefix_that_does_not_build_is_named(judge: Judge) -> None:
    assert judge("prefixes", SAME_CODE).held

    broken = judge("prefixes", ("int one;", "int two;", "int two", "int three;"), ELSEWHERE)
    assert not broken.held
    assert broken.details[0].startswith("prefix 1: review: mm/page_alloc.c:3:8: error: ")


def test_warning_that_a_later_patch_repairs_is_found(judge: Judge) -> None:
    outcome = judge("prefixes", UNCLEAN, REPAIRED)

    assert outcome.details[0] == "prefix 1: mm/page_alloc.c: warning: unused variable"
    assert len([line for line in outcome.details if line.startswith("prefix")]) == 1


def test_each_prefix_is_booted_if_asked_to(
    source: KernelSource,
    cache: Cache,
    write_series: WriteSeries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    booted = []

    def fake_boot(_series: Reviewed, tree: PatchedTree) -> None:
        booted.append(tree.patches)
        if len(booted) == 2:
            raise StageError("boot", "it panicked")

    monkeypatch.setattr(gates, "_boot", fake_boot)
    directory = write_series(SAME_CODE, ELSEWHERE)

    (outcome,) = review(source, cache, only=["prefixes"], boots=True, series=series_in(directory))
    assert [len(names) for names in booted] == [0, 1, 2]
    assert outcome.details[0] == "prefix 1: boot: it panicked"


def test_unknown_gate(source: KernelSource, cache: Cache) -> None:
    with pytest.raises(UserError, match="no gate is named style; there are checkpatch, apply"):
        review(source, cache, only=["style"])


def test_what_the_host_lacks_is_no_finding(
    source: KernelSource,
    cache: Cache,
    write_series: WriteSeries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(_series: Reviewed) -> Findings:
        raise HostError("sparse is not installed")

    monkeypatch.setitem(GATES, "sparse", absent)

    with pytest.raises(HostError, match="not installed"):
        review(source, cache, only=["sparse"], series=series_in(write_series(SAME_CODE)))


def test_table() -> None:
    text = table(
        [
            GateOutcome(gate="apply", held=True, details=("6 patches",)),
            GateOutcome(gate="identity", held=False, details=("one", "two " * 30)),
            GateOutcome(gate="warnings", held=False, details=tuple("x" * 25)),
        ]
    )

    lines = text.splitlines()
    assert lines[:4] == [
        "gate        result",
        "apply       held    6 patches",
        "identity    FAILED  one",
        " " * 20 + ("two " * 20).strip(),
    ]
    assert lines[-1].strip() == "and 5 more"
    assert max(map(len, lines)) <= 100


LOG = """  CC      mm/page_alloc.o
/slot/src/mm/page_alloc.c:5333:15: warning: no previous prototype for 'f' [-Wmissing-prototypes]
 5333 | bool f(void)
/slot/src/include/linux/mm.h:7: error: bad constant expression
mm/page_alloc.o: warning: objtool: get_page()+0x1f: unreachable instruction
cc1: all warnings being treated as errors
"""


def test_complaints_are_without_their_lines() -> None:
    assert complaints(LOG, "/slot/src") == (
        Complaint(
            "mm/page_alloc.c", "warning: no previous prototype for 'f' [-Wmissing-prototypes]"
        ),
        Complaint("include/linux/mm.h", "error: bad constant expression"),
        Complaint("mm/page_alloc.o", "warning: objtool: get_page(): unreachable instruction"),
    )


def test_new_complaints_count_in_touched_files_only() -> None:
    own, header = Complaint("mm/a.c", "warning: w"), Complaint("mm.h", "warning: h")

    assert new_complaints([own, header], [own, header, header], ["mm/a.c"]) == ()
    assert new_complaints([own], [own, own, own, header], ["mm/a.c"]) == (own, header)


def test_style_and_hunks_are_read() -> None:
    text = "a/0001.patch:91: WARNING:LONG_LINE: too long\ntotal: 0 errors, 1 warnings\n"
    (found,) = style_complaints(text)
    assert (found.line, found.kind, str(found)) == (91, "LONG_LINE", "line 91: LONG_LINE: too long")

    said = "patching file a\nHunk #2 succeeded at 9 with fuzz 1.\nHunk #3 FAILED at 1.\n"
    assert displaced_hunks(said) == ("Hunk #2 succeeded at 9 with fuzz 1.",)
