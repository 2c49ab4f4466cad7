"""A trained network again, from what a run left, and what comes with the weights that a run starts from."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unmask.errors import UnmaskError
from unmask.expressions import TAXONOMIES
from unmask.models import ModelCard, Thresholds, load_model
from unmask.networks import FaceNetwork, build_network
from unmask.networks.weights import load_weights
from unmask.training.config import CONFIG, TrainConfig, load_config


def trained_network(source: str | Path) -> FaceNetwork:
    """The network of a model's folder or name, or of a run that need not be finished, in evaluation mode.

    Raises
    ------
    UnmaskError
        There is no such model or run, or its network cannot be had from what it holds.
    """
    config = Path(source) / CONFIG
    if config.is_file():
        run = load_config(config)
        heads = {head: len(TAXONOMIES[head]) for head in run.heads}
        network = build_network(run.network, heads=heads, **run.network_arguments)
    else:
        card = load_model(source).card
        network = build_network(card.network, heads={h.name: len(h.taxonomy) for h in card.heads}, **card.arguments)
    load_weights(network, source)
    return network.eval()


def abstention(config: TrainConfig) -> Thresholds:
    """The thresholds of size, sharpness and turn of a recipe or, where it sets none, of the model it starts from."""
    if config.thresholds != Thresholds() or not config.initial:
        return config.thresholds
    if card := _card(config.initial):
        return dataclasses.replace(card.thresholds, min_confidence=0.0, min_margin=0.0)
    run = Path(config.initial) / CONFIG  # of a run that is not finished
    return load_config(run).thresholds if run.is_file() else config.thresholds


def training_facts(source: str | Path) -> Mapping[str, Any]:
    """What the card of a model, or of a finished run, says of its training; nothing where there is no card."""
    card = _card(source)
    return card.training if card else {}


def _card(source: str | Path) -> ModelCard | None:
    """The card of a model, or of the model that a run has made; a file of weights is its folder's."""
    path = Path(source)
    folder = path.parent if path.suffix == ".safetensors" and path.is_file() else path
    for place in (folder / "model", source if folder is path else folder):
        try:
            return load_model(place).card
        except UnmaskError:
            pass
    return None


def origin(source: str | Path) -> str:
    """What weights are called, and in brackets what they started from and who taught them, as far as it is known.

    Parameters
    ----------
    source
        A run, a model or a file.
    """
    path = Path(source)
    try:
        run = path.parent if path.name == "model" and (path.parent / CONFIG).is_file() else path
        if (run / CONFIG).is_file():
            config = load_config(run / CONFIG)
            name, initial = run.name, origin(config.initial) if config.initial else ""
            teachers = ", ".join(map(origin, config.distillation.teachers))
        else:
            card = load_model(source).card
            name, initial, teachers = card.name, card.training.get("initial", ""), card.training.get("teachers", "")
    except UnmaskError:
        return path.name
    told = [f"started from {initial}"] * bool(initial) + [f"taught by {teachers}"] * bool(teachers)
    return told_once(f"{name} ({', '.join(told)})") if told else name


def told_once(text: str) -> str:
    """A text in which what stands in brackets behind a name is left out where it stood behind that name before.

    >>> told_once("a (from b (from c)), b (from c)")
    'a (from b (from c)), b'
    """
    told: set[str] = set()

    def shortened(part: str) -> str:
        done, rest = "", part
        while found := re.search(r"([\w.-]+) \(", rest):
            end = _closing(rest, found.end())
            phrase, inside = rest[found.start() : end + 1], rest[found.end() : end]
            done += rest[: found.start()] + found[1]
            if phrase not in told:
                told.add(phrase)
                done += f" ({shortened(inside)})"
            rest = rest[end + 1 :]
        return done + rest

    return shortened(text)


def _closing(text: str, start: int) -> int:
    """Where the bracket is closed that is open at ``start``; the end of the text where it is not."""
    depth = 1
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if not depth:
            return place
    return len(text)
