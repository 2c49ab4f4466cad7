"""Running a plan: cell by cell, each kept as JSON when it is finished, so that a stopped run goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmask.classical.cells import FullFeatures, FullRows, balanced_draw, run_full, run_small
from unmask.classical.plan import Plan, model_name, refusals
from unmask.datasets import FaceDataset
from unmask.errors import UnmaskError
from unmask.models import load_model
from unmask.parsing import parse_json
from unmask.writing import write_whole

Notify = Callable[[str, int], None]
"""Called with a line of text and how many cells it finishes: 1, or 0 when a long step begins."""

FORMAT = 1
"""Changes with what a cell computes or keeps; cells of another format are computed anew."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Which cell: ``seed`` is the draw's number, or None in the full protocol."""

    protocol: str
    feature: str
    classifier: str
    seed: int | None = None

    @property
    def name(self) -> str:
        """As the recipe names it in ``save``."""
        return f"{self.feature}/{self.classifier}"

    @property
    def path(self) -> str:
        """Of its file, inside the folder of the run."""
        end = "" if self.seed is None else f"-{self.seed:02}"
        return f"cells/{self.protocol}/{self.feature}-{self.classifier}{end}.json"


class Study:
    """A plan on a data set, in a folder.

    Parameters
    ----------
    plan, dataset
        What to compute, on what; the small protocol draws from Training.
    folder
        Where finished cells are kept.
    jobs
        Processes of the small protocol, threads of the full one.
    """

    def __init__(self, plan: Plan, dataset: FaceDataset, folder: Path, *, jobs: int = 1) -> None:
        self.plan, self.dataset, self.folder, self.jobs = plan, dataset, folder, jobs

    def cells(self, tables: list[str]) -> list[Cell]:
        """All cells of these tables, each once."""
        found: dict[Cell, None] = {}
        for table in (self.plan.tables[name] for name in tables):
            seeds = range(self.plan.small.seeds) if table.protocol == "small" else (None,)
            found |= {
                Cell(table.protocol, feature, classifier, seed): None
                for feature, classifier in table.pairs()
                for seed in seeds
            }
        return list(found)

    def result(self, cell: Cell) -> dict[str, Any] | None:
        """What a finished cell gave, or None if it is not finished, damaged, or of another plan or data set."""
        try:
            kept = parse_json((self.folder / cell.path).read_text(encoding="utf-8"))
            same = kept["definition"] == self._definition(cell)
            return dict(kept["result"]) if same else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _definition(self, cell: Cell) -> dict[str, Any]:
        protocol = self.plan.small if cell.protocol == "small" else self.plan.full
        settings = {name: getattr(protocol, name) for name in type(protocol).__dataclass_fields__ if name != "seeds"}
        definition = {
            "format": FORMAT,
            "data": self.dataset.fingerprint,
            "protocol": cell.protocol,
            "settings": settings,
            "seed": cell.seed,
            **self.plan.definition(cell.feature, cell.classifier),
        }
        plain: dict[str, Any] = json.loads(json.dumps(definition))
        return plain

    def _keep(self, cell: Cell, result: dict[str, Any]) -> None:
        content = {"definition": self._definition(cell), "result": result}
        write_whole(self.folder / cell.path, json.dumps(content, indent=1) + "\n")

    def run(self, tables: list[str], notify: Notify) -> None:
        """Compute what is not finished, and save the models that the tables name.

        Raises
        ------
        DataError
            The data set does not have the rows that the plan needs.
        InputError
            The folder cannot be written.
        """
        wanted = {name for table in tables for name in self.plan.tables[table].save}
        full = [cell for cell in self.cells(tables) if cell.protocol == "full"]
        full = [c for c in full if self.result(c) is None or (c.name in wanted and not self._has_model(c))]
        rows = FullRows.of(self.dataset, self.plan.full) if full else None  # refuses before there is any work
        todo = [cell for cell in self.cells(tables) if self.result(cell) is None]
        for cell, result in self._small([cell for cell in todo if cell.protocol == "small"]):
            self._keep(cell, result)
            notify(f"{cell.feature} {cell.classifier} {cell.seed}: {result['accuracy']:.3f}", 1)
        for cell, result in self._full(full, rows, save=wanted, notify=notify) if rows else ():
            self._keep(cell, result)
            notify(f"{cell.feature} {cell.classifier}: {result['accuracy']:.4f} in {result['fit_s']:.0f} s", 1)

    def _small(self, cells: list[Cell]) -> Iterator[tuple[Cell, dict[str, Any]]]:
        """Results as they come; one task is a draw and a feature, with all its classifiers."""
        from joblib import Parallel, delayed, parallel_config

        if not cells:
            return
        training = self.dataset.split("Training")
        protocol = self.plan.small
        tasks: dict[tuple[int, str], list[Cell]] = {}
        for cell in sorted(cells, key=lambda one: one.seed or 0):
            tasks.setdefault((cell.seed or 0, cell.feature), []).append(cell)

        def calls() -> Iterator[Any]:
            for (seed, feature), part in tasks.items():
                draw = balanced_draw(training, train=protocol.train, validate=protocol.validate, seed=seed)
                names = [cell.classifier for cell in part]
                yield delayed(_numbered)(part, self.plan, draw, feature, names, seed, training.taxonomy)

        # One thread a process: several of both get in each other's way.
        with parallel_config(backend="loky", inner_max_num_threads=1) if self.jobs > 1 else parallel_config():
            for part, results in Parallel(self.jobs, return_as="generator_unordered")(calls()):
                yield from zip(part, results, strict=True)

    def _full(
        self, cells: list[Cell], rows: FullRows, *, save: set[str], notify: Notify
    ) -> Iterator[tuple[Cell, dict[str, Any]]]:
        from joblib import parallel_config

        for name in dict.fromkeys(cell.feature for cell in cells):
            notify(f"{name}: features of {len(self.dataset):,} faces", 0)
            with refusals(f"[features.{name}]"):
                features = FullFeatures.of(self.plan.feature(name), rows)
            for cell in (cell for cell in cells if cell.feature == name):
                notify(f"{name} {cell.classifier}: search and fit", 0)
                with parallel_config(backend="threading", n_jobs=self.jobs):
                    result, classifier = run_full(self.plan, rows, features, cell.classifier)
                yield cell, result  # kept before the model is written, so that nothing is lost if that fails
                if cell.name in save:
                    self._save_model(cell, rows, features, classifier, result)

    def _model(self, cell: Cell) -> Path:
        return self.folder / "models" / model_name(cell.name)

    def _has_model(self, cell: Cell) -> bool:
        """Whether the model of a finished cell is saved, and is the one that the cell tells of."""
        try:
            facts = load_model(self._model(cell)).card.training
        except UnmaskError:
            return False
        told = {
            "config": self.plan.definition(cell.feature, cell.classifier),
            "chosen": (self.result(cell) or {}).get("chosen"),
            "division": self.dataset.division,
        }
        return all(facts.get(key) == value for key, value in json.loads(json.dumps(told)).items())

    def _save_model(
        self, cell: Cell, rows: FullRows, features: FullFeatures, classifier: Any, result: dict[str, Any]
    ) -> None:
        from unmask.classical.saving import save_model

        save_model(
            self._model(cell),
            features.feature,
            classifier,
            name=model_name(cell.name),
            dataset=self.dataset,
            held=(rows.held.images, rows.held.labels),
            facts={
                "division": self.dataset.division,
                "split": "Training",
                "rows": len(rows.train),
                "held_out_rows": len(rows.held),
                "seed": self.plan.full.seed,
                "feature": cell.feature,
                "classifier": cell.classifier,
                "chosen": result["chosen"],
                "config": self.plan.definition(cell.feature, cell.classifier),
            },
            split=self.plan.full.split,
        )


def _numbered(
    cells: list[Cell], plan: Plan, draw: Any, feature: str, names: list[str], seed: int, taxonomy: Any
) -> Any:
    """The cells beside their results, for results that come in any order."""
    return cells, run_small(plan, draw, feature, names, seed=seed, taxonomy=taxonomy)
