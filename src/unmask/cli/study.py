"""``unmask study``: the classical study, features times classifiers, with honest statistics."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from unmask.cli.loading import add_loading_options, check_outputs, check_outside, load
from unmask.cli.text import tell
from unmask.cli.values import whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from unmask.datasets import FaceDataset


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "study",
        help="compare classical features and classifiers",
        description="Compare classical features and classifiers as the recipe says: few images over many draws, and "
        "all of Training. OUT keeps every finished cell, results.json, results.csv, study.html and the saved models.",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--config", required=True, metavar="FILE.toml", help="the recipe, such as recipes/study.toml")
    parser.add_argument(
        "--table", action="append", metavar="NAME", help="only this table of the recipe; can be repeated"
    )
    parser.add_argument("--jobs", type=whole(1), default=1, help="processes or threads to use (default: %(default)s)")
    parser.add_argument("--resume", action="store_true", help="keep what is finished in OUT and go on")
    parser.add_argument("--no-pictures", action="store_true", help="leave the pictures of the features out")
    parser.add_argument("--face", metavar="FILE", help="a photograph whose face the pictures of features show")
    parser.add_argument(
        "--show-faces",
        action="store_true",
        help="show faces of the data set in study.html too; FER2013's terms forbid to publish such a page",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    add_loading_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compute, write, print."""
    from pathlib import Path

    from unmask.classical.plan import load_plan
    from unmask.classical.report import draw_figures, study_page
    from unmask.classical.results import collect, to_csv
    from unmask.classical.run import Study
    from unmask.cli.progress import Progress
    from unmask.errors import ConfigError, InputError, suggest
    from unmask.writing import write_whole

    out = Path(arguments.out)
    check_outside(arguments, {"--out": out})
    plan = load_plan(arguments.config)
    tables = arguments.table or list(plan.tables)
    for name in tables:
        if name not in plan.tables:
            raise ConfigError(f"--table {name}: {suggest(name, plan.tables)}")
    for name in ("results.json", "results.csv", "study.html"):
        check_outputs(arguments, {"--out": out / name}, arguments.config, arguments.face)
    if (out / "cells").exists() and not arguments.resume:
        raise InputError(f"{out} holds a study already; go on with --resume, or name another folder")
    dataset, code = load(arguments)
    example = None if arguments.no_pictures else _example(arguments.face, dataset)
    study = Study(plan, dataset, out, jobs=arguments.jobs)
    cells = study.cells(tables)
    with Progress("cells", len(cells)) as progress:
        progress.advance(sum(study.result(cell) is not None for cell in cells), note="finished before")
        study.run(tables, lambda line, finished: progress.advance(finished, note=line))
    results = collect(study, tables)
    write_whole(out / "results.json", json.dumps(results, indent=1) + "\n")
    write_whole(out / "results.csv", to_csv(results))
    figures = {}
    if example is not None:
        figures = draw_figures(dataset, example, with_faces=arguments.show_faces, left_out=tell)
    for title, content in figures.items():
        suffix = ".png" if content.startswith(b"\x89PNG") else ".svg"
        write_whole(out / "pictures" / (title.lower().replace(" ", "_") + suffix), content)
    write_whole(out / "study.html", study_page(results, figures))
    print(json.dumps(results, indent=1) if arguments.format == "json" else _text(results))
    tell(out / "study.html")
    return code


def _example(path: str | None, dataset: FaceDataset) -> NDArray[np.uint8]:
    """The face that stands for all: the surest in a photograph that the user names, else the mean of the data set's."""
    import numpy as np

    if path is None:
        mean: NDArray[np.float64] = dataset.split("Training").images.mean(axis=0)
        return np.rint(mean).astype(np.uint8)[None]
    from unmask.errors import InputError
    from unmask.faces import build_detector, crop
    from unmask.images import load

    image = load(path)
    found = build_detector().detect(image)
    if not found:
        raise InputError(f"--face {path}: no face found; name another photograph")
    surest = max(found, key=lambda detection: detection.score)
    face: NDArray[np.uint8] = crop(image, surest, size=dataset.images.shape[1])[None]
    return face


def _text(results: Mapping[str, Any]) -> str:
    lines = []
    for table in results["tables"].values():
        lines += [table["title"], ""]
        width = max([len(f"{cell['feature']} {cell['classifier']}") for cell in table["cells"]], default=10)
        for cell in table["cells"]:
            name = f"{cell['feature']} {cell['classifier']}".ljust(width)
            if table["protocol"] == "small":
                beside = "" if cell["published"] is None else f"   the study {cell['published']:.2f}"
                lines.append(f"  {name}  {cell['accuracy']:.3f} ± {cell['std']:.3f}{beside}")
            else:
                lines.append(
                    f"  {name}  accuracy {cell['accuracy']:.4f}  without copies "
                    f"{cell['deduplicated']['accuracy']:.4f}  macro-F1 {cell['macro_f1']:.3f}"
                )
        if table["unfinished"]:
            lines.append(f"  {table['unfinished']} results are not finished")
        if table["protocol"] == "small" and table["cells"]:
            lines += ["", f"  chance {table['chance']:.3f}. {table['in_words']}"]
        lines.append("")
    return "\n".join(lines).rstrip()
