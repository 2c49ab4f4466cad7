"""The classical models: the study's nine cells over several draws, better features, and pictures of the features."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
from joblib.externals.loky import get_reusable_executor

from unmask.capstone.budgets import ClassicalBudget
from unmask.capstone.measured import jpeg
from unmask.capstone.recipes import recipe
from unmask.capstone.step import Context, Result
from unmask.classical import pictures
from unmask.classical.lbp import LbpHistogram, lbp_images
from unmask.classical.pixels import Eigenfaces
from unmask.classical.plan import Plan, TablePlan, load_plan
from unmask.classical.results import collect
from unmask.classical.run import Study
from unmask.datasets import FaceDataset
from unmask.datasets.splits import eighty_twenty
from unmask.explain.drawing import greys

RANKS = (0, 1, 2, 3, 5, 8, 12, 20, 35, 50, 75, 100, 150, 200, 300)
"""Eigenfaces with which the slider rebuilds faces; 0 is the mean face."""

SHOWN_FACES = 7


def run(context: Context) -> Result:
    """Compute the tables, then draw."""
    result, budget = Result(), context.budget.classical
    plan = made_plan(budget)
    split = eighty_twenty(context.dataset, together=True, seed=0)
    study = Study(plan, split, context.folder, jobs=context.jobs)
    tables = list(plan.tables)
    cells = study.cells(tables)
    context.say(f"  {len(cells)} cells, {sum(study.result(cell) is not None for cell in cells)} of them done before")
    study.run(tables, lambda line, finished: context.notify("cell", {"line": line, "finished": finished}))
    if context.jobs > 1:
        # The processes would wait for more work, hold their memory, and their time would not be counted.
        get_reusable_executor().shutdown(wait=True)
    tables_of = json.loads(json.dumps(collect(study, tables)["tables"]))
    result.data["tables"] = tables_of
    seeds = list(range(budget.seeds))
    small = tables_of["study"]
    result.value("classical.train", small["train"], protocol=f"{budget.train} of each class")
    result.value("classical.validate", small["validate"], protocol=f"{budget.validate} of each class")
    better = max(tables_of["better"]["cells"], key=lambda cell: cell["accuracy"]) if "better" in tables_of else None
    histogram = _cell(tables_of.get("better"), "lbp_histogram", "svc")
    for cell in small["cells"]:
        mended = histogram if cell["feature"] == "lbp_image" else better
        result.value(
            f"classical.{cell['feature']}.{cell['classifier']}",
            cell["accuracy"],
            draws=cell["accuracies"],
            std=cell["std"],
            seeds=seeds,
            protocol=f"{small['train']} / {small['validate']} images, grid search in {plan.small.folds} folds",
            step_seconds=cell["fit_s"] * budget.seeds,
            mended=None
            if mended is None
            else {
                "quantity": f"{mended['feature'].replace('_', ' ')}, {mended['classifier']}, on the same images",
                "value": mended["accuracy"],
            },
        )
    _draw(context, result, split, tables_of)
    return result


def made_plan(budget: ClassicalBudget) -> Plan:
    """The recipe of the classical study, as large as the budget says."""
    plan = load_plan(recipe("study.toml"))
    tables = {"study": plan.tables["study"]}
    if budget.better:
        tables["better"] = dataclasses.replace(plan.tables["better"], cells=dict(budget.better))
    if budget.whole:
        tables["whole"] = TablePlan("All rows of the 80 %, measured on the 20 %", "full", dict(budget.whole))
    return dataclasses.replace(
        plan,
        tables=tables,
        features={**plan.features, "pca": {**plan.features["pca"], "components": budget.components}},
        small=dataclasses.replace(plan.small, seeds=budget.seeds, train=budget.train, validate=budget.validate),
        full=dataclasses.replace(plan.full, split="Validation"),
    )


def _cell(table: dict[str, Any] | None, feature: str, classifier: str) -> dict[str, Any] | None:
    cells = [] if table is None else table["cells"]
    found = [cell for cell in cells if (cell["feature"], cell["classifier"]) == (feature, classifier)]
    return found[0] if found else None


def _draw(context: Context, result: Result, split: FaceDataset, tables: dict[str, Any]) -> None:
    training = split.split("Training")
    components = min(context.budget.classical.components, len(training))
    faces = Eigenfaces(components=components).fit(training.images)
    result.value("classical.components", components, protocol=f"of {len(training):,} faces")
    shown = min(24, components)
    result.value("classical.eigenfaces", shown)
    result.data["explained"] = {
        str(count): float(faces.explained_[:count].sum()) for count in RANKS if 0 < count <= components
    }
    examples = training.images[[int((training.labels == code).argmax()) for code in range(SHOWN_FACES)]]
    mean = greys(faces.mean_face_)
    labels = [str(label) for label in training.taxonomy.labels]
    draw = context.draw
    caption = "The mean face and the first eigenfaces, with the share of the variance that each explains."
    draw(result, "eigenfaces", pictures.eigenfaces(faces, count=shown), caption, pixels=True)
    draw(
        result,
        "explained_variance",
        pictures.explained_variance(faces),
        "How much of the variance the first components explain together.",
    )
    caption = "Faces as the first so many eigenfaces tell them, and as they are."
    rebuilt = pictures.reconstructions(faces, examples[:3])
    draw(result, "reconstructions", rebuilt, caption, shows_faces=True, pixels=True)
    _keep_slider(context, result, faces, examples)
    caption = "A face of each class, and below it its local binary patterns as the study defines them."
    draw(result, "lbp", pictures.lbp_before_after(examples, labels), caption, shows_faces=True, pixels=True)
    means = np.stack([training.images[training.labels == code].mean(axis=0) for code in range(SHOWN_FACES)])
    caption = "The mean face of each class, and below it its local binary patterns."
    mean_figure = pictures.lbp_before_after(np.stack([greys(one) for one in means]), labels)
    draw(result, "lbp_of_means", mean_figure, caption, pixels=True)
    caption = "What grid histograms keep and pixels lose: how often each pattern stands in the mean face."
    draw(result, "lbp_histogram", pictures.lbp_histogram(mean), caption)
    draw(result, "hog", pictures.hog_glyphs(mean), "The mean face, and the edges in each cell that HOG tells of.")
    for name, table in tables.items():
        if table["protocol"] == "small":
            caption = "Mean and standard deviation over the draws; dashed: chance."
            draw(result, f"{name}_bars", pictures.accuracy_bars(table), caption)
    result.data["lbp_check"] = int(lbp_images(np.array([[[9, 9, 1], [1, 5, 1], [1, 5, 1]]], np.uint8))[0, 1, 1])
    result.data["lbp_dimensions"] = LbpHistogram(grid=6).fit(training.images[:1]).transform(training.images[:1]).size


def _keep_slider(context: Context, result: Result, faces: Eigenfaces, examples: np.ndarray) -> None:
    """The sprites of the slider: a row a face, a column for each of :data:`RANKS` and one for the face itself."""
    ranks = [rank for rank in RANKS if rank <= faces.components]
    columns = [np.clip(np.rint(faces.reconstruct(examples, rank=rank)), 0, 255).astype(np.uint8) for rank in ranks]
    sheet = np.concatenate([np.concatenate(column, axis=0) for column in [*columns, examples]], axis=1)
    result.data["slider"] = {"ranks": ranks, "faces": len(examples)}
    caption = "The same faces rebuilt from more and more eigenfaces."
    context.keep(result, "slider.jpg", jpeg(sheet, quality=85), caption, shows_faces=True)
