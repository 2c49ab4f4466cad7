"""From sources to readings: decode, find faces, align, classify, abstain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.errors import UnmaskError
from unmask.expressions import Expression
from unmask.faces import Detection, Detector, build_detector, crop, measure
from unmask.media import Failure, Frame, Source, expand, open_frame, ordered_map
from unmask.models import Classifier, Thresholds
from unmask.readings import Abstention, Face, Quality, Reading, normalised_scores

MAX_HELD_BYTES = 128 * 2**20
"""Pictures that wait to be classified together take about this much memory at most."""


@dataclass(frozen=True)
class _Found:
    """A frame with its faces found and cut out, ready to classify: crops are ``uint8 (F, S, S)``."""

    frame: Frame
    detections: list[Detection]
    crops: NDArray[np.uint8]
    qualities: list[Quality]


class Reader:
    """Reads expressions from pictures.

    Parameters
    ----------
    classifier
        Model that reads the aligned crops.
    detector
        What finds the faces.
    head
        Output of the model to read; None is its first.
    thresholds
        When to abstain; None takes the model's own.
    batch_size
        Faces that are classified together, over as many pictures as it takes.

    Examples
    --------
    >>> reader = unmask.load()                                      # doctest: +SKIP
    >>> for reading in reader.read("holiday/"):                     # doctest: +SKIP
    ...     print(reading.source, [face.expression for face in reading.faces])
    """

    def __init__(
        self,
        classifier: Classifier,
        detector: Detector,
        *,
        head: str | None = None,
        thresholds: Thresholds | None = None,
        batch_size: int = 32,
    ) -> None:
        self.classifier = classifier
        self.detector = detector
        self.head = classifier.card.head(head)
        self.thresholds = classifier.card.thresholds if thresholds is None else thresholds
        self.batch_size = batch_size

    @property
    def labels(self) -> tuple[Expression, ...]:
        """Expressions in the order of every face's scores."""
        return self.head.taxonomy.labels

    def read(self, source: Source | Iterable[Source], *, workers: int = 1) -> Iterator[Reading]:
        """Readings of one source or many, in their order, one for each frame.

        Parameters
        ----------
        source
            Path of a picture or folder, glob, ``-`` for standard input, the bytes of a picture, an array (see
            :mod:`unmask.images`), or several of these.
        workers
            Threads that decode and look for faces.

        Raises
        ------
        UnmaskError
            A source cannot be read. To go on with the rest, use :meth:`stream`.
        """
        for item in self.stream(source, workers=workers):
            if isinstance(item, Failure):
                raise item.error
            yield item[1]

    def stream(
        self,
        source: Source | Iterable[Source],
        *,
        workers: int = 1,
        skip: Callable[[str], bool] | None = None,
    ) -> Iterator[tuple[Frame, Reading] | Failure]:
        """Like :meth:`read`, with each reading's frame, and a Failure in the place of what cannot be read.

        Parameters
        ----------
        skip
            Called with the name of each source before it is opened; true leaves it out.
        """
        inputs = (one for one in expand(source) if skip is None or not skip(one.name))
        waiting: list[_Found | Failure] = []
        for found in ordered_map(lambda one: self._find(open_frame(one)), inputs, workers=workers):
            waiting.append(found)
            faces = sum(len(item.crops) for item in waiting if isinstance(item, _Found))
            held = sum(item.frame.image.nbytes for item in waiting if isinstance(item, _Found))
            if faces >= self.batch_size or len(waiting) >= self.batch_size or held >= MAX_HELD_BYTES:
                yield from self._classify(waiting)
                waiting = []
        yield from self._classify(waiting)

    def _find(self, frame: Frame | Failure) -> _Found | Failure:
        if isinstance(frame, Failure):
            return frame
        try:
            detections = sorted(self.detector.detect(frame.image), key=lambda d: (d.box.x1 + d.box.x2, d.box.y1))
        except UnmaskError as error:
            return Failure(frame.source, error)
        size = self.classifier.card.input_size
        crops = [crop(frame.image, detection, size=size) for detection in detections]
        qualities = [measure(detection, face) for detection, face in zip(detections, crops, strict=True)]
        return _Found(frame, detections, np.array(crops, dtype=np.uint8).reshape(-1, size, size), qualities)

    def _classify(self, items: list[_Found | Failure]) -> Iterator[tuple[Frame, Reading] | Failure]:
        crops = [item.crops for item in items if isinstance(item, _Found)]
        probs = iter(self.classifier.probs(np.concatenate(crops), head=self.head.name)) if crops else iter(())
        for item in items:
            if isinstance(item, Failure):
                yield item
                continue
            faces = [
                self._face(detection, quality, next(probs))
                for detection, quality in zip(item.detections, item.qualities, strict=True)
            ]
            height, width = item.frame.image.shape[:2]
            yield (
                item.frame,
                Reading(
                    source=item.frame.source,
                    index=item.frame.index,
                    time_s=item.frame.time_s,
                    width=width,
                    height=height,
                    model=self.classifier.card.identity,
                    faces=tuple(faces),
                ),
            )

    def _face(self, detection: Detection, quality: Quality, probs: NDArray[np.float64]) -> Face:
        scores = normalised_scores(self.labels, probs.tolist())
        reason = abstention(quality, probs, self.thresholds)
        return Face(
            box=detection.box,
            detection_score=detection.score,
            landmarks=detection.landmarks,
            scores=scores,
            expression=None if reason else max(scores, key=scores.__getitem__),
            abstained=reason,
            quality=quality,
        )


def abstention(quality: Quality, probs: NDArray[np.float64], thresholds: Thresholds) -> Abstention | None:
    """The first reason for naming no expression, or None.

    Parameters
    ----------
    probs
        Calibrated probabilities of one face, ``(C,)``.
    """
    second, first = np.sort(probs)[-2:]
    if quality.size < thresholds.min_size:
        return Abstention.TOO_SMALL
    if quality.sharpness < thresholds.min_sharpness:
        return Abstention.BLURRED
    if abs(quality.yaw or 0) > thresholds.max_yaw or abs(quality.pitch or 0) > thresholds.max_pitch:
        return Abstention.TURNED_AWAY
    if first < thresholds.min_confidence:
        return Abstention.LOW_CONFIDENCE
    if first - second < thresholds.min_margin:
        return Abstention.AMBIGUOUS
    return None


def load(
    name_or_path: str | Path | None = None,
    *,
    detector: str | None = None,
    head: str | None = None,
    thresholds: Thresholds | None = None,
    threads: int = 1,
) -> Reader:
    """A reader with a model (by name, folder or archive; None is the one inside the package) and a detector (by name).

    Parameters
    ----------
    threads
        Of the network and the detector within one picture; more pictures at a time come from ``workers``.

    Raises
    ------
    ModelError
        See :func:`unmask.models.load_model`.
    UnknownModelError
        The detector is not registered, or not fetched yet.
    """
    classifier = Classifier.load(name_or_path, threads=threads)
    return Reader(classifier, build_detector(detector, threads=threads), head=head, thresholds=thresholds)


def read(source: Source | Iterable[Source], *, workers: int = 1) -> list[Reading]:
    """Everything in one line: the readings of one source or many with the model inside the package.

    >>> unmask.read("photo.jpg")[0].faces[0].expression             # doctest: +SKIP
    <Expression.HAPPY: 'happy'>
    """
    return list(load().read(source, workers=workers))
