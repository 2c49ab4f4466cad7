"""A step of the study: what it needs, what it gives, and how its results are kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.capstone.budgets import Budget
from unmask.capstone.inputs import Inputs
from unmask.capstone.recipes import recipe
from unmask.datasets import FaceDataset
from unmask.models import load_model
from unmask.parsing import parse_json
from unmask.writing import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULT, SPENT = "result.json", "spent.json"


@dataclass(frozen=True, slots=True)
class FigureFile:
    """A picture that a step has drawn.

    Parameters
    ----------
    file
        Its name inside the step's folder.
    caption
        What it shows; stands below it.
    shows_faces
        Whether single faces of the data set can be seen; such a file must not be published.
    width
        In CSS pixels; 0 shows it at its own size.
    """

    file: str
    caption: str
    shows_faces: bool
    width: int = 0


@dataclass(slots=True)
class Result:
    """What a step gives, as plain data.

    Parameters
    ----------
    values
        Measured quantities by the key of their row: see :mod:`unmask.capstone.rows`.
    figures
        Pictures by name.
    data
        Everything else that the report says.
    left_out
        What was not done, by the key of its row or the step's name: a sentence that says what is missing and how to
        get it.
    """

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    figures: dict[str, FigureFile] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def value(self, key: str, value: Any, **about: Any) -> None:
        """Record a measured quantity, with ``interval``, ``seeds``, ``protocol`` or ``mended`` where it has them."""
        self.values[key] = {"value": value, **about}

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Result:
        """The result that :meth:`to_json` gave."""
        figures = {name: FigureFile(**figure) for name, figure in values["figures"].items()}
        return cls(**{**values, "figures": figures})


@dataclass(frozen=True)
class Context:
    """What a step is given.

    Parameters
    ----------
    dataset
        As loaded, without votes.
    inputs
        The files that were named besides it.
    budget
        How much to compute.
    folder
        Of this step, for everything that it writes.
    results, folders
        Of the steps that it needs, by name.
    jobs
        Processes of the classical study.
    device
        Of PyTorch.
    say
        Takes a line of text about what happens.
    notify
        Hears of a training's batches and epochs, see :data:`unmask.training.fit.Notify`.
    """

    dataset: FaceDataset
    inputs: Inputs
    budget: Budget
    folder: Path
    results: Mapping[str, Result] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    jobs: int = 1
    device: str = "cpu"
    say: Callable[[str], None] = lambda line: None
    notify: Callable[[str, dict[str, Any]], None] = lambda event, record: None

    def draw(
        self,
        result: Result,
        name: str,
        figure: Figure,
        caption: str,
        *,
        shows_faces: bool = False,
        pixels: bool = False,
        width: int = 0,
    ) -> None:
        """Write a plot into the folder, as SVG or, with ``pixels``, as PNG, and list it in the result."""
        from unmask import plots

        content = plots.to_png(figure) if pixels else plots.to_svg(figure)
        suffix = "png" if pixels else "svg"
        self.keep(result, f"{name}.{suffix}", content, caption, shows_faces=shows_faces, width=width)

    def keep(
        self, result: Result, file: str, content: bytes, caption: str, *, shows_faces: bool = False, width: int = 0
    ) -> None:
        """Write the bytes of a picture into the folder, and list it in the result."""
        write_whole(self.folder / file, content)
        result.figures[file.rpartition(".")[0]] = FigureFile(file, caption, shows_faces, width)


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the study.

    Parameters
    ----------
    name
        On the command line and in folders.
    title
        In the report.
    run
        Computes; called again after an interruption, it goes on with what lies in its folder.
    version
        Raised when the step computes or keeps something else than before, so that kept results are not used.
    needs
        Names of the steps whose results it uses.
    files
        Names of the :class:`Inputs` that it uses.
    recipes
        Names of the recipes that it trains with.
    models
        Names of the models inside the package that it measures.
    """

    name: str
    title: str
    run: Callable[[Context], Result]
    version: int = 1
    needs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    def key(self, dataset: FaceDataset, inputs: Inputs, budget: Budget, keys: Mapping[str, str], device: str) -> str:
        """Checksum of everything that decides the result."""
        parts = {
            "step": self.name,
            "version": self.version,
            "data": dataset.checksum,
            "rows": len(dataset),
            "files": {name: inputs.checksum(name) for name in self.files},
            "recipes": [hashlib.sha256(recipe(f"{name}.toml").read_bytes()).hexdigest() for name in self.recipes],
            "models": [load_model(name).card.identity for name in self.models],
            "budget": {"name": budget.name, **budget.of(self.name)},
            "needs": {name: keys[name] for name in self.needs},
            "device": device,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def kept_result(folder: Path) -> Result | None:
    """The result in a step's folder; None where the step is not finished."""
    try:
        return Result.from_json(parse_json((folder / RESULT).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def carried_out(step: Step, context: Context) -> Result:
    """Run a step and keep its result; the time of earlier, interrupted runs counts too."""
    spent = _spent(context.folder)
    started, cpu = time.perf_counter(), _cpu_seconds()

    def clock() -> dict[str, float]:
        return {
            "seconds": round(spent["seconds"] + time.perf_counter() - started, 1),
            "cpu_seconds": round(spent["cpu_seconds"] + _cpu_seconds() - cpu, 1),
        }

    try:
        result = step.run(context)
    except BaseException:
        write_whole(context.folder / SPENT, json.dumps(clock()) + "\n")
        raise
    result.seconds, result.cpu_seconds = clock()["seconds"], clock()["cpu_seconds"]
    content = json.dumps(result.to_json(), indent=1) + "\n"
    write_whole(context.folder / RESULT, content)
    return Result.from_json(json.loads(content))  # as every later run reads it


def _spent(folder: Path) -> dict[str, float]:
    try:
        read = parse_json((folder / SPENT).read_text(encoding="utf-8"))
        return {"seconds": float(read["seconds"]), "cpu_seconds": float(read["cpu_seconds"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"seconds": 0.0, "cpu_seconds": 0.0}


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
