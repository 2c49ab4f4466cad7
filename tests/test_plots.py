"""Plots and pages: what they show, and that they need nothing else."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from unmask import pages, plots

pytest.importorskip("matplotlib")

FIGURES = {
    "lines": lambda: plots.lines({"a": ([1, 2], [3, 4]), "b": ([1, 2], [4, 3])}, log_x=True, x="rate", y="loss"),
    "bars": lambda: plots.bars(["happy", "sad"], {"n": [10, 1000]}, reference=(5, "chance")),
    "grouped bars": lambda: plots.bars(["x", "y"], {"a": [1, 2], "b": [2, 1]}, errors={"a": [0.1, 0], "b": [0, 0.1]}),
    "confusion": lambda: plots.confusion(np.array([[1234, 2], [0, 0]]), ["happy", "sad"], title="T"),
    "images": lambda: plots.image_grid([np.eye(4), np.zeros((4, 4, 3), np.uint8)], captions=["one", "two"], columns=2),
    "signed images": lambda: plots.image_grid([np.eye(4) - 0.5] * 3, rows=["r1", "r2"], columns=2, signed=True),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_plot_is_the_same_twice(name: str) -> None:
    """The same data gives the same bytes, so that a committed plot changes only with its data."""
    first, second = (plots.to_svg(FIGURES[name]()) for _ in range(2))
    assert first == second
    assert b"<svg" in first
    assert b"mathdefault" not in first  # axes are labelled in plain figures
    assert plots.to_png(FIGURES[name]()).startswith(b"\x89PNG")


def test_confusion_shows_counts_and_totals() -> None:
    """Every count, and the totals of rows and columns."""
    drawn = plots.to_svg(plots.confusion(np.array([[30, 12], [7, 1]]), ["happy", "sad"])).decode()
    for shown in ("30", "12", "42", "37", "13", "71%"):
        assert re.search(rf">{shown}<", drawn), shown


@pytest.mark.parametrize("name", ["faces $5_$10", "$x", "脸"])
def test_any_name_stands_in_a_plot(name: str, recwarn: pytest.WarningsRecorder) -> None:
    """Dollars begin no formula, and letters that the font lacks are no matter for the user."""
    for figure in (
        plots.confusion(np.eye(2, dtype=int), ["happy", "sad"], title=name),
        plots.bars([name, "b"], {name: [1, 2]}, title=name, y=name),
        plots.lines({name: ([1], [2])}, title=name, x=name),
        plots.image_grid([np.eye(4)], captions=[name], rows=[name], title=name),
    ):
        assert name in plots.to_svg(figure).decode()
    assert not recwarn.list


def test_a_logarithmic_axis() -> None:
    """Powers of ten, in figures."""
    drawn = plots.to_svg(plots.lines({"a": ([1e-5, 1e-3, 1e-1], [1, 2, 3])}, log_x=True)).decode()
    assert all(f">{power}<" in drawn for power in ("1e-05", "0.0001", "0.001", "0.01", "0.1"))


def test_bars_that_are_not_there() -> None:
    """NaN is a value that nobody measured, and not 0."""
    drawn = plots.to_svg(plots.bars(["x", "y"], {"a": [0.25, math.nan], "b": [0.5, 0.75]}, digits=2)).decode()
    assert [value for value in ("0.25", "0.50", "0.75", "0.00", "nan") if f">{value}<" in drawn] == [
        "0.25",
        "0.50",
        "0.75",
    ]


def test_everything_on_a_page_is_escaped() -> None:
    """Text that comes from files cannot act, wherever it stands."""
    bad = "<script>alert(1)</script>"
    document = pages.page(
        bad,
        pages.section(bad, pages.paragraph(bad), pages.table([bad], [[f"x{bad}", bad[1:]]], caption=bad)),
        pages.figure(np.zeros((2, 2), np.uint8), alt=bad, caption=bad),
        pages.gallery([(np.zeros((300, 2), np.uint8), bad)]),
        lead=bad,
    )
    assert "<script" not in document
    assert "script-src" not in document
    assert "default-src 'none'" in document


def test_a_page_is_well_formed() -> None:
    """Every element that is opened is closed, in order."""

    class Checker(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "img", "link"):
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    checker = Checker()
    checker.feed(pages.page("T", pages.section("S", pages.table(["a", "b"], [[1, 2]], best=[0])), script="let x = 1;"))
    assert checker.open == []


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (np.zeros((4, 4), np.uint8), "png"),  # every pixel of a small picture is to be seen
        (np.zeros((400, 4, 3), np.uint8), "jpeg"),
        (b"<svg></svg>", "svg+xml"),
    ],
)
def test_pictures_in_a_page(source: np.ndarray | bytes, kind: str) -> None:
    """A picture's kind is told by what it holds."""
    assert pages.data_uri(source).startswith(f"data:image/{kind};base64,")


def test_photos_in_a_page() -> None:
    """A photo's pixels are not looked at one by one: it is a JPEG at any size."""
    assert pages.data_uri(np.zeros((4, 4, 3), np.uint8), photo=True).startswith("data:image/jpeg;base64,")
