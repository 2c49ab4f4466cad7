"""The HTML report: complete, safe, and readable without a network."""

from __future__ import annotations

import base64
import io
import re
import tracemalloc
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_outputs_drawing import MIDDLE, grey, reading_of
from test_outputs_writers import ABSTAINED

from unmask.errors import InputError
from unmask.outputs import MEANING
from unmask.outputs.report import ReportWriter
from unmask.readings import Box, Reading

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """A page's text and elements; refuses tags that are not closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def write_report(path: Path, items: Iterable[tuple[Any, Reading]], **options: str) -> None:
    """A page of pictures and their readings."""
    with ReportWriter(path, **options) as report:
        for image, reading in items:
            report.add(image, reading)


IMAGE = grey()
ITEMS = [(IMAGE, reading_of(IMAGE, MIDDLE, replace(ABSTAINED, box=MIDDLE.box)))]
"""One picture with a happy face and an abstention."""


def test_the_summary_counts(tmp_path: Path) -> None:
    """Pictures, faces, pictures without a face and abstentions, before the first picture."""
    path = tmp_path / "report.html"
    write_report(path, [*ITEMS, *ITEMS, (IMAGE, reading_of(IMAGE))])
    text = re.sub(r"\s+", " ", Page(path).text)
    assert "Pictures3Faces4Pictures without a face1Faces without a named expression2" in text
    assert "happy250 %" in text
    assert "too small250 %" in text
    assert "Read by the model small@1.0." in text
    assert text.index("too small2") < text.index("a.jpg")
    assert MEANING in text


def test_pictures_and_tables(tmp_path: Path) -> None:
    """Each picture has a heading, an alternative text and a row for each face with all its scores."""
    path = tmp_path / "report.html"
    write_report(path, ITEMS)
    page = Page(path)
    assert len(page.all("article")) == 1
    picture, *crops = page.all("img")
    assert picture["alt"] == "2 faces marked: happy, (too small)"
    assert [crop["alt"] for crop in crops] == ["", ""], "decoration: the row says the same"
    assert all(header.get("scope") in ("col", "row") for header in page.all("th"))
    bars = [cell["style"] for cell in page.all("td") if "bar" in str(cell.get("class")) and "top" in str(cell["class"])]
    assert bars == ["--s:0.900"], "one top score: the abstention names none"


def test_thumbnails_are_small_pictures(tmp_path: Path) -> None:
    """JPEG, at most 900 pixels wide and high, with the marks in it."""
    image = grey(1000, 2000)
    path = tmp_path / "report.html"
    write_report(path, [(image, reading_of(image, MIDDLE))])
    uri = str(Page(path).all("img")[0]["src"])
    with Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,")))) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (900, 450)
        assert np.ptp(np.asarray(picture)) > 100


def test_the_page_asks_the_network_for_nothing(tmp_path: Path) -> None:
    """No script, no link, no address but data; a policy that forbids them."""
    path = tmp_path / "report.html"
    write_report(path, ITEMS)
    page = Page(path)
    assert not page.all("script")
    assert not page.all("link")
    assert "default-src 'none'" in str(page.all("meta"))
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r'src="data:[^"]*"', "", path.read_text("utf-8")))


@pytest.mark.parametrize(
    "hostile", ['<script>alert("x")</script>', '" onerror="x', "&amp;", "a\x00\u202e\nb", "\udcff"]
)
def test_names_are_text(hostile: str, tmp_path: Path) -> None:
    """Whatever a picture, model or title is called, it is shown and does nothing."""
    path = tmp_path / "report.html"
    items = [(image, replace(reading, source=hostile, model=hostile)) for image, reading in ITEMS]
    write_report(path, items, title=hostile)
    page = Page(path)
    assert not page.all("script")
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert not set(page.text) & {"\x00", "\u202e"}
    if hostile.isprintable():
        assert page.text.count(hostile) == 4  # title, heading, model, picture


def test_an_empty_report(tmp_path: Path) -> None:
    """No picture at all is still a page."""
    path = tmp_path / "report.html"
    write_report(path, [])
    assert "Pictures0Faces0" in Page(path).text


def test_an_interrupted_report_keeps_what_came(tmp_path: Path) -> None:
    """The page is completed with the pictures until then, and takes its name only then."""
    path = tmp_path / "report.html"
    with suppress(KeyboardInterrupt), ReportWriter(path) as report:
        report.add(*ITEMS[0])
        assert not path.exists()
        raise KeyboardInterrupt
    assert len(Page(path).all("article")) == 1
    assert list(tmp_path.iterdir()) == [path]
    report.close()
    with pytest.raises(ValueError, match="closed"):
        report.add(*ITEMS[0])


def test_what_could_not_be_read(tmp_path: Path) -> None:
    """Stands at the foot of the page and in its counts; a page that would hold nothing else leaves the old one."""
    path = tmp_path / "report.html"
    with ReportWriter(path) as report:
        report.add(*ITEMS[0])
        report.add_failure("<b>.jpg: damaged")
    page = path.read_text(encoding="utf-8")
    assert "<li>&lt;b&gt;.jpg: damaged</li>" in page
    assert "<dt>Inputs not read</dt><dd>1</dd>" in page
    with ReportWriter(path) as report:
        report.add_failure("gone.jpg: no such file")
    assert path.read_text(encoding="utf-8") == page
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """The error comes before the first picture and names the path."""
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"report\.html: cannot be written"):
        ReportWriter(tmp_path / "file" / "report.html")


def test_a_face_outside_the_picture(tmp_path: Path) -> None:
    """A box may reach beyond the picture, or lie outside of it."""
    outside = replace(MIDDLE, box=Box(-90, -90, -10, -10))
    path = tmp_path / "report.html"
    write_report(path, [(IMAGE, reading_of(IMAGE, outside))])
    assert len(Page(path).all("img")) == 1, "no crop of nothing"


def test_memory_is_flat(tmp_path: Path) -> None:
    """Sixty pictures of noise, 20 MB of page: the peak stays at a picture's worth."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (600, 600, 3), np.uint8)
    path = tmp_path / "report.html"
    with ReportWriter(path) as report:
        report.add(image, reading_of(image))
        tracemalloc.start()
        for _ in range(60):
            report.add(image, reading_of(image))
        report.close()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert path.stat().st_size > 15e6
    assert peak < 10e6
