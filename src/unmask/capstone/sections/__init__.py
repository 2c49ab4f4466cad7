"""The words of each step: one file a step, with ``parts``, which makes HTML of a result and never computes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.capstone.step import Result
from unmask.pages import Html, figure, gallery, paragraph, table
from unmask.writing import hundredths, percent

QUICK_MARK = " Quick."
"""What ends the captions of a quick run."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A finished step as the report reads it.

    Parameters
    ----------
    result
        Its numbers and the names of its figures.
    folder
        Where the figures lie.
    quick
        Whether it was computed on the small budget.
    """

    result: Result
    folder: Path
    quick: bool

    @property
    def data(self) -> dict[str, Any]:
        return self.result.data

    @property
    def mark(self) -> str:
        """What ends a caption of a quick run."""
        return QUICK_MARK if self.quick else ""

    def value(self, key: str) -> Any:
        """A measured value; None where it was not measured."""
        found = self.result.values.get(key)
        return None if found is None else found["value"]

    def content(self, name: str) -> bytes | None:
        """The bytes of a figure; None where it was not made."""
        listed = self.result.figures.get(name)
        return None if listed is None else (self.folder / listed.file).read_bytes()

    def shown(self, *names: str) -> Html:
        """Figures with their captions, those that were made."""
        parts = []
        for name in names:
            content = self.content(name)
            if content is not None:
                listed = self.result.figures[name]
                width = listed.width or None
                parts.append(figure(content, alt=listed.caption, caption=listed.caption + self.mark, width=width))
        return Html("".join(parts))

    def beside(self, *names: str) -> Html:
        """The same, side by side where there is room."""
        return Html(f'<div class="beside">{self.shown(*names)}</div>\n')

    def tiles(self, name: str, captions: Sequence[str], *, side: int) -> Html:
        """The pictures of a strip, each with its line of text."""
        content = self.content(name)
        if content is None:
            return Html("")
        marked = [caption + self.mark for caption in captions]
        return gallery(list(zip(tiles_of(content), marked, strict=False)), side=side)

    def left_out(self) -> Html:
        """What was not done, and why."""
        return Html(
            "".join(paragraph(f"Left out. {sentence}", kind="about") for sentence in self.result.left_out.values())
        )


def tiles_of(strip: bytes) -> list[bytes | NDArray[np.uint8]]:
    """The square pictures that stand side by side in a JPEG."""
    from PIL import Image

    from unmask.capstone.measured import jpeg

    pixels = np.asarray(Image.open(io.BytesIO(strip)))
    side = len(pixels)
    return [jpeg(pixels[:, start : start + side], quality=85) for start in range(0, pixels.shape[1], side)]


def words_table(head: Sequence[object], rows: Sequence[Sequence[object]], *, caption: str = "") -> Html:
    """A table whose cells are words, which begin at the same place."""
    return Html(f'<div class="words">{table(head, rows, caption=caption)}</div>\n')


def tenths(share: float) -> str:
    """A share in per cent with one decimal, for :func:`unmask.evaluation.intervals.between`."""
    return percent(share, 1)


def points(difference: float) -> str:
    """A difference of shares in points of per cent, without the word."""
    return f"{100 * difference:.1f}"


def loss_captions(losses: Sequence[dict[str, Any]]) -> list[str]:
    """A line of text for each of the worst rows."""
    return [
        f"{loss['actual']}, read as {loss['predicted']} {hundredths(loss['confidence'])}%; "
        f"its label {hundredths(loss['probability'], 1)}%, "
        f"loss {loss['loss']:.1f}"
        for loss in losses
    ]
