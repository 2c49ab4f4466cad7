"""The studio in a browser: photos, films, the webcam, export, keyboard, widths, and accessibility by axe.

Needs Debian's Chromium and the packages playwright and axe-playwright-python; skips, saying so, where one is missing.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the studio's libraries are not installed: pip install 'unmask[studio]'")
pytest.importorskip("av", reason="PyAV is not installed: pip install 'unmask[video]'")
pytest.importorskip("httpx2", reason="httpx2, the tests' HTTP client, is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from films import remux
from playwright.sync_api import Browser, Page, expect
from test_studio_process import server

from unmask.images import load
from unmask.media.writing import FilmWriter
from unmask.models import bundled_models

CHROMIUM = Path(os.environ.get("UNMASK_TEST_CHROMIUM", "/usr/bin/chromium"))
AREAS = ("photos", "films", "live", "settings", "meaning")
LOOKS = ((360, "light"), (360, "dark"), (768, "dark"), (1280, "light"))
SECONDS = 1000.0

expect.set_options(timeout=60 * SECONDS)  # the machine may have other work

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}; name a Chromium in UNMASK_TEST_CHROMIUM"),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where a server with MTCNN, which every install has, is."""
    with server("--detector", "mtcnn") as (_, address):
        yield address


@pytest.fixture(scope="module")
def browser(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose camera shows the astronaut, 640 x 480."""
    camera = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    picture = np.full((480, 640, 3), 90, np.uint8)
    picture[:, 80:560] = cv2.resize(load(photo), (480, 480))
    encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    camera.write_bytes(encoded * 10)
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(
            executable_path=str(CHROMIUM),
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
            ],
        )


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The studio, wide and light; whatever goes wrong in it fails the test, and so does asking another server."""
    yield from opened(browser, address)


def opened(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """A new page of the studio, its camera allowed."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.grant_permissions(["camera", "clipboard-write", "clipboard-read"], origin=address.rstrip("/"))
    page = context.new_page()
    page.set_default_timeout(60 * SECONDS)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda asked: None if asked.url.startswith((address, "blob:", "data:")) else wrong.append(asked.url),
    )
    page.goto(address)
    expect(page.locator("#set-model option")).to_have_count(len(bundled_models()))
    yield page
    context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def film(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of the astronaut wandering to the right, ten frames a second, H.264."""
    path = tmp_path_factory.mktemp("film") / "walk.mp4"
    image = load(photo)[:300, 60:460]
    with FilmWriter(path) as writer:
        for number in range(20):
            writer.write(np.roll(image, 4 * number, axis=1), number / 10)
    return path


def saved(page: Page, button: str) -> bytes:
    """What the browser saves when a button is clicked."""
    with page.expect_download() as waiting:
        page.click(button)
    return Path(waiting.value.path()).read_bytes()


def share(page: Page, stage: str) -> list[float]:
    """Left, top, right and bottom of the mark in a stage, as shares of its picture."""
    expect(page.locator(f"{stage} .mark")).to_have_count(1)
    found: list[float] = page.locator(stage).evaluate(  # at one blow: live marks do not wait
        """stage => {
          const box = stage.querySelector('.mark').getBoundingClientRect();
          const all = stage.querySelector('img, video').getBoundingClientRect();
          return [(box.left - all.left) / all.width, (box.top - all.top) / all.height,
            (box.right - all.left) / all.width, (box.bottom - all.top) / all.height];
        }"""
    )
    return found


def test_photos(page: Page, photo: Path, tmp_path: Path) -> None:
    """A photo is read, its face marked where it is, its scores in a table; a bad file has its reason; all is saved."""
    (tmp_path / "notes.jpg").write_text("Dear diary")
    page.set_input_files("#photo-input", [photo, tmp_path / "notes.jpg"])
    article = page.get_by_role("article")
    expect(article).to_have_count(1)
    expect(article.get_by_role("heading")).to_have_text(photo.name)
    expect(article.locator("tbody th")).to_have_text("happy")
    expect(article.locator("tbody td").first).to_have_text("0")  # as rows number faces
    expect(page.get_by_role("alert")).to_contain_text("notes.jpg: not a picture")
    expect(page.locator("#photo-state")).to_have_text("1 read, 1 could not be read.")
    reading = json.loads(saved(page, "#photo-json"))[0]
    expected = [value / 512 for value in reading["faces"][0]["box"]]
    assert share(page, "article .stage") == pytest.approx(expected, abs=0.01)
    rows = list(csv.DictReader(io.StringIO(saved(page, "#photo-csv").decode())))
    assert [(row["source"], row["expression"]) for row in rows] == [(photo.name, "happy")]
    drawn = saved(page, "article button")
    assert cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR).shape == (512, 512, 3)
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".problem")).to_have_count(0)
    page.click("#photo-clear")
    expect(article).to_have_count(0)


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_photos_can_be_dropped_and_pasted(page: Page, photo: Path, how: str) -> None:
    """The same by drag and drop and from the clipboard."""
    page.locator("#photo-drop").evaluate(
        """(target, [how, bytes]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], 'given.jpg', { type: 'image/jpeg' }));
          const event = how === 'drop'
            ? new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })
            : new ClipboardEvent('paste', { clipboardData: data, bubbles: true });
          target.dispatchEvent(event);
        }""",
        [how, list(photo.read_bytes())],
    )
    expect(page.get_by_role("article").get_by_role("heading")).to_have_text("given.jpg")


@pytest.mark.parametrize(
    ("area", "name", "kind", "other"),
    [("photos", "a.mp4", "video/mp4", "Films"), ("films", "a.png", "image/png", "Photos")],
)
def test_what_is_dropped_in_the_wrong_place(page: Page, area: str, name: str, kind: str, other: str) -> None:
    """A film among the photos, or a photo among the films, is told where to go."""
    page.locator(f"#{area}").evaluate(
        """(target, [name, type]) => {
          const data = new DataTransfer();
          data.items.add(new File(["x"], name, { type }));
          target.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        [name, kind],
    )
    expect(page.locator("#problems")).to_contain_text(f"{name}: open it under {other}.")


def test_settings_are_used(page: Page, photo: Path) -> None:
    """Labels, detector and thresholds hold for what is read next; a reset takes them back."""
    page.click("nav >> text=Settings")
    page.select_option("#set-head", "fer2013")
    page.select_option("#set-detector", "whole")
    page.fill("#set-min_size", "9999")
    expect(page.locator("#settings-state")).to_have_text("3 of these settings differ from the server's own.")
    page.click("nav >> text=Photos")
    page.set_input_files("#photo-input", photo)
    expect(page.locator("article tbody th")).to_have_text("(too small)")
    expect(page.locator("article thead abbr")).to_have_count(7)
    page.click("nav >> text=Settings")
    page.click("text=Back to the server's own")
    page.click("nav >> text=Photos")
    page.set_input_files("#photo-input", photo)
    expect(page.locator("article tbody th").first).to_have_text("happy")


def test_films(page: Page, film: Path) -> None:
    """A film is read, plays with its face marked, and has a timeline, a summary, exports and a drawn copy."""
    page.click("nav >> text=Films")
    page.set_input_files("#film-input", film)
    expect(page.locator("#film-state")).to_have_text("20 frames read, 1 person.")
    expect(page.locator("#film-people tbody th")).to_have_text("person 1")
    page.locator("#film-time").focus()
    page.keyboard.press("End")
    expect(page.locator("#film-clock")).to_have_text("1.90 s")
    late = share(page, "#film-stage")
    page.keyboard.press("Home")
    expect(page.locator("#film-clock")).to_have_text("0.00 s")
    early = share(page, "#film-stage")
    assert late[0] - early[0] == pytest.approx(19 * 4 / 400, abs=0.03)  # it wandered so far
    assert page.locator("#film-video").evaluate("video => video.currentTime") == pytest.approx(0, abs=0.11)
    expect(page.locator("#film-now")).to_have_text("person 1: happy")
    assert page.locator("#film-lanes .segment.happy").count() == 1
    assert page.locator("#film-curves .curve").count() == 8
    rows = list(csv.DictReader(io.StringIO(saved(page, "#film-csv").decode())))
    assert [row["index"] for row in rows] == [str(number) for number in range(20)]
    lines = saved(page, "#film-jsonl").decode().splitlines()
    assert [json.loads(line)["time_s"] for line in lines] == pytest.approx([n / 10 for n in range(20)])
    assert saved(page, "#film-annotated")[4:8] == b"ftyp"


def test_curves_break_where_nobody_is_seen(page: Page, photo: Path, tmp_path: Path) -> None:
    """No line leads over the frames that miss the person."""
    image = load(photo)[:300, 60:460]
    with FilmWriter(tmp_path / "away.mp4") as writer:
        for number in range(20):
            writer.write(image if number not in (8, 9) else np.full_like(image, 90), number / 25)
    page.click("nav >> text=Films")
    page.set_input_files("#film-input", tmp_path / "away.mp4")
    expect(page.locator("#film-state")).to_contain_text("20 frames read,")
    drawn = page.locator("#film-curves .curve").first.get_attribute("d")
    assert drawn is not None
    assert drawn.count("M") == 2


def test_a_damaged_film(page: Page, film: Path, tmp_path: Path) -> None:
    """What could be read has its summary like any film, and the reason is shown."""
    whole = tmp_path / "whole.mkv"
    remux(film, whole)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 9 // 10])
    page.click("nav >> text=Films")
    page.set_input_files("#film-input", cut)
    expect(page.locator("#film-state")).to_contain_text("frames read, but not the whole film, 1 person.")
    expect(page.locator("#film-people tbody th")).to_have_text("person 1")
    expect(page.locator("#problems")).to_contain_text("cut.mkv")


def test_live(page: Page) -> None:
    """The camera: a visible state, the face marked where it is, the latency, and off when told or left."""
    page.click("nav >> text=Live")
    expect(page.locator("#camera-on")).to_be_hidden()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#camera-on")).to_be_visible()
    expect(page.locator("#live-table tbody th")).to_have_text("happy")
    assert page.title().startswith("● Camera on")
    milliseconds = int(page.locator("#live-latency").inner_text().removesuffix(" ms"))
    assert 0 < milliseconds < 10_000
    mirrored = share(page, "#live-stage")
    page.uncheck("#live-mirror")
    page.wait_for_timeout(1.5 * SECONDS)
    plain = share(page, "#live-stage")
    assert plain[0] == pytest.approx((80 + 181 * 480 / 512) / 640, abs=0.04)  # as the detector finds it in the photo
    assert mirrored[0] == pytest.approx(1 - plain[2], abs=0.04)
    stream = page.locator("#live-video").evaluate_handle("video => video.srcObject")
    picture = cv2.imdecode(np.frombuffer(saved(page, "#live-picture"), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (480, 640, 3)
    page.get_by_role("button", name="Stop the camera").click()
    expect(page.locator("#camera-on")).to_be_hidden()
    assert stream.evaluate("stream => stream.getTracks().every(track => track.readyState === 'ended')")
    lines = [json.loads(line) for line in saved(page, "#live-jsonl").decode().splitlines()]
    assert len(lines) > 2
    assert {face["track_id"] for line in lines for face in line["faces"]} == {1}
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#camera-on")).to_be_visible()
    page.click("nav >> text=Photos")
    expect(page.locator("#camera-on")).to_be_hidden()


def test_the_keyboard_is_enough(page: Page) -> None:
    """Skip link, areas, file field and buttons are reached by Tab, show their focus, and work by Enter and space."""
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    page.keyboard.press("Tab")  # the link to the meaning
    page.keyboard.press("Tab")
    expect(page.locator("#photo-input")).to_be_focused()
    outline = page.locator(".button.primary").first.evaluate("label => getComputedStyle(label).outlineStyle")
    assert outline == "solid"
    page.locator("nav a").nth(2).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#live-title")).to_be_focused()
    page.keyboard.press("Tab")  # the notice
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_be_focused()
    page.locator("#notice-copy").focus()
    page.keyboard.press("Space")
    expect(page.locator("#notice-copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("In this room a camera records")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_widths_and_accessibility(
    browser: Browser, address: str, photo: Path, film: Path, width: int, scheme: str
) -> None:
    """In every area, with results: nothing is cut off sideways, and axe finds nothing against WCAG 2.2 AA."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
    pages = opened(browser, address, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = next(pages)
    page.set_input_files("#photo-input", photo)
    expect(page.get_by_role("article")).to_have_count(1)
    for area in AREAS:
        page.click(f"nav a[href='#{area}']")
        if area == "films":
            page.set_input_files("#film-input", film)
            expect(page.locator("#film-people tbody th")).to_have_text("person 1")
        if area == "live":
            page.click("#live-start")
            expect(page.locator("#live-table tbody th")).to_have_text("happy")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{area}: {wide} pixels wide"
        found = axe.Axe().run(page, options=rules)
        assert found.violations_count == 0, f"{area}\n{found.generate_report()}"
    assert list(pages) == []


def test_a_key_is_asked_for(browser: Browser, photo: Path) -> None:
    """A server with a key: the page says so, and works once it is entered."""
    with server("--detector", "whole", "--api-key", "sesame") as (_, address):
        context = browser.new_context()
        page = context.new_page()
        page.goto(address)
        expect(page.get_by_role("alert")).to_contain_text("This server wants a key")
        page.click("nav >> text=Settings")
        page.fill("#set-key", "sesame")
        page.keyboard.press("Tab")
        expect(page.locator("#set-model option")).to_have_count(len(bundled_models()))
        page.click("nav >> text=Photos")
        page.set_input_files("#photo-input", photo)
        expect(page.get_by_role("article")).to_have_count(1)
        context.close()
