"""Reports as one HTML file that needs nothing else: no network, no font, light and dark, screen and paper.

A page is built from parts: :func:`paragraph`, :func:`table`, :func:`figure`, :func:`gallery`, :func:`section`. Each
gives :class:`Html`; every other text is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from unmask.images import encoded
from unmask.palette import ABSTAINED, COLOURS, Colour
from unmask.writing import printable


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> str:
    """Anything as text that is safe inside HTML and shows what it holds."""
    return escape(printable(str(value)))


def paragraph(content: str, *, kind: str = "") -> Html:
    """A paragraph of plain text; ``kind`` is a class of the style sheet (``meaning``, ``about``)."""
    return Html(f"<p{_class(kind)}>{text(content)}</p>\n")


def table(
    head: Sequence[object], rows: Iterable[Sequence[object]], *, caption: str = "", best: Sequence[int] = ()
) -> Html:
    """A table that scrolls by itself where it is too wide.

    Parameters
    ----------
    head
        Names of the columns.
    rows
        Cells; the first of each row names it.
    caption
        What the table shows, and with which unit.
    best
        Numbers of the rows to set in bold.
    """
    heads = "".join(f'<th scope="col">{_cell(cell)}</th>' for cell in head)
    lines = []
    for number, row in enumerate(rows):
        first, *rest = row
        cells = "".join(f"<td>{_cell(cell)}</td>" for cell in rest)
        lines.append(f'<tr{_class("top" if number in best else "")}><th scope="row">{_cell(first)}</th>{cells}</tr>\n')
    above = f"<caption>{text(caption)}</caption>" if caption else ""
    return Html(
        f'<div class="scroll" tabindex="0"><table>{above}<thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>\n"
    )


def figure(source: bytes | NDArray[np.uint8], *, alt: str, caption: str = "", width: int | None = None) -> Html:
    """A picture with its caption.

    Parameters
    ----------
    source
        The bytes of an SVG, PNG or JPEG, or pixels ``uint8``, RGB ``(H, W, 3)`` or grey ``(H, W)``.
    alt
        What somebody who does not see the picture needs to know.
    caption
        Stands below it.
    width
        In CSS pixels; None shows it at its own size, at most as wide as the page.
    """
    size = f' style="width:{width}px"' if width else ""
    below = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    return Html(f'<figure><img src="{data_uri(source)}" alt="{text(alt)}" loading="lazy"{size}>{below}</figure>\n')


def gallery(items: Iterable[tuple[bytes | NDArray[np.uint8], str]], *, side: int = 72) -> Html:
    """Small pictures side by side, each with a line of text below it, shown ``side`` CSS pixels wide."""
    cells = "".join(
        f'<figure><img src="{data_uri(source)}" alt="" width="{side}" loading="lazy">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
        for source, caption in items
    )
    return Html(f'<div class="gallery" style="--side:{side}px">{cells}</div>\n')


def section(title: str, *parts: Html, level: int = 2, anchor: str = "") -> Html:
    """A heading and what belongs to it; ``anchor`` is what links to it name."""
    name = f' id="{text(anchor)}"' if anchor else ""
    return Html(f"<section{name}><h{level}>{text(title)}</h{level}>\n{''.join(parts)}</section>\n")


def data_uri(source: bytes | NDArray[np.uint8], *, photo: bool = False, profile: bytes | None = None) -> str:
    """A picture as an address that holds the picture itself.

    Pixels become JPEG where they are a photo, which is then a tenth as long, or 256 pixels wide or high; smaller ones
    become PNG, so that every pixel can be seen. Of a photo a colour profile can be kept.
    """
    if isinstance(source, np.ndarray):
        if max(source.shape[:2]) < 256 and not photo:
            source = encoded(source, "PNG", optimize=True)
        else:
            source = encoded(source, "JPEG", quality=85, optimize=True, icc_profile=profile)
    if source.startswith(b"\x89PNG"):
        kind = "png"
    elif source.startswith(b"\xff\xd8"):
        kind = "jpeg"
    else:
        kind = "svg+xml"
    return f"data:image/{kind};base64," + base64.b64encode(source).decode("ascii")


def page(title: str, *parts: Html, lead: str = "", style: str = "", script: str = "") -> str:
    """A whole HTML document.

    Parameters
    ----------
    title
        Heading and name of the page.
    parts
        From the functions of this module.
    lead
        What the page is about, in a sentence or two below the heading.
    style, script
        What the page needs beyond the common style sheet. Without a script, the page forbids all scripts.
    """
    body = f"<h1>{text(title)}</h1>\n" + (paragraph(lead, kind="meaning") if lead else "") + "".join(parts)
    end = f"<script>\n{script}\n</script>\n" if script else ""
    return page_head(title, style=style, scripts=bool(script)) + f"<main>\n{body}</main>\n{end}" + PAGE_FOOT


def page_head(title: str, *, style: str = "", scripts: bool = False) -> str:
    """The document up to its body, for pages that are written piece by piece."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    policy += "; script-src 'unsafe-inline'; media-src data: blob: 'self' file:" if scripts else ""
    return _HEAD.format(title=text(title), policy=policy, style=STYLE + colour_rules() + style)


def colour_rules() -> str:
    """A class for each expression that sets the colour of its bars and chips."""
    colours: list[tuple[str, Colour]] = [*COLOURS.items(), ("none", ABSTAINED)]
    return "\n".join(f".{name} {{ --c: rgb{colour}; }}" for name, colour in colours) + "\n"


def _class(kind: str) -> str:
    return f' class="{text(kind)}"' if kind else ""


def _cell(cell: object) -> str:
    return cell if isinstance(cell, Html) else text(cell)


_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
"""

PAGE_FOOT = "</body>\n</html>\n"

STYLE = """\
:root { color-scheme: light dark; --page: #fff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --track: #eaeef2; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171b; --text: #e6e9ec; --soft: #a0a9b2; --line: #363c43; --track: #2a2f36; }
}
* { box-sizing: border-box; }
body { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .5rem; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 .5rem; font-size: 1.25rem; overflow-wrap: anywhere; }
h3 { margin: 1.25rem 0 .25rem; font-size: 1rem; }
article h2 { margin: 0; font-size: 1.1rem; }
main > section { margin-top: 2rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
.meaning { margin: 0 0 1.5rem; padding-left: .75rem; border-left: .25rem solid var(--line); }
.about, caption, figcaption { color: var(--soft); font-size: .875rem; text-align: left; }
.about { margin: 0 0 .5rem; }
.figures { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 0 0 1rem; }
.figures dt { color: var(--soft); font-size: .875rem; }
.figures dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.counts { display: flex; flex-wrap: wrap; gap: 1rem 3rem; align-items: start; }
.counts .bar { width: 9rem; }
article { margin-top: 2rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
img { display: block; max-width: 100%; height: auto; border-radius: .25rem; }
figure { margin: 1rem 0; }
figure img[src^="data:image/svg"], figure img[src^="data:image/png"] { background: #fff; }
figcaption { margin-top: .25rem; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(var(--side), 1fr)); gap: .75rem .5rem; }
.gallery figure { margin: 0; }
.gallery img { width: var(--side); image-rendering: pixelated; }
.gallery figcaption { font-size: .75rem; line-height: 1.3; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin-top: .75rem; }
caption { position: sticky; left: 0; max-width: calc(100vw - 2.5rem); }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
.faces { width: 100%; }
th, td { padding: .3rem .4rem .4rem; border-bottom: 1px solid var(--line); text-align: right; font-weight: 400; }
th[scope=row], thead th:first-child, .faces th:nth-child(2) { text-align: left; white-space: nowrap; }
.faces td:first-child { text-align: left; white-space: nowrap; }
.faces img { display: inline-block; width: 2.25rem; max-width: none; height: 2.25rem; margin: 0 .4rem;
  object-fit: cover; vertical-align: middle; }
thead th { color: var(--soft); font-size: .8125rem; }
abbr { text-decoration: none; }
.chip { display: inline-block; width: .75em; height: .75em; margin-right: .4em; border-radius: 50%;
  background: var(--c); box-shadow: 0 0 0 1px var(--soft); }
.bar { --full: calc(100% - .8rem); background-repeat: no-repeat; background-position: .4rem calc(100% - .1rem);
  background-image: linear-gradient(var(--c), var(--c)), linear-gradient(var(--track), var(--track));
  background-size: calc(var(--full) * var(--s)) .25rem, var(--full) .25rem; }
.top, .top th { font-weight: 700; }
@media (max-width: 30rem) {
  th, td { padding: .3rem .2rem .4rem; }
  .bar { --full: calc(100% - .4rem); background-position-x: .2rem; }
}
@media print {
  :root { --page: #fff; --text: #000; --soft: #444; --line: #bbb; --track: #eee; }
  body { max-width: none; padding: 0; }
  article, figure, tr { break-inside: avoid; }
  .chip, .bar { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  img { max-height: 16cm; }
  .scroll { overflow: visible; }
}
"""
