"""Which rows are learned from, and what each head is to say about them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unmask.datasets import ferplus
from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.datasets.splits import holdout_mask, linked_groups
from unmask.errors import DataError
from unmask.expressions import TAXONOMIES


@dataclass(frozen=True)
class Batch:
    """Some rows on the device.

    ``pixels`` is ``float32 (B, 1, H, W)`` in 0..255; ``shares[head]`` ``(B, classes)`` the target distributions,
    ``weights[head]`` ``(B,)`` how much they count, ``taught[head]`` ``(B, classes)`` what the teachers say, if any.
    """

    pixels: Tensor
    shares: dict[str, Tensor]
    weights: dict[str, Tensor]
    taught: dict[str, Tensor]


@dataclass(frozen=True)
class Targets:
    """Images of a set of rows with a target distribution and a weight per head.

    ``images`` is ``uint8 (N, H, W)``, ``shares[head]`` and ``taught[head]`` ``float32 (N, classes)``, ``weights[head]``
    ``float32 (N,)``.
    """

    images: Tensor
    shares: dict[str, Tensor]
    weights: dict[str, Tensor]
    taught: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: Tensor, device: torch.device) -> Batch:
        """Some rows, on the device."""

        def taken(values: dict[str, Tensor]) -> dict[str, Tensor]:
            return {head: value[rows].to(device) for head, value in values.items()}

        pixels = self.images[rows].to(device).unsqueeze(1).float()
        return Batch(pixels, taken(self.shares), taken(self.weights), taken(self.taught))


def make_targets(dataset: FaceDataset, heads: list[str], *, label_smoothing: float = 0.0) -> Targets:
    """What each head is to learn from a data set: votes as soft targets, labels as smoothed ones.

    Raises
    ------
    DataError
        The data set lacks what a head needs.
    """
    shares, weights = {}, {}
    for head in heads:
        if head == "ferplus" and dataset.taxonomy.name != head:
            if dataset.votes is None:
                raise DataError(
                    "the head 'ferplus' learns from FER+'s votes; give the votes file with --ferplus, or learn from "
                    f"the labels alone: --set 'heads={{{dataset.taxonomy.name}=1.0}}'"
                )
            share, weight = ferplus.distribution(dataset.votes)
        else:
            classes = len(TAXONOMIES[head])
            if dataset.taxonomy.name != head:
                raise DataError(f"the head '{head}' cannot learn from labels of taxonomy '{dataset.taxonomy.name}'")
            weight = (dataset.labels != UNLABELLED).astype(np.float32)
            hard = np.eye(classes, dtype=np.float32)[np.maximum(dataset.labels, 0)]
            share = (hard * (1 - label_smoothing) + np.float32(label_smoothing / classes)) * weight[:, None]
        shares[head], weights[head] = torch.from_numpy(share), torch.from_numpy(weight)
    return Targets(torch.from_numpy(dataset.images), shares, weights)


def training_rows(
    dataset: FaceDataset, *, holdout: float, seed: int, split: str = "Training", keep_copies: bool = False
) -> tuple[FaceDataset, FaceDataset]:
    """The rows of a split that can be learned from, and the part of them that is held out.

    Copies of an image, and all rows of a subject, are in one part.

    Left out are rows whose images also stand in other splits (unless ``keep_copies``), rows in which no tagger saw an
    expression, and rows with neither label nor vote.

    Raises
    ------
    DataError
        No row carries the split's name, or none is left.
    """
    dataset.split(split)  # refuses a split that is not there
    inside = dataset.splits == split
    usable = inside.copy()
    if not keep_copies:
        usable &= ~np.isin(dataset.groups, dataset.groups[~inside])
    if dataset.votes is None:
        usable &= dataset.labels != UNLABELLED
    else:
        usable &= ferplus.distribution(dataset.votes)[1] > 0
    rows = np.flatnonzero(usable)
    # Drawn among the usable rows alone: the same draw over all rows may be the one that made the split.
    held = holdout_mask(linked_groups(dataset)[rows], holdout, seed=seed)
    if held.all():
        raise DataError(f"{dataset.name}: no row of '{split}' is left to learn from; check labels, copies and holdout")
    return dataset.select(rows[~held]), dataset.select(rows[held])


def class_factors(targets: Targets, power: float) -> dict[str, Tensor]:
    """How much each row counts, by head, ``(N,)``, so that rare classes count more; the mean over the rows is 1.

    A row counts as its target says: the inverse frequency of each class, to the given power, weighted by the shares. A
    row without a target counts 1. How the rows are weighted already makes no difference.
    """
    factors = {}
    for head, shares in targets.shares.items():
        known = targets.weights[head] > 0
        factor = torch.ones(len(shares))
        if known.any():
            counts = shares[known].sum(dim=0).clamp(min=1e-6)
            raw = shares[known] @ (counts.mean() / counts) ** power
            factor[known] = raw / raw.mean()
        factors[head] = factor
    return factors


def weighted_by_class(targets: Targets, power: float) -> Targets:
    """The same targets, their weights multiplied by :func:`class_factors`."""
    if not power:
        return targets
    factors = class_factors(targets, power)
    return dataclasses.replace(targets, weights={head: w * factors[head] for head, w in targets.weights.items()})


def epoch_order(targets: Targets, power: float, generator: torch.Generator) -> Tensor:
    """The rows of one epoch in random order, ``(N,)``; with a power above 0, rare classes are drawn more often."""
    if not power:
        return torch.randperm(len(targets), generator=generator)
    odds = next(iter(class_factors(targets, power).values()))
    return torch.multinomial(odds, len(targets), replacement=True, generator=generator)


def soft_cross_entropy(logits: Tensor, shares: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over the batch of the cross-entropy of ``(B, C)`` logits to target distributions."""
    losses = -(shares * functional.log_softmax(logits.float(), dim=1)).sum(dim=1)
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)
