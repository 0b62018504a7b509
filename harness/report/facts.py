# SPDX-License-Identifier: GPL-2.0-only
"""What ran, in the facts that a run's report begins with. Pure."""

import shlex
from collections.abc import Iterator

from harness.report.document import Run
from harness.report.identity import kernel_in_short
from harness.texts.proc.sysctl import Knob, PolicyMode
from harness.values import LOCAL, Counters, RunMode
from harness.writers.screen import Fact
from harness.writers.words import counted

_KEY_SHOWN = 16


def run_facts(run: Run) -> Iterator[Fact]:
    """Yield kernel, change, config, machine, N, key and the command that runs it again."""
    key, origin = run.key, run.provenance
    count = len(origin.patches)
    yield Fact(name="Kernel", value=kernel_in_short(run))
    yield Fact(
        name="Change",
        value=f"{counted(count, 'patch')} of series {origin.series_name}"
        if count
        else "none: as it is",
    )
    yield Fact(
        name="Config",
        value=f"`{origin.config_digest[:_KEY_SHOWN]}`, counters {origin.counters}; "
        f"{origin.compiler.partition(';')[0]}",
    )
    yield Fact(
        name="Machine",
        value=f"QEMU {key.qemu_version}, {key.accelerator}, {key.mode}, "
        f"{counted(key.cpus, 'CPU')}, {key.memory_told}",
    )
    yield Fact(
        name="N",
        value=f"one guest, {counted(len(run.stages), 'stage')}, scale {run.scale}, seed {key.seed}",
    )
    yield Fact(name="Key", value=f"`{run.key_digest[:_KEY_SHOWN]}`", copied=run.key_digest)
    command = _command(run)
    yield Fact(name="Again", value=f"`{command}`", copied=command, is_wide=True)


def _command(run: Run) -> str:
    """Return the command that runs the same, as far as the key tells it."""
    key, origin = run.key, run.provenance
    name = origin.kernel_origin.partition(" ")[0]
    words = ["buddylab", "run", "--kernel", "DIR" if name == LOCAL else name]
    words += ["--upto", origin.patches[-1] if origin.patches else "0"]
    words += ["--scale", run.scale, "--mode", key.mode, "--seed", str(key.seed)]
    words += ["--memory", str(key.memory_mib)]
    words += ["--cpus", str(key.cpus)] if key.mode is RunMode.LIVE or key.cpus > 1 else []
    words += ["--nodes", str(key.layout.nodes)] if key.layout.nodes > 1 else []
    words += ["--accelerator", key.accelerator] if key.mode is RunMode.LIVE else []
    policy = dict(each.split("=", 1) for each in key.sysctls).get(Knob.MODE)
    words += ["--policy", PolicyMode(int(policy)).word] if policy else []
    words += ["--counters", origin.counters] if origin.counters is Counters.ATOMIC else []
    words += [] if key.cross_checks else ["--cross-checks", "off"]
    words += ["--page-owner"] if key.page_owner else []
    return shlex.join(words)
