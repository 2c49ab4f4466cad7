"""One colour for each expression, in the drawing and in the report alike.

Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), which stays distinct for people who are colour-blind; its
black, which vanishes on dark pages, is replaced by a dark wine red. A colour never carries a meaning alone: the word
stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

from unmask.expressions import Expression
from unmask.readings import Face

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

COLOURS: Mapping[Expression, Colour] = {
    Expression.ANGRY: (213, 94, 0),
    Expression.DISGUST: (0, 158, 115),
    Expression.FEAR: (204, 121, 167),
    Expression.HAPPY: (240, 228, 66),
    Expression.SAD: (0, 114, 178),
    Expression.SURPRISE: (230, 159, 0),
    Expression.NEUTRAL: (86, 180, 233),
    Expression.CONTEMPT: (136, 34, 85),
}

ABSTAINED: Colour = (118, 118, 118)
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)


def face_colour(face: Face) -> Colour:
    """The colour of a face's expression; grey when it abstains."""
    return ABSTAINED if face.expression is None else COLOURS[face.expression]


def contrast(first: Colour, second: Colour) -> float:
    """WCAG 2's contrast ratio, 1 to 21; text needs 4.5."""
    darker, lighter = sorted((_luminance(first), _luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def ink(background: Colour) -> Colour:
    """Black or white, whichever reads better on the background."""
    return max(BLACK, WHITE, key=lambda text: contrast(text, background))


def _luminance(colour: Colour) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
