"""Augmentation and mixing: each ingredient does what it says, by hand-made pictures, and draws from its seed alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")

from torch import Generator, Tensor

from unmask.errors import ConfigError
from unmask.plots import to_png
from unmask.training.augment import Augmentation
from unmask.training.degrade import blur, coarsen
from unmask.training.draws import Draws
from unmask.training.geometry import homographies, resample
from unmask.training.mixing import mixed
from unmask.training.pictures import SHOWN, gallery, recipe_gallery
from unmask.training.targets import Batch

STILL = Augmentation(rotation=0, zoom=0, shift=0, brightness=0, contrast=0, flip=0, erase=0)


def seeded(seed: int = 0) -> Generator:
    """A generator of its own."""
    return Generator().manual_seed(seed)


def noise(count: int = 8) -> Tensor:
    """Random pictures ``(count, 1, 48, 48)``."""
    pixels: Tensor = torch.rand((count, 1, 48, 48), generator=seeded(99))
    return 255 * pixels


@pytest.mark.parametrize("name", SHOWN)
def test_every_ingredient_is_seeded_and_keeps_the_range(name: str) -> None:
    """Each ingredient changes pictures, in the same way for the same seed, and keeps shape and range."""
    pixels = noise()
    first, again, other = (SHOWN[name](pixels, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == pixels.shape
    assert first.min() >= 0
    assert first.max() <= 255


def test_nothing_asked_nothing_done() -> None:
    """With every range at 0 the very pictures come back."""
    pixels = noise()
    assert torch.equal(STILL(pixels, seeded()), pixels)


def test_flip_alone_mirrors() -> None:
    """With only the flip, at probability 1, each picture is its mirror image."""
    pixels = noise()
    torch.testing.assert_close(
        dataclasses.replace(STILL, flip=1.0)(pixels, seeded()), pixels.flip(-1), atol=0.05, rtol=0
    )


def test_maps_by_hand() -> None:
    """A map that swaps the axes transposes, one that is scaled by 2 shows every other pixel of the middle enlarged."""
    pixels = noise(1)
    swap = torch.tensor([[[0.0, 1, 0], [1, 0, 0], [0, 0, 1]]])
    torch.testing.assert_close(resample(pixels, swap), pixels.transpose(2, 3), atol=1e-2, rtol=0)
    flat = torch.full((1, 1, 48, 48), 100.0)
    out = resample(flat, torch.diag(torch.tensor([2.0, 2, 1]))[None], padding="zeros")
    assert out[0, 0, 24, 24] == pytest.approx(100)
    assert out[0, 0, 0, 0] == 0  # beyond the picture


def test_warp_makes_one_edge_longer() -> None:
    """Under the warp alone, parallel edges of a square no longer have the same length, by at most the stated ratio."""
    maps = homographies(200, Draws(seeded(), torch.device("cpu")), warp=0.2)
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1]])
    seen = corners @ maps.transpose(1, 2)
    places = seen[..., :2] / seen[..., 2:]
    top = (places[:, 1] - places[:, 0]).norm(dim=1)
    bottom = (places[:, 3] - places[:, 2]).norm(dim=1)
    ratio = torch.maximum(top / bottom, bottom / top)
    assert ratio.max() > 1.2
    assert ratio.max() < 2.0


def test_blur_by_hand() -> None:
    """A dot spreads as a Gaussian does: its sum stays, and its spread is the one asked for; 0 leaves it alone."""
    dot = torch.zeros(2, 1, 47, 47)
    dot[:, :, 23, 23] = 200.0
    out = blur(dot, torch.tensor([2.0, 0.0]))
    assert float(out[0].sum()) == pytest.approx(200, rel=1e-4)
    across = torch.arange(47) - 23.0
    variance = float((out[0, 0].sum(dim=0) * across**2).sum() / 200)
    assert variance == pytest.approx(4.0, rel=0.02)
    torch.testing.assert_close(out[1], dot[1])


def test_coarse_by_hand() -> None:
    """At a factor of 4 only cell means are left: a checkerboard of single pixels turns grey, 1 changes nothing."""
    board = torch.tensor((np.indices((48, 48)).sum(axis=0) % 2) * 200.0, dtype=torch.float32).expand(2, 1, -1, -1)
    out = coarsen(board, torch.tensor([4.0, 1.0]))
    torch.testing.assert_close(out[0], torch.full((1, 48, 48), 100.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(out[1], board[1], atol=1e-3, rtol=0)
    ramp = torch.arange(48.0).expand(1, 1, 48, 48)
    inner = slice(4, -4)  # at the edges the outer cell is repeated
    torch.testing.assert_close(coarsen(ramp, torch.tensor([3.0]))[..., inner], ramp[..., inner], atol=1e-3, rtol=0)


def test_degrading_acts_by_chance() -> None:
    """At a probability of a half about half of the pictures are left as they are."""
    view = dataclasses.replace(STILL, noise=20.0, degrade=0.5)(noise(200), seeded())
    untouched = (view == noise(200)).flatten(1).all(dim=1).float().mean()
    assert 0.35 < untouched < 0.65


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ({"flip": 1.5}, "flip = 1.5"),
        ({"rotation": -1}, "rotation"),
        ({"warp": 0.6}, "warp"),
        ({"low_resolution": 0.5}, "low_resolution"),
        ({"padding": "mirror"}, "expected one of reflection"),
    ],
)
def test_ranges_are_checked(ranges: dict[str, Any], words: str) -> None:
    """A range that makes no sense is refused by name."""
    with pytest.raises(ConfigError, match=words):
        Augmentation(**ranges)


def batch(count: int = 16) -> Batch:
    """Pictures of one grey each, told apart by it, with one class each."""
    pixels = torch.arange(count).float().view(-1, 1, 1, 1).expand(-1, 1, 48, 48).clone()
    return Batch(pixels, {"x": torch.eye(count)}, {"x": torch.ones(count)}, {})


def test_mixup_mixes_targets_as_pixels() -> None:
    """The grey of a mixed picture is the mean of its classes' greys, weighted by the target."""
    out = mixed(batch(), seeded(), mixup=1.0, cutmix=0.0)
    expected = out.shares["x"] @ torch.arange(16).float()
    torch.testing.assert_close(out.pixels[:, 0, 0, 0], expected, atol=1e-4, rtol=0)
    assert (out.shares["x"].max(dim=1).values < 0.99).any()
    torch.testing.assert_close(out.shares["x"].sum(dim=1), torch.ones(16))


def test_cutmix_counts_its_window() -> None:
    """The target's share of the other class is the share of the pixels that came from it."""
    out = mixed(batch(), seeded(), mixup=0.0, cutmix=1.0)
    torch.testing.assert_close(out.pixels.mean(dim=(1, 2, 3)), out.shares["x"] @ torch.arange(16).float())
    assert set(out.pixels.flatten().tolist()) <= set(range(16))  # windows, no blends
    assert (out.shares["x"].max(dim=1).values < 0.99).any()


def test_mixing_is_seeded_and_optional() -> None:
    """The same seed mixes alike; with both at 0 the batch is left alone."""
    first, again = (mixed(batch(), seeded(3), mixup=0.4, cutmix=0.4) for _ in range(2))
    assert torch.equal(first.pixels, again.pixels)
    whole = batch()
    assert mixed(whole, seeded(), mixup=0.0, cutmix=0.0) is whole


def test_galleries() -> None:
    """A gallery is a picture, the same for the same seed."""
    pytest.importorskip("matplotlib")
    face = noise(1)[0, 0].byte().numpy()
    assert to_png(gallery(face, views=2), dpi=30) == to_png(gallery(face, views=2), dpi=30)
    assert to_png(gallery(face, 255 - face, views=2), dpi=30) != to_png(gallery(face, views=2), dpi=30)
    assert to_png(recipe_gallery(face[None], Augmentation(), views=2), dpi=30).startswith(b"\x89PNG")
