# SPDX-License-Identifier: GPL-2.0-only
"""A comparison's results as they are kept: who ran, what came out, and the raw texts.

DIR/plan.toml          the plan, as it was given
DIR/kernels.json       KernelsFile: what ran
DIR/states/STATE/seed-N/VARIANT.json     StateResult: what the memory was held to
DIR/states/STATE/seed-N/VARIANT.tar.gz   the preparing guest's texts
DIR/arms/STATE/BURST/seed-N/ARM.json     ArmResult; written last, so it stands for the arm
DIR/arms/STATE/BURST/seed-N/ARM.tar.gz   the guest's texts
DIR/changes/           the patches that `buddylab judge` took, as they were
DIR/failed/            as in states and arms: the console of what failed, and QEMU's words
DIR/results.parquet/   arms by column, where workers ran them: see harness/jobs/arm_columns.py
DIR/workers.json       who did what, where workers ran them: see harness/jobs/workers_file.py
DIR/results.json.gz    Results: all of it in one file
DIR/asked.json         of `buddylab judge`: what was asked
DIR/second_opinion*    of --second-opinion: see harness/compare/second_opinion.py
DIR/report.md          the tables
DIR/report.html        to look at: the verdict, the map, pictures; of a judgement, the judgement
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest

import msgspec

from harness.compare.old_results import OLD_SCHEMA, upgraded_kernels, upgraded_results
from harness.compare.outcome import Outcome
from harness.compare.plan import ArmRun, Plan, Variant, groups, runs
from harness.compare.plan_text import faults
from harness.compare.state_invariants import StateResult
from harness.encoding import UNREADABLE, gunzipped
from harness.errors import RecordError
from harness.limits import GUEST_FILE_BYTES_MAX
from harness.record import schema
from harness.record.key import Provenance, ReplayKey

PLAN = "plan.toml"
KERNELS = "kernels.json"
RESULTS = "results.json.gz"
ARMS = "arms"
STATES = "states"
FAILURES = "failed"
CHANGES = "changes"
ASKED = "asked.json"
_KEY_LENGTH = 16
# The largest of docs/results is 3 MiB.
_RESULTS_BYTES_MAX = 1 << 30
# What is raised for a file of another form, also where an older one is made a present one.
_UNLIKE = (*UNREADABLE, LookupError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFacts:
    """One kernel and its guest image: what executed, and where that came from."""

    variant: Variant
    key: ReplayKey  # of the plan's first state and seed, before any arm
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelsFile:
    """What all arms of one folder ran on."""

    schema: int
    key_schema: int  # of the arms' keys: where it is another, no key can be compared
    kernels: tuple[KernelFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """One arm from one state by one seed."""

    state: str
    burst: str
    seed: int
    arm: str
    key: str  # digest of all that the bytes depend on: names it for `buddylab replay`
    digest: str  # of the raw texts
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A whole comparison."""

    schema: int
    kernels: KernelsFile
    plan: Plan
    states: tuple[StateResult, ...]
    arms: tuple[ArmResult, ...]


def placed(results: Results) -> Iterator[tuple[ArmRun, ArmResult]]:
    """Pair each arm with the run of the plan that it is the result of, in the plan's order."""
    arms = {(one.state, one.burst, one.seed, one.arm): one for one in results.arms}
    for group in groups(results.plan):
        for run in runs(results.plan, group):
            name = (group.state.name, run.burst.name, group.seed, run.arm.name)
            if name in arms:
                yield run, arms[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dated:
    """The one field that every schema has."""

    schema: int


def short(key: str) -> str:
    """Shorten a key to what tables show and `replay` takes."""
    return key[:_KEY_LENGTH]


def zipped(results: Results) -> bytes:
    """Return the content of RESULTS: the same bytes for the same results."""
    return gzip.compress(msgspec.json.encode(results), mtime=0)


def parse_results(data: bytes, what: str) -> Results:
    """Parse the content of RESULTS; RecordError if it is damaged or of an unknown schema."""
    try:
        text = gunzipped(data, bytes_max=_RESULTS_BYTES_MAX)
        found = msgspec.json.decode(text, type=_Dated).schema
        if found == OLD_SCHEMA:
            raw = upgraded_results(msgspec.json.decode(text))
            results = msgspec.convert(raw, type=Results)
        else:
            schema.COMPARISON.require(found, what)
            results = msgspec.json.decode(text, type=Results)
    except (OSError, EOFError, zlib.error, *_UNLIKE) as error:
        raise RecordError(f"{what} is damaged ({error}); run the comparison again") from error
    for fact in faults(results.plan):
        raise RecordError(f"{what} was altered: in its plan, {fact}; run the comparison again")
    return results


def parse_kernels(data: bytes, plan: Plan, what: str) -> KernelsFile:
    """Parse the content of KERNELS; RecordError if it is damaged or of an unknown schema."""
    try:
        found = msgspec.json.decode(data, type=_Dated).schema
        if found == OLD_SCHEMA:
            raw = upgraded_kernels(msgspec.json.decode(data), msgspec.to_builtins(plan))
            return msgspec.convert(raw, type=KernelsFile)
        schema.COMPARISON.require(found, what)
        return msgspec.json.decode(data, type=KernelsFile)
    except _UNLIKE as error:
        raise RecordError(f"{what} is damaged ({error}); run the comparison again") from error


def differing_fields(ours: object, theirs: object, prefix: str = "") -> tuple[str, ...]:
    """Name the fields in which two values of one dataclass differ."""
    mine, other = msgspec.to_builtins(ours), msgspec.to_builtins(theirs)
    return tuple(f"{prefix}{name}" for name in mine if mine[name] != other.get(name))


def packed(files: Mapping[str, bytes]) -> bytes:
    """Pack raw texts: the same bytes for the same texts."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(files):
            member = tarfile.TarInfo(path)
            member.size = len(files[path])
            archive.addfile(member, io.BytesIO(files[path]))
    return gzip.compress(buffer.getvalue(), mtime=0)


def unpacked(data: bytes, what: str) -> dict[str, bytes]:
    """Read what `packed` made; RecordError if it is damaged."""
    try:
        stream = io.BytesIO(gunzipped(data, bytes_max=GUEST_FILE_BYTES_MAX))
        with tarfile.open(fileobj=stream) as archive:
            members = [(member.name, archive.extractfile(_packed(member))) for member in archive]
            return {name: content.read() for name, content in members if content}
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, OverflowError) as error:
        raise RecordError(f"{what} is damaged ({error}); run the comparison again") from error


def _packed(member: tarfile.TarInfo) -> tarfile.TarInfo:
    if member.issparse():
        raise ValueError(f"{member.name} is longer than what came of it")
    return member


def first_difference(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> str:
    """Say which line of which text is the first to differ; empty if none does."""
    for path in sorted(old.keys() | new.keys()):
        if path == "sha256sums" or old.get(path) == new.get(path):
            continue
        if path not in old or path not in new:
            return f"{path} is there only {'now' if path in new else 'in the saved texts'}"
        lines = zip_longest(
            old[path].decode(errors="replace").splitlines(),
            new[path].decode(errors="replace").splitlines(),
            fillvalue="(no such line)",
        )
        for at, (before, after) in enumerate(lines, 1):
            if before != after:
                return f"{path} line {at}: saved {before!r}, now {after!r}"
        return f"{path}: only the line ends differ"
    return ""
