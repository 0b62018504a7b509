# SPDX-License-Identifier: GPL-2.0-only
"""For mkdocs: pages that lie outside of docs/ are in the site, too, and links know it.

On the forge a link from docs/ to ../CONTRIBUTING.md works as it is. In the site those pages are in
project/; a link to what is no page (a plan, a source file, a folder) becomes its text.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

_ROOT = Path(__file__).parents[1]
_OUTSIDE = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "patches/README.md",
    "tests/data/README.md",
)
_PROJECT = "project/"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s:#]+)(#[^)]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages from outside of docs/."""
    for name in _OUTSIDE:
        files.append(File.generated(config, _PROJECT + name, content=(_ROOT / name).read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let each link lead where its page is in the site."""
    here = page.file.src_uri
    # Where the page is in the repository.
    origin = here.removeprefix(_PROJECT) if here.startswith(_PROJECT) else f"docs/{here}"

    def there(link: re.Match[str]) -> str:
        mark, text, target, anchor = link[1], link[2], link[3], link[4] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        if path in _OUTSIDE:
            place = _PROJECT + path
        elif path.startswith("docs/") and (_ROOT / path).is_file():
            place = path.removeprefix("docs/")
        else:
            return text
        return f"{mark}[{text}]({posixpath.relpath(place, posixpath.dirname(here) or '.')}{anchor})"

    return _LINK.sub(there, markdown)
