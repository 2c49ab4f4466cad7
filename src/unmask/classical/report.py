"""The study as one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask import pages, plots
from unmask.classical import pictures
from unmask.classical.base import Images
from unmask.classical.gabor import Gabor
from unmask.classical.pixels import Eigenfaces
from unmask.classical.results import whole_fit_s
from unmask.classical.statistics import LEVEL
from unmask.classical.words import VisualWords
from unmask.datasets import FaceDataset
from unmask.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAD = (
    "What can be read from faces without neural networks: features made by hand or learned without labels, and "
    "classifiers on top of them. Every figure is the label that people gave, not what the person felt."
)


def study_page(results: Mapping[str, Any], figures: Mapping[str, bytes]) -> str:
    """The whole page.

    Parameters
    ----------
    results
        From :func:`unmask.classical.results.collect`.
    figures
        SVG or PNG by name, from :func:`draw_figures`; may be empty.
    """
    parts = [_table_section(table) for table in results["tables"].values()]
    if figures:
        shown = [pages.figure(content, alt=title, caption=title) for title, content in figures.items()]
        parts.append(pages.section("What the features see", *shown))
    about = "; ".join(f"{key.replace('_', '-')} {value}" for key, value in results["about"].items() if value)
    return pages.page("The classical study", *parts, pages.paragraph(about, kind="about"), lead=LEAD)


def _table_section(table: Mapping[str, Any]) -> pages.Html:
    make = _small_parts if table["protocol"] == "small" else _full_parts
    parts = make(table) if table["cells"] else []
    if table["unfinished"]:
        note = f"{table['unfinished']} results are not finished; go on with --resume."
        parts.append(pages.paragraph(note))
    return pages.section(table["title"], *parts)


def _small_parts(table: Mapping[str, Any]) -> list[pages.Html]:
    best = max(range(len(table["cells"])), key=lambda row: table["cells"][row]["accuracy"])
    published = any(cell["published"] is not None for cell in table["cells"])
    head = ["feature", "classifier", "accuracy", "± std", *(["the study's", "within noise"] if published else [])]
    rows = []
    for cell in table["cells"]:
        beside = []
        if published:
            known = cell["published"] is not None
            beside = (
                [f"{cell['published']:.2f}", "yes" if cell["published_within_noise"] else "no"] if known else ["", ""]
            )
        above = cell["p_above_chance"]
        rows.append(
            [
                cell["feature"],
                cell["classifier"],
                f"{cell['accuracy']:.3f}",
                f"{cell['std']:.3f}",
                *beside,
                f"{cell['macro_f1']:.3f}",
                "" if above is None else "yes" if above < LEVEL else "no",
                f"{cell['fit_s']:.1f}",
            ]
        )
    caption = (
        f"{table['train']} images to train on, {table['validate']} to validate on; mean and standard deviation over "
        f"{table['draws']} draws; chance {table['chance']:.3f}. A published value is within noise if it could be one "
        "more of our draws (95 % prediction interval)."
    )
    return [
        pages.table([*head, "macro-F1", "above chance", "seconds"], rows, caption=caption, best=[best]),
        pages.figure(plots.to_svg(pictures.accuracy_bars(table)), alt="The accuracies of the table as bars"),
        pages.paragraph(table["in_words"]),
    ]


def _full_parts(table: Mapping[str, Any]) -> list[pages.Html]:
    cells = sorted(table["cells"], key=lambda cell: -cell["accuracy"])
    rows = [
        [
            cell["feature"],
            cell["classifier"],
            f"{cell['accuracy']:.4f}",
            f"{cell['deduplicated']['accuracy']:.4f}",
            f"{cell['macro_f1']:.3f}",
            f"{cell['ece']:.3f}",
            f"{cell['dimensions']:,}",
            f"{whole_fit_s(cell):,.0f}",
            f"{cell['predict_us']:,.0f}",
            f"{cell['bytes'] / 1e6:,.1f}",
        ]
        for cell in cells
    ]
    head = ["feature", "classifier", "accuracy", "without copies", "macro-F1", "calibration error", "dimensions"]
    caption = (
        f"Learned from Training, measured on {table['split']} ({cells[0]['n']:,} rows; "
        f"{cells[0]['deduplicated']['n']:,} without those whose pixels also stand in Training). Seconds of feature, "
        "search and fit; microseconds to decide on one face, feature included; megabytes that the fitted model holds."
    )
    best = cells[0]
    drawn = plots.confusion(
        np.array(best["confusion"]), best["labels"], title=f"{best['feature']}, {best['classifier']}"
    )
    return [
        pages.table([*head, "fit s", "µs a face", "MB"], rows, caption=caption, best=[0]),
        pages.figure(plots.to_svg(drawn), alt="The confusion matrix of the best cell of the table"),
    ]


def draw_figures(
    dataset: FaceDataset, example: Images, *, with_faces: bool, left_out: Callable[[str], object] = lambda line: None
) -> dict[str, bytes]:
    """A picture of each feature, by its title.

    Parameters
    ----------
    dataset
        Its Training rows give eigenfaces and words.
    example
        One face, ``uint8 (1, 48, 48)``, that stands for all where a single face is shown.
    with_faces
        Also show single faces of the data set, before and after. Such a page must not be published where the data
        set's terms forbid it, as FER2013's do.
    left_out
        Called with a line of text for each picture whose feature does not suit crops of this size.
    """
    training = dataset.split("Training")
    some = training.images[:6000]

    @cache
    def eigenfaces() -> Eigenfaces:
        return Eigenfaces(components=max(1, min(300, len(some) - 1, some[0].size))).fit(some)

    shown, captions = example, [""]
    if with_faces:
        codes = [int((training.labels == code).argmax()) for code in range(len(dataset.taxonomy))]
        shown, captions = training.images[codes], [str(label) for label in dataset.taxonomy.labels]

    def words() -> Figure:
        return pictures.visual_words(VisualWords(words=64, widths=(4.0,), stride=4).fit(some))

    drawings: dict[str, Callable[[], Figure]] = {
        "Local binary patterns before and after": lambda: pictures.lbp_before_after(shown, captions),
        "Histogram of uniform patterns of one face": lambda: pictures.lbp_histogram(example[0]),
        "Mean face and eigenfaces": lambda: pictures.eigenfaces(eigenfaces()),
        "Explained variance": lambda: pictures.explained_variance(eigenfaces()),
        "Reconstructions from a few components": lambda: pictures.reconstructions(eigenfaces(), shown[:3]),
        "Histograms of oriented gradients": lambda: pictures.hog_glyphs(example[0]),
        "Gabor filters": lambda: pictures.gabor_filters(Gabor().fit(some[:1])),
        "Gabor answers": lambda: pictures.gabor_answers(Gabor().fit(some[:1]), example[0]),
        "Visual words": words,
    }
    many_lines = {"Visual words"}  # thousands of short ones: as SVG ten times as large
    drawn = {}
    for title, draw in drawings.items():
        try:
            drawn[title] = (plots.to_png if title in many_lines else plots.to_svg)(draw())
        except ConfigError as error:
            left_out(f"no picture '{title}': {error}")
    return drawn
