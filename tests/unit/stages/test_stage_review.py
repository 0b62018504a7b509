# SPDX-License-Identifier: GPL-2.0-only
"""review: each gate holds for a good series and fails for one that does what it looks for."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.errors import HostError, StageError, UserError
from harness.host.cache import Cache
from harness.host.command import run
from harness.host.deadline import Deadline
from harness.host.series import series_in
from harness.jobs import review as reviews
from harness.jobs import review_gates as gates
from harness.jobs import review_selftests
from harness.jobs.review import review, review_lines
from harness.jobs.review_builds import CONFIGURATIONS, compile_objects
from harness.jobs.review_compiled import touched_objects
from harness.jobs.review_gates import GATES
from harness.jobs.reviewed import Findings, Reviewed
from harness.report.checklist import GateOutcome, State
from harness.stages.fetch import fetch
from harness.texts.build.additions import File
from harness.texts.build.review_log import (
    Complaint,
    complaints,
    deep_stacks,
    displaced_hunks,
    new_complaints,
    stacks,
    style_complaints,
)
from harness.values import KernelSource, PatchedTree

SAME_CODE = ("int one;", "int two;", "int two; /* counted */", "int three;")
OTHER_CODE = ("int one;", "int two;", "int TWO;", "int three;")
UNCLEAN = ("int one;", "int two;", "int two; /* warning: unused variable */", "int three;")
BROKEN = ("int one;", "int two;", "int BREAK;", "int three;")
REPAIRED = ("int one;", "int two; /* warning: unused variable */", "int two;", "int three;")
ELSEWHERE = ("int three;", "int four;", "int four; /* counted */", "int five;")

# What the gates ask of kbuild: a compiler that finds the warnings that a source asks for.
MAKEFILE = r"""
defconfig allnoconfig allmodconfig: tinyconfig

.PHONY: mm/page_alloc.o mm/
mm/: mm/page_alloc.o
mm/page_alloc.o:
	$(fail)
	@mkdir -p $(O)/mm
	@sed -n 's|.*/[*] \(warning: .*\) [*]/|$(CURDIR)/mm/page_alloc.c:1:1: \1|p' mm/page_alloc.c
	@gcc -Werror $(KCFLAGS) -c mm/page_alloc.c -o $(O)/mm/page_alloc.o
"""
CHECKPATCH = r"""
open(my $words, ">", ".checkpatch-camelcase.git.");
while (<>) {
	die "no such option" if /^\+int BREAK/;
	print "$ARGV:$.: WARNING:FILE_PATH_CHANGES: added file\n" if /new file/;
	print "$ARGV:$.: ERROR:SPACING: space missing\n", $found = 1 if /TWO/;
}
exit($found);
"""

KERNEL_DOC = r"""#!/bin/sh
shift
if grep -q BREAK "$1"; then echo broken; exit 3; fi
if grep -q TWO "$1"; then echo "$1:3: warning: bad line" >&2; fi
"""

WriteSeries = Callable[..., Path]
Judge = Callable[..., GateOutcome]


@pytest.fixture
def source(fake_kernel: Path, cache: Cache) -> KernelSource:
    with (fake_kernel / "Makefile").open("a") as makefile:
        makefile.write(MAKEFILE)
    script = "BEGIN { shift @ARGV while $ARGV[0] =~ /^--/ }" + CHECKPATCH
    (fake_kernel / "scripts/checkpatch.pl").write_text(script)
    with (fake_kernel / "mm/page_alloc.c").open("a") as code:
        code.write("int sign(unsigned int value) { return value < 0; }\n")
    kernel_doc = fake_kernel / "scripts/kernel-doc"
    kernel_doc.write_text(KERNEL_DOC)
    kernel_doc.chmod(0o755)
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
            fresh=True,
            series=series_in(write_series(*changes)),
        )
        assert outcome.gate == gate
        return outcome

    return through


def test_checkpatch_says_what_it_expects(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judge("checkpatch", SAME_CODE).state is State.HELD

    bad = judge("checkpatch", OTHER_CODE)
    assert bad.state is State.FAILED
    assert bad.details[0] == "0001-change.patch: line 18: SPACING: space missing"

    monkeypatch.setitem(gates.EXPECTED_STYLE, "SPACING", "a reason")
    expected = judge("checkpatch", OTHER_CODE)
    assert expected.state is State.HELD
    assert expected.details[1].endswith("SPACING: space missing (expected: a reason)")


def test_checkpatch_leaves_nothing_where_the_user_is(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}

    assert judge("checkpatch", SAME_CODE).state is State.HELD
    assert {path.name for path in tmp_path.iterdir()} - before == {"series"}


def test_checkpatch_that_breaks_is_no_pass(judge: Judge) -> None:
    broken = judge("checkpatch", BROKEN)
    assert broken.state is State.FAILED
    assert "no such option" in broken.details[0]


def test_patch_in_its_place_applies(judge: Judge) -> None:
    outcome = judge("apply", SAME_CODE, ELSEWHERE, upstream=True)

    assert outcome.state is State.HELD
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
    assert (outcome.state is State.HELD) is held
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

    assert outcome.state is State.FAILED
    assert outcome.details[0].startswith("patch: 0002-change.patch: mm/page_alloc.c, hunk 1")


def test_identity_of_code(judge: Judge) -> None:
    assert judge("identity", SAME_CODE).state is State.HELD

    leaking = judge("identity", OTHER_CODE)
    assert leaking.state is State.FAILED
    assert "symbol TWO in .bss (only in the second object)" in leaking.details


def test_new_warning_is_found_in_every_configuration(judge: Judge) -> None:
    unclean = judge("warnings", UNCLEAN)
    assert unclean.state is State.FAILED
    assert [line for line in unclean.details if "warning" in line] == [
        f"{item.name}: mm/page_alloc.c: warning: unused variable" for item in CONFIGURATIONS
    ]


def test_lost_option_is_no_pass(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDDYLAB_DROP", "CONFIG_BUDDY_MONITOR")

    outcome = judge("warnings", SAME_CODE)
    assert outcome.state is State.FAILED
    assert "defconfig did not keep CONFIG_BUDDY_MONITOR=y" in outcome.details[0]


def test_sparse_is_asked(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    # A fresh machine has none, and make asks the fake kernel's.
    for module in ("review", "review_compiled"):
        monkeypatch.setattr(f"harness.jobs.{module}.require", lambda program: program)
    assert judge("sparse", SAME_CODE).state is State.HELD
    assert judge("sparse", UNCLEAN).state is State.FAILED


def test_prefix_that_does_not_build_is_named(judge: Judge) -> None:
    assert judge("prefixes", SAME_CODE).state is State.HELD

    broken = judge("prefixes", ("int one;", "int two;", "int two", "int three;"), ELSEWHERE)
    assert broken.state is State.FAILED
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


def test_prefix_before_a_changed_patch_is_not_built_again(
    source: KernelSource, cache: Cache, write_series: WriteSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []

    def counted(*asked: Any, **more: Any) -> tuple[Complaint, ...]:
        built.append(asked)
        return compile_objects(*asked, **more)

    monkeypatch.setattr(gates, "compile_objects", counted)

    def prefixes(*changes: tuple[str, str, str, str], **more: bool) -> int:
        built.clear()
        series = series_in(write_series(*changes))
        (outcome,) = review(source, cache, only=["prefixes"], series=series, **more)
        assert outcome.state is State.HELD
        return len(built)

    assert prefixes(SAME_CODE) == 2  # none, and one patch
    assert prefixes(SAME_CODE, ELSEWHERE) == 1
    assert prefixes(SAME_CODE, ELSEWHERE, fresh=True) == 3


def test_a_source_that_another_includes_has_no_object_of_its_own(tmp_path: Path) -> None:
    """As a test of static functions, which does not compile alone."""
    (tmp_path / "mm").mkdir()
    (tmp_path / "mm/tested.c").write_text('int one;\n#include "tested_test.c"\n')
    for name in ("tested_test", "other"):
        (tmp_path / f"mm/{name}.c").write_text("int two;\n")
    touched = ("mm/tested.c", "mm/tested_test.c", "mm/other.c", "mm/later.c", "mm/some.h")
    series: Any = SimpleNamespace(touched=touched)
    tree: Any = SimpleNamespace(tree=tmp_path)

    assert touched_objects(series, tree) == ["mm/other.o", "mm/tested.o"]


SAID = {"kunit": "KTAP version 1\n1..1\nok 1 backoff\n", "kselftest": "TAP version 13\n1..2\n"}


@pytest.mark.parametrize(
    ("boots", "last", "state", "told"),
    [
        (True, "ok 1 a\nok 2 b\n", State.HELD, "kselftest, buddy_monitor=off: 2 tests"),
        (True, "ok 1 a\n# 0 is taken\nnot ok 2 b\n", State.FAILED, "kselftest: b / 0 is taken"),
        (True, "ok 1 a\nok 2 b # SKIP\n", State.HELD, "kselftest: 2 tests, skipped: b"),
        (True, "ok 1 a\n", State.FAILED, "ktap: 1 results where 2 were planned"),
        (False, "", State.NOT_JUDGED, "its kernel is booted with --boot alone"),
    ],
)
def test_kernels_own_tests_are_judged(
    source: KernelSource,
    cache: Cache,
    write_series: WriteSeries,
    monkeypatch: pytest.MonkeyPatch,
    *,
    boots: bool,
    last: str,
    state: State,
    told: str,
) -> None:
    def said(*asked: Any) -> Iterator[tuple[str, str]]:
        for kind in asked[3]:
            yield kind, SAID[kind] + (last if kind == "kselftest" else "")

    monkeypatch.setattr(review_selftests, "option", lambda _name: "option.BUDDY_MONITOR")
    monkeypatch.setattr(review_selftests, "build", lambda *_, **__: None)
    monkeypatch.setattr(review_selftests, "guest", lambda *_: None)
    monkeypatch.setattr(review_selftests, "_said", said)
    series = series_in(write_series(SAME_CODE))
    (outcome,) = review(source, cache, only=["selftests"], boots=boots, series=series)
    assert outcome.state is state
    assert any(told in detail for detail in outcome.details), outcome.details


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


def test_what_did_not_change_is_taken_from_the_cache(
    source: KernelSource, cache: Cache, write_series: WriteSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = write_series(SAME_CODE)

    def apply(**more: bool) -> GateOutcome:
        (outcome,) = review(source, cache, only=["apply"], series=series_in(directory), **more)
        return outcome

    first, again = apply(), apply()
    assert (first.cached, again.cached) == (False, True)
    assert replace(again, cached=False) == first
    assert not apply(fresh=True).cached
    monkeypatch.setattr(reviews, "_version", lambda program: f"{program} 2.0")
    assert not apply().cached
    assert apply().cached
    mail = directory / "0001-change.patch"
    mail.write_text(mail.read_text().replace("change 1", "changed 1"))
    assert not apply().cached
    monkeypatch.setattr(reviews, "_recipe", lambda: "another")
    assert not apply().cached
    monkeypatch.setattr(reviews, "fragment_for", lambda *_: "CONFIG_OTHER=y\n")
    assert not apply().cached


def test_what_fails_is_told_again_from_the_cache_and_an_error_is_not(
    source: KernelSource, cache: Cache, write_series: WriteSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = series_in(write_series(OTHER_CODE))
    states = []
    for _ in range(2):
        (outcome,) = review(source, cache, only=["identity"], series=series)
        states.append((outcome.state, outcome.cached))
    assert states == [(State.FAILED, False), (State.FAILED, True)]

    monkeypatch.setenv("BUDDYLAB_DROP", "CONFIG_BUDDY_MONITOR")
    for _ in range(2):
        (outcome,) = review(source, cache, only=["warnings"], series=series)
        assert (outcome.state, outcome.cached) == (State.FAILED, False)


def test_a_tool_that_is_late_judges_nothing(
    source: KernelSource, cache: Cache, write_series: WriteSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(_series: Reviewed) -> Findings:
        run(["sleep", "30"], deadline=Deadline.after(0.05, "it"))
        raise AssertionError

    monkeypatch.setitem(GATES, "apply", late)
    series = series_in(write_series(SAME_CODE))

    (outcome,) = review(source, cache, only=["apply"], series=series)
    assert (outcome.state, outcome.cached) == (State.NOT_JUDGED, False)
    assert "sleep 30: not done" in outcome.details[0]
    (again,) = review(source, cache, only=["apply"], series=series)
    assert not again.cached


def test_a_line_that_nobody_named_may_be_out_of_reach(
    source: KernelSource, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(kernel: str, _cache: Cache) -> KernelSource:
        if kernel != "5.15.180":
            raise HostError(f"{kernel} cannot be reached; connect")
        return source

    monkeypatch.setattr(reviews, "fetch", fetched)
    monkeypatch.setitem(GATES, "ioctls", lambda _: Findings(notes=("none",)))

    found = review_lines((), cache, only=["ioctls"])
    assert [one.release for one in found] == ["5.15.180", None, None, None]
    assert found[1].why_not == "debian:6.1 cannot be reached; connect"
    with pytest.raises(HostError, match="debian:6.1 cannot"):
        review_lines(("5.15.180", "debian:6.1"), cache, only=["ioctls"])
    monkeypatch.setattr(reviews, "fetch", lambda kernel, _: fetched(f"no {kernel}", cache))
    with pytest.raises(HostError, match="none of 5.15.180, debian:6.1"):
        review_lines((), cache, only=["ioctls"])


def test_each_word_size_is_compiled_for(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.jobs.review_compiled.CROSS", {"s390": "absent-"})

    held = judge("arch", SAME_CODE)
    assert held.state is State.HELD
    assert held.details[0] == "mm/page_alloc.o for i386"
    assert "absent-gcc is not installed" in held.details[1]
    unclean = judge("arch", UNCLEAN)
    assert unclean.details[0] == "i386: mm/page_alloc.c: warning: unused variable"


def test_a_deep_stack_is_found(judge: Judge) -> None:
    assert judge("stack", SAME_CODE).details == (
        "mm/page_alloc.o: mm/page_alloc.o: sign has the deepest stack, 16 bytes",
    )
    deep = "int deep(int at) { volatile char room[800]; room[at] = 1; return room[at]; }"
    outcome = judge("stack", ("int one;", "int two;", f"int two; {deep}", "int three;"))
    assert outcome.state is State.FAILED
    assert re.fullmatch(
        r"mm/page_alloc\.o: deep: \d{3} bytes of stack, no such function before",
        outcome.details[0],
    )
    assert deep_stacks({"two": 200}, {"two": 600, "one": 512}, 512) == (
        "two: 600 bytes of stack, 200 before",
    )
    assert deep_stacks({"two": 600}, {"two": 600}, 512) == ()


def test_more_warnings_are_no_errors_even_where_a_config_makes_them_so(judge: Judge) -> None:
    assert judge("extra-warnings", SAME_CODE).state is State.HELD
    worse = "int two; int odd(unsigned int value) { return value < 0; }"
    outcome = judge("extra-warnings", ("int one;", "int two;", worse, "int three;"))
    assert outcome.state is State.FAILED
    assert "[-Wtype-limits]" in outcome.details[0]


def test_kernel_doc_is_asked_of_the_sources_own_script(judge: Judge) -> None:
    assert judge("kernel-doc", SAME_CODE).state is State.HELD
    assert judge("kernel-doc", OTHER_CODE).details[0] == "mm/page_alloc.c: warning: bad line"
    assert "kernel-doc ended with 3: broken" in judge("kernel-doc", BROKEN).details[0]


def found_in(gate: str, **files: str) -> Findings:
    """Put new files through a gate that reads them alone."""
    change = {name.replace("__", "."): File("", text) for name, text in files.items()}
    places = {"vm.rst": "Documentation/", "abi.txt": "Documentation/ABI/"}
    change = {f"{places.get(name, '')}{name}": file for name, file in change.items()}
    parameters = change.pop("parameters.txt", None)
    if parameters:
        change["Documentation/admin-guide/kernel-parameters.txt"] = parameters
    return GATES[gate](cast("Reviewed", SimpleNamespace(change=lambda: change)))


@pytest.mark.parametrize(
    ("gate", "source_text", "document", "said"),
    [
        ("proc", 'proc_create("it", 0);', {"vm__rst": "see /proc/it"}, "/proc/it is not"),
        ("proc", '.procname = "knob",', {"vm__rst": "the knob is"}, "sysctl knob is not"),
        (
            "boot-parameters",
            'early_param("it", f);',
            {"parameters__txt": "\tit=\t[MM]"},
            "it is not",
        ),
        ("interfaces", "DEVICE_ATTR_RO(it);", {"abi__txt": "/sys/x/it"}, "it in sysfs is not"),
        ("interfaces", 'debugfs_create_u32("it", 0);', {"vm__rst": "x/it"}, "it in debugfs is not"),
        ("barriers", "\tsmp_mb();", {"b__h": "int b;"}, "a.c:1: smp_mb(); has no comment"),
    ],
)
def test_what_is_added_is_told(
    gate: str, source_text: str, document: dict[str, str], said: str
) -> None:
    mute = found_in(gate, a__c=source_text, vm__rst="nothing", abi__txt="")
    assert mute.wrong[0].startswith(said)
    told = source_text if gate != "barriers" else f"/* so */\n{source_text}"
    assert found_in(gate, a__c=told, **document).wrong == ()
    nothing = found_in(gate, a__c="int a;", **document)
    assert nothing.state is State.NOT_APPLICABLE


def test_options_and_parameters_of_modules() -> None:
    config = 'config A\n\tbool "Ask"\n\tdefault y\n'
    assert found_in("default-off", Kconfig=config).wrong == ("A: default y",)
    assert found_in("help", Kconfig=config).wrong == ("A has no help",)
    mended = config.replace("default y", "help\n\t  It is.")
    assert found_in("default-off", Kconfig=mended).wrong == ()
    assert found_in("help", Kconfig=mended).wrong == ()

    code = "module_param(size, int, 0);"
    assert found_in("module-parameters", a__c=code).wrong == ("size has no MODULE_PARM_DESC",)
    assert found_in("module-parameters", a__c=code + 'MODULE_PARM_DESC(size, "s");').wrong == ()
    ioctl = "#define DO _IO('b', 1)"
    assert "ioctl-number.rst is as before" in found_in("ioctls", a__c=ioctl).wrong[0]


LOG = """  CC      mm/page_alloc.o
/slot/src/mm/page_alloc.c:5333:15: warning: no previous prototype for 'f' [-Wmissing-prototypes]
 5333 | bool f(void)
/slot/src/include/linux/mm.h:7: error: bad constant expression
mm/page_alloc.o: warning: objtool: get_page()+0x1f: unreachable instruction
cc1: all warnings being treated as errors
"""


def test_stacks_are_read_as_the_compiler_writes_them() -> None:
    usage = "/src/mm/a.c:1:1:f.isra.0\t528\tstatic\nmm/b.h:12:3:g\t96\tdynamic,bounded\nnoise 3\n"
    assert stacks(usage) == (("f.isra.0", 528), ("g", 96))


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
