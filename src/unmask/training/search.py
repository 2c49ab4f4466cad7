"""A search over hyper-parameters: random, or random with successive halving; results are data.

Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization" (JMLR 13, 2012). Jamieson and Talwalkar,
"Non-stochastic Best Arm Identification and Hyperparameter Optimization" (arXiv:1502.07943).
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from unmask.datasets.base import FaceDataset
from unmask.errors import ConfigError, InputError, UnmaskError
from unmask.training.checkpoint import alone_in
from unmask.training.config import TrainConfig
from unmask.training.fit import Trainer, best_record
from unmask.training.typed import build_typed, check_ranges, read_table, set_value
from unmask.writing import write_whole

_COMPARED_BY = ("epochs", "heads", "holdout", "keep_copies", "seed", "train_split")
"""Settings that all trials share: how long they learn, and which rows are held out and how they are scored."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What is tried.

    Parameters
    ----------
    space
        By dotted key of :class:`unmask.training.config.TrainConfig`: a list of values, or a table of ``low``, ``high``
        and ``scale`` (``linear`` or ``log``); whole numbers when both ends are. Not ``epochs``, ``heads``, ``holdout``,
        ``keep_copies``, ``seed`` and ``train_split``, which all trials share so that they can be compared.
    trials
        Draws from the space.
    method
        ``random`` trains each to the end; ``halving`` trains all for ``first_epochs``, the best part for longer, and so
        on; every trial has the schedule of a whole run.
    first_epochs, reduction
        Of halving: epochs of the first round; in each next round one trial in ``reduction`` goes on for ``reduction``
        times as many epochs.
    objective
        Number of an epoch's record that is compared, on the held-out rows; one that ends in ``loss`` is to be low.
    seed
        Of the draws.
    """

    space: Mapping[str, Any]
    trials: int = 12
    method: str = "halving"
    first_epochs: int = 3
    reduction: int = 3
    objective: str = "holdout_loss"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in ("random", "halving"):
            raise ConfigError(f"method = {self.method!r}: expected random or halving")
        check_ranges(
            self,
            {
                "trials": (self.trials >= 1, "1 or more"),
                "first_epochs": (self.first_epochs >= 1, "1 or more"),
                "reduction": (self.reduction >= 2, "2 or more"),
                "space": (bool(self.space), "at least one key to draw"),
                "seed": (self.seed >= 0, "0 or more"),
            },
        )
        for key, choice in self.space.items():
            _check_choice(key, choice)
            if key.strip().partition(".")[0] in _COMPARED_BY:
                raise ConfigError(
                    f"space: {key}: trials are compared after the same epochs and on the same held-out rows; set it in "
                    "the recipe, or with --set, and leave it out of the space"
                )

    def draws(self) -> list[dict[str, Any]]:
        """The settings of each trial."""
        rng = np.random.default_rng(self.seed)
        return [{key: _draw(choice, rng) for key, choice in self.space.items()} for _ in range(self.trials)]

    def rounds(self, epochs: int) -> list[int]:
        """Epochs after which the trials of a run of ``epochs`` are compared; the last is the end of the run."""
        if self.method == "random":
            return [epochs]
        count = 0
        while self.first_epochs * self.reduction**count < epochs and self.reduction**count <= self.trials:
            count += 1
        return [self.first_epochs * self.reduction**number for number in range(count)] + [epochs]


def load_plan(path: str | Path) -> SearchPlan:
    """Read a plan from TOML. Raises InputError or ConfigError as for a recipe."""
    plan: SearchPlan = build_typed(SearchPlan, read_table(path), str(path))
    return plan


@dataclass(frozen=True, slots=True)
class Trial:
    """One draw: its settings, in how many rounds and epochs it was trained, its score, and why it failed, if it did.

    The score is that of the weights that the run keeps: of the last epoch or, with patience, of the best.
    """

    number: int
    settings: Mapping[str, Any]
    rounds: int = 0
    epochs: int = 0
    score: float | None = None
    failure: str = ""
    history: Sequence[Mapping[str, Any]] = field(default=(), repr=False)


def search(
    plan: SearchPlan,
    recipe: Mapping[str, Any],
    dataset: FaceDataset,
    folder: Path,
    *,
    device: str = "cpu",
    notify: Callable[[Trial], None] = lambda trial: None,
) -> list[Trial]:
    """Carry out a plan on top of a recipe, the best trial first.

    Each trial is a run in ``folder/trials``, so a search that was stopped goes on where it was. ``folder/trials.json``
    holds all trials after every step. The data's test splits play no part.

    Parameters
    ----------
    recipe
        The table of a recipe, as :func:`unmask.training.typed.read_table` gives it.
    notify
        Called after a trial has been trained for a round.

    Raises
    ------
    ConfigError
        A draw makes no valid configuration, the objective is no figure of the held-out rows, or the folder holds a
        search of another plan.
    InputError
        The folder cannot be written, or another process searches there.
    """
    runs = [_configured(recipe, settings) for settings in plan.draws()]
    if not runs[0].holdout:
        raise ConfigError("a search compares on held-out rows: set holdout above 0")
    figures = ["holdout_loss", *(f"holdout_{head}" for head in runs[0].heads)]
    if plan.objective not in figures:
        raise ConfigError(f"objective = {plan.objective!r}: expected one of {', '.join(figures)}")
    with alone_in(folder):
        _same_plan(folder / "plan.json", plan, recipe)
        return _searched(plan, runs, dataset, folder, device, notify)


def _searched(
    plan: SearchPlan,
    runs: Sequence[TrainConfig],
    dataset: FaceDataset,
    folder: Path,
    device: str,
    notify: Callable[[Trial], None],
) -> list[Trial]:
    trials = [Trial(number, settings) for number, settings in enumerate(plan.draws())]
    going = trials
    for last in plan.rounds(runs[0].epochs):
        trained = []
        for trial in going:
            trial = _train(trial, runs[trial.number], plan, dataset, folder, device, min(last, runs[0].epochs))
            trained.append(trial)
            trials[trial.number] = trial
            write_whole(folder / "trials.json", json.dumps([asdict(t) for t in _ranked(trials, plan)], indent=1) + "\n")
            notify(trial)
        going = _ranked(trained, plan)[: max(1, len(trained) // plan.reduction)]
    return _ranked(trials, plan)


def _train(
    trial: Trial, config: TrainConfig, plan: SearchPlan, dataset: FaceDataset, folder: Path, device: str, last: int
) -> Trial:
    trainer = Trainer(config, dataset, folder / "trials" / f"{trial.number:03}", device=device)
    failure = ""
    try:
        trainer.fit(resume=True, until=last)
    except (ConfigError, InputError):  # nothing that the trial's settings could be blamed for
        raise
    except UnmaskError as error:  # a trial that diverges is a result
        failure = str(error)
    # In a search that is run again a trial may have gone further already than this round does.
    reached = trainer.history_[:last]
    history = [{k: v for k, v in record.items() if not isinstance(v, list)} for record in reached]
    score = None
    if history and not failure:
        score = (best_record(history) if config.patience else history[-1])[plan.objective]
    return replace(
        trial, rounds=trial.rounds + 1, epochs=len(history), score=score, failure=failure, history=tuple(history)
    )


def _ranked(trials: Sequence[Trial], plan: SearchPlan) -> list[Trial]:
    """Trials that halving let go on further first, then by score; failures last."""
    sign = 1 if plan.objective.endswith("loss") else -1

    def place(trial: Trial) -> tuple[bool, int, float]:
        return trial.score is None, -trial.rounds, math.inf if trial.score is None else sign * trial.score

    return sorted(trials, key=place)


def _configured(recipe: Mapping[str, Any], settings: Mapping[str, Any]) -> TrainConfig:
    values = copy.deepcopy(dict(recipe))
    for key, value in settings.items():
        set_value(values, key, value)
    config: TrainConfig = build_typed(TrainConfig, values, f"trial {dict(settings)}")
    return config


def _same_plan(path: Path, plan: SearchPlan, recipe: Mapping[str, Any]) -> None:
    text = json.dumps({"plan": asdict(plan), "recipe": recipe}, indent=1, sort_keys=True) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(f"{path.parent} holds a search of another plan or recipe; name another folder")
    write_whole(path, text)


def _check_choice(key: str, choice: Any) -> None:
    if isinstance(choice, list) and choice:
        return
    if isinstance(choice, Mapping) and {"low", "high"} <= set(choice) <= {"low", "high", "scale"}:
        low, high, scale = choice["low"], choice["high"], choice.get("scale", "linear")
        numbers = all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in (low, high))
        if numbers and low < high and scale in ("linear", "log") and (scale == "linear" or low > 0):
            return
    raise ConfigError(f"space: {key} = {choice!r}: expected a list of values, or low < high with scale linear or log")


def _draw(choice: Any, rng: np.random.Generator) -> Any:
    if isinstance(choice, list):
        return choice[int(rng.integers(len(choice)))]
    low, high = choice["low"], choice["high"]
    if choice.get("scale") == "log":
        value = math.exp(rng.uniform(math.log(low), math.log(high)))
        return round(value) if isinstance(low, int) and isinstance(high, int) else float(f"{value:.4g}")
    if isinstance(low, int) and isinstance(high, int):
        return int(rng.integers(low, high + 1))
    return float(f"{rng.uniform(low, high):.4g}")
