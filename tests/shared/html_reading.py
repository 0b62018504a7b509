# SPDX-License-Identifier: GPL-2.0-only
"""Reads an HTML report as a browser does, as far as tests look at it."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

# Elements that have no end.
VOID = {"meta", "br", "hr", "img", "input", "link"}
# Attributes that may name another place.
ADDRESSES = {"href", "src", "xlink:href", "action", "formaction", "data", "poster", "srcset"}


@dataclass
class Element:
    """An element: what it is, and all text within."""

    tag: str
    attributes: dict[str, str]
    inner: list["Element"] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words)).strip()

    def all(self, tag: str) -> list["Element"]:
        found = [one for one in self.inner if one.tag == tag]
        return found + [each for one in self.inner for each in one.all(tag)]

    def classed(self, name: str) -> list["Element"]:
        """Return every element within that has a class."""
        return [one for one in self.everything() if name in one.attributes.get("class", "").split()]

    def everything(self) -> list["Element"]:
        return [each for one in self.inner for each in (one, *one.everything())]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"an attribute of {tag} is there twice: {names}"
        one = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inner.append(one)
        if tag not in VOID:
            self.open.append(one)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].inner.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> ends <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for one in self.open:
            one.words.append(data)


def read(text: str) -> Element:
    """Return the document; AssertionError if its elements are not nested."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert len(reader.open) == 1, [one.tag for one in reader.open]
    return reader.root


def require_sound(text: str) -> Element:
    """Return the document, which loads nothing, runs only its own script, and can be read aloud."""
    assert text.startswith("<!DOCTYPE html>")
    document = read(text)
    everything = document.everything()
    names = [one.attributes["id"] for one in everything if "id" in one.attributes]
    assert len(set(names)) == len(names)
    for one in everything:
        for name, value in one.attributes.items():
            assert not name.startswith("on"), f"{one.tag} {name}"
            assert name != "style", one.tag  # the policy refuses it
            if name in ADDRESSES:
                assert value.startswith("#"), f"{one.tag} {name}={value}"
                assert value[1:] in names, f"{value} leads nowhere"
            if name in {"aria-labelledby", "aria-describedby", "for"}:
                assert value in names
    for drawn in document.all("svg"):
        if drawn.attributes.get("aria-hidden") == "true":
            continue
        assert drawn.attributes["role"] == "img"
        assert drawn.all("title")[0].text
        assert drawn.all("desc")[0].text
    for tag in ("script", "style", "title", "h1", "main"):
        assert len([one for one in document.all(tag) if one.tag == tag and is_of_page(one)]) >= 1
    assert len(document.all("script")) == len(document.all("style")) == 1
    assert not {one.tag for one in everything} & {
        "img",
        "iframe",
        "object",
        "embed",
        "link",
        "base",
    }
    assert not re.search(r"url\(|@import|https?:|//\w", document.all("style")[0].text)
    assert not re.search(r"fetch\(|XMLHttp|import\(|https?:", document.all("script")[0].text)
    levels = [int(one.tag[1]) for one in everything if re.fullmatch("h[1-6]", one.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    return document


def is_of_page(one: Element) -> bool:
    """Whether an element is the page's: a picture has a title, too."""
    return one.tag != "title" or not one.attributes.get("id")
