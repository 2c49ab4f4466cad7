"""Pictures of a run: its curves, and what each ingredient of the augmentation does to a face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from unmask import plots
from unmask.training.augment import Augmentation
from unmask.training.mixing import mixed_pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _only(**ranges: Any) -> Augmentation:
    """An augmentation of the given ingredients and no other."""
    nothing = dict.fromkeys(("rotation", "zoom", "shift", "brightness", "contrast", "flip", "erase"), 0.0)
    return Augmentation(**{**nothing, "degrade": 1.0, **ranges})


SHOWN: Mapping[str, Augmentation] = {
    "rotation": _only(rotation=25.0),
    "zoom": _only(zoom=0.35),
    "shift": _only(shift=0.15),
    "symmetric warp": _only(warp=0.3),
    "crop": _only(crop=0.3),
    "padding: reflection": _only(shift=0.3),
    "padding: border": _only(shift=0.3, padding="border"),
    "padding: zeros": _only(shift=0.3, padding="zeros"),
    "flip": _only(flip=0.5),
    "brightness": _only(brightness=70.0),
    "contrast": _only(contrast=0.7),
    "erasing": _only(erase=1.0),
    "blur": _only(blur=2.0),
    "low resolution": _only(low_resolution=4.0),
    "noise": _only(noise=30.0),
}
"""Each ingredient alone, strong enough to be seen."""

MIXED: Mapping[str, Mapping[str, float]] = {
    "mixup": {"mixup": 1.0, "cutmix": 0.0},
    "cutmix": {"mixup": 0.0, "cutmix": 1.0},
}
"""Ingredients that take two faces."""


def gallery(
    face: NDArray[np.uint8], other: NDArray[np.uint8] | None = None, *, views: int = 6, seed: int = 0
) -> Figure:
    """A row of random views for each ingredient of the augmentation; the first picture of a row is the face itself.

    Parameters
    ----------
    face
        Grey ``uint8 (S, S)``.
    other
        The face that it is mixed with; None mixes it with itself, mirrored and turned to the negative.
    views
        Random views in a row.
    seed
        Of the views.
    """
    pixels = torch.from_numpy(face).float().expand(views, 1, -1, -1)
    pictures: list[NDArray[np.uint8]] = []
    for augmentation in SHOWN.values():
        seen = augmentation(pixels, torch.Generator().manual_seed(seed))
        pictures += [face, *seen[:, 0].round().byte().numpy()]
    second = torch.from_numpy((255 - face[:, ::-1] if other is None else other).copy()).float().expand_as(pixels)
    for kind in MIXED.values():
        seen = mixed_pictures(pixels, second, torch.Generator().manual_seed(seed), **kind)[0]
        pictures += [face, *seen[:, 0].round().byte().numpy()]
    return plots.image_grid(pictures, rows=[*SHOWN, *MIXED], columns=views + 1, cell=0.8)


def recipe_gallery(faces: NDArray[np.uint8], augmentation: Augmentation, *, views: int = 6, seed: int = 0) -> Figure:
    """A row of random views for each of some faces ``uint8 (N, S, S)``, made by one recipe; the face comes first."""
    generator = torch.Generator().manual_seed(seed)
    pictures: list[NDArray[np.uint8]] = []
    for face in faces:
        pixels = torch.from_numpy(face).float().expand(views, 1, -1, -1)
        pictures += [face, *augmentation(pixels, generator)[:, 0].round().byte().numpy()]
    return plots.image_grid(pictures, columns=views + 1, cell=0.8)


def curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """The losses of a run by epoch, as far as its history has them."""
    epochs = [record["epoch"] for record in history]
    series = {
        name: (epochs, [record[key] for record in history])
        for key, name in (("train_loss", "training"), ("holdout_loss", "held out"))
        if history and key in history[0]
    }
    return plots.lines(series, title="Loss by epoch", x="epoch", y="loss")
