"""Small films for tests, written with PyAV directly: what is tested must not have made its own input."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]


def write_film(
    path: Path,
    pictures: Sequence[Picture],
    *,
    ticks: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 1000),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    tone: bool = False,
    held: int = 0,
    title: str = "",
) -> None:
    """Write pictures, RGB of even sides, at times in ticks of the time base (25 a second unless given).

    The last is shown for ``held`` ticks, where that is not 0.
    """
    ticks = [40 * number for number in range(len(pictures))] if ticks is None else ticks
    with av.open(str(path), "w", options=container_options or {}) as film:
        if title:
            film.metadata["title"] = title
        track: Any = film.add_stream(codec, options=options or {"preset": "ultrafast", "crf": "18"})
        track.height, track.width = pictures[0].shape[:2]
        track.pix_fmt = "yuv420p"
        track.codec_context.time_base = time_base
        sound: Any = film.add_stream("aac", rate=8000) if tone else None
        if tone:
            sound.codec_context.layout = "mono"
        for picture, at in zip(pictures, ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = at, time_base
            film.mux(track.encode(frame))
        rest = track.encode(None)
        if held:
            rest[-1].duration = int(held * time_base / rest[-1].time_base)
        film.mux(rest)
        if tone:
            length = int(8000 * (ticks[-1] * time_base + Fraction(1, 25)))
            wave = (0.2 * np.sin(2 * math.pi * 440 * np.arange(length) / 8000)).astype(np.float32)
            for start in range(0, length, 1024):
                part = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
                part.sample_rate, part.pts, part.time_base = 8000, start, Fraction(1, 8000)
                film.mux(sound.encode(part))
            film.mux(sound.encode(None))


def remux(source: Path, target: Path, kind: str = "video") -> None:
    """Put the first track of a kind, ``video`` or ``audio``, into another container, alone and as it is."""
    with av.open(str(source)) as film, av.open(str(target), "w") as out:
        (track, *_) = film.streams.get(**{kind: 0})
        copied = out.add_stream_from_template(track)
        for packet in film.demux(track):
            if packet.dts is not None:
                packet.stream = copied
                out.mux(packet)


def grey_levels(count: int, size: tuple[int, int] = (32, 48)) -> list[Picture]:
    """Pictures of one grey each, which tells their number: 16 + 4 * number."""
    return [np.full((*size, 3), 16 + 4 * number, np.uint8) for number in range(count)]


def number_of(image: Picture) -> int:
    """The number of a picture of :func:`grey_levels` after coding."""
    return round((float(image.mean()) - 16) / 4)


class Portrait:
    """The astronaut's head, to be pasted into scenes."""

    def __init__(self, photo: Path) -> None:
        with Image.open(photo) as picture:
            self.pixels = np.asarray(picture.convert("RGB"))[20:240, 130:330]

    def paste(self, scene: Picture, x: float, *, side: int = 90, mirrored: bool = False, y: float = 0.5) -> None:
        """Paste the head with its middle at shares of the scene's width and height."""
        head = self.pixels[:, ::-1] if mirrored else self.pixels
        head = np.asarray(cv2.resize(head, (side, round(side * 1.1)), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        height, width = scene.shape[:2]
        left, top = round(x * width - head.shape[1] / 2), round(y * height - head.shape[0] / 2)
        x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + head.shape[1], width), min(top + head.shape[0], height)
        if x1 < x2 and y1 < y2:
            scene[y1:y2, x1:x2] = head[y1 - top : y2 - top, x1 - left : x2 - left]


def scenes(count: int, draw: Callable[[Picture, float], None], *, size: tuple[int, int] = (180, 320)) -> list[Picture]:
    """Pictures before a calm background; ``draw`` paints each, given how much of the film has passed, 0 to 1."""
    pictures = []
    y, x = np.mgrid[: size[0], : size[1]]
    for number in range(count):
        scene = np.stack([110 + x // 8, 120 + y // 6, 130 + 0 * x], axis=-1).astype(np.uint8)
        draw(scene, number / max(count - 1, 1))
        pictures.append(scene)
    return pictures
