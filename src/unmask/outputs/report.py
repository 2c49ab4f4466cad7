"""Readings as one HTML page that needs nothing else: no network and no font; a script only to play a film."""

from __future__ import annotations

import glob
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.errors import ConfigError, suggest
from unmask.expressions import Expression
from unmask.outputs.drawing import draw
from unmask.outputs.film_page import SCRIPT, STYLE
from unmask.outputs.text import MEANING, face_count, frame_name, verdict
from unmask.pages import PAGE_FOOT, Html, data_uri, page_head, text
from unmask.readings import Abstention, Box, Face, Reading
from unmask.writing import Closing, Replacement, disk_errors, encodable, hundredths, percent

THUMBNAIL_SIDE = 900
"""Longer side of the pictures in the page, in pixels, at most."""

CROP_SIDE = 72
"""Longer side of the faces in the tables, in pixels, at most: twice what they are shown at, for fine screens."""

_SPOOL_IN_MEMORY = 4 << 20

_SUFFIXES = (".html", ".htm")


def check_report(path: Path) -> None:
    """Raises ConfigError for a page with another suffix than HTML's."""
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"{path}: a report is an HTML page; {suggest(path.suffix.lower(), _SUFFIXES)}")


def film_beside(page: Path, number: int) -> Path:
    """Where a page's film lies that is too large for the page itself; ``number`` counts from 1."""
    return page.with_name(f"{page.stem}.film{number}.mp4")


def film_number(page: Path, path: Path) -> int | None:
    """The number of the page's film that would take this path; None where none ever does."""
    found = re.fullmatch(rf"{re.escape(page.stem)}\.film([1-9][0-9]*)\.mp4", path.name)
    return int(found[1]) if found and path.parent.resolve() == page.parent.resolve() else None


def films_beside(page: Path) -> dict[int, Path]:
    """The files that films of the page might replace, by their numbers."""
    there = page.parent.glob(f"{glob.escape(page.stem)}.film*.mp4")
    return {number: path for path in there if (number := film_number(page, path)) is not None}


class ReportWriter(Closing):
    """A page of annotated pictures with a table of each face's scores, and a summary at its head.

    A context manager. Pictures go to a temporary file as they come and memory stays flat; the page is written at
    ``close``, also after an interruption, with what came until then.

    Parameters
    ----------
    path
        The HTML file. A page that stood there stays whole until the new one is complete, and for good if nothing came.
    title
        Heading of the page.

    Raises
    ------
    ConfigError
        Another suffix than ``.html`` or ``.htm``.
    InputError
        The page cannot be written.
    """

    def __init__(self, path: Path, *, title: str = "Facial expressions") -> None:
        check_report(path)
        self._path = path
        self._title = title
        self._pictures = 0
        self._empty = 0
        self._films = 0
        self._failures: list[str] = []
        self._models: set[str] = set()
        self._shown: Counter[Expression] = Counter()
        self._withheld: Counter[Abstention] = Counter()
        with disk_errors(path):
            self._new = Replacement(path)
            self._page = self._new.part.open("wb")
        self._body = tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY)  # noqa: SIM115 (closed in close)

    def add(self, image: NDArray[np.uint8], reading: Reading, *, profile: bytes | None = None) -> None:
        """Add one frame: its picture, uint8 RGB ``(H, W, 3)`` or grey ``(H, W)``, its reading and its colour profile.

        Raises ValueError when they are not of the same size, or after ``close``.
        """
        if self._body.closed:
            raise ValueError(f"{self._path}: this report is closed")
        article = _article(image, reading, self._pictures + 1, profile)
        self._pictures += 1
        self._empty += not reading.faces
        self._models.add(reading.model)
        self._shown.update(face.expression for face in reading.faces if face.expression is not None)
        self._withheld.update(face.abstained for face in reading.faces if face.abstained is not None)
        with disk_errors(self._path):
            self._body.write(_bytes(article))

    def add_film(self, section: Html, *, model: str) -> None:
        """Add a film: a :meth:`unmask.outputs.film_section.FilmSection.finish`, and the model that read it."""
        self._films += 1
        self._models.add(model)
        with disk_errors(self._path):
            self._body.write(_bytes(section))

    def add_failure(self, message: str) -> None:
        """Add an input that could not be read, in words, to the list at the foot of the page."""
        self._failures.append(message)

    def close(self) -> None:
        """Write the page; a second call does nothing."""
        if self._body.closed:
            return
        if not self._pictures and not self._films and self._path.exists():
            self._body.close()
            self._page.close()
            self._new.discard()
            return
        try:
            with disk_errors(self._path):
                with self._body as body, self._page as page:
                    body.seek(0)
                    page.write(_bytes(self._head()))
                    shutil.copyfileobj(body, page)
                    page.write(_bytes(_failure_list(self._failures)))
                    script = f"<script>\n{SCRIPT}\n</script>\n" if self._films else ""
                    page.write(_bytes("</main>\n" + script + PAGE_FOOT))
                self._new.complete()
        finally:
            self._new.discard()

    def _head(self) -> str:
        models = f"<p>Read by the model {text(', '.join(sorted(self._models)) or 'none')}.</p>"
        begin = (
            page_head(self._title, style=STYLE if self._films else "", scripts=self._films > 0)
            + f'<h1>{text(self._title)}</h1>\n<p class="meaning">{MEANING}</p>\n'
        )
        return f"{begin}{'' if self._films and not self._pictures else self._counts()}{models}\n<main>\n"

    def _counts(self) -> str:
        """The summary of all pictures."""
        withheld = self._withheld.total()
        faces = self._shown.total() + withheld
        counts = (
            *([("Films", self._films)] if self._films else []),
            ("Pictures", self._pictures),
            ("Faces in pictures" if self._films else "Faces", faces),
            ("Pictures without a face", self._empty),
            ("Faces without a named expression", withheld),
            *([("Inputs not read", len(self._failures))] if self._failures else []),
        )
        figures = "".join(f"<div><dt>{name}</dt><dd>{count}</dd></div>" for name, count in counts)
        return (
            f'<section aria-label="Summary"><dl class="figures">{figures}</dl>\n<div class="counts">'
            + _count_table("Expression", [(str(name), str(name), n) for name, n in self._shown.most_common()], faces)
            + _count_table(
                "No expression, because", [(str(why), "none", n) for why, n in self._withheld.most_common()], faces
            )
            + "</div></section>\n"
        )


def _failure_list(messages: Sequence[str]) -> str:
    if not messages:
        return ""
    lines = "".join(f"<li>{text(message)}</li>\n" for message in messages)
    return f'<section aria-labelledby="not-read"><h2 id="not-read">Not read</h2>\n<ul>\n{lines}</ul></section>\n'


def _article(image: NDArray[np.uint8], reading: Reading, number: int, profile: bytes | None) -> str:
    name = text(frame_name(reading))
    marked = data_uri(draw(image, reading, max_side=THUMBNAIL_SIDE), photo=True, profile=profile)
    words = ", ".join(verdict(face) for face in reading.faces)
    alt = text(f"{face_count(len(reading.faces))} marked{': ' if words else ''}{words}")
    return (
        f'<article aria-labelledby="p{number}"><h2 id="p{number}">{name}</h2>\n'
        f'<p class="about">{reading.width} x {reading.height} pixels, {face_count(len(reading.faces))}</p>\n'
        f'<img src="{marked}" alt="{alt}" loading="lazy">\n'
        f"{_face_table(image, reading.faces, number) if reading.faces else ''}</article>\n"
    )


def _face_table(image: NDArray[np.uint8], faces: Sequence[Face], number: int) -> str:
    labels = list(faces[0].scores)
    heads = "".join(f'<th scope="col"><abbr title="{label}">{label[:3]}</abbr></th>' for label in labels)
    lines = "".join(_face_row(face, i, labels, _crop(image, face.box)) for i, face in enumerate(faces))
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="p{number}"><table class="faces">'
        "<caption>Scores in percent, faces from left to right</caption>"
        f'<thead><tr><th scope="col">Face</th><th scope="col">Expression</th>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def _face_row(face: Face, number: int, labels: Sequence[Expression], crop: NDArray[np.uint8]) -> str:
    colour = "none" if face.expression is None else str(face.expression)
    cells = "".join(_score_cell(face, label) for label in labels)
    name = f'<th scope="row"><span class="chip {colour}"></span>{verdict(face)}</th>'
    picture = f'<img src="{data_uri(crop, photo=True)}" alt="">' if crop.size else ""
    return f"<tr><td>{number}{picture}</td>{name}{cells}</tr>\n"


def _crop(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The part of the picture in the box, at most ``CROP_SIDE`` pixels wide and high; empty for a box outside it."""
    from PIL import Image

    x1, y1, x2, y2 = (max(0, round(value)) for value in box.to_json())
    crop = image[y1:y2, x1:x2]
    if not crop.size:
        return crop
    picture = Image.fromarray(crop)
    picture.thumbnail((CROP_SIDE, CROP_SIDE))
    return np.asarray(picture)


def _score_cell(face: Face, label: Expression) -> str:
    share = face.scores.get(label, 0.0)
    top = " top" if label == face.expression else ""
    return f'<td class="bar {label}{top}" style="--s:{share:.3f}">{text(hundredths(share))}</td>'


def _count_table(heading: str, counts: Sequence[tuple[str, str, int]], total: int) -> str:
    """Names, the colour class of each and its count, as a table with bars of the shares of all faces.

    Nothing where there is nothing to count.
    """
    if not counts:
        return ""
    lines = "".join(
        f'<tr><th scope="row"><span class="chip {colour}"></span>{text(name)}</th><td>{count}</td>'
        f'<td class="bar {colour}" style="--s:{count / total:.3f}">{text(percent(count / total))}</td></tr>\n'
        for name, colour, count in counts
    )
    return (
        f'<table><thead><tr><th scope="col">{heading}</th><th scope="col">Faces</th><th scope="col">Of all faces</th>'
        f"</tr></thead><tbody>{lines}</tbody></table>"
    )


def _bytes(text: str) -> bytes:
    return encodable(text).encode("utf-8")
