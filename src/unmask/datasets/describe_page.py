"""The pictures of a data set: histogram, samples and mean face of each class, and the page that holds them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unmask import pages, plots
from unmask.datasets.base import FaceDataset
from unmask.writing import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = 10


def histogram(figures: dict[str, Any]) -> Figure:
    """Rows of each class, a bar for each split, from what :func:`~unmask.datasets.describe.describe` gives."""
    labelled = {name: split for name, split in figures["splits"].items() if split["unlabelled"] < split["rows"]}
    return plots.bars(
        list(figures["codes"].values()),
        {name: list(split["classes"].values()) for name, split in labelled.items()},
        title=f"{figures['name']}: images of each class",
        y="images",
        size=(9.0, 3.6),
    )


def agreement_plot(figures: dict[str, Any]) -> Figure:
    """Share of each class whose label is FER+'s majority."""
    classes = {name: row for name, row in figures["ferplus"]["classes"].items() if row["agree"] is not None}
    return plots.bars(
        list(classes),
        {"agree": [100 * row["agree"] for row in classes.values()]},
        title=f"{figures['name']}: labels that FER+'s majority agrees with",
        y="per cent of the class",
    )


def sample_grid(dataset: FaceDataset, *, seed: int = 0) -> Figure:
    """Some faces of each class, drawn at random."""
    rng = np.random.default_rng(seed)
    empty = np.full(dataset.images.shape[1:], 255, dtype=np.uint8)
    images: list[NDArray[Any]] = []
    for code in range(len(dataset.taxonomy)):
        rows = np.flatnonzero(dataset.labels == code)
        chosen = rng.permutation(rows)[:SAMPLES]
        images += [*dataset.images[chosen], *[empty] * (SAMPLES - len(chosen))]
    names = [str(label) for label in dataset.taxonomy.labels]
    return plots.image_grid(images, rows=names, columns=SAMPLES, title=f"{dataset.name}: faces of each class")


def mean_faces(dataset: FaceDataset) -> Figure:
    """Mean of all faces of each class; classes without rows are left out."""
    images, captions = [], []
    for code, label in enumerate(dataset.taxonomy.labels):
        rows = dataset.labels == code
        if rows.any():
            images.append(dataset.images[rows].mean(axis=0, dtype=np.float64).round().astype(np.uint8))
            captions.append(f"{label}, {rows.sum():,}")
    return plots.image_grid(
        images, captions=captions, columns=max(1, len(images)), title=f"{dataset.name}: mean faces", cell=1.1
    )


def write_pictures(dataset: FaceDataset, figures: dict[str, Any], folder: Path) -> list[Path]:
    """Write ``description.html`` and its pictures, each as PNG and SVG.

    Returns
    -------
    The files, the page first.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    InputError
        The folder cannot be written.
    """
    drawn: dict[str, tuple[Figure, str]] = {}
    if (dataset.labels >= 0).any():
        drawn = {
            "classes": (histogram(figures), "Images of each class, by split"),
            "mean_faces": (mean_faces(dataset), "Mean of all faces of each class"),
            "samples": (sample_grid(dataset), f"{SAMPLES} faces of each class, drawn with seed 0"),
        }
    if figures["ferplus"] and any(row["agree"] is not None for row in figures["ferplus"]["classes"].values()):
        drawn["agreement"] = (agreement_plot(figures), "Of the rows with a majority among FER+'s taggers")
    written, parts = [], []
    for name, (figure, caption) in drawn.items():
        png, svg = plots.to_png(figure), plots.to_svg(figure)
        for suffix, content in ((".png", png), (".svg", svg)):
            write_whole(folder / f"{name}{suffix}", content)
            written.append(folder / f"{name}{suffix}")
        parts.append(pages.figure(png if name in ("samples", "mean_faces") else svg, alt=caption, caption=caption))
    page = folder / "description.html"
    height, width = figures["size"]
    lead = f"{figures['rows']:,} grey faces of {width} x {height} pixels, labels: {figures['taxonomy']}."
    write_whole(page, pages.page(f"Data set {figures['name']}", *_tables(figures), *parts, lead=lead))
    return [page, *written]


def _tables(figures: dict[str, Any]) -> list[pages.Html]:
    splits = figures["splits"]
    rows: list[list[object]] = [
        [f"{code} {label}", *(f"{split['classes'][label]:,}" for split in splits.values())]
        for code, label in figures["codes"].items()
    ]
    if any(split["unlabelled"] for split in splits.values()):
        rows.append(["no label", *(f"{split['unlabelled']:,}" for split in splits.values())])
    rows.append(["all", *(f"{split['rows']:,}" for split in splits.values())])
    first = [[row["label"], str(row["pixels"])[:-1] + ", ...]"] for row in figures["first_rows"]]
    pixels = figures["pixels"]
    tables = [
        pages.table(["code and class", *splits], rows, caption="Images by class and split"),
        pages.table(["label", "pixels"], first, caption="The first rows, as lists of grey values"),
        pages.paragraph(
            f"Grey values: mean {pixels['mean']:.1f}, standard deviation {pixels['std']:.1f}, "
            f"{pixels['min']} to {pixels['max']}. SHA-256 of the data: {figures['checksum']}.",
            kind="about",
        ),
    ]
    if figures["ferplus"]:
        kept = ", ".join(f"{count:,} of {name}" for name, count in figures["ferplus"]["majority_rows"].items())
        tables.append(pages.paragraph(f"FER+'s majority rule keeps {kept}."))
    return tables
