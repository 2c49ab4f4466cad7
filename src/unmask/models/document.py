"""The card for people, generated from the card for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unmask.models.card import ModelCard

_UNMEASURED = "Nothing: the data had no split to measure on. `unmask evaluate` measures the model on other data."
_UNCALIBRATED = (
    "Not calibrated: the rows held out in training were none, too few or all answered right, so that the scores may be "
    "too high or too low."
)

_PAIRS = 5
"""Mistakes that are named in words."""


def card_markdown(card: ModelCard) -> str:
    """``CARD.md`` of a model: what it is, how it was made, what was measured, where it must not be used."""
    parts = [
        f"# {card.identity}",
        "Reads the expression that a face shows. A score is the probability that most people would label such a face "
        "so; it is not what the person feels.",
        _facts(card),
        *([_UNCALIBRATED] if "held_out_rows" in card.training and _has_no_temperature(card) else []),
        "## Measured",
        *([_figures(name, figures) for name, figures in card.metrics.items()] or [_UNMEASURED]),
        "## Abstention",
        "A face gets scores and no expression when it fails one of these tests, in this order. All can be set.",
        _table(("test", "threshold"), [(key, f"{value:g}") for key, value in _thresholds(card)]),
        "## Training",
        _table(
            ("what", "value"),
            [(key, f"`{value}`") for key, value in card.training.items() if key != "config" and value != ""],
        ),
        "## Limits and uses out of scope",
        "- FER2013's pictures were gathered by web search and are mostly of posed, frontal, well lit faces; groups are "
        "not represented evenly, and the labels of fear, disgust and contempt are few and noisy.\n"
        "- Very small and blurred faces are read badly; the reader abstains on them, and on faces that are turned "
        "further than the data goes. Hidden eyes or mouths are read badly too, and nothing notices them.\n"
        "- Not for decisions about people at work, at school, in hiring, in policing, at borders or in diagnosis (EU "
        "AI Act, Art. 5(1)(f)); people who are filmed must be told (Art. 50).",
        f"Terms of the weights: {card.licence}. Written by unmask {card.code_version}.",
    ]
    return "\n\n".join(parts) + "\n"


def _has_no_temperature(card: ModelCard) -> bool:
    return all(head.temperature == 1 for head in card.heads)


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [" | ".join(header), " | ".join("---" for _ in header), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)


def _facts(card: ModelCard) -> str:
    heads = "; ".join(
        f"`{head.name}` ({', '.join(head.taxonomy.labels)}), temperature {head.temperature:.3f}" for head in card.heads
    )
    return _table(
        ("what", "value"),
        [
            ("input", f"grey face crop, {card.input_size} x {card.input_size} pixels, 0 to 255"),
            ("outputs", heads),
            *([("network", ", ".join((f"`{card.network}`", *_words(card.arguments))))] if card.network else []),
            ("parameters", f"{card.parameters:,}"),
            ("multiply-adds a face", f"{card.macs / 1e6:.0f} million" if card.macs >= 1e6 else f"{card.macs:,}"),
        ],
    )


def _words(arguments: Mapping[str, Any]) -> list[str]:
    """Each argument as ``name value``, of a list ``name value value``."""
    return [
        f"{name} {' '.join(map(str, value)) if isinstance(value, (list, tuple)) else value}"
        for name, value in arguments.items()
    ]


def _thresholds(card: ModelCard) -> list[tuple[str, float]]:
    return [(key, getattr(card.thresholds, key)) for key in type(card.thresholds).__dataclass_fields__]


def _figures(name: str, figures: Mapping[str, Any]) -> str:
    header = ("", "n", "accuracy", "balanced accuracy", "macro-F1", "calibration error", "log loss")
    keys = ("n", "accuracy", "balanced_accuracy", "macro_f1", "ece", "nll")

    def row(title: str, values: Mapping[str, Any]) -> tuple[str, ...]:
        return (title, *(f"{values[key]:,}" if key == "n" else f"{values[key]:.3f}" for key in keys))

    rows = [row("all rows", figures)]
    if figures.get("deduplicated"):
        rows.append(row("without copies of training images", figures["deduplicated"]))
    recall = _table(
        ("class", "rows", "precision", "recall"),
        [
            (label, f"{values['n']:,}", f"{values['precision']:.3f}", f"{values['recall']:.3f}" if values["n"] else "-")
            for label, values in figures["per_class"].items()
        ],
    )
    labels = [str(label) for label in figures["labels"]]
    confusion = _table(
        ("actual \\ predicted", *labels),
        [(label, *(f"{n:,}" for n in counts)) for label, counts in zip(labels, figures["confusion"], strict=True)],
    )
    pairs = ", ".join(
        f"{pair['actual']} as {pair['predicted']} ({pair['count']:,})" for pair in figures["most_confused"][:_PAIRS]
    )
    never = ", ".join(
        label for label, told in zip(labels, zip(*figures["confusion"], strict=True), strict=True) if not sum(told)
    )
    parts = [f"### {name}", _table(header, rows), recall, confusion]
    parts += [f"Most often mistaken: {pairs}."] * bool(pairs) + [f"Never answered: {never}."] * bool(never)
    return "\n\n".join(parts)
