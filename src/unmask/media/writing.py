"""Films written as H.264 in MP4, with exact times and the sound of the film that they were made from."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.errors import ConfigError, InputError, suggest
from unmask.images import to_rgb
from unmask.media.clock import Clock
from unmask.media.container import local, opened, pyav, stamp
from unmask.writing import Closing, disk_errors, remedy

if TYPE_CHECKING:
    from av.container import OutputContainer

FILM_FORMATS = (".mp4", ".mov", ".m4v")
"""Endings, in lower case, of the films that can be written."""

_CLOCK = 90_000  # ticks a second: 25, 30, 30000/1001 and 60 frames a second fall on them exactly
_COPIED = frozenset(("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"))  # sound that MP4 holds as it is
_LAYOUTS = ("3.0", "4.0", "5.0", "5.1")  # of more than two channels, that AAC takes
_VIDEO = {"preset": "veryfast", "crf": "20", "bf": "0"}
# Written in fragments that can be played whenever the writing is cut short, and made an ordinary file at the end.
_FRAGMENTS = {"movflags": "+hybrid_fragmented", "frag_duration": "1000000", "flush_packets": "1"}


def film_format(path: Path) -> str:
    """The suffix of a film that is written. Raises ConfigError for other ones than MP4 and MOV."""
    suffix = path.suffix.lower()
    if suffix not in FILM_FORMATS:
        raise ConfigError(f"{path}: films are written as MP4 or MOV; {suggest(suffix, FILM_FORMATS)}")
    return suffix


class FilmWriter(Closing):
    """Writes pictures with their times as a film. A context manager.

    The film begins at the first picture, whose time is ``begin_s`` from then on. Pictures that differ in size from the
    first one are resized; H.264 wants even sides, so that an odd one grows by a pixel.

    Parameters
    ----------
    path
        The film. It can be played at any time, also when the program is killed.
    sound
        A film whose first track of sound is kept: copied where MP4 holds its format, else coded as AAC.

    Raises
    ------
    InputError
        The film cannot be written, or the sound not read.
    MissingExtraError
        PyAV is not installed.
    """

    def __init__(self, path: Path, *, sound: Path | None = None) -> None:
        pyav()
        film_format(path)
        self.begin_s: float | None = None
        self._path, self._sound_of = path, sound
        self._stack = ExitStack()
        self._film: OutputContainer | None = None
        self._picture: Any = None
        self._sound: _Sound | None = None
        self._failed: InputError | None = None  # FFmpeg crashes when it goes on with a film that it could not begin
        self._ticks = -1
        self._step = _CLOCK // 25
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def write(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Add the next picture, ``uint8`` RGB ``(H, W, 3)`` or grey ``(H, W)``, shown from ``time_s`` on."""
        import av

        if self._failed:
            raise self._failed
        if self._film is None or self.begin_s is None:
            self._open(image, time_s)
        assert self._film is not None
        assert self.begin_s is not None
        ticks = round((time_s - self.begin_s) * _CLOCK)
        if self._ticks >= 0:
            self._step = max(ticks - self._ticks, 1)
        self._ticks = max(ticks, self._ticks + 1)
        frame = av.VideoFrame.from_ndarray(self._fitted(image), format="rgb24")
        frame.pts, frame.time_base = self._ticks, Fraction(1, _CLOCK)
        try:
            with _writing_errors(self._path):
                # Both calls from within C: between two calls of Python's own an interrupt can fall and lose a packet,
                # and without that a player shows nothing up to the next key frame.
                deque(map(self._film.mux, map(self._picture.encode, (frame,))), maxlen=0)
                if self._sound is not None:
                    self._sound.copy_until(Fraction(time_s), Fraction(self.begin_s))
        except InputError as error:
            self._failed = error
            raise

    def close(self) -> None:
        """Complete the film; a second call does nothing."""
        failed: list[BaseException] = []

        def complete() -> None:
            try:
                self._complete()
            except BaseException as error:
                failed.append(error)

        # In a thread, so that an interrupt falls on us, who wait for it, and not between two of its packets.
        thread = Thread(target=complete)
        try:
            thread.start()
        finally:
            thread.join()
        if failed:
            raise failed[0]

    def _complete(self) -> None:
        film, self._film = self._film, None
        if film is None:
            return
        with self._stack, _writing_errors(self._path):
            if self._failed:
                film.close()
                return
            if self._sound is not None and self.begin_s is not None:
                end = Fraction(self.begin_s) + Fraction(self._ticks + self._step, _CLOCK)
                self._sound.copy_until(end, Fraction(self.begin_s))
                self._sound.finish()
            packets = self._picture.encode(None)
            if packets:
                packets[-1].duration = self._step  # of all others, the next one tells
            film.mux(packets)
            film.close()

    def _open(self, image: NDArray[np.uint8], time_s: float) -> None:
        import av

        self.begin_s = time_s
        height, width = image.shape[:2]
        with _writing_errors(self._path):
            self._film = av.open(local(self._path), "w", format="mp4", options=_FRAGMENTS)
            self._picture = self._film.add_stream("libx264", options=_VIDEO)
        self._picture.width, self._picture.height = width + width % 2, height + height % 2
        self._picture.pix_fmt = "yuv420p"
        self._picture.codec_context.time_base = Fraction(1, _CLOCK)
        self._picture.codec_context.thread_count = 2
        if self._sound_of is not None:
            self._sound = _Sound.of(self._sound_of, self._film, self._stack)

    def _fitted(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        width, height = self._picture.width, self._picture.height
        image = to_rgb(image)
        right, below = width - image.shape[1], height - image.shape[0]
        if right in (0, 1) and below in (0, 1):
            if right or below:
                image = np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), dtype=np.uint8)
            return np.ascontiguousarray(image)
        return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


class _Sound:
    """The sound of a film on its way into another one."""

    def __init__(self, source: Any, track: Any, film: OutputContainer) -> None:
        self._film = film
        self._packets: Iterator[Any] = source.demux(track)
        self._waiting: Any = None
        self._copied = track.codec_context.codec.canonical_name in _COPIED
        self._base: Fraction = track.time_base
        self._clock = Clock()
        if self._copied:
            self._out: Any = film.add_stream_from_template(track)
        else:
            self._out = film.add_stream("aac", rate=_rate(track.codec_context.sample_rate))
            layout = track.codec_context.layout.name
            several = layout if layout in _LAYOUTS else "stereo"
            self._out.codec_context.layout = "mono" if track.codec_context.channels == 1 else several

    @classmethod
    def of(cls, path: Path, film: OutputContainer, stack: ExitStack) -> _Sound | None:
        """The first track of sound of a film; None where it has none that can be decoded."""
        source = stack.enter_context(opened(path, name=str(path)))
        track = next(iter(source.streams.audio), None)
        decoder = None if track is None else track.codec_context
        return None if decoder is None or not decoder.sample_rate else cls(source, track, film)

    def copy_until(self, time_s: Fraction, begin_s: Fraction) -> None:
        """Write the sound from ``begin_s`` on and before ``time_s``, both in the time of its film."""
        while True:
            packet, self._waiting = self._waiting or self._next(), None
            if packet is None:
                return
            heard = stamp(packet, self._base)
            if heard is None or heard < begin_s:
                continue
            if heard >= time_s:
                self._waiting = packet
                return
            self._write(packet, begin_s)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if not self._copied:
            self._film.mux(self._out.encode(None))

    def _write(self, packet: Any, begin_s: Fraction) -> None:
        ticks = round(begin_s / self._base)
        if self._copied:
            packet.pts = None if packet.pts is None else packet.pts - ticks
            packet.dts = None if packet.dts is None else packet.dts - ticks
            packet.stream = self._out
            self._film.mux(packet)
            return
        for sound in self._decoded(packet):
            if sound.pts is not None:  # in samples, as the encoder counts
                sound.pts = round((sound.pts * sound.time_base - begin_s) * sound.sample_rate)
                sound.time_base = Fraction(1, sound.sample_rate)
            self._film.mux(self._out.encode(_placed(sound)))

    def _next(self) -> Any:
        """The next packet, its times going on from those before; none where the film is damaged or ends."""
        try:
            packet = next(self._packets, None)
        except pyav().error.FFmpegError:
            return None
        if packet is None or packet.dts is None:
            return packet
        ticks = round(self._clock.time(packet.dts * self._base) / self._base) - packet.dts
        packet.dts += ticks
        packet.pts = None if packet.pts is None else packet.pts + ticks
        return packet

    def _decoded(self, packet: Any) -> list[Any]:
        try:
            return list(packet.decode())
        except pyav().error.FFmpegError:  # a damaged place is silent
            return []


def _rate(rate: int) -> int:
    """The nearest rate that AAC knows."""
    rates: list[int] = pyav().codec.Codec("aac", "w").audio_rates
    return min(rates, key=lambda one: abs(one - rate))


def _placed(sound: Any) -> Any:
    """Sound whose channels have places. Raw sound often says only how many they are: then the first two count."""
    if not re.fullmatch(r"\d+ channels", sound.layout.name):
        return sound
    count = sound.layout.nb_channels
    samples = sound.to_ndarray()
    if not sound.format.is_planar:
        samples = samples.reshape(-1, count).T
    samples = np.ascontiguousarray(samples[:2])
    placed = pyav().AudioFrame.from_ndarray(
        samples, format=sound.format.planar.name, layout="mono" if count == 1 else "stereo"
    )
    placed.sample_rate, placed.pts, placed.time_base = sound.sample_rate, sound.pts, sound.time_base
    return placed


@contextmanager
def _writing_errors(path: Path) -> Iterator[None]:
    """Restate FFmpeg's errors as InputError naming the film."""
    av = pyav()
    try:
        yield
    except av.error.FFmpegError as error:
        text = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: cannot be written ({text}); {remedy(error.errno)}") from error
