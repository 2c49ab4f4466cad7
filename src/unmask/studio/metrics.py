"""Counters for Prometheus, in its text format (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Iterator, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_PICTURES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


class Counter:
    """A number that only rises, apart for each set of label values."""

    kind = "counter"

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        self.name, self.help, self.labels = name, help_text, tuple(labels)
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}
        self._lock = threading.Lock()

    def add(self, *values: str, amount: float = 1.0) -> None:
        """Count; ``values`` are those of the labels, in their order."""
        with self._lock:
            self._values[values] = self._values.get(values, 0.0) + amount

    def lines(self) -> Iterator[str]:
        """The samples."""
        with self._lock:
            values = dict(self._values)
        for labels, value in values.items():
            yield f"{self.name}{_braces(zip(self.labels, labels, strict=True))} {value:g}"


class Histogram:
    """How many observations lay at or below each bound."""

    kind = "histogram"

    def __init__(self, name: str, help_text: str, bounds: Sequence[float]) -> None:
        self.name, self.help = name, help_text
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        """Add one observation."""
        with self._lock:
            self._counts[bisect.bisect_left(self._bounds, value)] += 1
            self._sum += value

    def lines(self) -> Iterator[str]:
        """The samples: cumulative counts, their sum and number."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        reached = 0
        for bound, count in zip((*self._bounds, float("inf")), counts, strict=True):
            reached += count
            yield f'{self.name}_bucket{{le="{"+Inf" if bound == float("inf") else f"{bound:g}"}"}} {reached}'
        yield f"{self.name}_sum {total:.6f}"
        yield f"{self.name}_count {reached}"


class Gauge:
    """A number that is asked for when it is needed."""

    kind = "gauge"

    def __init__(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        self.name, self.help, self._value = name, help_text, value

    def lines(self) -> Iterator[str]:
        """The sample."""
        yield f"{self.name} {self._value():g}"


class Metrics:
    """All that a server counts. Nothing in it says who sent what."""

    def __init__(self) -> None:
        self.requests = Counter("unmask_requests_total", "Requests by route and status.", ("method", "route", "status"))
        self.duration = Histogram("unmask_request_seconds", "Time from a request's head to its whole answer.", _SECONDS)
        self.pictures = Counter("unmask_pictures_total", "Pictures by outcome.", ("outcome",))
        self.faces = Counter("unmask_faces_total", "Faces that were read.")
        self.waited = Histogram("unmask_wait_seconds", "Time a picture waited for a worker.", _SECONDS)
        self.batches = Histogram("unmask_batch_pictures", "Pictures that a worker took at a time.", _PICTURES)
        self.frames = Counter("unmask_frames_total", "Frames of films and live sessions.", ("kind",))
        self._all: list[Counter | Histogram | Gauge] = [
            self.requests,
            self.duration,
            self.pictures,
            self.faces,
            self.waited,
            self.batches,
            self.frames,
        ]

    def gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Show a number that something else keeps."""
        self._all.append(Gauge(name, help_text, value))

    def text(self) -> str:
        """Everything, as ``/metrics`` gives it."""
        lines: list[str] = []
        for metric in self._all:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}", *metric.lines()]
        return "\n".join(lines) + "\n"


def _braces(pairs: zip[tuple[str, str]]) -> str:
    def quoted(value: str) -> str:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    text = ",".join(f'{name}="{quoted(value)}"' for name, value in pairs)
    return f"{{{text}}}" if text else ""
