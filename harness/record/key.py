# SPDX-License-Identifier: GPL-2.0-only
"""What a run was: the replay key, which is what executed, and beside it where that came from.

Guests with equal keys give equal bytes, if they are repeatable. The key holds no prose, no name
and no version of anything that only led to what executed: the same image built of another
package is the same image. All of that is the Provenance, which is told and never compared.

Two keys are compared field by field, and what differs is named.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest

import msgspec

from harness.errors import RecordError, StageError
from harness.guest_memory import MemoryLayout, layout_in
from harness.limits import ICOUNT_SHIFT_MAX, SEED_MAX
from harness.record import schema
from harness.values import BASE_FLAVOUR, Accelerator, Counters, RunMode, StagePlan, origin_told

# A stage's name is a directory's, in the guest and here.
_STAGE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHOWN_CHARS = 64
_NONE = "(none)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayKey:
    """All that executes in a guest, and nothing else. Digests are sha256 in hex."""

    vmlinux_digest: str  # of the file that QEMU was given, taken as it was given
    initramfs_digest: str  # likewise: programs, scripts, and our modules
    qemu_version: str
    qemu_digest: str  # of its program, without the libraries that it loads
    firmware_digest: str
    mode: RunMode
    accelerator: Accelerator
    memory_mib: int
    cpus: int
    icount_shift: int | None  # None: the guest's clock follows the host's
    seed: int
    cross_checks: bool  # the guest loads the module for them
    page_owner: bool
    sysctls: tuple[str, ...]
    machine: str  # QEMU's arguments, without paths
    kernel_command_line: str
    plan: tuple[str, ...]  # the lines that the guest reads, one for each stage
    arm: str = ""  # what it reads after it has stopped; empty: it does not stop

    @property
    def digest(self) -> str:
        """Digest all fields, in canonical JSON: the name of what executes."""
        text = json.dumps(
            msgspec.to_builtins(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True
        )
        return sha256(text.encode()).hexdigest()

    @property
    def layout(self) -> MemoryLayout:
        """How its memory was laid out."""
        return layout_in(self.machine, self.kernel_command_line)

    @property
    def memory_told(self) -> str:
        """Its memory, in words."""
        laid_out = "" if self.layout.is_plain else f" ({self.layout})"
        return f"{self.memory_mib} MiB{laid_out}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where what executed came from. Two runs may differ in all of it and give equal bytes."""

    project_version: str
    project_commit: str  # "unknown" outside of a checkout; ends in "-dirty" if files were changed
    kernel_release: str
    kernel_origin: str
    source_digest: str
    page_alloc_blob: str
    page_alloc_upstream: bool | None  # None: no upstream blob known for this release
    series_name: str
    series_digest: str
    patches: tuple[str, ...]
    provides: tuple[str, ...]  # what the kernel can do (patches/series/provides.toml)
    counters: Counters
    config_digest: str
    compiler: str
    module_digest: str  # of high_order_test.ko
    module_srcversion: str
    packages: tuple[str, ...]  # name=version of Debian's packages in the initramfs
    initramfs_bytes: int
    flavour: str = BASE_FLAVOUR  # of vm/config: what the kernel is configured for

    @property
    def origin_told(self) -> str:
        """Say to people where the kernel came from."""
        return origin_told(self.kernel_origin, self.source_digest, self.flavour)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """Which run it was; saved as key.json."""

    schema: int
    key: ReplayKey
    digest: str  # of the key
    provenance: Provenance
    scale: str
    stages: tuple[StagePlan, ...]  # the key's plan as the host knows it, with what each is for


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One part in which two keys or provenances differ."""

    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        """Print as one line."""
        return f"{self.what}: expected {_shown(self.expected)}, found {_shown(self.found)}"


def run_identity(
    key: ReplayKey, provenance: Provenance, stages: tuple[StagePlan, ...], *, scale: str
) -> RunIdentity:
    """Say which run it was, in the present schema."""
    return RunIdentity(
        schema=schema.RUN.number,
        key=key,
        digest=key.digest,
        provenance=provenance,
        scale=scale,
        stages=stages,
    )


def plan_lines(plan: Sequence[StagePlan]) -> tuple[str, ...]:
    """Return the plan as the guest reads it: one line per stage, fields between tabs.

    StageError if a field would tear its line.
    """
    return tuple(map(_plan_line, plan))


def _plan_line(stage: StagePlan) -> str:
    if not _STAGE_NAME.fullmatch(stage.name):
        raise StageError("run", f"stage name {stage.name!r} is not letters, digits, _ and -")
    fields = (
        stage.name,
        stage.prepare or "-",  # the guest's shell takes two tabs for one
        stage.cleanup or "-",
        str(stage.deadline_s),
        str(int(stage.predict)),
        stage.command,
    )
    if not stage.command or any("\t" in part or "\n" in part for part in fields):
        raise StageError(
            "run", f"stage {stage.name}: an empty command, a tab or a line break in {fields!r}"
        )
    return "\t".join(fields)


def require_sound(identity: RunIdentity, what: str) -> None:
    """Refuse a key that no guest can have had, or that is not its digest's; RecordError."""
    for fact in _faults(identity):
        raise RecordError(f"{what} was altered: {fact}; get it again, or repeat the run")


def _faults(identity: RunIdentity) -> Iterator[str]:
    key = identity.key
    if key.digest != identity.digest:
        yield f"its digest {_shown(identity.digest)} is not of its key, which has {key.digest}"
    try:
        lines = plan_lines(identity.stages)
    except StageError as error:
        yield str(error)
    else:
        if lines != ((*key.plan, key.arm) if key.arm else key.plan) or not key.plan:
            yield "its key is not of its stages"
    shift = 0 if key.icount_shift is None else key.icount_shift
    for name, value, least, most in (
        ("memory_mib", key.memory_mib, 1, None),
        ("cpus", key.cpus, 1, None),
        ("icount_shift", shift, 0, ICOUNT_SHIFT_MAX),
        ("seed", key.seed, 0, SEED_MAX),
    ):
        if value < least or (most is not None and value > most):
            yield f"{name} is {value}"
    for name in ("vmlinux_digest", "initramfs_digest", "qemu_digest", "firmware_digest"):
        if not _DIGEST.fullmatch(getattr(key, name)):
            yield f"{name} is {_shown(getattr(key, name))!r}"


def key_differences(expected: ReplayKey, found: ReplayKey) -> tuple[Difference, ...]:
    """Name each part of what executes that differs; empty for equal keys."""
    return tuple(_differences(msgspec.to_builtins(expected), msgspec.to_builtins(found)))


def provenance_differences(expected: Provenance, found: Provenance) -> tuple[Difference, ...]:
    """Name each part that differs: worth telling, and no reason to refuse anything."""
    return tuple(_differences(msgspec.to_builtins(expected), msgspec.to_builtins(found)))


def _differences(expected: dict[str, object], found: dict[str, object]) -> Iterator[Difference]:
    for name, value in expected.items():
        other = found[name]
        if value == other:
            continue
        if isinstance(value, list | tuple) and isinstance(other, list | tuple):
            # Of a plan's stages or a series' patches, the first that is not the same.
            at, old, new = next(
                (number, old, new)
                for number, (old, new) in enumerate(
                    zip_longest(value, other, fillvalue=_NONE), start=1
                )
                if old != new
            )
            yield Difference(what=f"{name} {at}", expected=str(old), found=str(new))
        elif name in {"machine", "kernel_command_line"}:
            yield _different_words(name, str(value), str(other))
        else:
            yield Difference(what=name, expected=str(value), found=str(other))


def _different_words(name: str, expected: str, found: str) -> Difference:
    """Show of two long texts the words that only one of them has."""
    old, new = _only(expected, found), _only(found, expected)
    if not old and not new:
        return Difference(what=name, expected="the same words", found="in another order")
    return Difference(what=name, expected=old or _NONE, found=new or _NONE)


def _only(text: str, other: str) -> str:
    left = Counter(other.split())
    words = []
    for word in text.split():
        if left[word]:
            left[word] -= 1
        else:
            words.append(word)
    return " ".join(words)


def _shown(text: str) -> str:
    text = "".join(each if each.isprintable() else " " for each in text)  # it may be a stranger's
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
