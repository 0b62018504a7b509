# SPDX-License-Identifier: GPL-2.0-only
# ruff: noqa: T201
"""Stands in for apt-get and apt-cache: a mirror with suites, and what the machine's sources name.

The file that $BUDDYLAB_FAKE_APT names, a JSON object, has `origin` (Debian), `suites` (name ->
package -> the path of a .deb), `own` (the suites of the machine's sources), `down` (whether the
mirror is out of reach).
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIRROR = "http://mirror.example/debian"


def main(arguments: list[str]) -> int:
    world = json.loads(Path(os.environ["BUDDYLAB_FAKE_APT"]).read_text())
    options = dict(word[2:].split("=", 1) for word in arguments if word.startswith("-o"))
    words = [word for word in arguments if not word.startswith("-")]
    suites = world["own"]
    if listed := options.get("Dir::Etc::sourcelist"):
        assert options["Dir::Etc::sourceparts"] == "-"
        suites = [Path(listed).read_text().split()[3]]
    lists = Path(options["Dir::State"]) / "lists"
    return COMMANDS[words[0]](world, suites, lists, words[1:], arguments) or 0


def update(world: Any, suites: list[str], lists: Path, *_: object) -> int:
    if world.get("down"):
        print(f"Err:1 {MIRROR} {suites[0]} InRelease")
        print(f"W: Failed to fetch {MIRROR}/dists/{suites[0]}/InRelease  Could not connect")
        return 0
    for suite in suites:
        if suite not in world["suites"]:
            print(f"E: The repository '{MIRROR} {suite} Release' does not have a Release file.")
            return 100
    packages = {name: deb for suite in suites for name, deb in world["suites"][suite].items()}
    (lists / "packages.json").write_text(json.dumps(packages))
    return 0


def known(lists: Path) -> dict[str, str]:
    file = lists / "packages.json"
    packages: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return packages


def indextargets(world: Any, *_: object) -> None:
    print(f"Packages {world['origin']} {world['origin']} {MIRROR} main")


def pkgnames(_world: Any, _suites: object, lists: Path, words: list[str], *_: object) -> None:
    print("\n".join(name for name in known(lists) if name.startswith(words[0])))


def download(
    world: Any, _suites: object, lists: Path, words: list[str], arguments: list[str]
) -> int:
    for name in words:
        if name not in known(lists):
            print(f"E: Unable to locate package {name}")
            return 100
        deb = Path(known(lists)[name])
        if "--print-uris" in arguments:
            digest = hashlib.sha256(deb.read_bytes()).hexdigest()
            print(f"'{MIRROR}/{deb.name}' {deb.name} {deb.stat().st_size} SHA256:{digest}")
        elif world.get("down"):
            print(f"E: Failed to fetch {MIRROR}/{deb.name}  Could not connect")
            return 100
        else:
            shutil.copy(deb, deb.name)
    return 0


COMMANDS: dict[str, Callable[..., int | None]] = {
    "update": update,
    "indextargets": indextargets,
    "pkgnames": pkgnames,
    "download": download,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
