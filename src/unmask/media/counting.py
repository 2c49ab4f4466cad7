"""The number of a frame that was sought, not reached by decoding everything before it."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path

from unmask.errors import InputError
from unmask.media.clock import Clock
from unmask.media.container import film_errors, opened, stamp


class FrameCounter:
    """Counts a film's frames by their packets, without decoding them; asked for rising times.

    Packets that the film's edit list discards are no frames. Memory stays flat: packets come in the order of decoding,
    and only those that are shown after the time that was asked for wait for the next question.
    """

    def __init__(self, path: Path, track: int) -> None:
        self._name = str(path)
        self._stack = ExitStack()
        container = self._stack.enter_context(opened(path, name=self._name))
        self._time_base = container.streams[track].time_base
        self._packets = container.demux(container.streams[track])
        self._count = 0
        self._later: list[Fraction] = []

    def before(self, time_s: Fraction) -> int:
        """How many frames are shown before a time."""
        with film_errors(self._name):
            self._count += sum(shown < time_s for shown in self._later)
            self._later = [shown for shown in self._later if shown >= time_s]
            for packet in self._packets:
                shown = stamp(packet, self._time_base)
                if shown is None or packet.is_discard:
                    continue
                if shown < time_s:
                    self._count += 1
                else:
                    self._later.append(shown)
                # Nothing is shown before it is decoded, and decoding times only rise.
                if packet.dts is not None and self._time_base and packet.dts * self._time_base >= time_s:
                    break
        return self._count

    def close(self) -> None:
        self._stack.close()


def begins_anew(path: Path, track: int) -> bool:
    """Whether a film's clock begins anew, by its packets' decoding times; looks as far as the film can be read."""
    name, clock = str(path), Clock()
    with suppress(InputError), opened(path, name=name) as container, film_errors(name):
        base = container.streams[track].time_base
        for packet in container.demux(container.streams[track]):
            if packet.dts is not None and base is not None:
                clock.time(packet.dts * base)
            if clock.carried:
                return True
    return False
