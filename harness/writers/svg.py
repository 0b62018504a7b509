# SPDX-License-Identifier: GPL-2.0-only
"""A picture as an SVG file of its own, for a page that cannot hold one inline. Pure."""

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from harness.writers.picture import Label, Picture, Stroke

_MARGIN = 12
_TITLE = 22
# The looks and colours of html.css, light and dark.
_STYLE = """
svg { --paper: #fff; --ink: #1b1f24; --soft: #57606a; --rule: #d0d7de;
  --good: #0a4d8c; --bad: #9a3412; --cost: #6b4b00; }
@media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --ink: #e6edf3; --soft: #a0aab4;
  --rule: #3d444d; --good: #8cc4ff; --bad: #ffb187; --cost: #f0d27a; } }
rect { fill: var(--paper); } path { fill: none; stroke: var(--soft); }
text { fill: var(--ink); font: 12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.axis { stroke: var(--rule); } .zero { stroke: var(--ink); }
.soft { fill: var(--soft); font-size: 11px; } .strong, .title { font-weight: 600; }
.dot-good, .dot-bad, .dot-cost, .dot-same { stroke-width: 6; stroke-linecap: round; opacity: .75; }
.bar-good, .bar-bad, .bar-cost, .bar-same { stroke-width: 3; }
.dot-good, .bar-good { stroke: var(--good); } .dot-bad, .bar-bad { stroke: var(--bad); }
.dot-cost, .bar-cost { stroke: var(--cost); }
"""


def svg(one: Picture) -> str:
    """Write a picture with its title above it, and what it shows as its description."""
    width, height = one.width + 2 * _MARGIN, one.height + _TITLE + 2 * _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
            f'  width="{2 * width}" height="{2 * height}" role="img" aria-labelledby="t d">',
            f'<title id="t">{escape(one.title)}</title>',
            f'<desc id="d">{escape(one.shows)}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect width="{width}" height="{height}"/>',
            f'<text class="title" x="{_MARGIN}" y="{_MARGIN + 10}">{escape(one.title)}</text>',
            f'<g transform="translate({_MARGIN} {_MARGIN + _TITLE})">',
            *map(_stroke, one.strokes),
            *map(_label, one.labels),
            "</g>",
            "</svg>",
            "",
        ]
    )


def _stroke(one: Stroke) -> str:
    return f'<path class={quoteattr(one.look)} d="{one.path}"/>'


def _label(one: Label) -> str:
    return f"<text{''.join(_attributes(one))}>{escape(one.text)}</text>"


def _attributes(one: Label) -> Iterator[str]:
    yield f' x="{one.x:.1f}" y="{one.y:.1f}"'
    if one.anchor != "start":
        yield f' text-anchor="{one.anchor}"'
    if one.look:
        yield f" class={quoteattr(one.look)}"
