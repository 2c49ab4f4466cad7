"""``unmask evaluate``: a model measured on a split of a data set."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "evaluate", help="measure a model on a data set", description="Measure a model on one split of a data set."
    )
    parser.add_argument("model", help="a name, or a model file")
    parser.add_argument("--data", required=True, metavar="FILE", help="FER2013 in one of its CSV layouts")
    parser.add_argument("--split", default="PublicTest", help="split to measure on (default: %(default)s)")
    parser.add_argument("--ferplus", metavar="FILE", help="FER+'s votes: measure against its majority rule")
    parser.add_argument("--views", type=int, choices=(1, 2), default=1, help="2 also reads the mirrored face")
    parser.add_argument("--threads", type=int, default=1, help="threads of the network (default: %(default)s)")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load, measure, print."""
    from unmask.datasets import load_dataset
    from unmask.evaluation.evaluate import evaluate
    from unmask.models import Classifier

    classifier = Classifier.load(arguments.model, threads=arguments.threads)
    dataset = load_dataset(arguments.data, ferplus_path=arguments.ferplus)
    figures = evaluate(
        classifier, dataset, split=arguments.split, use_votes=bool(arguments.ferplus), views=arguments.views
    )
    print(json.dumps(figures, indent=2) if arguments.format == "json" else _text(figures))
    return 0


def _text(figures: dict[str, Any]) -> str:
    head = f"{figures['model']} on {figures['data']} {figures['split']}, labels: {figures['taxonomy']}"
    lines = [head, ""]
    for title, part in (("all rows", figures), ("without copies of Training", figures["deduplicated"])):
        if part:
            lines.append(
                f"{title:27} n {part['n']:6,}  accuracy {part['accuracy']:.4f}  macro-F1 {part['macro_f1']:.4f}  "
                f"calibration error {part['ece']:.4f}  log loss {part['nll']:.4f}"
            )
    short = [label[:8] for label in figures["labels"]]
    lines += ["", "actual \\ predicted".ljust(18) + "".join(f"{label:>9}" for label in short) + "   recall"]
    for label, row in zip(figures["labels"], figures["confusion"], strict=True):
        recall = figures["per_class"][label]["recall"]
        lines.append(f"{label:18}" + "".join(f"{count:9,}" for count in row) + f"   {recall:6.3f}")
    confused = ", ".join(f"{p['actual']}/{p['predicted']} {p['count']}" for p in figures["most_confused"][:5])
    return "\n".join([*lines, "", f"most confused (actual/predicted): {confused}"])
