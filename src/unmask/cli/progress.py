"""Progress on standard error: a bar with rate and time left on a terminal, nothing elsewhere."""

from __future__ import annotations

import os
import sys
import time

from unmask.writing import Closing

_REDRAW_S = 0.1


class Progress(Closing):
    """One line that is redrawn: done, total, rate, time left, and a note.

    Parameters
    ----------
    unit
        What is counted, in the plural.
    total
        How many there will be; None when nobody knows.
    """

    def __init__(self, unit: str, total: int | None = None) -> None:
        self.unit, self.total, self.done = unit, total, 0
        self._shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"  # which knows no line that is redrawn
        self._started = time.monotonic()
        self._drawn = 0.0

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """Count some as done."""
        self.done += count
        now = time.monotonic()
        if not self._shown or now - self._drawn < _REDRAW_S:
            return
        self._drawn = now
        rate = self.done / max(now - self._started, 1e-9)
        text = f"{self.done:,}"
        if self.total:
            left = max(self.total - self.done, 0) / max(rate, 1e-9)
            text += f"/{self.total:,} {self.unit}  {rate:,.1f}/s  {_clock(left)} left"
        else:
            text += f" {self.unit}  {rate:,.1f}/s"
        sys.stderr.write(f"\r\x1b[2K{text}  {note}")
        sys.stderr.flush()

    def close(self) -> None:
        """Take the line away for good."""
        self.clear()

    def clear(self) -> None:
        """Take the line away, so that something else can be written."""
        if self._shown and self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._drawn = 0.0


def _clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
