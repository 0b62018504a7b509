# SPDX-License-Identifier: GPL-2.0-only
"""Every parser of what guests, builds, mails and users write, and texts that each reads.

Each is total: any bytes give a value or a HarnessError, in time and memory that grow with the
input alone. tests/unit/test_parsers.py holds all to that, tests/fuzz.py looks for more.
"""

import functools
import gzip
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import synthetic_run
from guest_parsers import GUEST
from read_bytes import DATA, ROOT, Parser, parser, texts
from tiny_elf import tiny_elf

from harness.cli import settings
from harness.cli.parser import parser as command_parser
from harness.cli.verbs import verbs
from harness.compare.expectation import parse_expectation
from harness.compare.nearest_state import parse_measured
from harness.compare.plan import Plan
from harness.compare.plan_text import parse_plan, with_number
from harness.compare.results import parse_kernels, parse_results, unpacked
from harness.encoding import encode
from harness.engines.target import parse_target
from harness.guest_memory import layout_in
from harness.host import bundle_file, elf
from harness.host.apt import suite_source
from harness.host.machine_state import ready_to_go_on
from harness.record.bundle import Expected, bundle_of, parse_bundle
from harness.record.key import RunIdentity
from harness.report.document import decode_run
from harness.stages.change import range_of
from harness.stages.check import KEY, read_identity
from harness.texts.alarms.source import alarms_of
from harness.texts.alarms.table import rows_of
from harness.texts.build import additions, checklist, review_log, sums
from harness.texts.build.build_log import first_error
from harness.texts.build.diff import groups, sections
from harness.texts.build.edit import parse_edit, parse_mutant, parse_overrides
from harness.texts.build.kconfig import parse_config, parse_user_config, without_modules
from harness.texts.build.line import parse_line
from harness.texts.build.objects import differences
from harness.texts.build.provides import parse_provides
from harness.texts.build.rebase import rebased
from harness.texts.build.series import parse_series, trailers
from harness.texts.build.tree import parse_makefile
from harness.texts.guest.on_node import listed
from harness.texts.guest.plug_memory import plugged_pages

_E2 = ROOT / "docs/results/e2-5.15"


def _file(read: Callable[[Path], object], name: str) -> Callable[[bytes], object]:
    """Let a parser of a file read bytes."""

    def parse(data: bytes) -> object:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            (Path(folder) / name).write_bytes(data)
            return read(Path(folder))

    return parse


def _diff(data: bytes) -> object:
    """Take a change apart, and move it to where its lines stand in a file made of it."""
    found = sections(data)
    for section in found:
        for hunk in section.hunks:
            list(groups(hunk))
        content = b"".join(line for hunk in section.hunks for line in hunk.old)
        if content:
            rebased(section, content, name="0001-x.patch", file="x.c")
    return found


def _additions(text: str) -> object:
    change = {"x.c": additions.File(before="", after=text), "Kconfig": additions.File("", text)}
    return [
        *(additions.added(change, pattern) for pattern in (additions.PROC, additions.SYSCTL)),
        *additions.barriers(change),
        *additions.options(change),
        *additions.functions(change, ("f",)),
        additions.has_kernel_doc(change, "f"),
    ]


@functools.cache
def _options() -> settings.Options:
    return command_parser(verbs()).options


@functools.cache
def _plan() -> Plan:
    return parse_plan((ROOT / "vm/plans/judge_small.toml").read_text(), "plan")


def _results(data: bytes) -> object:
    return parse_results(gzip.compress(data, 1, mtime=0), "results.json.gz")


def _bundle(folder: Path) -> object:
    return bundle_file.read(folder / "bundle", folder, lambda _: {})


def _golden_bundle() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        (Path(folder) / "x").write_bytes(b"x\n")
        digest = "73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac"
        files = {name: (Path(folder) / "x", digest) for name in bundle_file.MEMBERS[2:]}
        bundle_file.write(path, b"{}\n", files)
        return path.read_bytes()


def _identity() -> RunIdentity:
    return synthetic_run.identity()


def _bundle_json() -> bytes:
    return encode(bundle_of("a run", _identity(), Expected(digest="0" * 64, files={})))


def _saved_state() -> bytes:
    """Return what harness/host/machine_state.py needs of a state that QEMU saved."""
    fields = [
        {"name": name, "type": "int64", "size": 8} for name in ("qemu_icount_bias", "qemu_icount")
    ]
    clock = {"vmsd_name": "timer/icount", "version": 1, "fields": fields}
    described = json.dumps({"devices": [{"name": "timer", "subsections": [clock]}]}).encode()
    return b"".join(
        (
            b"QEVM\0\0\0\x03\x07\0\0\0\x0bpc-q35-10.0\x01guest-panicked\0",
            b"\x0ctimer/icount\0\0\0\x01" + bytes(16),
            b"\x06" + len(described).to_bytes(4, "big") + described,
        )
    )


BUILD: Mapping[str, Parser] = {
    "alarms": texts(
        lambda text: rows_of({"x": alarms_of("mm/x.c", text)}),
        DATA / "alarms/printing.c",
        DATA / "alarms/faults/faults.c",
    ),
    "config": texts(parse_config, 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x"\n'),
    "elf": parser(
        _file(lambda folder: (elf.functions(folder / "a"), elf.needed(folder / "a")), "a"),
        tiny_elf(),
    ),
    "module_info": parser(
        _file(lambda folder: elf.module_info(folder / "a.ko"), "a.ko"),
        tiny_elf(modinfo=b"srcversion=0123\0vermagic=6.1.192 SMP \0"),
    ),
    "objects": parser(lambda data: differences(tiny_elf(), data), tiny_elf()),
    "additions": texts(
        _additions,
        ROOT / "patches/series/0006-mm-add-sysctls-for-adaptive-compaction-and-document-them.patch",
    ),
    "build_log": texts(
        first_error,
        "  CC      mm/a.o\nmm/a.c:3:4: error: e\nmake[1]: *** [Makefile:1: mm/a.o] Error 1\n",
        "***\n*** The source tree is not clean\nmake: *** [x] Error 2\nld: a.o: in function `f':\n",
    ),
    "checklist": texts(checklist.entries, "1) First.\n\n2) Second,\n   on two lines.\n"),
    "complaints": texts(
        lambda text: (review_log.complaints(text, "/src"), review_log.displaced_hunks(text)),
        "/src/mm/a.c:1:2: warning: w\nHunk #1 succeeded at 9 (offset 2 lines).\n",
    ),
    "makefile": texts(parse_makefile, "VERSION = 5\nPATCHLEVEL = 15\nSUBLEVEL = 180\nNAME = x\n"),
    "signed_sums": texts(
        lambda text: sums.releases_in(list(sums.parse_sums(sums.signed_text(text) or text))),
        DATA / "mirror/v6.x/sha256sums.asc",
    ),
    "stacks": texts(review_log.stacks, "mm/a.c:1:2:f\t64\tstatic\n"),
    "style": texts(review_log.style_complaints, "a.patch:3: WARNING:LONG_LINE: too long\n"),
    "suite": texts(
        lambda text: suite_source(text, "trixie-security"),
        "Packages Debian Debian http://mirror.example/debian/ main\n",
    ),
}

MAIL: Mapping[str, Parser] = {
    "diff": parser(_diff, *sorted((ROOT / "patches/series").glob("000[1-6]*.patch"))),
    "edit": parser(
        lambda data: parse_edit("x.toml", data), *sorted((ROOT / "patches/designs").glob("*.toml"))
    ),
    "line": parser(
        lambda data: parse_line("6.1", data), *sorted((ROOT / "patches/lines").glob("*/line.toml"))
    ),
    "mutant": parser(
        lambda data: parse_mutant("x.toml", data), *sorted((ROOT / "tests/mutants").glob("0*.toml"))
    ),
    "overrides": parser(
        lambda data: parse_overrides("x.toml", data),
        *sorted((ROOT / "patches/lines").glob("6.12/0*.toml")),
    ),
    "provides": parser(
        lambda data: parse_provides(
            data, parse_series((ROOT / "patches/series/series").read_bytes())
        ),
        ROOT / "patches/series/provides.toml",
    ),
    "series": parser(parse_series, ROOT / "patches/series/series", b"0001-x.patch -p1 # one\n"),
    "trailers": texts(trailers, "Text.\n\nSigned-off-by: A <a@example.org>\n"),
}

USER: Mapping[str, Parser] = {
    "bundle": parser(_file(_bundle, "bundle"), _golden_bundle()),
    "bundle_json": parser(lambda data: parse_bundle(data, "bundle.json"), _bundle_json()),
    "cpuset": texts(listed, "0-1,3"),
    "expectation": texts(
        lambda text: parse_expectation(text, _plan()),
        "huge_pages more base",
        "blocks more 0.5*base in movable_8",
    ),
    "kconfig": texts(
        lambda text: without_modules(parse_user_config("x.config", text).text),
        ROOT / "vm/config/guest.config",
    ),
    "kernels_json": parser(
        lambda data: parse_kernels(data, _plan(), "kernels.json"), _E2 / "kernels.json"
    ),
    "key_json": parser(_file(read_identity, KEY), encode(_identity())),
    "layout": texts(lambda text: layout_in(text, text), DATA / "golden/qemu-nodes.txt"),
    "measured_states": parser(
        lambda data: parse_measured(data, "measured.json"), ROOT / "vm/states/measured.json"
    ),
    "packed_arm": parser(lambda data: unpacked(data, "x.tar.gz"), DATA / "compare/off.tar.gz"),
    "plan": texts(
        lambda text: parse_plan(with_number(text, "cpus", 2), "plan.toml"),
        *sorted((ROOT / "vm/plans").glob("*.toml")),
    ),
    "plugged": texts(lambda text: plugged_pages(text, can_move=True), "--plug 128 movable"),
    "range": texts(range_of, "v6.12..HEAD"),
    "results": parser(_results, gzip.decompress((_E2 / "results.json.gz").read_bytes())),
    "results_gz": parser(lambda data: parse_results(data, "results"), _E2 / "results.json.gz"),
    "run_json": texts(decode_run, DATA / "golden/run-small.json"),
    "saved_state": parser(lambda data: ready_to_go_on(data, icount_shift=3), _saved_state()),
    "settings": parser(
        _file(lambda folder: settings.read(folder / "s.toml", _options()), "s.toml"),
        b'[all]\nkernel = "debian:6.1"\n[run]\nscale = "small"\nseed = 3\naccelerator = "tcg"\n',
    ),
    "target": texts(parse_target, "local:2", "tcp://127.0.0.1:8786", "scheduler-file=x.json"),
}

ALL: Mapping[str, Parser] = {**GUEST, **BUILD, **MAIL, **USER}
