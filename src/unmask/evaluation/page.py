"""An evaluation as one HTML page, its plots and its data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask import plots
from unmask.evaluation.comparison import Comparison
from unmask.evaluation.figures import evaluation_plots
from unmask.evaluation.groups import GroupFigures
from unmask.evaluation.losses import TopLoss
from unmask.evaluation.measure import Evaluation
from unmask.evaluation.words import CORRUPTION_HEAD, GROUP_HEAD, comparison_sentence, corruption_rows, group_rows
from unmask.pages import Html, figure, gallery, page, paragraph, section, table
from unmask.writing import hundredths, write_whole

PAGE, DATA = "evaluation.html", "figures.json"

WHOLE = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "ece": "calibration error",
    "ece_by_chance": "calibration error had every score been true",
    "brier": "Brier score",
    "nll": "log loss",
    "aurc": "area under risk-coverage",
}
"""Figures of a whole split: key in the JSON, and name for people."""

PLOTS = {
    "confusion": "Rows are the labels, columns the answers; each cell has the count and its share of the row.",
    "reliability": "Bars that end on the dashed line are answers that are as often right as they are sure.",
    "risk_coverage": "When the least sure answers are withheld, fewer of the rest are wrong.",
}
"""What to see on each plot, by its name."""

MANY_GROUPS = 50
"""A page shows so many groups at most, the worst read first; figures.json has all."""


def write_evaluation(
    folder: Path, evaluation: Evaluation, *, heat: Sequence[NDArray[np.uint8]] | None = None, no_heat: str = ""
) -> Path:
    """Write the page, its plots (PNG and SVG) and ``figures.json`` into a folder, and return the page's path.

    Parameters
    ----------
    heat, no_heat
        See :func:`evaluation_page`.

    Raises
    ------
    InputError
        The disk does not take them.
    MissingExtraError
        matplotlib is not installed.
    """
    shown: dict[str, bytes] = {}
    for name, plot in evaluation_plots(evaluation).items():
        write_whole(folder / f"{name}.png", plots.to_png(plot))
        shown[name] = plots.to_svg(plot)
        write_whole(folder / f"{name}.svg", shown[name])
    write_whole(folder / DATA, json.dumps(evaluation.to_json(), indent=2) + "\n")
    write_whole(folder / PAGE, evaluation_page(evaluation, shown, heat=heat, no_heat=no_heat))
    return folder / PAGE


def evaluation_page(
    evaluation: Evaluation,
    drawn: dict[str, bytes],
    *,
    heat: Sequence[NDArray[np.uint8]] | None = None,
    no_heat: str = "",
) -> str:
    """The page as HTML.

    Parameters
    ----------
    drawn
        Plots by name, as SVG or PNG.
    heat
        For each of the evaluation's top losses, the face with a class activation map laid over; None shows the faces.
    no_heat
        Why there are no maps, to be said on the page.
    """
    answers = evaluation.answers
    parts = [
        section("Figures", _whole_table(evaluation)),
        section("Confusion matrix", figure(drawn["confusion"], alt="confusion matrix", caption=PLOTS["confusion"])),
        section("Most confused", _confused_table(evaluation)),
        section("Classes", _class_table(evaluation)),
        section(
            "How far the scores can be trusted",
            *[
                figure(drawn[name], alt=name.replace("_", " "), caption=PLOTS[name])
                for name in PLOTS
                if name != "confusion"
            ],
        ),
        section("Top losses", *_loss_parts(evaluation.losses, heat, no_heat)),
    ]
    if evaluation.comparison:
        parts.insert(1, section("Comparison", *comparison_parts(evaluation.comparison)))
    if evaluation.groups:
        parts.append(section("Groups", *_group_parts(evaluation.groups)))
    if evaluation.corruptions:
        alt = "accuracy by kind of damage"
        parts.append(section("Damaged crops", figure(drawn["corruptions"], alt=alt), _corruption_table(evaluation)))
    views = "" if answers.views == 1 else f", {answers.views} views of each face averaged"
    return page(
        f"{answers.model} on {answers.data} {answers.split}",
        *parts,
        lead=f"{len(answers):,} rows, labels: {answers.taxonomy.name}; {answers.parameters:,} parameters{views}. "
        "A label is what people said of a picture, not what the person felt, and people disagree.",
        style="td { white-space: nowrap; }\n",
    )


def comparison_parts(comparison: Comparison) -> list[Html]:
    """Two models on the same rows, in words and as a table."""
    first, second = comparison.first, comparison.second
    counts = [
        [f"{first} right", f"{comparison.both_right:,}", f"{comparison.only_first:,}"],
        [f"{first} wrong", f"{comparison.only_second:,}", f"{comparison.both_wrong:,}"],
    ]
    return [
        paragraph(comparison_sentence(comparison)),
        table(["rows", f"{second} right", f"{second} wrong"], counts),
    ]


def _whole_table(evaluation: Evaluation) -> Html:
    figures = evaluation.figures
    apart = evaluation.apart
    rows = [["rows", f"{figures['n']:,}", f"{apart['n']:,}" if apart else "-"]]
    for key, name in WHOLE.items():
        interval = evaluation.intervals.get(key)
        value = f"{figures[key]:.3f}" if interval is None else str(interval)
        rows.append([name, value, f"{apart[key]:.3f}" if apart else "-"])
    return table(
        ["", "all rows", evaluation.apart_title],
        rows,
        caption="In brackets: 95 % bootstrap intervals over the rows",
    )


def _confused_table(evaluation: Evaluation) -> Html:
    totals = {label: values["n"] for label, values in evaluation.figures["per_class"].items()}
    rows = [
        [
            f"{pair['actual']}, read as {pair['predicted']}",
            f"{pair['count']:,}",
            f"{hundredths(pair['count'] / totals[pair['actual']])}%",
        ]
        for pair in evaluation.figures["most_confused"]
    ]
    return table(["label", "rows", "of the label's rows"], rows)


def _class_table(evaluation: Evaluation) -> Html:
    rows = [
        [label, f"{evaluation.figures['per_class'][label]['n']:,}", *(str(interval) for interval in intervals.values())]
        for label, intervals in evaluation.per_class.items()
    ]
    return table(["label", "rows", "precision", "recall", "F1"], rows, caption="With 95 % bootstrap intervals")


def _loss_parts(losses: Sequence[TopLoss], heat: Sequence[NDArray[np.uint8]] | None, no_heat: str) -> list[Html]:
    pictures = [loss.image for loss in losses] if heat is None else heat
    items = [
        (
            picture,
            f"row {loss.row:,}: {loss.actual}, answered {loss.predicted} {hundredths(loss.confidence)}%; "
            f"loss {loss.loss:.1f}",
        )
        for picture, loss in zip(pictures, losses, strict=True)
    ]
    words = "The rows that are most wrong by the label they carry; some labels may be wrong themselves."
    if heat is not None:
        words += " Orange shows what the answer, not the label, rests on (Grad-CAM)."
    return [paragraph(words), *([paragraph(no_heat, kind="about")] if no_heat else []), gallery(items, side=96)]


def _group_parts(groups: Sequence[GroupFigures]) -> list[Html]:
    spread = groups[-1].accuracy.value - groups[0].accuracy.value
    words = (
        f"{len(groups):,} groups, the worst read first; from the worst to the best accuracy there are {spread:.3f}. "
        "Groups whose intervals overlap may not differ at all, and groups of few rows have wide intervals."
    )
    more = [] if len(groups) <= MANY_GROUPS else [paragraph(f"The first {MANY_GROUPS}; {DATA} has all.", kind="about")]
    return [paragraph(words), *more, table(GROUP_HEAD, group_rows(groups[:MANY_GROUPS]))]


def _corruption_table(evaluation: Evaluation) -> Html:
    return table(CORRUPTION_HEAD, corruption_rows(evaluation))
