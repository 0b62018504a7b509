# SPDX-License-Identifier: GPL-2.0-only
"""Write the table of alarms from sources: `python -m harness.host.alarm_table LINE=TREE...`.

The lines stand oldest first. What the last of them adds is printed: look at its kinds.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from harness.texts.alarms import table
from harness.texts.alarms.source import FOLDERS, Alarm, alarms_of, is_read

_FILE = Path(table.__file__).with_name(table.FILE)


def alarms_in(tree: Path) -> Iterator[Alarm]:
    """Yield what the sources of one kernel tree can print as an alarm."""
    for folder in FOLDERS:
        for file in sorted((tree / folder).rglob("*.[ch]")):
            path = file.relative_to(tree).as_posix()
            if is_read(path):
                yield from alarms_of(path, file.read_text(encoding="utf-8", errors="replace"))


def main(arguments: list[str]) -> None:
    """Write the table that the program comes with."""
    trees = dict(argument.split("=", maxsplit=1) for argument in arguments)
    rows = table.rows_of({line: alarms_in(Path(tree)) for line, tree in trees.items()})
    _FILE.write_text(table.text_of(rows), encoding="utf-8")
    newest = list(trees)[-1]
    print(f"{len(rows)} messages; {newest} alone has:")  # noqa: T201 - its answer
    for row in rows:
        if row.lines == (newest,):
            print(f"  {row.kind}: {row.format} ({row.place})")  # noqa: T201 - its answer


if __name__ == "__main__":
    main(sys.argv[1:])
