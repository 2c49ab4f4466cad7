"""The results of a study as plain data: every cell, tables with their statistics, and what they were made with."""

from __future__ import annotations

import csv
import datetime
import importlib.metadata
import io
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unmask.classical.run import Cell, Study
from unmask.classical.statistics import above_chance, compare, in_words, within_noise


def collect(study: Study, tables: list[str]) -> dict[str, Any]:
    """Everything, ready for JSON. Cells that are not finished are left out, and tables say how many those are."""
    return {
        "about": about(study),
        "tables": {name: _table(study, name) for name in tables},
    }


def about(study: Study) -> dict[str, Any]:
    """Date, code, machine and data."""
    return {
        "date": datetime.date.today().isoformat(),
        "unmask": importlib.metadata.version("unmask"),
        "commit": commit(),
        "scikit_learn": importlib.metadata.version("scikit-learn"),
        "machine": machine(),
        "data": study.dataset.name,
        "checksum": study.dataset.checksum,
        "rows": len(study.dataset),
    }


def machine() -> str:
    """Kind of processor and number of cores that this process may use."""
    import os

    kind = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        kind = names[0] if names else kind
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{kind}, {cores} cores"


def commit() -> str | None:
    """The commit of the checkout that runs, or None where it is no checkout, also inside somebody else's."""
    git = shutil.which("git")
    if git is None:
        return None

    def answer(*words: str) -> str | None:
        here = Path(__file__).parent
        found = subprocess.run([git, *words], cwd=here, capture_output=True, text=True)  # noqa: S603  # fixed commands
        return found.stdout.strip() or None if found.returncode == 0 else None

    is_tracked = answer("ls-files", "--error-unmatch", "--", Path(__file__).name)
    return answer("rev-parse", "--short", "HEAD") if is_tracked else None


def _table(study: Study, name: str) -> dict[str, Any]:
    table = study.plan.tables[name]
    make = _small_table if table.protocol == "small" else _full_table
    return {"title": table.title, "protocol": table.protocol, **make(study, name)}


def _small_table(study: Study, name: str) -> dict[str, Any]:
    table, protocol = study.plan.tables[name], study.plan.small
    share = protocol.validate / protocol.train
    cells, missing = [], 0
    accuracies: dict[str, list[float]] = {}
    for feature, classifier in table.pairs():
        found = [study.result(Cell("small", feature, classifier, seed)) for seed in range(protocol.seeds)]
        finished = [result for result in found if result is not None]
        missing += len(found) - len(finished)
        if len(finished) < 2:
            continue
        values = [result["accuracy"] for result in finished]
        if len(finished) == len(found):
            accuracies[f"{feature}/{classifier}"] = values
        published = table.published.get(feature, {}).get(classifier)
        cells.append(
            {
                "feature": feature,
                "classifier": classifier,
                "accuracy": float(np.mean(values)),
                "std": float(np.std(values, ddof=1)),
                "macro_f1": float(np.mean([result["macro_f1"] for result in finished])),
                "fit_s": float(np.mean([result["fit_s"] + result["feature_s"] for result in finished])),
                "accuracies": values,
                "chosen": [result["chosen"] for result in finished],
                "published": published,
                "published_within_noise": None if published is None else within_noise(published, values),
            }
        )
    chance = 1 / len(study.dataset.taxonomy)
    comparisons = compare(accuracies, share=share)
    above = above_chance(accuracies, chance, share=share)
    for cell in cells:
        cell["p_above_chance"] = above.get(f"{cell['feature']}/{cell['classifier']}")
    return {
        "draws": protocol.seeds,
        "train": protocol.train * len(study.dataset.taxonomy),
        "validate": protocol.validate * len(study.dataset.taxonomy),
        "chance": chance,
        "unfinished": missing,
        "cells": cells,
        "comparisons": comparisons,
        "in_words": in_words(comparisons, draws=protocol.seeds),
    }


def _full_table(study: Study, name: str) -> dict[str, Any]:
    cells, missing = [], 0
    for feature, classifier in study.plan.tables[name].pairs():
        result = study.result(Cell("full", feature, classifier))
        if result is None:
            missing += 1
        else:
            cells.append({"feature": feature, "classifier": classifier, **result})
    return {"split": study.plan.full.split, "unfinished": missing, "cells": cells}


CSV_COLUMNS = (
    "table",
    "protocol",
    "feature",
    "classifier",
    "accuracy",
    "std",
    "deduplicated_accuracy",
    "macro_f1",
    "published",
    "fit_s",
    "predict_us",
    "bytes",
    "chosen",
)


def whole_fit_s(cell: Mapping[str, Any]) -> float:
    """Seconds that a cell of a full table took: feature, search and fit, as a small table's cell counts them."""
    return float(cell["feature_s"] + cell["search_s"] + cell["fit_s"])


def to_csv(results: Mapping[str, Any]) -> str:
    """One row a cell, one header for both protocols; what a protocol does not have stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for name, table in results["tables"].items():
        for cell in table["cells"]:
            row = {**cell, "table": name, "protocol": table["protocol"]}
            if table["protocol"] == "full":
                row["deduplicated_accuracy"] = cell["deduplicated"]["accuracy"]
                row["fit_s"] = whole_fit_s(cell)
            row["chosen"] = _chosen(cell["chosen"])
            writer.writerow({key: f"{v:.6g}" if isinstance(v, float) else v for key, v in row.items()})
    return text.getvalue()


def _chosen(chosen: Any) -> str:
    """Options in words; of several draws, the most frequent."""
    if isinstance(chosen, list):
        texts = [_chosen(one) for one in chosen]
        return max(sorted(set(texts)), key=texts.count) if texts else ""
    return " ".join(f"{key}={value}" for key, value in sorted(chosen.items()))
