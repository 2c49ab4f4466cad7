"""From sources to readings: decode, find faces, align, classify, abstain."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unmask.errors import ConfigError, UnmaskError
from unmask.expressions import Expression
from unmask.faces import Detection, Detector, build_detector, crop, left_to_right, measure
from unmask.media import Failure, Frame, Input, Source, ahead, check_workers, each, expand, open_film, open_frame
from unmask.models import Classifier, Thresholds
from unmask.readings import Abstention, Face, Quality, Reading, Unfinished, normalised_scores

if TYPE_CHECKING:
    from unmask.session import FilmOptions, Session
    from unmask.timeline.smoothing import Smoother

MAX_HELD_BYTES = 128 * 2**20
"""Pictures that wait to be classified together take about this much memory at most."""


@dataclass
class Found:
    """A frame with its faces found and cut out, ready to classify.

    Parameters
    ----------
    frame, detections, qualities
        The frame, its faces from left to right, and how well each can be seen.
    crops
        The faces, ``uint8 (F, S, S)``.
    people
        Numbers of the people that the faces belong to, in a film.
    smoother
        What smooths their scores, in a film.
    urgent
        Somebody waits for this frame: it is classified at once.
    """

    frame: Frame
    detections: Sequence[Detection]
    crops: NDArray[np.uint8]
    qualities: list[Quality]
    people: list[int] | None = None
    smoother: Smoother | None = field(default=None, repr=False)
    urgent: bool = False


class Reader:
    """Reads expressions from pictures and films.

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

    def read(
        self, source: Source | Iterable[Source], *, workers: int = 1, film: FilmOptions | None = None
    ) -> Iterator[Reading]:
        """Readings of one source or many, in their order, one for each frame.

        Parameters
        ----------
        source
            Path of a picture, film or folder, glob, ``-`` for standard input, the bytes of a picture, an array (see
            :mod:`unmask.images`), a camera, stream or image sequence (see :mod:`unmask.media`), or several of these.
        workers
            Threads that decode pictures and look for faces. A film has three steps (decode, find, classify) that
            run beside each other.
        film
            How films are read.

        Raises
        ------
        ConfigError
            Another number of workers than a whole one of 1 or more.
        UnmaskError
            A source cannot be read. To go on with the rest, use :meth:`stream`.
        """
        for item in self.stream(source, workers=workers, film=film):
            if isinstance(item, Failure):
                raise item.error
            yield item[1]

    def stream(
        self,
        source: Source | Iterable[Source],
        *,
        workers: int = 1,
        skip: Callable[[str], bool] | None = None,
        film: FilmOptions | None = None,
        past: Mapping[str, Unfinished] | None = None,
    ) -> Generator[tuple[Frame, Reading] | Failure, None, None]:
        """Like :meth:`read`, with each reading's frame, and a Failure in the place of what cannot be read.

        Parameters
        ----------
        skip
            Called with the name of each source before it is opened; true leaves it out.
        past
            By the name of a film, where an earlier run stopped: the film goes on from there, with the same numbers for
            the people who are still in sight, and new ones for all others.

        Raises
        ------
        ConfigError
            Another number of workers than a whole one of 1 or more.
        """
        check_workers(workers)
        inputs = (one for one in expand(source) if skip is None or not skip(one.name))
        waiting: list[Found | Failure] = []
        # Closed whatever happens, so that threads which work ahead have ended when this has.
        with closing(self._found(inputs, workers, film, past or {})) as founds:
            for found in founds:
                waiting.append(found)
                faces = sum(len(item.crops) for item in waiting if isinstance(item, Found))
                held = sum(item.frame.image.nbytes for item in waiting if isinstance(item, Found))
                urgent = isinstance(found, Found) and found.urgent
                if urgent or faces >= self.batch_size or len(waiting) >= self.batch_size or held >= MAX_HELD_BYTES:
                    yield from self.classify(waiting)
                    waiting = []
        yield from self.classify(waiting)

    def session(self, *, source: str = "<session>", film: FilmOptions | None = None) -> Session:
        """A film or camera whose frames the caller pushes one by one; see :class:`unmask.session.Session`."""
        from unmask.session import FilmOptions, Session

        film = film or FilmOptions()
        return Session(self, source=source, smooth_s=film.smooth_s, search_every=film.search_every)

    def _found(
        self,
        inputs: Iterable[Input],
        workers: int,
        film: FilmOptions | None,
        past: Mapping[str, Unfinished],
    ) -> Generator[Found | Failure, None, None]:
        return each(
            inputs,
            still=lambda one: self._find(open_frame(one)),
            film=lambda one: self._film(one, film, past.get(one.name)),
            workers=workers,
        )

    def _film(self, one: Input, film: FilmOptions | None, past: Unfinished | None) -> Iterator[Found | Failure]:
        from unmask.session import FilmOptions, follow

        film = film or FilmOptions()
        session = self.session(source=one.name, film=film)
        span = film.span
        if past and not one.live:
            span = span.resumed(past.recent[0].time_s)
        frames = open_film(one, span, max_pixels=film.max_pixels)
        if one.live:  # the newest frame at once, not several on their way
            with closing(frames):
                for found in follow(session, frames):
                    if isinstance(found, Found):
                        found.urgent = True
                    yield found
        else:
            yield from ahead(follow(session, ahead(frames), past=past))

    def _find(self, frame: Frame | Failure) -> Found | Failure:
        if isinstance(frame, Failure):
            return frame
        try:
            detections = left_to_right(self.detector.detect(frame.image))
        except UnmaskError as error:
            return Failure(frame.source, error)
        return self.look(frame, detections)

    def look(self, frame: Frame, detections: Sequence[Detection]) -> Found:
        """The faces of a frame cut out and judged."""
        size = self.classifier.card.input_size
        crops = [crop(frame.image, detection, size=size) for detection in detections]
        qualities = [measure(detection, face) for detection, face in zip(detections, crops, strict=True)]
        return Found(frame, detections, np.array(crops, dtype=np.uint8).reshape(-1, size, size), qualities)

    def classify(self, items: Sequence[Found | Failure]) -> Iterator[tuple[Frame, Reading] | Failure]:
        """Readings of frames, their faces classified together, in their order; failures pass."""
        crops = [item.crops for item in items if isinstance(item, Found)]
        probs = iter(self.classifier.probs(np.concatenate(crops), head=self.head.name)) if crops else iter(())
        for item in items:
            if isinstance(item, Failure):
                yield item
                continue
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
                    faces=tuple(self._face(item, number, next(probs)) for number in range(len(item.detections))),
                ),
            )

    def _face(self, found: Found, number: int, probs: NDArray[np.float64]) -> Face:
        detection, quality, person = found.detections[number], found.qualities[number], None
        if found.people is not None and found.smoother is not None:
            person = found.people[number]
            probs = found.smoother.smooth(person, found.frame.time_s or 0.0, probs)
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
            track_id=person,
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
    model: str | Path | None = None,
    *,
    detector: str | None = None,
    head: str | None = None,
    thresholds: Thresholds | None = None,
    threads: int = 1,
) -> Reader:
    """A reader with a model (by name, folder or archive; None is ``small``) and a detector (by name).

    Parameters
    ----------
    threads
        Of the network and the detector within one picture; more pictures at a time come from ``workers``.

    Raises
    ------
    ModelError
        See :func:`unmask.models.load_model`; or the detector's file is damaged, or not fetched yet.
    UnknownModelError
        No model, head or detector has this name.
    ConfigError
        Less than one thread.
    """
    if threads < 1:
        raise ConfigError(f"threads {threads}: expected at least 1")
    classifier = Classifier.load(model, threads=threads)
    return Reader(classifier, build_detector(detector, threads=threads), head=head, thresholds=thresholds)


def read(source: Source | Iterable[Source], *, model: str | Path | None = None, workers: int = 1) -> list[Reading]:
    """Everything in one line: the readings of one source or many, with a model as :func:`load` takes it.

    >>> unmask.read("photo.jpg")[0].faces[0].expression             # doctest: +SKIP
    <Expression.HAPPY: 'happy'>
    """
    return list(load(model).read(source, workers=workers))
