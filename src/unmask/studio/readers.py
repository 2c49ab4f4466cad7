"""Models and detectors, loaded once, and the readers that requests choose from them."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unmask.errors import DataError, UnknownModelError, UnmaskError, suggest
from unmask.faces import Detector, build_detector, detector_names
from unmask.models import Classifier, Thresholds, bundled_models, load_model, model_entry
from unmask.reader import Reader


@dataclass(frozen=True, slots=True)
class Choice:
    """What a request is read with; equal choices are read together."""

    model: str
    head: str
    detector: str
    thresholds: Thresholds


class Readers:
    """What can be chosen: the models inside the package and the one the server was started with, and the detectors.

    A request chooses by name, never by path, so that no request can make the server open a file.

    Parameters
    ----------
    model
        Name or path of the model that is read unless a request chooses another; None is the one inside the package.
    detector
        The detector that is used unless a request chooses another; None is YuNet once fetched, else MTCNN.

    Raises
    ------
    UnmaskError
        The model or detector cannot be loaded.
    """

    def __init__(self, *, model: str | None = None, detector: str | None = None) -> None:
        self._lock = threading.Lock()
        first = load_model(model)
        self.model = first.card.name
        others = [name for name in bundled_models() if name != self.model]
        self._files = {self.model: first, **{name: load_model(name) for name in others}}
        self._classifiers = {self.model: Classifier(first)}
        chosen = build_detector(detector)
        self.detector = chosen.name
        self._detectors: dict[str, Detector] = {chosen.name: chosen}
        for name in detector_names():
            try:
                self._detectors.setdefault(name, build_detector(name))
            except UnmaskError:  # its file is not fetched: it cannot be chosen
                continue

    def entries(self) -> list[dict[str, Any]]:
        """What ``/v1/models`` says about each model; the first is the one that is read unless another is chosen."""
        return [
            {
                **model_entry(file),
                "heads": [
                    {"name": head.name, "labels": [str(label) for label in head.taxonomy.labels]}
                    for head in file.card.heads
                ],
                "thresholds": dataclasses.asdict(file.card.thresholds),
                "default": name == self.model,
            }
            for name, file in self._files.items()
        ]

    def detectors(self) -> list[dict[str, Any]]:
        """The detectors that can be chosen."""
        return [{"name": name, "default": name == self.detector} for name in sorted(self._detectors)]

    def choose(
        self,
        *,
        model: str | None = None,
        head: str | None = None,
        detector: str | None = None,
        thresholds: Mapping[str, float] | None = None,
        abstain: bool = True,
    ) -> Choice:
        """What a request wants, checked.

        Parameters
        ----------
        model, head, detector
            Names; None for those of the server.
        thresholds
            Those of :class:`unmask.models.Thresholds` that are to differ from the model's own.
        abstain
            False names the likeliest expression always.

        Raises
        ------
        UnmaskError
            A name that is not known, a threshold out of its range, or thresholds where there is no abstention.
        """
        model, detector = model or self.model, detector or self.detector
        if model not in self._files:
            raise UnknownModelError(f"no model '{model}' on this server; {suggest(model, self._files)}")
        if detector not in self._detectors:
            raise UnknownModelError(f"no detector '{detector}' on this server; {suggest(detector, self._detectors)}")
        card = self._files[model].card
        if not abstain and thresholds:
            raise DataError(f"abstain=false leaves {next(iter(thresholds))} nothing to decide; leave one of them out")
        limits = dataclasses.replace(card.thresholds, **(thresholds or {})) if abstain else Thresholds.never()
        return Choice(model, card.head(head).name, detector, limits)

    def reader(self, choice: Choice) -> Reader:
        """A reader for a choice; models and detectors are shared between readers and threads."""
        with self._lock:
            if choice.model not in self._classifiers:
                self._classifiers[choice.model] = Classifier(self._files[choice.model])
            classifier = self._classifiers[choice.model]
        return Reader(classifier, self._detectors[choice.detector], head=choice.head, thresholds=choice.thresholds)
