"""Live sessions: the messages that go to and fro, and what ends a session."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the studio's libraries are not installed: pip install 'unmask[studio]'")

from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from test_studio_api import blank, client_of

from unmask.models import load_model
from unmask.readings import Reading
from unmask.studio import Limits, Settings

ADDRESS = "ws://127.0.0.1:8000/v1/live"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A client of a server with room for one session."""
    with client_of(Settings(detector="mtcnn", workers=1, limits=Limits(max_live=1))) as client:
        yield client


def frame(time_s: float, picture: bytes) -> bytes:
    """A message with a frame."""
    return struct.pack(">d", time_s) + picture


def assert_ends(socket: Any, code: int) -> dict[str, str]:
    """The next message is the last, and says why."""
    said: dict[str, str] = socket.receive_json()
    assert said["error"]
    assert said["next"]
    with pytest.raises(WebSocketDisconnect) as end:
        socket.receive_json()
    assert end.value.code == code
    return said


def test_a_session(client: TestClient, photo: Path) -> None:
    """Settings once, then a reading for each frame, with the same person, its time and the server's time."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json({"head": "fer2013", "min_confidence": 0.1, "min_margin": 0})
        ready = socket.receive_json()
        assert (ready["ready"], ready["model"], ready["labels"][0]) == (True, load_model().card.identity, "angry")
        readings = []
        for time_s in (0.0, 0.1, 0.2):
            socket.send_bytes(frame(time_s, photo.read_bytes()))
            said = socket.receive_json()
            assert said["server_ms"] > 0
            readings.append(Reading.from_json(said["reading"]))
    assert [(reading.index, reading.time_s) for reading in readings] == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert {face.track_id for reading in readings for face in reading.faces} == {1}
    assert {face.expression for reading in readings for face in reading.faces} == {"happy"}
    assert client.get("/metrics").text.count('unmask_frames_total{kind="live"} 3') == 1


def test_bad_frames_do_not_end_a_session(client: TestClient) -> None:
    """What cannot be read is answered with its reason, and the next frame is read."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json({})
        socket.receive_json()
        socket.send_text("a frame in words")
        assert "without a picture" in socket.receive_json()["error"]
        for message, word in (
            (frame(0, b"no picture"), "not a picture"),
            (b"short", "without a picture"),
            (frame(float("nan"), blank()), "nan"),
            (frame(-float("inf"), blank()), "inf"),
            (frame(1, blank(3000, 2000)), "the limit is 4,000,000"),
        ):
            socket.send_bytes(message)
            said = socket.receive_json()
            assert word in said["error"]
            assert "max_pixels" not in said["next"]  # nobody can raise it
        socket.send_bytes(frame(2, blank()))
        assert socket.receive_json()["reading"]["faces"] == []
        socket.send_bytes(frame(1, blank()))  # time does not run back
        assert "1.0 after 2.0" in socket.receive_json()["error"]


def test_nothing_but_bad_frames_ends_a_session(client: TestClient) -> None:
    """A client that sends nonsense is sent away."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json({})
        socket.receive_json()
        for _ in range(20):
            socket.send_bytes(frame(0, b"no"))
            socket.receive_json()
        assert "in a row" in assert_ends(socket, 1008)["error"]


@pytest.mark.parametrize(
    ("hello", "word"),
    [
        ("nonsense", "JSON object"),
        ("[1]", "JSON object"),
        ("[" * 100_000, "JSON object"),
        ('{"head": "fer2012"}', "fer2012"),
        ('{"head": ["fer2013"]}', "names"),
        ('{"model": "/etc/passwd"}', "no model"),
        ('{"min_confidense": 1}', "min_confidense"),
        ('{"min_confidence": "high"}', "min_confidence"),
        ('{"min_size": -1}', "min_size"),
    ],
)
def test_wrong_settings_end_a_session(client: TestClient, hello: str, word: str) -> None:
    """Settings are checked like those of a request."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_text(hello)
        assert word in str(assert_ends(socket, 1008))


def test_settings_that_are_no_text_end_a_session(client: TestClient) -> None:
    """Bytes where the settings should come are refused, not taken for a frame."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_bytes(frame(0, blank()))
        assert "JSON object" in assert_ends(socket, 1008)["error"]


def test_sessions_have_an_end(client: TestClient) -> None:
    """One more than may run is sent away, and there is room again when one ends."""
    with client.websocket_connect(ADDRESS) as first:
        first.send_json({})
        assert first.receive_json()["ready"]
        with client.websocket_connect(ADDRESS) as second:
            second.send_json({})
            assert "running already" in assert_ends(second, 1013)["error"]
    with client.websocket_connect(ADDRESS) as third:
        third.send_json({})
        assert third.receive_json()["ready"]


def test_a_silent_session_ends(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that has gone without a word does not keep its place."""
    monkeypatch.setattr("unmask.studio.live.IDLE_S", 0.05)
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_json({})
        assert socket.receive_json()["ready"]
        assert "no frame for 0.05 s" in assert_ends(socket, 1000)["error"]


def test_who_says_nothing_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets without a first message leave the one place to whoever shows the key, and are sent away."""
    monkeypatch.setattr("unmask.studio.live._HELLO_S", 0.5)
    settings = Settings(detector="whole", workers=1, api_key="sesame", limits=Limits(max_live=1))
    with client_of(settings) as client, client.websocket_connect(ADDRESS) as silent:
        with client.websocket_connect(ADDRESS) as socket:
            socket.send_json({"key": "sesame"})
            assert socket.receive_json()["ready"]
        assert "no first message" in assert_ends(silent, 1008)["error"]


def test_few_may_be_silent(monkeypatch: pytest.MonkeyPatch, client: TestClient) -> None:
    """What they send waits in memory, so that there is an end to their number; room comes back when they speak."""
    monkeypatch.setattr("unmask.studio.live._MAX_GREETING", 1)
    with client.websocket_connect(ADDRESS) as silent:
        with client.websocket_connect(ADDRESS) as second:
            assert "not sent their settings yet" in assert_ends(second, 1013)["error"]
        silent.send_json({})
        assert silent.receive_json()["ready"]


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Host": "rebound.example"}]
)
def test_pages_of_other_sites_get_no_camera(client: TestClient, headers: dict[str, str]) -> None:
    """A web socket is not bound to an origin by the browser: the server looks at it."""
    with pytest.raises(WebSocketDisconnect) as end, client.websocket_connect(ADDRESS, headers=headers):
        pass
    assert end.value.code == 1008


def test_the_key_of_a_session(photo: Path) -> None:
    """With a key, a session shows it in its first message or in a header."""
    with client_of(Settings(detector="whole", workers=1, api_key="sesame")) as client:
        for hello, headers in (({}, {}), ({"key": "open"}, {}), ({}, {"X-API-Key": "open"}), ({"key": 1}, {}),
                               ({"key": "\ud800"}, {})):  # fmt: skip
            with client.websocket_connect(ADDRESS, headers=headers) as socket:
                socket.send_json(hello)
                last = assert_ends(socket, 1008)
                assert "key" in last["error"]
                assert last["next"] == 'put "key" into the first message'
        for hello, headers in (({"key": "sesame"}, {}), ({}, {"Authorization": "Bearer sesame"})):
            with client.websocket_connect(ADDRESS, headers=headers) as socket:
                socket.send_json(hello)
                assert socket.receive_json()["ready"]
