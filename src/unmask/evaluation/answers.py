"""What models answer on a split: the rows, their labels, the probabilities. All figures rest on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.datasets import ferplus
from unmask.datasets.base import UNLABELLED, FaceDataset
from unmask.datasets.splits import TRAINING
from unmask.errors import DataError
from unmask.evaluation.intervals import Interval, bootstrap
from unmask.evaluation.metrics import confusion_matrix, evaluate_probs
from unmask.evaluation.views import views_of
from unmask.expressions import FERPLUS, Taxonomy, project
from unmask.models import Classifier, Head, ModelCard, softmax

_CHUNK = 512  # crops between two reports of progress

Predictor = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""Crops ``uint8 (N, S, S)`` to probabilities ``(N, C)``."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """The labelled rows of a split, and what a model, or several as one, answers to them.

    Parameters
    ----------
    model
        Identity, ``name@version``; of an ensemble, all of them.
    parameters
        Learned numbers, of an ensemble in all.
    data, checksum, split
        What was read.
    views
        See :mod:`unmask.evaluation.views`.
    taxonomy
        What codes and columns mean.
    rows
        Position of each row in the data set, ``(N,)``.
    images
        ``uint8 (N, S, S)``.
    labels
        Codes ``(N,)``.
    probs
        Calibrated probabilities ``(N, C)``.
    copied
        Whether a row's pixels also stand in one of :attr:`others`, ``(N,)``.
    places
        Where each code of the data's own taxonomy has gone, in another order of the labels; empty in its own.
    learned
        Splits that the models have learned from.
    """

    model: str
    parameters: int
    data: str
    checksum: str
    split: str
    views: int
    taxonomy: Taxonomy
    rows: NDArray[np.int64] = field(repr=False)
    images: NDArray[np.uint8] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    probs: NDArray[np.float64] = field(repr=False)
    copied: NDArray[np.bool_] = field(repr=False)
    places: tuple[int, ...] = ()
    learned: tuple[str, ...] = (TRAINING,)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def others(self) -> tuple[str, ...]:
        """The splits that were learned from, without the one that is measured on."""
        return tuple(name for name in self.learned if name != self.split)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The likeliest code of each row, ``(N,)``."""
        return np.asarray(self.probs.argmax(axis=1))

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each row is answered rightly, ``(N,)``."""
        return np.equal(self.predicted, self.labels)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts ``(C, C)``: rows actual, columns predicted."""
        return confusion_matrix(self.labels, self.predicted, len(self.taxonomy))

    def intervals(self, rate: Callable[[Any], NDArray[np.float64]]) -> list[Interval]:
        """Bootstrap intervals of a rate of :mod:`unmask.evaluation.rates`: one, or one of each label.

        They are drawn in the data's own order of the labels, so that another order shows the same ones.
        """
        places = self.places or tuple(range(len(self.taxonomy)))
        drawn = bootstrap(self.confusion[np.ix_(places, places)], rate)
        return drawn if len(drawn) == 1 else [drawn[code] for code in np.argsort(places)]

    def select(self, chosen: NDArray[np.bool_]) -> Answers:
        """The rows of a mask ``(N,)``."""
        columns = {name: getattr(self, name)[chosen] for name in ("rows", "images", "labels", "probs", "copied")}
        return replace(self, **columns)

    def alphabetical(self) -> Answers:
        """The same with the labels in the order of their names, as the study's tables have them."""
        order = sorted(range(len(self.taxonomy)), key=lambda code: self.taxonomy.labels[code])
        names = tuple(self.taxonomy.labels[code] for code in order)
        places = np.argsort(order)  # where each old code has gone
        return replace(
            self,
            taxonomy=Taxonomy(self.taxonomy.name, names),
            labels=places[self.labels],
            probs=self.probs[:, order],
            places=tuple(int(places[place]) for place in self.places or range(len(order))),
        )

    def figures(self) -> dict[str, Any]:
        """Every figure, also without the rows that are copies of what was learned from, ready for JSON."""
        own = ~self.copied
        apart = evaluate_probs(self.probs[own], self.labels[own], self.taxonomy) if own.any() else None
        return {
            "model": self.model,
            "data": self.data,
            "checksum": self.checksum,
            "split": self.split,
            "taxonomy": self.taxonomy.name,
            "views": self.views,
            "parameters": self.parameters,
            **evaluate_probs(self.probs, self.labels, self.taxonomy),
            "deduplicated": apart,
        }


def head_for(card: ModelCard, taxonomy: Taxonomy) -> Head:
    """The head that answers in a taxonomy: the model's own for it, else its first."""
    return next((head for head in card.heads if head.taxonomy.name == taxonomy.name), card.heads[0])


def predict(
    classifier: Classifier, images: NDArray[np.uint8], taxonomy: Taxonomy, *, views: int = 1
) -> NDArray[np.float64]:
    """Calibrated probabilities ``(N, len(taxonomy))`` of crops ``uint8 (N, S, S)``, views averaged as logits.

    Raises
    ------
    DataError
        The model reads crops of another size.
    """
    size = classifier.card.input_size
    if images.shape[1:] != (size, size):
        found = " x ".join(map(str, images.shape[1:]))
        raise DataError(
            f"{classifier.card.identity} reads crops of {size} x {size} pixels, the data has {found}; load it with "
            f"--size {size}"
        )
    head = head_for(classifier.card, taxonomy)
    logits = np.mean([classifier.logits(view, head=head.name) for view in views_of(images, views)], axis=0)
    probs = softmax(logits, temperature=head.temperature)
    return probs if head.taxonomy == taxonomy else project(probs, head.taxonomy, taxonomy)


def predictor(
    classifiers: Sequence[Classifier],
    taxonomy: Taxonomy,
    *,
    views: int = 1,
    advance: Callable[[int], None] = lambda count: None,
) -> Predictor:
    """Several models as one, by the mean of their calibrated probabilities; ``advance`` counts the crops done."""

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        parts = []
        for start in range(0, len(images), _CHUNK):
            chunk = images[start : start + _CHUNK]
            parts.append(np.mean([predict(one, chunk, taxonomy, views=views) for one in classifiers], axis=0))
            advance(len(chunk))
        return np.concatenate(parts)

    return answer


def reference_labels(dataset: FaceDataset, *, use_votes: bool) -> tuple[NDArray[np.int64], Taxonomy]:
    """What a model's answers are held against: FER+'s majority or the labels, codes ``(N,)``, -1 for rows without.

    Raises
    ------
    DataError
        Votes are asked for and missing.
    """
    if not use_votes:
        return dataset.labels, dataset.taxonomy
    if dataset.votes is None:
        raise DataError(f"{dataset.name} has no FER+ votes; give the votes file with --ferplus")
    return ferplus.majority(dataset.votes), FERPLUS


def answer(
    classifiers: Sequence[Classifier],
    dataset: FaceDataset,
    *,
    split: str,
    use_votes: bool = False,
    views: int = 1,
    learned: str | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Answers:
    """What one model, or several as one, answers on a split.

    Parameters
    ----------
    dataset
        With the rows that were learned from too, if the figure without copies is to mean anything.
    use_votes
        Hold the answers against FER+'s majority rule instead of the data's own labels.
    views
        See :mod:`unmask.evaluation.views`.
    learned
        Name of the split that was learned from, whose copies are counted apart; None takes those of the data that the
        models' cards name, ``Training`` where a card says nothing of this data.
    advance
        Called with the number of crops done.

    Raises
    ------
    DataError
        The split is missing or has no labels, or votes are asked for and missing.
    ConfigError
        Another number of views than there is.
    """
    part = dataset.split(split)
    labels, taxonomy = reference_labels(part, use_votes=use_votes)
    labelled = labels != UNLABELLED
    if not labelled.any():
        raise DataError(f"{dataset.name}: no row of '{split}' has a label, so there is nothing to measure against")
    rows = np.flatnonzero(dataset.splits == split)[labelled]
    images = part.images[labelled]
    from_cards = tuple(dict.fromkeys(_learned_split(classifier.card, dataset) for classifier in classifiers))
    given = Answers(
        model=" + ".join(classifier.card.identity for classifier in classifiers),
        parameters=sum(classifier.card.parameters for classifier in classifiers),
        data=dataset.name,
        checksum=dataset.checksum,
        split=split,
        views=views,
        taxonomy=taxonomy,
        rows=rows,
        images=images,
        labels=labels[labelled],
        probs=predictor(classifiers, taxonomy, views=views, advance=advance)(images),
        copied=np.zeros(len(rows), dtype=bool),
        learned=from_cards if learned is None else (learned,),
    )
    copies = [dataset.copies_of(name)[rows] for name in given.others]
    return replace(given, copied=np.any(copies, axis=0)) if copies else given


def _learned_split(card: ModelCard, dataset: FaceDataset) -> str:
    return card.learned_split if (dataset.splits == card.learned_split).any() else TRAINING
