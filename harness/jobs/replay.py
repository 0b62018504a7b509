# SPDX-License-Identifier: GPL-2.0-only
"""replay: execute again what a run or an arm executed, and hold it to the bytes that it gave.

Only what executes is compared before (harness.record.key), and only what the guest said after.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.compare.outcome import read_outcome
from harness.compare.results import first_difference, short
from harness.errors import HostError, RecordError
from harness.host import emulator
from harness.host.accelerator import AcceleratorChoice, Speed
from harness.host.cache import Cache
from harness.host.files import files_below, remove_tree, sha256_file
from harness.host.folder import new_folder
from harness.jobs.arm import PREPARING, Lab
from harness.jobs.arm import spec_of as arm_spec_of
from harness.jobs.evidence import gather, keep
from harness.jobs.group import FAILED
from harness.jobs.guests import QEMU, Guests
from harness.record.bundle import Expected, digests_of, run_expected
from harness.record.key import Difference, ReplayKey, RunIdentity, key_differences
from harness.stages import boot
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles
from harness.stages.key import replay_key
from harness.stages.run import run_guest, run_key
from harness.texts.build.rules import rules_in
from harness.texts.proc.sysctl import Knob, PolicyMode
from harness.values import CONSOLE_LOG, RAW, Accelerator, RunMode

logger = logging.getLogger("replay")

# What differs between two QEMUs: the host's matter, not the kernel's.
_OF_QEMU = frozenset({"qemu_version", "qemu_digest", "firmware_digest"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayable:
    """What executed once, and what its guest said."""

    title: str
    identity: RunIdentity
    expected: Expected
    texts: Mapping[str, bytes] | None = None  # what the guest said, where that was kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What one replay gave; `difference` is empty where all is the same."""

    what: Replayable
    digest: str
    difference: str

    def __str__(self) -> str:
        """Print as a line of the command's answer."""
        # A bundle's title may be a stranger's.
        title = "".join(each for each in self.what.title if each.isprintable())
        if not self.difference:
            return f"{title}: the same to the byte, {self.digest}"
        return (
            f"{title}: DIFFERS: {self.difference}\n"
            f"  saved {self.what.expected.digest}\n  now   {self.digest}"
        )


def saved_run_texts(folder: Path) -> dict[str, bytes]:
    """Read all that a repeatable run's guest said: the same bytes each time."""
    return {name: (folder / name).read_bytes() for name in _said(folder)}


def _said(folder: Path) -> list[str]:
    names = [path.relative_to(folder).as_posix() for path in files_below(folder / RAW)]
    return [CONSOLE_LOG, boot.STATUS_LOG, *names]


def settings_of(identity: RunIdentity) -> RunSettings:
    """Return the settings that made a key; RecordError if it is of none that can be given."""
    key = identity.key
    policy = None
    if key.sysctls:
        name, _, value = key.sysctls[0].partition("=")
        if len(key.sysctls) > 1 or name != Knob.MODE or value not in map(str, map(int, PolicyMode)):
            raise RecordError(f"no option sets {' '.join(key.sysctls)}; it cannot be replayed")
        policy = PolicyMode(int(value))
    if key.icount_shift is None:
        raise RecordError("its clock followed the host's: it cannot be replayed")
    return RunSettings(
        mode=RunMode.REPEATABLE,
        memory_mib=key.memory_mib,
        cpus=key.cpus,
        seed=key.seed,
        scale=identity.scale,
        icount_shift=key.icount_shift,
        accelerator=AcceleratorChoice.TCG,
        policy=policy,
        cross_checks=key.cross_checks,
        page_owner=key.page_owner,
        layout=key.layout,
    )


def present_key(identity: RunIdentity, what: BootFiles, cache: Cache) -> ReplayKey:
    """Return the key that these stages would have here and now."""
    settings = settings_of(identity)
    # How fast a guest is shapes no part of it.
    speed = Speed(
        emulator=emulator.find(cache), accelerator=Accelerator.TCG, boot_s=0.0, why="to compare"
    )
    if not identity.key.arm:
        return run_key(what, identity.stages, settings, speed)
    nowhere = Path("NOWHERE")
    spec = arm_spec_of(_lab(what, settings, speed), nowhere, nowhere, nowhere)
    *states, arm = identity.stages
    return replay_key(what, tuple(states), spec, arm=arm)


def require_same_key(identity: RunIdentity, mine: ReplayKey, *, anyway: bool) -> None:
    """Refuse to replay with something else, unless `anyway`; name all that differs."""
    differences = key_differences(identity.key, mine)
    if not differences:
        return
    told = "\n  ".join(map(str, differences))
    if anyway:
        logger.warning("what executes is not the same, so the bytes may differ:\n  %s", told)
        return
    raise _refusal(identity, differences, told)


def _refusal(
    identity: RunIdentity, differences: tuple[Difference, ...], told: str
) -> HostError | RecordError:
    what = f"this would not be the same ({short(identity.digest)}):\n  {told}\n"
    if {difference.what for difference in differences} <= _OF_QEMU:
        return HostError(
            f"{what}use that QEMU (--qemu, see --help), or --anyway to see what this one gives"
        )
    origin = identity.provenance
    return RecordError(
        f"{what}it was made by commit {origin.project_commit} of this project, of "
        f"{origin.kernel_origin}; replay it there, or --anyway to see what comes here"
    )


def replays(
    it: Replayable,
    what: BootFiles,
    cache: Cache,
    *,
    times: int,
    anyway: bool,
    guests: Guests = QEMU,
) -> Iterator[Replayed]:
    """Execute it so many times; RecordError or HostError if it would not be the same."""
    require_same_key(it.identity, present_key(it.identity, what, cache), anyway=anyway)
    settings = settings_of(it.identity)
    if it.identity.key.arm:
        lab = _lab(what, settings, guests.speed(what, settings, cache))
        yield from _arm_replays(it, lab, cache, times, guests)
    else:
        yield from _run_replays(it, what, settings, cache, times)


def _run_replays(
    it: Replayable, what: BootFiles, settings: RunSettings, cache: Cache, times: int
) -> Iterator[Replayed]:
    for _ in range(times):
        with cache.building(f"replay-{short(it.identity.digest)}") as scratch:
            folder = scratch / "run"
            with _evidence_kept(folder):
                run_guest(
                    what,
                    it.identity.stages,
                    settings,
                    folder=folder,
                    cache=cache,
                    rules=rules_in(it.identity.provenance.provides),
                )
            files = {name: sha256_file(folder / name) for name in _said(folder)}
            digest = run_expected(files).digest
            same = digest == it.expected.digest
            texts = {} if same else saved_run_texts(folder)
            yield _replayed(it, digest, texts, same=same)


def _arm_replays(
    it: Replayable, lab: Lab, cache: Cache, times: int, guests: Guests
) -> Iterator[Replayed]:
    state, arm = it.identity.stages
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(cache.building(f"replay-{short(it.identity.digest)}"))
        with _evidence_kept(scratch / PREPARING):
            ready = stack.enter_context(guests.prepared(lab, state, scratch))
        for _ in range(times):
            with _evidence_kept(scratch / "arm"):
                texts = guests.run_arm(ready, arm, scratch / "arm")
            remove_tree(scratch / "arm")
            stage, _outcome = read_outcome(texts, icount_shift=lab.settings.icount_shift)
            known = it.expected.files
            same = stage.digest == it.expected.digest and known in ({}, digests_of(texts))
            yield _replayed(it, stage.digest, texts, same=same)


@contextlib.contextmanager
def _evidence_kept(folder: Path) -> Iterator[None]:
    """Keep what a guest that failed has left in `folder`, which will be gone."""
    try:
        yield
    except FAILED as error:
        evidence = gather(folder)
        if evidence.texts:
            keep(evidence, new_folder("replay"), error)
        raise


def _lab(what: BootFiles, settings: RunSettings, speed: Speed) -> Lab:
    return Lab(what=what, settings=settings, speed=speed, check_stop=lambda: None)


def _replayed(it: Replayable, digest: str, texts: Mapping[str, bytes], *, same: bool) -> Replayed:
    if same:
        return Replayed(what=it, digest=digest, difference="")
    kept = new_folder("replay")
    for name, content in texts.items():
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        (kept / name).write_bytes(content)
    told = f"{_first(it, texts)}; all that came is in {kept}"
    return Replayed(what=it, digest=digest, difference=told)


def _first(it: Replayable, texts: Mapping[str, bytes]) -> str:
    """Name the first thing that is not the same, as near as what was kept allows."""
    if it.texts is not None:
        return first_difference(it.texts, texts)
    if not it.expected.files:
        return "the differing line is unknown, because only the digest of all texts was kept"
    now = digests_of(texts)
    names = sorted(it.expected.files.keys() | now.keys())
    differing = [name for name in names if it.expected.files.get(name) != now.get(name)]
    return f"{', '.join(differing[:3])} ({len(differing)} of {len(names)} texts)"
