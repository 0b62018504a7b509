# SPDX-License-Identifier: GPL-2.0-only
"""configure: the fragment of vm/config on top of tinyconfig, and proof that it was kept."""

import logging
from pathlib import Path

from harness.errors import StageError, UserError
from harness.host.assets import asset
from harness.host.command import CommandFailedError, run
from harness.host.deadline import Deadline
from harness.host.files import sha256_file
from harness.host.make import Slot
from harness.host.series import line_named
from harness.texts.build.build_log import first_error
from harness.texts.build.kconfig import dropped, parse_config
from harness.texts.build.provides import option
from harness.values import Counters, PatchedTree

logger = logging.getLogger("configure")

CONFIGURE_LIMIT_S = 300.0
MONITOR_OPTION = "CONFIG_BUDDY_MONITOR"
BASE_FLAVOUR = "guest"


def fragment_for(tree: PatchedTree, flavour: str, counters: Counters) -> str:
    """Return the base fragment, what the flavour changes in it, and the choice of counters.

    What is peculiar to the tree's line (if anything) comes with each. The monitor's option is
    left out for an unpatched tree, which cannot know it, and so is the choice for a prefix of
    the series that does not have it yet.
    """
    directory = asset("vm") / "config"
    line = line_named(tree.source.line)
    if strange := sorted(line.config.keys() - {path.stem for path in directory.glob("*.config")}):
        raise UserError(f"line {line.name} configures {', '.join(strange)}, which is no flavour")
    text = "".join(
        (directory / f"{each}.config").read_text() + line.config.get(each, "")
        for each in dict.fromkeys((BASE_FLAVOUR, flavour))
    )
    monitored = option(MONITOR_OPTION) in tree.provides and counters is not Counters.NONE
    if not monitored:
        text = "".join(
            line for line in text.splitlines(keepends=True) if not line.startswith(MONITOR_OPTION)
        )
    choice = f"{MONITOR_OPTION}_{counters.name}"
    chosen = monitored and option(choice) in tree.provides
    return text + (f"{choice}=y\n" if chosen else "")


def configure(slot: Slot, fragment: str, *, log_path: Path) -> str:
    """Write `.config` in the slot and return its digest.

    Raises StageError with the options that `make olddefconfig` did not keep.
    """
    config = slot.objects / ".config"
    wanted = slot.objects / "fragment.config"
    wanted.write_text(fragment)
    deadline = Deadline.after(CONFIGURE_LIMIT_S, "configuring the kernel")
    logger.info("tinyconfig and %d options", len(parse_config(fragment)))
    try:
        list(slot.make(["tinyconfig"], deadline=deadline, log_path=log_path))
        merge = [
            str(slot.source / "scripts/kconfig/merge_config.sh"),
            "-m",
            "-O",
            str(slot.objects),
            str(config),
            str(wanted),
        ]
        run(merge, cwd=slot.objects, deadline=deadline, log_path=log_path)
        list(slot.make(["olddefconfig"], deadline=deadline, log_path=log_path))
    except CommandFailedError as error:
        reason = first_error(error.completed.output)
        raise StageError("configure", reason, log_path=log_path) from error
    lost = dropped(parse_config(fragment), parse_config(config.read_text()))
    if lost:
        raise StageError(
            "configure",
            f"this kernel's Kconfig did not keep {', '.join(lost)}; look for a dependency "
            f"that is off (make menuconfig, /), and add it to the fragment",
            log_path=log_path,
        )
    return sha256_file(config)
