"""Expressions and the ordered label sets (taxonomies) that data sets and models use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError, suggest


class Expression(StrEnum):
    """What a face shows, in the word that people use for such a face; not what the person feels."""

    ANGRY = "angry"
    DISGUST = "disgust"
    FEAR = "fear"
    HAPPY = "happy"
    SAD = "sad"
    SURPRISE = "surprise"
    NEUTRAL = "neutral"
    CONTEMPT = "contempt"


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """An ordered set of expressions: position ``i`` of a score vector belongs to ``labels[i]``.

    Parameters
    ----------
    name
        Short identifier, as written in model files and on the command line.
    labels
        The expressions in code order, without repetition.

    Raises
    ------
    DataError
        Fewer than two labels, or one twice.
    """

    name: str
    labels: tuple[Expression, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(Expression(label) for label in self.labels))
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise DataError(f"taxonomy '{self.name}': expected two or more different labels, got {list(self.labels)}")

    def __len__(self) -> int:
        return len(self.labels)

    def code(self, label: str) -> int:
        """Position of a label. Raises DataError for a label of another taxonomy."""
        try:
            return self.labels.index(Expression(label))
        except ValueError:
            raise DataError(
                f"'{label}' is no label of taxonomy '{self.name}'; {suggest(str(label), self.labels)}"
            ) from None


FER2013 = Taxonomy(
    "fer2013",
    (
        Expression.ANGRY,
        Expression.DISGUST,
        Expression.FEAR,
        Expression.HAPPY,
        Expression.SAD,
        Expression.SURPRISE,
        Expression.NEUTRAL,
    ),
)
"""FER2013's seven classes in the order of its codes 0 to 6."""

FERPLUS = Taxonomy(
    "ferplus",
    (
        Expression.NEUTRAL,
        Expression.HAPPY,
        Expression.SURPRISE,
        Expression.SAD,
        Expression.ANGRY,
        Expression.DISGUST,
        Expression.FEAR,
        Expression.CONTEMPT,
    ),
)
"""FER+'s eight classes in the order of its vote columns."""

TAXONOMIES: Mapping[str, Taxonomy] = {taxonomy.name: taxonomy for taxonomy in (FER2013, FERPLUS)}


def taxonomy_named(name: str) -> Taxonomy:
    """The registered taxonomy of this name. Raises DataError with the known names otherwise."""
    try:
        return TAXONOMIES[name]
    except KeyError:
        raise DataError(f"unknown taxonomy '{name}'; {suggest(name, TAXONOMIES)}") from None


def project(scores: NDArray[np.floating], source: Taxonomy, target: Taxonomy) -> NDArray[np.float64]:
    """Scores over ``source`` restated over ``target``: the conditional distribution given one of the target's labels.

    Labels that the target lacks (contempt, from FER+ to FER2013) are left out and the rest is scaled to sum to 1;
    labels that the source lacks get 0.

    Parameters
    ----------
    scores
        ``(..., len(source))``, non-negative.

    Returns
    -------
    ``(..., len(target))``, summing to 1 along the last axis.

    Raises
    ------
    DataError
        The last axis is not as long as the source taxonomy, or all mass lies on labels that the target lacks.
    """
    if scores.shape[-1] != len(source):
        raise DataError(f"expected {len(source)} scores ('{source.name}') on the last axis, got shape {scores.shape}")
    out = np.zeros((*scores.shape[:-1], len(target)))
    for code, label in enumerate(target.labels):
        if label in source.labels:
            out[..., code] = scores[..., source.code(label)]
    total = out.sum(axis=-1, keepdims=True)
    if not (total > 0).all():
        raise DataError(f"no score left after projecting from '{source.name}' to '{target.name}'")
    return np.asarray(out / total)
