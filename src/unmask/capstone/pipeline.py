"""The steps in their order, and how those that are not done are carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unmask.capstone.budgets import Budget
from unmask.capstone.inputs import Inputs
from unmask.capstone.step import Context, Result, Step, carried_out, kept_result
from unmask.capstone.steps import classical, data, future, inside, own, saving, suspects, vgg19
from unmask.datasets import FaceDataset
from unmask.datasets.base import UNLABELLED
from unmask.errors import ConfigError, DataError, suggest

STEPS: tuple[Step, ...] = (
    Step("data", "The data", data.run, version=2, files=("votes",), recipes=("study_net",)),
    Step("classical", "Classical models", classical.run, recipes=("study",)),
    Step("vgg19", "VGG-19, by transfer", vgg19.run, files=("weights",), recipes=("vgg19",)),
    Step("own", "The study's own network", own.run, version=3, recipes=("study_net",)),
    Step("inside", "Looking inside", inside.run, needs=("own",)),
    Step("saving", "Saving the model", saving.run, needs=("own",)),
    Step("suspects", "Cleaning?", suspects.run, version=2, files=("votes",), recipes=("study_net",)),
    Step(
        "future",
        "Future work",
        future.run,
        version=2,
        needs=("own",),
        files=("votes", "imagenet", "faces", "film"),
        recipes=("study_net", "mobilenet_imagenet", "mobilenet_face", "mobilenet_scratch"),
        models=("small",),
    ),
)
"""In the order of the study."""


@dataclass(frozen=True, slots=True)
class Done:
    """The steps that are finished: their results, folders and keys by name, and the names of those that ran now."""

    results: dict[str, Result] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)


def step_named(name: str) -> Step:
    """The step of this name. Raises ConfigError with the known names otherwise."""
    for step in STEPS:
        if step.name == name:
            return step
    raise ConfigError(f"no step '{name}'; {suggest(name, [step.name for step in STEPS])}")


def chosen(*, only: str | None = None, start: str | None = None) -> list[str]:
    """Names of the steps to run: all, one with what it needs, or all from one on with what they need."""
    names = [step.name for step in STEPS]
    if only is not None:
        wanted = {step_named(only).name}
    elif start is not None:
        wanted = set(names[names.index(step_named(start).name) :])
    else:
        wanted = set(names)
    for name in reversed(names):
        if name in wanted:
            wanted |= set(step_named(name).needs)
    return [name for name in names if name in wanted]


def check_data(dataset: FaceDataset) -> None:
    """Raise DataError for a data set that the study cannot be carried out on."""
    training = dataset.split("Training")
    if dataset.taxonomy.name != "fer2013" or dataset.images.shape[1:] != (48, 48):
        size = " x ".join(map(str, dataset.images.shape[1:]))
        raise DataError(
            f"{dataset.name}: the study is about FER2013's seven classes on 48 x 48 pixels; got labels "
            f"'{dataset.taxonomy.name}' on {size}; name FER2013's fer2013.csv, icml_face_data.csv or train.csv"
        )
    counts = np.bincount(training.labels[training.labels != UNLABELLED], minlength=len(dataset.taxonomy))
    if not counts.all():
        missing = ", ".join(str(dataset.taxonomy.labels[code]) for code in np.flatnonzero(counts == 0))
        raise DataError(f"{dataset.name}: Training has no image of {missing}; the study needs all seven classes")


def run_study(
    dataset: FaceDataset,
    folder: Path,
    *,
    budget: Budget,
    inputs: Inputs = Inputs(),
    steps: list[str] | None = None,
    jobs: int = 1,
    device: str = "cpu",
    say: Callable[[str], None] = lambda line: None,
    notify: Callable[[str, dict[str, Any]], None] = lambda event, record: None,
) -> Done:
    """Carry out the steps that are not done yet, and gather the results of all that are.

    A step that is done with the same data, files, budget and needed steps is not run again. An interrupted one goes on.

    Parameters
    ----------
    steps
        Names of those to run; the results of the others are gathered where they are there. None: all.

    Raises
    ------
    DataError
        The data set is not FER2013, or too small for the budget.
    InputError
        The folder cannot be written.
    """
    check_data(dataset)
    done = Done()
    for step in STEPS:
        key = step.key(dataset, inputs, budget, done.keys, device)
        done.keys[step.name] = key
        place = folder / "steps" / step.name / key
        result = kept_result(place)
        if result is None and (steps is None or step.name in steps):
            say(f"{step.title}{_expected(budget, step.name)}")
            context = Context(
                dataset,
                inputs,
                budget,
                place,
                results={name: done.results[name] for name in step.needs},
                folders={name: done.folders[name] for name in step.needs},
                jobs=jobs,
                device=device,
                say=say,
                notify=notify,
            )
            result = carried_out(step, context)
            done.ran.append(step.name)
            say(f"{step.title}: done in {result.seconds:,.0f} s")
        if result is not None:
            done.results[step.name], done.folders[step.name] = result, place
    return done


def _expected(budget: Budget, name: str) -> str:
    minutes = budget.minutes.get(name)
    return "" if minutes is None else f", about {minutes:.0f} min" if minutes >= 1 else ", less than a minute"
