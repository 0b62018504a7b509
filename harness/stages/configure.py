# SPDX-License-Identifier: GPL-2.0-only
"""configure: the fragment of vm/config on top of tinyconfig, and proof that it was kept."""

import logging
from collections.abc import Iterable
from pathlib import Path

from harness.digest import sha256_text
from harness.errors import StageError, UserError
from harness.host.assets import asset
from harness.host.command import CommandFailedError, run
from harness.host.deadline import Deadline
from harness.host.files import atomic_write, sha256_file
from harness.host.make import Slot, told
from harness.host.series import line_named
from harness.texts.build.kconfig import (
    UserConfig,
    added,
    dropped,
    parse_config,
    parse_user_config,
    without_modules,
)
from harness.texts.build.provides import option
from harness.values import BASE_FLAVOUR, Counters, PatchedTree, flavours_of

logger = logging.getLogger("configure")

CONFIGURE_LIMIT_S = 300.0
MONITOR_OPTION = "CONFIG_BUDDY_MONITOR"
# Kconfig reads its own files, and asks scripts and the compiler; of the rest it knows nothing.
_NO_KCONFIG = (".c", ".h", ".S", ".rst", ".txt")
_DONE = "configured"  # of what the slot's .config was made


def read_config(path: Path) -> UserConfig:
    """Read options of the user's; UserError if the file cannot be read, or is no config."""
    try:
        return parse_user_config(str(path), path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); give a fragment or a .config") from error


def require_flavours(names: Iterable[str]) -> None:
    """UserError for a name that is no flavour; it lists those that there are."""
    there = sorted({path.stem for path in _configs().glob("*.config")} - {BASE_FLAVOUR})
    if strange := [name for name in names if name not in there]:
        raise UserError(
            f"{', '.join(map(repr, strange))} is no flavour of a guest's kernel; there are "
            f"{', '.join(there)}"
        )


def require_on_line(tree: PatchedTree, flavour: str) -> None:
    """UserError if the tree's line cannot have one of the flavours."""
    line = line_named(tree.source.line)
    for name in flavours_of(flavour):
        if why := line.refused.get(name):
            raise UserError(f"{tree.source.release} cannot have the flavour {name}: {why}")


def _configs() -> Path:
    return asset("vm") / "config"


def fragment_for(
    tree: PatchedTree, flavour: str, counters: Counters, config: UserConfig | None = None
) -> str:
    """Return the base fragment, what each flavour changes in it, the choice of counters.

    Options of the user's come last; of a whole `.config`, only what it lacks is returned.

    What is peculiar to the tree's line (if anything) comes with each. The monitor's option is
    left out for an unpatched tree, which cannot know it, and so is the choice for a prefix of
    the series that does not have it yet.
    """
    directory = _configs()
    line = line_named(tree.source.line)
    named = line.config.keys() | line.refused.keys()
    if strange := sorted(named - {path.stem for path in directory.glob("*.config")}):
        raise UserError(f"line {line.name} configures {', '.join(strange)}, which is no flavour")
    text = "".join(
        (directory / f"{each}.config").read_text() + line.config.get(each, "")
        for each in (BASE_FLAVOUR, *flavours_of(flavour))
    )
    monitored = option(MONITOR_OPTION) in tree.provides and counters is not Counters.NONE
    if not monitored:
        text = "".join(
            line for line in text.splitlines(keepends=True) if not line.startswith(MONITOR_OPTION)
        )
    choice = f"{MONITOR_OPTION}_{counters.name}"
    chosen = monitored and option(choice) in tree.provides
    text += f"{choice}=y\n" if chosen else ""
    if config is None:
        return text
    if not config.is_whole:
        return f"{text}{config.text}\n"
    needs = added(without_modules(config.text), parse_config(text))
    return "".join(f"{option}={value}\n" for option, value in needs.items())


def configure(
    slot: Slot,
    tree: PatchedTree,
    fragment: str,
    *,
    log_path: Path,
    user: UserConfig | None = None,
) -> str:
    """Write `.config` in the slot, unless it is what it would be, and return its digest.

    Raises StageError with the options that `make olddefconfig` did not keep.
    """
    whole = user.text if user and user.is_whole else None
    config = slot.objects / ".config"
    done = slot.root / _DONE
    asked = _asked(tree, fragment, whole)
    if done.exists() and config.exists():
        digest = sha256_file(config)
        if done.read_text() == f"{asked} {digest}":
            return digest
    done.unlink(missing_ok=True)
    wanted = slot.objects / "fragment.config"
    wanted.write_text(fragment)
    deadline = Deadline.after(CONFIGURE_LIMIT_S, "configuring the kernel")
    try:
        if whole is None:
            logger.info("tinyconfig and %d options", len(parse_config(fragment)))
            list(slot.make(["tinyconfig"], deadline=deadline, log_path=log_path))
        else:
            _tell_whole(whole, fragment)
            config.write_text(without_modules(whole))
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
        raise StageError("configure", told(error), log_path=log_path) from error
    lost = dropped(parse_config(fragment), parse_config(config.read_text()))
    if lost:
        raise StageError(
            "configure",
            f"this kernel's Kconfig did not keep {', '.join(lost)}; look for a dependency "
            f"that is off (make menuconfig, /), and add it to the fragment",
            log_path=log_path,
        )
    digest = sha256_file(config)
    atomic_write(done, f"{asked} {digest}")
    return digest


def _asked(tree: PatchedTree, fragment: str, whole: str | None) -> str:
    """Tell what `.config` is made of: the slot's compiler apart, and no C file is part of it."""
    parts = [sha256_file(Path(__file__)), tree.source.digest, fragment, whole or ""]
    for name in tree.touched:
        file = tree.tree / name
        if file.suffix not in _NO_KCONFIG and file.exists():
            parts += [name, sha256_file(file)]
    return sha256_text("configure", *parts)


def _tell_whole(text: str, fragment: str) -> None:
    left_out = sum(value == "m" for value in parse_config(text).values())
    logger.info("the .config given, without its %d modules, which no guest loads", left_out)
    logger.info("added for the guest: %s", " ".join(fragment.split()) or "nothing; it has all")
