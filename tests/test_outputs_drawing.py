"""Annotated pictures: the boxes, the labels, where they go, and their colours."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from strategies import boxes, faces, names
from test_outputs_writers import ABSTAINED, HAPPY

from unmask.errors import ConfigError, InputError
from unmask.expressions import Expression
from unmask.outputs.drawing import draw, save_annotated
from unmask.outputs.layout import place_labels
from unmask.palette import ABSTAINED as GREY
from unmask.palette import COLOURS, Colour, contrast, ink
from unmask.readings import Box, Face, Reading

MIDDLE = replace(HAPPY, box=Box(150, 120, 250, 220))


def grey(height: int = 300, width: int = 400) -> NDArray[np.uint8]:
    """A picture of middle grey."""
    return np.full((height, width, 3), 128, np.uint8)


def reading_of(image: NDArray[np.uint8], *found: Face) -> Reading:
    """A reading of the picture with these faces."""
    return Reading("a.jpg", image.shape[1], image.shape[0], "small@1.0", found)


def has_colour(picture: NDArray[np.uint8], colour: Colour) -> bool:
    """Whether a pixel has exactly this colour."""
    return bool((picture == np.array(colour, np.uint8)).all(axis=-1).any())


def test_a_frame_without_a_face_is_unchanged() -> None:
    """Nothing is drawn, and the result is a copy."""
    image = grey()
    picture = draw(image, reading_of(image))
    np.testing.assert_array_equal(picture, image)
    assert not np.shares_memory(picture, image)


def test_the_face_itself_stays_free() -> None:
    """Box and label lie around the face, in the expression's colour; the input is not changed."""
    image = grey()
    picture = draw(image, reading_of(image, MIDDLE))
    assert (image == 128).all()
    assert (picture[120:220, 150:250] == 128).all()
    assert has_colour(picture, COLOURS[Expression.HAPPY])
    assert (picture[118:120, 150:250] != 128).any(axis=-1).all(), "a line above the whole face"
    assert (picture[220:222, 150:250] != 128).any(axis=-1).all(), "and below it"


def test_an_abstention_has_no_colour() -> None:
    """Grey dashes and a grey label: nothing that could be taken for an expression."""
    image = grey()
    picture = draw(image, reading_of(image, replace(ABSTAINED, box=MIDDLE.box)))
    assert has_colour(picture, GREY)
    assert (picture.min(axis=-1) == picture.max(axis=-1)).all()
    top = picture[119, 155:245]
    assert len(np.unique(top)) == 2, "dashes of two lightnesses, so that they show on any background"
    dark, light = (int(value) for value in np.unique(top))
    assert contrast((dark,) * 3, (light,) * 3) > 12
    large = draw(
        np.kron(image, np.ones((5, 5, 1), np.uint8)),
        Reading("a.jpg", 2000, 1500, "small@1.0", (replace(ABSTAINED, box=Box(750, 600, 1250, 1100)),)),
    )
    assert (large[592:600, 1000] != 128).all(), "a line as wide as that of a named one"


@pytest.mark.parametrize(
    "box",
    [Box(-1e300, -1e300, 1e300, 1e300), Box(-1e9, 10, 1e9, 50), Box(1e12, 1e12, 2e12, 2e12), Box(-9e9, 0, -8e9, 9)],
)
def test_boxes_beyond_all_bounds(box: Box) -> None:
    """They take no longer than others: each stroke that nobody would see is left out."""
    image = grey()
    for face in (ABSTAINED, HAPPY):
        assert draw(image, reading_of(image, replace(face, box=box))).shape == image.shape


@pytest.mark.parametrize("side", [4, 8, 48, 63, 200, 3000])
def test_any_size_of_picture(side: int) -> None:
    """From four pixels to large: the shape stays, and there is a mark."""
    image = grey(side, side)
    picture = draw(image, reading_of(image, replace(HAPPY, box=Box(side / 4, side / 4, side / 2, side / 2))))
    assert picture.shape == image.shape
    assert picture.dtype == np.uint8
    assert (picture != image).any()


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        ((None,), ["happy 90 %"]),
        ((None, None), ["0: happy 90 %", "1: happy 90 %"]),  # as the rows number them
        ((2,), ["2: happy 90 %"]),
        ((4, 2), ["4: happy 90 %", "2: happy 90 %"]),
    ],
)
def test_labels_begin_with_the_number(
    people: tuple[int | None, ...], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the person in a film, of the face in a picture of several: so that rows and boxes can be matched."""
    texts: list[str] = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda pen, place, text, **options: texts.append(text))
    image = grey()
    draw(image, reading_of(image, *(replace(MIDDLE, track_id=person) for person in people)))
    assert texts == expected


def test_grey_pictures_become_rgb() -> None:
    """The image contract's second form is taken too."""
    image = grey()
    np.testing.assert_array_equal(
        draw(image[..., 0].copy(), reading_of(image, MIDDLE)), draw(image, reading_of(image, MIDDLE))
    )


def test_shrinking() -> None:
    """The longer side is as asked, the marks are where the face is now; a smaller picture is not blown up."""
    image = grey(600, 1200)
    picture = draw(image, reading_of(image, replace(HAPPY, box=Box(600, 200, 800, 400))), max_side=400)
    assert picture.shape == (200, 400, 3)
    changed = np.argwhere((picture != 128).any(axis=-1))
    assert changed.max(axis=0)[0] in range(133, 140), "a little below the scaled box"
    assert draw(image, reading_of(image), max_side=5000).shape == image.shape


@pytest.mark.parametrize(
    "image",
    [grey(300, 401), grey().astype(np.float32), grey()[..., :2].copy(), np.zeros((300, 400, 4), np.uint8)],
)
def test_another_image_is_refused(image: NDArray[np.uint8]) -> None:
    """Size, dtype and channels are checked against the reading."""
    with pytest.raises(ValueError, match=r"expected uint8 \(300, 400"):
        draw(image, reading_of(grey(), MIDDLE))


@settings(max_examples=50)
@given(found=st.lists(faces(), max_size=3), source=names, height=st.integers(1, 300), width=st.integers(1, 300))
def test_any_faces_can_be_drawn(found: list[Face], source: str, height: int, width: int) -> None:
    """Boxes far outside, huge or thinner than a pixel do no harm."""
    image = grey(height, width)
    assert draw(image, replace(reading_of(image, *found), source=source)).shape == image.shape


@given(
    found=st.lists(boxes(), min_size=1, max_size=8),
    sizes=st.lists(st.tuples(st.integers(1, 200), st.integers(1, 40)), min_size=8, max_size=8),
)
def test_labels_stay_inside(found: list[Box], sizes: list[tuple[int, int]]) -> None:
    """Wherever the faces are."""
    for slot, size in zip(place_labels(found, sizes[: len(found)], 300, 200, 2), sizes[: len(found)], strict=True):
        assert (slot.width, slot.height) == size
        assert 0 <= slot.x <= 300 - slot.width
        assert 0 <= slot.y <= 200 - slot.height


def overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """The area that two rectangles have in common."""
    wide = min(first[2], second[2]) - max(first[0], second[0])
    high = min(first[3], second[3]) - max(first[1], second[1])
    return max(wide, 0) * max(high, 0)


def test_labels_of_a_group_do_not_overlap() -> None:
    """Two rows of ten faces with labels twice their width: free of each other and of every face."""
    found = [Box(100 * i + 30, y, 100 * i + 70, y + 50) for y in (100, 250) for i in range(10)]
    slots = place_labels(found, [(80, 20)] * 20, 1000, 400, 4)
    for one, other in combinations(slots, 2):
        assert overlap(one.corners, other.corners) == 0
    assert sum(overlap(slot.corners, (box.x1, box.y1, box.x2, box.y2)) for slot in slots for box in found) == 0


def test_a_label_at_the_edge_goes_below() -> None:
    """There is no room above a face at the upper edge."""
    (slot,) = place_labels([Box(50, 0, 90, 40)], [(60, 20)], 300, 200, 4)
    assert slot.y == 44


def test_every_expression_has_its_colour() -> None:
    """All eight, all different, with ink that reaches WCAG AA on them."""
    assert set(COLOURS) == set(Expression)
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert all(contrast(ink(colour), colour) >= 4.5 for colour in (*COLOURS.values(), GREY))


def test_contrast_of_black_and_white() -> None:
    """WCAG's two ends of the scale."""
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((9, 9, 9), (9, 9, 9)) == 1


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.JPEG", "JPEG")])
def test_saving(name: str, kind: str, tmp_path: Path) -> None:
    """The suffix chooses the format; the picture is the drawn one."""
    image = grey()
    reading = reading_of(image, MIDDLE)
    save_annotated(image, reading, tmp_path / name)
    with Image.open(tmp_path / name) as saved:
        assert saved.format == kind
        difference = np.abs(np.asarray(saved).astype(int) - draw(image, reading))
    assert difference.max() == 0 if kind == "PNG" else difference.mean() < 1


def test_saving_fails_with_a_reason(tmp_path: Path) -> None:
    """Another suffix, and a folder that is not there."""
    image = grey()
    with pytest.raises(ConfigError, match="JPEG or PNG"):
        save_annotated(image, reading_of(image), tmp_path / "a.gif")
    with pytest.raises(InputError, match="nowhere"):
        save_annotated(image, reading_of(image), tmp_path / "nowhere" / "a.png")
