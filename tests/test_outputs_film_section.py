"""Films in the HTML report: what the page says of their people, to the script that plays them and to the eye."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'unmask[video]'")

from test_outputs_drawing import grey
from test_timeline import face, reading

from unmask.outputs.film_section import FilmSection
from unmask.outputs.report import ReportWriter
from unmask.readings import Reading

CHROMIUM = Path(os.environ.get("UNMASK_TEST_CHROMIUM", "/usr/bin/chromium"))


def write_page(path: Path, readings: Sequence[Reading]) -> str:
    """A page with one film of grey pictures and these readings; its text."""
    with ReportWriter(path) as report, FilmSection(path, "clip.mp4") as section:
        for one in readings:
            section.add(grey(one.height, one.width), one)
        report.add_film(section.finish(), model="small@1")
    return path.read_text("utf-8")


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


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}; name a Chromium in UNMASK_TEST_CHROMIUM")
@pytest.mark.parametrize(("score", "words"), [(0.934955, "happy 93 %"), (0.9992, "happy >99 %"), (0.7, "happy 70 %")])
def test_the_line_beneath_the_film(score: float, words: str, tmp_path: Path) -> None:
    """Says what the label in the picture says."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    write_page(tmp_path / "page.html", [reading(n / 10, face(score), index=n) for n in range(5)])
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        assert page.locator(".now").inner_text().endswith(f"person 1 {words}")
        browser.close()
