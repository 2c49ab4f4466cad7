"""Blurring in time: for half a second around what is found of a face, at any rate, and nothing else changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from test_outputs_writers import HAPPY

from unmask.errors import LimitError
from unmask.media import Frame
from unmask.outputs import blurring
from unmask.outputs.blurring import BRIDGE_S, Blurrer
from unmask.readings import Box, Reading

FACE = replace(HAPPY, box=Box(16, 16, 32, 32), track_id=1)


def picture(index: int, channels: tuple[int, ...] = (3,)) -> NDArray[np.uint8]:
    """Noise, another one for each frame."""
    return np.random.default_rng(index).integers(0, 256, (48, 64, *channels), np.uint8)


def film(
    rate: int, seconds: float, *, found: tuple[float, float], grey: bool = False
) -> Iterator[tuple[Frame, Reading]]:
    """A film in which a face is found from the one time until before the other."""
    for index in range(round(rate * seconds)):
        time = index / rate
        faces = (FACE,) if found[0] <= time < found[1] else ()
        reading = Reading("a.mp4", 64, 48, "small@1.0", faces, index=index, time_s=time)
        yield Frame(picture(index, () if grey else (3,)), "a.mp4", index, time), reading


def changed(rate: int, *, grey: bool = False) -> list[bool]:
    """Which frames of a film with a face from 1 to 1.25 s come out blurred; all must come, and the others unchanged."""
    blurrer = Blurrer()
    shown = [one for frame in film(rate, 2.5, found=(1, 1.25), grey=grey) for one in blurrer.add(*frame)]
    shown += blurrer.finish()
    assert [frame.index for frame, _ in shown] == [reading.index for _, reading in shown] == list(range(len(shown)))
    assert len(shown) == round(2.5 * rate)
    for frame, reading in shown:
        assert frame.time_s == reading.time_s
        assert frame.image.shape == ((48, 64) if grey else (48, 64, 3))
        assert (frame.image[:, 40:] == picture(frame.index, frame.image.shape[2:])[:, 40:]).all()
    return [bool((frame.image != picture(frame.index, frame.image.shape[2:])).any()) for frame, _ in shown]


@pytest.mark.parametrize("rate", [4, 30, 60, 120, 240])
@pytest.mark.parametrize("grey", [False, True])
def test_half_a_second_at_any_rate(rate: int, grey: bool) -> None:
    """A face is blurred for half a second before and after, also where more frames wait than are held as they are."""
    blurred = changed(rate, grey=grey)
    first, last = blurred.index(True), len(blurred) - 1 - blurred[::-1].index(True)
    assert all(blurred[first : last + 1])
    assert first / rate == pytest.approx(1 - BRIDGE_S)
    assert last / rate == pytest.approx(1.25 + BRIDGE_S, abs=1.01 / rate)
    assert last / rate < 1.25 + BRIDGE_S


def test_large_frames_wait_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits as it is has a limit in bytes, however few frames that are; what is blurred does not depend on it."""
    packed, pack = list[int](), blurring._Packed.of

    def noted(frame: Frame) -> blurring._Packed:
        packed.append(frame.index)
        return pack(frame)

    monkeypatch.setattr(blurring._Packed, "of", noted)
    plain = changed(30)
    assert packed == []
    monkeypatch.setattr(blurring, "PLAIN_BYTES", 3 * 48 * 64 * 3 - 1)
    assert changed(30) == plain
    assert len(packed) > 60


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A film with more frames in half a second than may wait is refused; none is handed out unblurred before that."""
    blurrer, handed = Blurrer(), list[Frame]()
    monkeypatch.setattr(blurring, "PLAIN_BYTES", 32 * 48 * 64 * 3)
    monkeypatch.setattr(blurring, "MAX_WAITING_BYTES", 70 * 48 * 64 * 3)
    with pytest.raises(LimitError, match=r"a\.mp4: .*--every"):
        handed += [frame for one in film(1000, 1, found=(0.4, 1)) for frame, _ in blurrer.add(*one)]
    assert handed == []
    assert len(changed(120)) == 300, "and what is handed out counts no longer"
