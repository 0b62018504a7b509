# SPDX-License-Identifier: GPL-2.0-only
"""The pages of `buddylab serve`: from a path that was asked for to what is sent."""

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, unquote_to_bytes, urlencode

from harness.encoding import UNREADABLE
from harness.errors import HarnessError
from harness.host.inside import TooLargeError, directory, require_no_links, whole
from harness.host.pages import REPORT_HTML
from harness.host.templates import html, html_assets, site_assets, site_page
from harness.host.web import NOTHING_LOADED, Response
from harness.jobs.beside import beside
from harness.jobs.ongoing import progress
from harness.jobs.saved_report import page_of
from harness.jobs.shelf import Shelf
from harness.jobs.shelf_files import address_of
from harness.writers.site import (
    PAGE_ROWS,
    Beside,
    Entry,
    File,
    Kind,
    Listing,
    Shown,
    State,
    Told,
    View,
    Wanted,
    choices,
    fitting,
    report_policy,
    site_policy,
    sort_words,
)

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_KINDS = {
    **dict.fromkeys((".md", ".txt", ".log", ".toml", ".patch", ".xml", ".ktap"), _TEXT),
    ".json": _JSON,
}
_WITHOUT_ENDING = frozenset({"sha256sums"})
_TEXT_FOLDERS = frozenset({"raw", "changes", "predictions", "failed"})
# What no script and nothing loaded can harm: a report that is not as this version writes it.
_INERT = f"{NOTHING_LOADED}; style-src 'unsafe-inline'; sandbox"
_CHOSEN = 2
_QUERY_FIELDS_MAX = 20
_MADE_MAX = 8
_FILES_SHOWN = 400


class _NoneError(Exception):
    """Nothing of that name is there; the message tells what to do."""


@dataclass(slots=True)
class Pages:
    """Answers for one folder."""

    shelf: Shelf
    _made: OrderedDict[tuple[str, int], bytes] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, query: str) -> Response:
        """Answer a request; what is not there is told, with 404."""
        try:
            return self._routed(_parts(path), query)
        except _NoneError as error:
            return _page(Told(title="Nothing here", text=str(error)), status=HTTPStatus.NOT_FOUND)
        except ValueError:
            told = Told(title="Not understood", text="The address has what no address has.")
            return _page(told, status=HTTPStatus.BAD_REQUEST)
        except OSError as error:
            what = error.strerror or str(error)
            told = Told(title="Cannot be read", text=f"{what}; see to it, and load this again.")
            return _page(told, status=HTTPStatus.NOT_FOUND)

    def _routed(self, parts: Sequence[str], query: str) -> Response:
        asked = parse_qs(query, max_num_fields=_QUERY_FIELDS_MAX, errors="replace")
        match parts:
            case []:
                return self._list(_wanted(asked))
            case ["two"]:
                return self._two(asked.get("run", []))
            case ["at", name]:
                return self._shown(self._entry(name))
            case ["at", name, "report.html"]:
                return self._report(self._entry(name))
            case ["at", name, "file", *rest] if rest:
                return self._file(self._entry(name), rest)
            case _:
                raise _NoneError("No page is of this address; go back to all runs.")

    def _entry(self, name: str) -> Entry:
        found = self.shelf.entry(name)
        if found is None:
            raise _NoneError("No run of that name is in this folder; go back to all runs.")
        return found

    def _list(self, wanted: Wanted) -> Response:
        entries, others = self.shelf.entries()
        fit = fitting(entries, wanted)
        first = max(0, min(wanted.first, len(fit) - 1)) // PAGE_ROWS * PAGE_ROWS
        wanted = replace(wanted, first=first)
        after = first + PAGE_ROWS
        view = Listing(
            folder=str(self.shelf.folder),
            wanted=wanted,
            entries=fit[first:after],
            fitting=len(fit),
            all=len(entries),
            others=others,
            choices=choices(entries),
            sorts={
                name: _address(replace(wanted, sort=word, first=0))
                for name, word in sort_words(wanted).items()
            },
            before=_address(replace(wanted, first=first - PAGE_ROWS)) if first else "",
            after=_address(replace(wanted, first=after)) if after < len(fit) else "",
        )
        return _page(view)

    def _two(self, chosen: Sequence[str]) -> Response:
        if len(chosen) != _CHOSEN:
            text = f"{len(chosen)} were chosen. Go back, and choose two."
            return _page(Told(title="Two side by side", text=text), status=HTTPStatus.BAD_REQUEST)
        one, other = (self._entry(_name(each)) for each in chosen)
        return _page(beside(self.shelf.folder, one, other, (_report_of(one), _report_of(other))))

    def _shown(self, entry: Entry) -> Response:
        is_live = entry.state is State.RUNNING
        others = () if is_live else self.shelf.entries()[0]
        alike = (Kind.RUN,) if entry.kind is Kind.RUN else (Kind.COMPARISON, Kind.JUDGEMENT)
        with_files = entry.state is not State.BROKEN or "link" not in entry.sentence
        files, is_cut = self._files(entry) if with_files else ({}, False)
        view = Shown(
            entry=entry,
            progress=None
            if entry.state in (State.FINISHED, State.BROKEN)
            else progress(self.shelf.folder, entry),
            report=_report_of(entry),
            files=files.pop("", ()),
            folders=files,
            is_cut=is_cut,
            is_live=is_live,
            others=tuple(
                one
                for one in fitting(others, Wanted())
                if one.name != entry.name and one.kind in alike and one.state is State.FINISHED
            )[:PAGE_ROWS],
        )
        return _page(view)

    def _files(self, entry: Entry) -> tuple[dict[str, tuple[File, ...]], bool]:
        """Return what can be shown of a folder, by where in it that lies; whether it was cut."""
        folder = self.shelf.folder / entry.name
        found: dict[str, tuple[File, ...]] = {}
        count = 0
        for place, folders, names in os.walk(folder):
            folders.sort()
            if count > _FILES_SHOWN:
                return found, True
            inner = Path(place).relative_to(folder).parts
            here = []
            for name in sorted(names):
                if _kind((*inner, name)) and not Path(place, name).is_symlink():
                    address = "/".join(map(address_of, (*inner, name)))
                    here.append(File(name=name, address=f"/at/{entry.address}/file/{address}"))
            if here:
                found["/".join(inner)] = tuple(here)
            count += len(here)
        return found, False

    def _report(self, entry: Entry) -> Response:
        ours = report_policy(*html_assets())
        with directory(self.shelf.folder, (entry.name,)) as handle:
            form = os.fstat(handle).st_mtime_ns
            try:
                kept = whole(handle, REPORT_HTML)
            except FileNotFoundError:
                kept = None
        if kept is not None and all(part.encode() in kept for part in html_assets()):
            return Response(body=kept, policy=ours)
        # Of an earlier version, or there is none, or not all of it yet: made anew, and not kept.
        try:
            return Response(body=self._remade(entry, form), policy=ours)
        except (HarnessError, OSError, *UNREADABLE) as error:
            if kept is not None:
                return Response(body=kept, policy=_INERT)
            raise _NoneError(f"There is no report: {error}") from error

    def _remade(self, entry: Entry, form: int) -> bytes:
        with self._lock:  # one at a time: it takes seconds of a CPU
            name = (entry.name, form)
            if name not in self._made:
                folder = self.shelf.folder / entry.name
                require_no_links(folder)
                made = html(page_of(folder)).encode(errors="replace")
                if entry.state is State.RUNNING:
                    return made
                self._made[name] = made
                if len(self._made) > _MADE_MAX:
                    self._made.popitem(last=False)
            return self._made[name]

    def _file(self, entry: Entry, parts: Sequence[str]) -> Response:
        kind = _kind(parts)
        if kind is None:
            raise _NoneError("Only reports, texts and JSON are shown; open others from disk.")
        try:
            with directory(self.shelf.folder, (entry.name, *parts[:-1])) as handle:
                content = whole(handle, parts[-1])
        except TooLargeError as error:
            raise _NoneError(f"{error}; open it from disk.") from error
        if b"\0" in content:
            raise _NoneError("This is no text; open it from disk.")
        return Response(body=content, kind=kind)


def _parts(path: str) -> list[str]:
    """Take a path apart; ValueError for parts that would lead elsewhere."""
    if not path.startswith("/"):
        raise ValueError(path)
    words = path[1:].removesuffix("/").split("/")
    return [] if words == [""] else [_name(word) for word in words]


def _name(word: str) -> str:
    """Return the one file name that is quoted; ValueError if it is none, or leads elsewhere."""
    name = os.fsdecode(unquote_to_bytes(word))
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(word)
    return name


def _kind(parts: Sequence[str]) -> str | None:
    """Return the type of what is shown; None for what is not."""
    name = parts[-1]
    if name.startswith("."):
        return None
    ending = Path(name).suffix
    if known := _KINDS.get(ending):
        return known
    plain = name in _WITHOUT_ENDING or (len(parts) > 1 and parts[0] in _TEXT_FOLDERS)
    return _TEXT if plain and ending not in (".html", ".gz", ".tar", ".svg") else None


def _wanted(asked: dict[str, list[str]]) -> Wanted:
    words = {name: values[0] for name, values in asked.items()}
    first = words.pop("first", "0")
    known = {one.name for one in fields(Wanted)}
    return Wanted(
        **{name: word for name, word in words.items() if name in known},
        first=int(first) if first.isascii() and first.isdigit() and len(first) < 9 else 0,  # noqa: PLR2004
    )


def _address(wanted: Wanted) -> str:
    words = {one.name: getattr(wanted, one.name) for one in fields(Wanted)}
    return "/?" + urlencode({name: word for name, word in words.items() if word}, errors="replace")


def _report_of(entry: Entry) -> str:
    has_one = entry.state is State.FINISHED or (
        entry.kind is not Kind.RUN and entry.state is not State.BROKEN
    )
    return f"/at/{entry.address}/report.html" if has_one else ""


def _page(view: View, *, status: int = HTTPStatus.OK) -> Response:
    match view:
        case Listing():
            title = f"Runs of {view.folder}"
        case Shown():
            title = view.entry.name
        case Beside():
            title = " beside ".join(one.name for one in view.entries)
        case Told():
            title = view.title
    return Response(
        body=site_page(view, title).encode(errors="replace"),
        status=status,
        policy=site_policy(*site_assets()),
    )
