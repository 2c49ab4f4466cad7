"""Frames of a camera: always the newest one, however long the reader takes over each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from typing import Any, Protocol

import cv2
import numpy as np

from unmask.errors import InputError
from unmask.media.base import Camera, Failure, Frame
from unmask.media.span import WHOLE, Sieve, Span

_PATIENCE_S = 10.0
"""How long a camera may take to give a frame."""


class Capture(Protocol):
    """What a camera must do: a part of ``cv2.VideoCapture``."""

    def isOpened(self) -> bool: ...  # noqa: N802 (OpenCV's name)

    def read(self) -> tuple[bool, Any]:
        """Whether there is a frame, and the frame, BGR ``uint8 (H, W, 3)``."""
        ...

    def release(self) -> None: ...


def camera_frames(
    camera: Camera,
    span: Span = WHOLE,
    *,
    open_capture: Callable[[int], Capture] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Frame | Failure, None, None]:
    """Frames of a camera until it ends, with the seconds since its first frame as their times. Never raises.

    A thread takes every frame from the camera and keeps the newest only, so that nothing piles up. The index counts all
    frames that the camera gave: a gap in it shows how many the reader was too slow for.

    Parameters
    ----------
    open_capture, clock
        What opens the camera, OpenCV unless given, and what tells the time in seconds.
    span
        ``end_s`` ends it; ``every_s`` leaves frames out.
    """
    name = f"<camera {camera.number}>"
    capture: Capture = (open_capture or _open)(camera.number)
    if not capture.isOpened():
        capture.release()
        yield Failure(name, InputError(f"{name}: no such camera, or in use; name another, the first is --camera 0"))
        return
    newest = _Newest(capture, clock)
    sieve = Sieve(span)
    try:
        for index, time_s, image in newest:
            if span.ends_by(time_s):
                return
            if sieve.passes(Fraction(time_s)):
                yield Frame(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8), name, index, time_s)
        if newest.silent:
            yield Failure(name, InputError(f"{name}: gave no frame for {_PATIENCE_S:.0f} s; unplug it and try again"))
    finally:
        newest.stop()


def _open(number: int) -> Capture:
    """A camera, without OpenCV's own warnings on standard error where there is none."""
    level = cv2.getLogLevel()
    cv2.setLogLevel(0)
    try:
        return cv2.VideoCapture(number)
    finally:
        cv2.setLogLevel(level)


class _Newest:
    """The newest frame of a camera, each handed out once."""

    def __init__(self, capture: Capture, clock: Callable[[], float]) -> None:
        self.silent = False
        self._capture, self._clock = capture, clock
        self._fresh = threading.Condition()
        self._frame: tuple[int, float, Any] | None = None
        self._stopped = self._ended = False
        self._thread = threading.Thread(target=self._take, name="unmask-camera", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[tuple[int, float, Any]]:
        """Index, time and picture."""
        while True:
            with self._fresh:
                there = self._fresh.wait_for(lambda: self._frame is not None or self._ended, timeout=_PATIENCE_S)
                frame, self._frame = self._frame, None
            if frame is None:
                self.silent = not there
                return
            yield frame

    def stop(self) -> None:
        """End the thread and give the camera back."""
        self._stopped = True
        self._thread.join(timeout=_PATIENCE_S)
        self._capture.release()

    def _take(self) -> None:
        first: float | None = None
        index = 0
        while not self._stopped:
            there, image = self._capture.read()
            if not there:
                break
            now = self._clock()
            first = now if first is None else first
            with self._fresh:
                self._frame = (index, now - first, image)
                self._fresh.notify()
            index += 1
        with self._fresh:
            self._ended = True
            self._fresh.notify()
