"""The queue: fair shares, one reader for what is read alike, and workers that outlive every picture."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the studio's libraries are not installed: pip install 'unmask[studio]'")

from test_studio_api import blank

from unmask.errors import InputError
from unmask.media import Failure, Frame
from unmask.models import Thresholds
from unmask.readings import Reading
from unmask.studio.batching import LARGEST_BATCH, Batcher
from unmask.studio.metrics import Metrics
from unmask.studio.problems import RefusalError
from unmask.studio.readers import Choice
from unmask.studio.settings import Limits

ONE, OTHER = (Choice("small", head, "whole", Thresholds()) for head in ("ferplus", "fer2013"))


class Gate:
    """Stands in for models: notes what is read together, and waits until it may."""

    def __init__(self, *, failing: str = "") -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.batches: list[tuple[Choice, int]] = []
        self.failing = failing

    def reader(self, choice: Choice) -> Any:
        return _Reader(self, choice)


class _Reader:
    def __init__(self, gate: Gate, choice: Choice) -> None:
        self.gate, self.choice = gate, choice

    def stream(self, pictures: Iterable[Any]) -> Iterator[Any]:
        self.gate.entered.release()
        assert self.gate.open.wait(10)
        pictures = list(pictures)
        self.gate.batches.append((self.choice, len(pictures)))
        for number, picture in enumerate(pictures):
            if self.gate.failing == "library":
                raise RuntimeError("out of order")
            if self.gate.failing == "picture":
                yield Failure("x", InputError("x: no"))
                continue
            height, width = picture.shape[:2]
            yield Frame(picture, "x"), Reading(f"<array {number}>", width, height, self.choice.head)


def batcher_of(gate: Gate, *, workers: int = 1, waiting: int = 256) -> Batcher:
    """A queue that reads with a gate."""
    return Batcher(gate, limits=Limits(max_waiting=waiting), workers=workers, metrics=Metrics())  # type: ignore[arg-type]


def test_what_waits_is_read_together() -> None:
    """Pictures that come while a worker is busy go through the network as one batch; other choices apart."""
    gate = Gate()
    batcher = batcher_of(gate)
    first = batcher.submit([("first", blank(10, 10))], ONE)
    gate.entered.acquire()  # the worker has it and waits
    rest = batcher.submit([(f"{n}", blank(20 + n, 10)) for n in range(3)], ONE)
    rest += batcher.submit([("other", blank(30, 10))], OTHER)
    gate.open.set()
    readings = [future.result(10) for future in first + rest]
    batcher.close()
    assert gate.batches == [(ONE, 1), (ONE, 3), (OTHER, 1)]
    assert [(reading.source, reading.width, reading.model) for reading in readings] == [
        ("first", 10, "ferplus"),
        ("0", 20, "ferplus"),
        ("1", 21, "ferplus"),
        ("2", 22, "ferplus"),
        ("other", 30, "fer2013"),
    ]


def test_workers_share_fairly_and_batches_end() -> None:
    """Of 50 pictures that wait, one of two workers takes half, at most the largest batch."""
    gate = Gate()
    batcher = batcher_of(gate, workers=2)
    busy = batcher.submit([("a", blank()), ("b", blank())], ONE)
    gate.entered.acquire()
    gate.entered.acquire()
    rest = batcher.submit([("x", blank())] * 50, ONE)
    assert batcher.waiting == 50
    gate.open.set()
    for future in busy + rest:
        future.result(10)
    batcher.close()
    sizes = [count for _, count in gate.batches]
    assert sum(sizes) == 52
    assert max(sizes) == LARGEST_BATCH


def test_damaged_pictures_fail_alone() -> None:
    """A picture that cannot be decoded does not shift the readings of those beside it."""
    gate = Gate()
    gate.open.set()
    batcher = batcher_of(gate)
    futures = batcher.submit([("a", blank(11, 10)), ("bad", b"no"), ("c", blank(13, 10))], ONE)
    assert (futures[0].result(10).width, futures[2].result(10).width) == (11, 13)
    with pytest.raises(InputError, match="bad: not a picture"):
        futures[1].result(10)
    batcher.close()


@pytest.mark.parametrize(("failing", "word"), [("library", "RuntimeError: out of order"), ("picture", "x: no")])
def test_workers_outlive_failures(failing: str, word: str) -> None:
    """Whatever a library raises becomes the answer, and the worker goes on with the next picture."""
    gate = Gate(failing=failing)
    gate.open.set()
    batcher = batcher_of(gate)
    with pytest.raises(InputError, match=word):
        batcher.submit([("a", blank())], ONE)[0].result(10)
    gate.failing = ""
    assert batcher.submit([("a", blank())], ONE)[0].result(10).source == "a"
    batcher.close()


def test_pictures_that_nobody_waits_for_are_not_read() -> None:
    """A request that is given up costs nothing more."""
    gate = Gate()
    batcher = batcher_of(gate)
    first = batcher.submit([("first", blank())], ONE)
    gate.entered.acquire()
    second = batcher.submit([("second", blank())], ONE)
    assert second[0].cancel()
    gate.open.set()
    first[0].result(10)
    batcher.close()
    assert sum(count for _, count in gate.batches) == 1
    with pytest.raises(CancelledError):
        second[0].result()


def test_a_full_queue_takes_all_of_a_request_or_nothing() -> None:
    """What does not fit is refused, and a lone request larger than the queue is not refused for ever."""
    gate = Gate()
    batcher = batcher_of(gate, waiting=3)
    batcher.submit([("first", blank())], ONE)
    gate.entered.acquire()
    batcher.submit([("a", blank())] * 2, ONE)
    with pytest.raises(RefusalError, match="2 pictures are waiting already"):
        batcher.submit([("b", blank())] * 2, ONE)
    assert batcher.waiting == 2
    gate.open.set()
    batcher.close()
    gate.open.set()
    larger = batcher_of(gate, waiting=3)
    assert len([future.result(10) for future in larger.submit([("c", blank())] * 5, ONE)]) == 5
    larger.close()


def test_closing_reads_what_waits_and_takes_nothing_more() -> None:
    """A server that stops answers what it has."""
    gate = Gate()
    batcher = batcher_of(gate)
    futures = batcher.submit([("a", blank())] * 3, ONE)
    gate.entered.acquire()
    closing = threading.Thread(target=batcher.close)
    closing.start()
    gate.open.set()
    closing.join(10)
    assert all(future.result(0).source == "a" for future in futures)
    with pytest.raises(RefusalError, match="stopping"):
        batcher.submit([("b", blank())], ONE)


def test_pictures_are_decoded_when_they_are_read(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded pictures do not pile up: what waits is the compressed file."""
    decoded: list[str] = []
    gate = Gate()

    def decode(_: bytes, *, name: str, **__: Any) -> Any:
        decoded.append(name)
        return np.zeros((10, 10), np.uint8)

    monkeypatch.setattr("unmask.images.decode", decode)
    batcher = batcher_of(gate)
    futures = batcher.submit([("a", photo.read_bytes())] * 3, ONE)
    gate.entered.acquire()
    assert decoded == []
    gate.open.set()
    for future in futures:
        future.result(10)
    assert decoded == ["a"] * 3
    batcher.close()
