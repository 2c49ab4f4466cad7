"""``unmask evaluate``: models measured on a split of a data set."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.cli.loading import add_loading_options, check_outside, load
from unmask.cli.text import aligned, names, tell
from unmask.cli.values import MOST_THREADS, whole
from unmask.errors import ConfigError, DataError, MissingExtraError, ModelError
from unmask.writing import try_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from unmask.datasets import FaceDataset
    from unmask.evaluation.answers import Answers
    from unmask.evaluation.measure import Evaluation
    from unmask.models import Classifier

VIEWS = (1, 2, 10)


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "evaluate",
        help="measure a model on a data set",
        description="Measure a model, or several as an ensemble, on one split of a data set. With --ferplus the labels "
        "are those of FER+'s published majority rule.",
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="a name, or a model file; several answer as one, by the mean of their scores",
    )
    parser.add_argument("--against", nargs="+", metavar="MODEL", help="compare with this model: McNemar's test")
    parser.add_argument("--split", default="PublicTest", help="split to measure on (default: %(default)s)")
    parser.add_argument(
        "--views",
        type=int,
        choices=VIEWS,
        default=1,
        help="2 also reads the mirrored face; 10 also reads both shifted to each corner (default: %(default)s)",
    )
    parser.add_argument(
        "--groups", metavar="FILE.csv", help="figures by group: one line for each row of the data, in its order"
    )
    parser.add_argument("--group-column", metavar="NAME", help="column of the groups, where the file has several")
    parser.add_argument("--by-subject", action="store_true", help="figures by person, where the data names them")
    parser.add_argument(
        "--corruptions",
        nargs="?",
        const="",
        metavar="NAMES",
        help="also measure on blurred, dark, noisy, small, turned and partly hidden crops; names with commas choose",
    )
    parser.add_argument("--seed", type=whole(), default=0, help="of the damage done to crops (default: %(default)s)")
    parser.add_argument(
        "--order",
        choices=("codes", "alphabetical"),
        default="codes",
        help="of the labels in tables; the study's are alphabetical (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write a page, its plots and figures.json there")
    parser.add_argument(
        "--threads", type=whole(1, MOST_THREADS), default=1, help="of the network (default: %(default)s)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    add_loading_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load, measure, print, write."""
    if arguments.groups and arguments.by_subject:
        raise ConfigError("--groups and --by-subject each name the groups; leave one out")
    if arguments.group_column and not arguments.groups:
        raise ConfigError("--group-column names a column of the file that --groups names; add it")
    from unmask.evaluation.corruptions import check_corruptions
    from unmask.models import Classifier

    check_outside(arguments, {"--out": arguments.out})
    check_corruptions(names(arguments.corruptions))
    if arguments.out is not None:
        from unmask.evaluation.page import DATA
        from unmask.plots import need_matplotlib

        need_matplotlib()
        try_file(arguments.out / DATA)
    classifiers = [Classifier.load(model, threads=arguments.threads) for model in arguments.models]
    against = [Classifier.load(model, threads=arguments.threads) for model in arguments.against or ()]
    _check_sizes([*classifiers, *against])
    dataset, code = load(arguments)
    dataset.split(arguments.split)  # told of before a network runs
    for classifier in (*classifiers, *against):
        if classifier.card.learned_otherwise(dataset.checksum, dataset.division):
            tell(
                f"{classifier.card.identity} was trained on this data with other splits: rows of "
                f"'{arguments.split}' may be among those that it has learned; give the --split-file and --fold of its "
                "run"
            )
        elif classifier.card.has_learned(dataset.checksum, arguments.split):
            tell(
                f"{classifier.card.identity} has learned from rows of '{arguments.split}' of this data: its "
                "figures on them say little of others; name another split"
            )
    evaluation = _measure(arguments, dataset, classifiers, against)
    shown = json.dumps(evaluation.to_json(), indent=2) if arguments.format == "json" else _text(evaluation)
    print(shown, flush=True)  # what was measured, even if the disk refuses the page
    if arguments.out is not None:
        from unmask.evaluation.page import write_evaluation

        heat, no_heat = _heat(arguments.models, evaluation)
        page = write_evaluation(arguments.out, evaluation, heat=heat, no_heat=no_heat)
        tell(page)
    return code


def _check_sizes(classifiers: Sequence[Classifier]) -> None:
    """Raises ConfigError for models that take crops of different sizes: a data set is read in one size."""
    first = classifiers[0].card
    for card in (classifier.card for classifier in classifiers):
        if card.input_size != first.input_size:
            raise ConfigError(
                f"{first.identity} takes crops of {first.input_size} pixels and {card.identity} of {card.input_size}; "
                "measure them one by one, each with its --size"
            )


def _measure(
    arguments: argparse.Namespace,
    dataset: FaceDataset,
    classifiers: Sequence[Classifier],
    against: Sequence[Classifier],
) -> Evaluation:
    from unmask.cli.progress import Progress
    from unmask.evaluation.answers import answer, predictor
    from unmask.evaluation.corruptions import evaluate_corrupted
    from unmask.evaluation.measure import measure

    groups = _groups(arguments, dataset)
    with Progress("crops") as progress:

        def answers_of(models: Sequence[Classifier]) -> Answers:
            given = answer(
                models,
                dataset,
                split=arguments.split,
                use_votes=bool(arguments.ferplus),
                views=arguments.views,
                advance=progress.advance,
            )
            return given.alphabetical() if arguments.order == "alphabetical" else given

        answers = answers_of(classifiers)
        second = answers_of(against) if against else None
        damaged: list[dict[str, Any]] = []
        if arguments.corruptions is not None:
            predict = predictor(classifiers, answers.taxonomy, views=arguments.views, advance=progress.advance)
            chosen = names(arguments.corruptions) or None
            damaged = evaluate_corrupted(answers, predict, chosen=chosen, seed=arguments.seed)
    return measure(answers, against=second, groups=groups, corruptions=damaged)


def _groups(arguments: argparse.Namespace, dataset: FaceDataset) -> NDArray[np.str_] | None:
    from unmask.evaluation.groups import read_groups, subjects_of

    if arguments.by_subject:
        return subjects_of(dataset)
    return read_groups(arguments.groups, dataset, column=arguments.group_column) if arguments.groups else None


def _heat(models: Sequence[str], evaluation: Evaluation) -> tuple[list[NDArray[np.uint8]] | None, str]:
    """Class activation maps over the top losses, of an ensemble's first model; or None, and why."""
    from unmask.explain import open_network
    from unmask.explain.losses import loss_overlays

    try:
        network = open_network(models[0])
        overlays = loss_overlays(network, evaluation.losses, evaluation.answers.taxonomy)
    except (MissingExtraError, DataError, ModelError) as error:  # a classical model has no layers to look into
        return None, f"There are no class activation maps: {error}."
    return overlays, "" if len(models) == 1 else f"The maps are those of {network.card.identity} alone."


def _text(evaluation: Evaluation) -> str:
    figures = evaluation.figures
    head = f"{figures['model']} on {figures['data']} {figures['split']}, labels: {figures['taxonomy']}"
    views = f", {figures['views']} views" if figures["views"] > 1 else ""
    accuracy = evaluation.intervals["accuracy"]
    lines = [head + views, ""]
    for title, part in (("all rows", figures), (evaluation.apart_title, evaluation.apart)):
        if part:
            lines.append(
                f"{title:27} n {part['n']:6,}  accuracy {part['accuracy']:.4f}  macro-F1 {part['macro_f1']:.4f}  "
                f"calibration error {part['ece']:.4f}  log loss {part['nll']:.4f}"
            )
    alike = "" if accuracy.is_known else " (all rows are answered alike)"
    lines.append(f"{'95 % interval, all rows':27} accuracy {accuracy.between('{:.4f}'.format)}{alike}")
    chance = f"calibration error {figures['ece_by_chance']:.4f}, on average, had every score been true"
    lines.append(f"{'by chance alone, all rows':27} {chance}")
    short = [label[:8] for label in figures["labels"]]
    lines += ["", "actual \\ predicted".ljust(18) + "".join(f"{label:>9}" for label in short) + "   recall"]
    for label, row in zip(figures["labels"], figures["confusion"], strict=True):
        of_class = figures["per_class"][label]
        recall = f"{of_class['recall']:.3f}" if of_class["n"] else "-"
        lines.append(f"{label:18}" + "".join(f"{count:9,}" for count in row) + f"   {recall:>6}")
    confused = ", ".join(f"{p['actual']}/{p['predicted']} {p['count']}" for p in figures["most_confused"][:5])
    lines += ["", f"most confused (actual/predicted): {confused}"]
    return "\n".join([*lines, *_extra_text(evaluation)])


def _extra_text(evaluation: Evaluation) -> list[str]:
    """What was asked for beside the figures: comparison, groups, damaged crops."""
    from unmask.evaluation.words import CORRUPTION_HEAD, GROUP_HEAD, comparison_sentence, corruption_rows, group_rows

    lines: list[str] = []
    if evaluation.comparison:
        lines += ["", comparison_sentence(evaluation.comparison)]
    if evaluation.groups:
        lines += ["", *aligned([GROUP_HEAD, *group_rows(evaluation.groups)])]
    if evaluation.corruptions:
        lines += ["", *aligned([CORRUPTION_HEAD, *corruption_rows(evaluation)])]
    return lines
