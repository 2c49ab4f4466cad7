"""Live sessions: frames of a camera come over a web socket, and a reading goes back for each.

::

    client  {"key": ..., "head": ..., "min_confidence": ...}     once; all of it may be left out
    server  {"ready": true, "model": ..., "labels": [...]}
    client  8 bytes: time in seconds (big-endian double), then a JPEG, PNG or WebP
    server  {"reading": {...}, "server_ms": 12.3}, or {"error": ..., "next": ...}

The server reads one frame of a session at a time and answers in order. Nothing of a session outlives it.
"""

from __future__ import annotations

import asyncio
import json
import math
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from unmask import images
from unmask.errors import DataError, InputError, UnmaskError
from unmask.parsing import parse_json
from unmask.readings import Reading
from unmask.session import Session
from unmask.studio.access import check_key, shown_key
from unmask.studio.choosing import THRESHOLDS
from unmask.studio.problems import RefusalError, busy, explained
from unmask.studio.readers import Choice
from unmask.studio.state import Here, Studio

router = APIRouter()

IDLE_S = 60.0
"""Seconds without a frame after which a session ends."""

_MAX_GREETING = 32
_HELLO_S = 10.0  # until the first message, before which a session takes no place

MAX_FRAME_PIXELS = 4_000_000

_MAX_BAD_FRAMES = 20  # one after the other
_TIME = struct.Struct(">d")
_NORMAL, _REFUSED, _LATER = 1000, 1008, 1013  # codes of RFC 6455


@router.websocket("/v1/live")
async def live(socket: WebSocket, studio: Here) -> None:
    """One session."""
    await socket.accept()
    try:
        with _hall(studio):
            hello = await _greeted(socket, studio)
        async with _place(studio):
            await _session(socket, studio, hello)
    except RefusalError as problem:
        await _end(socket, problem.to_json(), _LATER if "Retry-After" in problem.headers else _REFUSED)
    except UnmaskError as error:
        await _end(socket, explained(error), _REFUSED)
    except TimeoutError:
        await _end(socket, {"error": f"no frame for {IDLE_S:g} s", "next": "start the camera again"}, _NORMAL)
    except WebSocketDisconnect:
        return


@contextmanager
def _hall(studio: Studio) -> Iterator[None]:
    """One of those that may have shown neither settings nor key yet: what they send waits in memory."""
    if studio.greeting >= _MAX_GREETING:
        raise busy(f"{studio.greeting} sessions have not sent their settings yet")
    studio.greeting += 1
    try:
        yield
    finally:
        studio.greeting -= 1


@asynccontextmanager
async def _place(studio: Studio) -> AsyncIterator[None]:
    """One of the sessions that may run at a time."""
    if studio.live >= studio.settings.limits.max_live:
        raise busy(f"{studio.live} live sessions are running already", seconds=10)
    studio.live += 1
    try:
        yield
    finally:
        studio.live -= 1


async def _greeted(socket: WebSocket, studio: Studio) -> dict[str, Any]:
    """The settings of a session whose key is right."""
    try:
        hello = _hello(await asyncio.wait_for(_received(socket, "text"), _HELLO_S))
    except TimeoutError:
        raise DataError(f"no first message for {_HELLO_S:g} s; send the settings, or {{}} for none") from None
    shown = str(hello.pop("key", "") or shown_key(socket.headers))
    check_key(shown, studio.settings, remedy='put "key" into the first message')
    return hello


async def _session(socket: WebSocket, studio: Studio, hello: dict[str, Any]) -> None:
    reader = await asyncio.to_thread(studio.readers.reader, _choice(studio, hello))
    session = reader.session(source="camera")
    await socket.send_json(
        {"ready": True, "model": reader.classifier.card.identity, "labels": [str(label) for label in reader.labels]}
    )
    bad, last = 0, -math.inf
    while bad < _MAX_BAD_FRAMES:
        message = await asyncio.wait_for(_received(socket, "bytes"), IDLE_S)
        started = time.perf_counter()
        try:
            last = _time_of(message, last)
            reading = await asyncio.to_thread(_read, session, message[_TIME.size :], last)
        except UnmaskError as error:
            bad += 1
            await socket.send_json(explained(error))
            continue
        bad = 0
        studio.metrics.frames.add("live")
        milliseconds = round(1000 * (time.perf_counter() - started), 2)
        await socket.send_text(json.dumps({"reading": reading.to_json(), "server_ms": milliseconds}))
    raise InputError(f"{bad} frames in a row could not be read; send JPEG, PNG or WebP after eight bytes of time")


async def _received(socket: WebSocket, kind: Literal["text", "bytes"]) -> Any:
    """The next message; None where it is of the other kind. Raises WebSocketDisconnect at the end."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    return message.get(kind)


def _hello(text: str | None) -> dict[str, Any]:
    try:
        value = None if text is None else parse_json(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise DataError("the first message is no JSON object; send the settings, or {} for the server's own")
    return value


def _choice(studio: Studio, hello: dict[str, Any]) -> Choice:
    names = {key: hello.pop(key) for key in ("model", "head", "detector") if key in hello}
    if not all(value is None or isinstance(value, str) for value in names.values()):
        raise DataError("model, head and detector are names; send them as text")
    abstain = hello.pop("abstain", True)
    thresholds = {key: hello.pop(key) for key in THRESHOLDS if key in hello}
    for key in hello:
        raise DataError(f"unknown setting '{key[:100]}'; see the OpenAPI document of /v1/read for their names")
    return studio.readers.choose(**names, thresholds=thresholds, abstain=abstain is not False)


def _time_of(message: bytes | None, last: float) -> float:
    if message is None or len(message) <= _TIME.size:
        raise DataError("a frame without a picture; send eight bytes of time and then the picture")
    (time_s,) = _TIME.unpack_from(message)
    if not math.isfinite(time_s) or time_s < last:
        raise DataError(f"time {time_s} after {last}; send seconds that do not fall")
    return float(time_s)


def _read(session: Session, data: bytes, time_s: float) -> Reading:
    image = images.decode(data, name="frame", max_pixels=MAX_FRAME_PIXELS, raised_by=None)
    return session.push(image, time_s=time_s)


async def _end(socket: WebSocket, last: dict[str, str], code: int) -> None:
    """Say why, and close; the other end may have gone already."""
    try:
        await socket.send_json(last)
        await socket.close(code)
    except (RuntimeError, WebSocketDisconnect):
        return
