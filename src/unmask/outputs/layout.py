"""Where labels go: inside the picture, off the faces and off each other as far as there is room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unmask.readings import Box


@dataclass(frozen=True, slots=True)
class Slot:
    """A rectangle in whole pixels: left, top, width, height."""

    x: int
    y: int
    width: int
    height: int

    def overlap(self, x1: float, y1: float, x2: float, y2: float) -> float:
        """Area in common with a rectangle, in square pixels."""
        wide = min(self.x + self.width, x2) - max(self.x, x1)
        high = min(self.y + self.height, y2) - max(self.y, y1)
        return max(0.0, wide) * max(0.0, high)


def place_labels(
    boxes: Sequence[Box], sizes: Sequence[tuple[int, int]], width: int, height: int, gap: int
) -> list[Slot]:
    """A slot for the label of each box.

    Greedy, smallest faces first, because large ones have more places to choose from. Each label takes the place that
    covers least: other labels weigh most, then other faces, then its own; places nearer the top of the box win ties.

    Parameters
    ----------
    boxes
        Where the faces are.
    sizes
        Width and height of each label, in pixels; at most those of the picture.
    width, height
        Of the picture.
    gap
        Between a box and its label, in pixels.
    """
    slots: dict[int, Slot] = {}
    for number in sorted(range(len(boxes)), key=lambda i: boxes[i].side):

        def cost(ranked: tuple[int, Slot], number: int = number) -> float:
            rank, slot = ranked
            area = slot.width * slot.height
            labels = sum(slot.overlap(o.x, o.y, o.x + o.width, o.y + o.height) for o in slots.values())
            faces = sum(
                (1.0 if i == number else 2.0) * slot.overlap(box.x1, box.y1, box.x2, box.y2)
                for i, box in enumerate(boxes)
            )
            return (4.0 * labels + faces) / area + 0.02 * rank

        options = _slots_around(boxes[number], sizes[number], width, height, gap)
        slots[number] = min(enumerate(options), key=cost)[1]
    return [slots[number] for number in range(len(boxes))]


def _slots_around(box: Box, size: tuple[int, int], width: int, height: int, gap: int) -> Iterator[Slot]:
    """Places for one label, the most natural first, each moved into the picture."""
    wide, high = size
    left, middle, right = box.x1 - gap, (box.x1 + box.x2 - wide) / 2, box.x2 + gap - wide
    above, below = box.y1 - gap - high, box.y2 + gap
    inner_top, inner_bottom = box.y1 + gap, box.y2 - gap - high
    for x, y in (
        *((x, above) for x in (left, middle, right)),
        *((x, below) for x in (left, middle, right)),
        *((box.x2 + gap, y) for y in (inner_top, inner_bottom)),
        *((box.x1 - gap - wide, y) for y in (inner_top, inner_bottom)),
        *((x, above - high) for x in (left, right)),
        *((x, below + high) for x in (left, right)),
        (middle, inner_bottom),
        (middle, inner_top),
    ):
        yield Slot(round(min(max(x, 0), width - wide)), round(min(max(y, 0), height - high)), wide, high)
