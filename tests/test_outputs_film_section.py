"""Films in the HTML report: what the page says of their people, to the script that plays them and to the eye."""

from __future__ import annotations

import html
import json
import os
import re
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'unmask[video]'")

from test_outputs_drawing import MIDDLE, grey, reading_of
from test_timeline import face, reading

from unmask.outputs.film_section import FilmSection
from unmask.outputs.report import ReportWriter
from unmask.readings import Abstention, Reading

CHROMIUM = Path(os.environ.get("UNMASK_TEST_CHROMIUM", "/usr/bin/chromium"))


def write_page(path: Path, readings: Sequence[Reading]) -> str:
    """A page with one film of grey pictures and these readings; its text."""
    with ReportWriter(path) as report, FilmSection(path, "clip.mp4") as section:
        for one in readings:
            section.add(grey(one.height, one.width), one)
        report.add_film(section.finish(), model="small@1")
    return path.read_text("utf-8")


def test_films_are_counted_beside_pictures(tmp_path: Path) -> None:
    """At the head of a page of both."""
    path, image = tmp_path / "page.html", grey()
    with ReportWriter(path) as report:
        for number in (1, 2, 3):
            with FilmSection(path, "clip.mp4", number=number) as section:
                section.add(grey(80, 100), reading(0.0, face(0.9)))
                report.add_film(section.finish(), model="small@1")
        report.add(image, reading_of(image, MIDDLE))
    figures = re.findall(r"<dt>([^<]*)</dt><dd>(\d+)</dd>", path.read_text("utf-8"))
    assert figures[:3] == [("Films", "3"), ("Pictures", "1"), ("Faces in pictures", "1")]


@pytest.mark.parametrize("name", ["my #1 film.html", "100%25.html", "what?.html", "a:b.html"])
def test_a_large_film_is_found_beside_its_page(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page names it by an address, in which some characters of names mean something else."""
    monkeypatch.setattr("unmask.outputs.film_section.EMBED_BYTES", 10)
    page = write_page(tmp_path / name, [reading(0.0, face(0.9))])
    found = re.search(r'<video[^>]* src="([^"]*)"', page)
    assert found
    address = urllib.parse.urlsplit(urllib.parse.urljoin("file:///page.html", html.unescape(found[1])))
    (film,) = tmp_path.glob("*.mp4")
    assert (urllib.parse.unquote(address.path), address.query, address.fragment) == (f"/{film.name}", "", "")


def data_of(page: str) -> Any:
    """What the page's script is given."""
    found = re.search(r'<script type="application/json">(.*?)</script>', page)
    assert found
    return json.loads(found[1])


def test_the_script_has_the_scores_as_they_are(tmp_path: Path) -> None:
    """So that it rounds them as the film's own labels are rounded."""
    page = write_page(tmp_path / "page.html", [reading(n / 10, face(0.934955), index=n) for n in range(5)])
    data = data_of(page)
    (person,) = data["people"]
    assert person["scores"][0][data["labels"].index("happy")] / 1e5 == pytest.approx(0.934955, abs=1e-5)


def page_of_a_visitor(path: Path) -> str:
    """One second, ten frames: a person is away in the frames from .3 to .5 s, and turned away in the last two."""
    shown = [face(0.9, abstained=Abstention.TURNED_AWAY if n > 7 else None) for n in range(10)]
    return write_page(path, [reading(n / 10, *([] if 3 <= n < 5 else [shown[n]]), index=n) for n in range(10)])


def test_the_chart_breaks_where_a_person_is_not_seen(tmp_path: Path) -> None:
    """The areas end with the last frame that shows the person, and so do the scores that the script has."""
    page = page_of_a_visitor(tmp_path / "page.html")
    areas = re.findall(r'<polygon class="happy" points="([^"]*)"', page)
    assert [(corners.split(",")[0], corners.split()[-1].split(",")[0]) for corners in areas] == [
        ("0.0", "0.0"),
        ("500.0", "500.0"),
    ]
    assert "300.0," in areas[0]
    assert "1000.0," in areas[1]
    (person,) = data_of(page)["people"]
    assert person["times"] == [0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    assert [number for number, scores in enumerate(person["scores"]) if scores is None] == [3, 9]


def test_the_page_shows_where_and_why_no_expression_was_named(tmp_path: Path) -> None:
    """A faded part of the area, and the reason in the table; several reasons have their shares."""
    page = page_of_a_visitor(tmp_path / "page.html")
    (faded,) = re.findall(r'<rect class="withheld" x="([^"]*)" y="0" height="100" width="([^"]*)"', page)
    assert faded == ("800.0", "200.0")
    assert "<td>25 % (turned away)</td>" in page
    reasons = [None, None, Abstention.BLURRED, Abstention.TURNED_AWAY]
    frames = [reading(n / 4, face(0.9, abstained=reason), index=n) for n, reason in enumerate(reasons)]
    assert "<td>50 % (blurred 25 %, turned away 25 %)</td>" in write_page(tmp_path / "page.html", frames)


@pytest.mark.parametrize(
    ("step", "marks"),
    [
        (0.1, ["0 s", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1 s"]),
        (7, ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s", "60 s", "70 s"]),
        (20_000, [f"{25_200 * hours} s" for hours in range(8)]),
    ],
)
def test_the_axis_of_time(step: float, marks: list[str], tmp_path: Path) -> None:
    """Whole steps, few enough to be read, from the first frame to the end of the last."""
    page = write_page(tmp_path / "page.html", [reading(n * step, face(0.9), index=n) for n in range(10)])
    ticks = re.search(r'<div class="ticks"[^>]*>(.*?)</div>', page)
    assert ticks
    assert re.findall(r">([^<]+)</span>", ticks[1]) == marks


@pytest.fixture
def browser() -> Iterator[Any]:
    """Debian's Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}; name a Chromium in UNMASK_TEST_CHROMIUM")
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])


@pytest.mark.slow
@pytest.mark.parametrize(("score", "words"), [(0.934955, "happy 93 %"), (0.9992, "happy >99 %"), (0.7, "happy 70 %")])
def test_the_line_beneath_the_film(score: float, words: str, browser: Any, tmp_path: Path) -> None:
    """Says what the label in the picture says."""
    write_page(tmp_path / "page.html", [reading(n / 10, face(score), index=n) for n in range(5)])
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert page.locator(".now").inner_text().endswith(f"person 1 {words}")


@pytest.mark.slow
def test_captions_on_a_narrow_screen(browser: Any, tmp_path: Path) -> None:
    """They are as wide as the screen, not as the table, and stay there while it is scrolled."""
    page_of_a_visitor(tmp_path / "page.html")
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto((tmp_path / "page.html").as_uri())
    for caption in page.locator("caption").all():
        for left in (0, 100):
            caption.evaluate("(caption, left) => { caption.closest('.scroll').scrollLeft = left; }", left)
            box = caption.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
