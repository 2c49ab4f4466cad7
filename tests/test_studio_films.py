"""Films over HTTP: a line for each frame, the summary, the film with its faces drawn, and nothing left behind."""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the studio's libraries are not installed: pip install 'unmask[studio]'")
av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'unmask[video]'")

from starlette.testclient import TestClient
from test_studio_api import assert_refused, client_of

import unmask
from unmask.faces.following import SEARCH_EVERY
from unmask.images import load
from unmask.media.writing import FilmWriter
from unmask.reader import Reader
from unmask.session import FilmOptions
from unmask.studio import Limits, Settings
from unmask.studio.films import _Steps
from unmask.studio.guard import Guard
from unmask.studio.schemas import FilmEvent, Reading, Summary

FRAMES = 8


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A client of a server that allows one film of at most a megabyte at a time."""
    limits = Limits(max_films=1, max_film=2**20)
    with client_of(Settings(detector="mtcnn", workers=1, limits=limits)) as client:
        yield client


@pytest.fixture(scope="module")
def film(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The astronaut's portrait wandering to the right, 25 frames a second."""
    image = load(photo)[:300, 60:460]
    path = tmp_path_factory.mktemp("film") / "walk.mp4"
    with FilmWriter(path) as writer:
        for number in range(FRAMES):
            writer.write(np.roll(image, 4 * number, axis=1), number / 25)
    return path.read_bytes()


def events(client: TestClient, film: bytes, **options: Any) -> list[dict[str, Any]]:
    """The lines of the answer about a film, each as the schema says."""
    answer = client.post("/v1/films", files={"file": ("walk.mp4", film)}, **options)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    for line in answer.text.splitlines():
        FilmEvent.model_validate_json(line)
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_film_is_read_as_the_library_reads_it(client: TestClient, film: bytes, tmp_path: Path) -> None:
    """A reading for each frame with its time and its people, then the summary."""
    said = events(client, film, params={"head": "fer2013"})
    assert [event["event"] for event in said] == ["reading"] * FRAMES + ["summary"]
    path = tmp_path / "walk.mp4"
    path.write_bytes(film)
    expected = [r.to_json() for r in unmask.load(detector="mtcnn", head="fer2013").read(path)]
    assert [event["reading"] for event in said[:-1]] == [{**one, "source": "walk.mp4"} for one in expected]
    assert [event["reading"]["time_s"] for event in said[:-1]] == pytest.approx([n / 25 for n in range(FRAMES)])
    summary = Summary.model_validate(said[-1]["summary"])
    assert (summary.frames, summary.frames_without_a_face, len(summary.people)) == (FRAMES, 0, 1)
    assert summary.people[0].frames == FRAMES


def test_a_film_that_is_cut_short_gives_what_it_has(client: TestClient, film: bytes) -> None:
    """The frames that are there, then the reason, which calls the film by its own name."""
    path = Path(tempfile.mkdtemp()) / "long.mkv"
    image = np.full((64, 64, 3), 90, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuvj420p"
        for _ in range(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuvj420p")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    answer = client.post("/v1/films", files={"file": ("long.mkv", data[: len(data) // 2])})
    said = [json.loads(line) for line in answer.text.splitlines()]
    assert [said[0]["event"], said[-2]["event"], said[-1]["event"]] == ["reading", "error", "summary"]
    assert "long.mkv: " in said[-2]["error"]
    assert "/" not in said[-2]["error"].replace("long.mkv", "")
    drawn = client.post("/v1/films/annotated", files={"file": ("long.mkv", data[: len(data) // 2])})
    assert drawn.status_code == 200
    assert json.loads(drawn.headers["Unmask-Problem"]) == {key: said[-2][key] for key in ("error", "next")}
    whole = client.post("/v1/films/annotated", files={"file": ("walk.mp4", film)})
    assert "Unmask-Problem" not in whole.headers


def test_every_frame_is_searched_for_faces_to_blur(
    client: TestClient, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the command line: who is there for less than the time between two searches is blurred too."""
    searched, stream = [], Reader.stream

    def noted(reader: Reader, *sources: Any, film: FilmOptions, **options: Any) -> Any:
        searched.append(film.search_every)
        return stream(reader, *sources, film=film, **options)

    monkeypatch.setattr(Reader, "stream", noted)
    for query in ("", "?blur=true"):
        assert client.post(f"/v1/films/annotated{query}", files={"file": ("walk.mp4", film)}).status_code == 200
    assert searched == [SEARCH_EVERY, 1]


def test_films_have_a_limit_of_pixels(film: bytes) -> None:
    """That of pictures."""
    with client_of(Settings(detector="whole", workers=1, limits=Limits(max_pixels=1000))) as client:
        for path in ("/v1/films", "/v1/films/annotated"):
            refused = assert_refused(client.post(path, files={"file": ("walk.mp4", film)}), 413)
            assert "pixels are more than 1,000" in refused["error"]


def test_drawn_films(client: TestClient, film: bytes) -> None:
    """The film comes back as H.264 with all its frames; blurred, its face has no detail left."""
    box = Reading.model_validate(events(client, film)[0]["reading"]).faces[0].box
    x1, y1, x2, y2 = (round(value) for value in box)
    details = []
    for query in ("", "?blur=true"):
        answer = client.post(f"/v1/films/annotated{query}", files={"file": ("walk.mp4", film)})
        assert answer.headers["content-type"] == "video/mp4"
        with av.open(io.BytesIO(answer.content)) as container:
            assert container.streams.video[0].codec.canonical_name == "h264"
            pictures = [picture.to_ndarray(format="gray") for picture in container.decode(video=0)]
        assert len(pictures) == FRAMES
        face = pictures[0][y1 + 10 : y2 - 10, x1 + 10 : x2 - 10].astype(float)
        details.append(np.abs(np.diff(face, axis=0)).mean())
    assert details[1] < details[0] / 2


@pytest.mark.parametrize("path", ["/v1/films", "/v1/films/annotated"])
def test_wrong_films(client: TestClient, film: bytes, path: str, photo: Path) -> None:
    """What is no film, too large, or no upload at all is refused, and no temporary path is told."""
    for data in (b"", b"nonsense" * 1000, photo.read_bytes(), film[:200]):
        said = assert_refused(client.post(path, files={"file": ("x.mp4", data)}), 422)
        assert tempfile.gettempdir() not in json.dumps(said)
        if data == photo.read_bytes():
            assert said == {
                "error": "x.mp4: is a picture (JPEG) and no film",
                "next": "send it to /v1/read or /v1/draw",
            }
    assert "--max-film" in assert_refused(client.post(path, files={"file": ("x.mp4", bytes(2**20 + 1))}), 413)["next"]
    assert_refused(client.post(path, files=[("file", ("x.mp4", film))] * 2), 413)
    assert_refused(client.post(path, content=film), 415)
    assert_refused(client.post(path, data={"a": "b"}, files={}), 415)
    assert_refused(client.post(path, files={"file": ("x.mp4", film)}, params={"head": "none"}), 422)


def test_a_playlist_opens_nothing(client: TestClient, tmp_path: Path) -> None:
    """A film that names other files or addresses makes the server open none of them."""
    secret = tmp_path / "secret.ts"
    secret.write_bytes(b"G" + bytes(187))
    for text in (f"#EXTM3U\n#EXTINF:1,\n{secret}\n", f"ffconcat version 1.0\nfile '{secret}'\n"):
        for name in ("x.m3u8", "x.mp4", "x.mkv"):
            assert_refused(client.post("/v1/films", files={"file": (name, text.encode())}), 422)


def test_nothing_is_left_behind(
    client: TestClient, film: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporary files are gone with the answer, also after errors."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    big = film + bytes(2**20 - len(film) - 10_000)  # larger than what is kept in memory
    for path in ("/v1/films", "/v1/films/annotated"):
        for data in (film, big[: 2**20 - 5000], b"nonsense"):
            client.post(path, files={"file": ("walk.mp4", data)})
    assert list(tmp_path.iterdir()) == []


def test_who_goes_away_in_the_middle_of_a_step_stops_the_work() -> None:
    """The step that a thread is at ends first; then everything is closed, and none is begun."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> Generator[int, None, None]:
        try:
            begun.set()
            go_on.wait(10)
            yield 1
            raise AssertionError("went on")
        finally:
            ended.set()

    async def leave() -> None:
        steps = _Steps(work())
        asking = asyncio.create_task(steps.some(1))
        await asyncio.to_thread(begun.wait, 10)
        asking.cancel()
        closing = asyncio.create_task(steps.close())
        await asyncio.sleep(0.05)
        assert not ended.is_set()
        go_on.set()
        await closing
        assert ended.is_set()
        assert await steps.some(1) == []

    asyncio.run(leave())


def test_there_is_room_for_so_many_films(client: TestClient, film: bytes) -> None:
    """A film beyond the limit is refused as busy, before it is uploaded."""
    guard: Any = client.app
    while not isinstance(guard, Guard):
        guard = getattr(guard, "middleware_stack", None) or guard.app
    guard._films = 1
    try:
        answer = client.post("/v1/films", files={"file": ("walk.mp4", film)})
        assert_refused(answer, 503)
        assert answer.headers["retry-after"] == "10"
    finally:
        guard._films = 0
    assert events(client, film)
