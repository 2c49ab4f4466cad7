"""The words of the classical step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unmask.capstone.interactive import slider
from unmask.capstone.sections import Kept
from unmask.classical.results import whole_fit_s
from unmask.pages import Html, paragraph, section, table
from unmask.writing import percent


def parts(kept: Kept) -> list[Html]:
    """The table of nine, its noise, eigenfaces, patterns, and what better features give."""
    tables = kept.data["tables"]
    small = tables["study"]
    return [
        paragraph(
            f"Classical models are slow on many rows and need balanced ones, so the study draws {small['train'] // 7} "
            f"images of each class to train on and {small['validate'] // 7} others of each to validate on: "
            f"{small['train']} and {small['validate']}, shuffled. Each model's settings are chosen by a grid search, "
            "cross-validated inside the images to train on. Features are found without labels (pixels, principal "
            "components, patterns); the models on top of them learn from labels."
        ),
        _small(small),
        kept.shown("study_bars"),
        section("A weakness: differences smaller than chance", *_noise(small), level=3),
        section("Eigenfaces", *_eigenfaces(kept), level=3),
        section("Local binary patterns", *_patterns(kept, tables.get("better")), level=3),
        *_better(kept, tables.get("better")),
        *_whole(tables.get("whole")),
    ]


def _small(small: Mapping[str, Any]) -> Html:
    rows = [
        [
            cell["feature"].replace("_", " "),
            cell["classifier"],
            "" if cell["published"] is None else f"{cell['published']:.2f}",
            f"{cell['accuracy']:.3f}",
            f"{cell['std']:.3f}",
            {True: "yes", False: "no", None: ""}[cell["published_within_noise"]],
            f"{cell['macro_f1']:.3f}",
            f"{cell['fit_s']:.1f}",
        ]
        for cell in small["cells"]
    ]
    caption = (
        f"Mean and standard deviation over {small['draws']} draws; chance is {small['chance']:.3f}. Within noise: the "
        "study's value could be one more of our draws. Seconds: search and fit of one draw."
    )
    head = ["feature", "model", "the study", "ours", "± std", "within noise", "macro-F1", "seconds"]
    return table(head, rows, caption=caption)


def _noise(small: Mapping[str, Any]) -> list[Html]:
    spread = sum(cell["std"] for cell in small["cells"]) / len(small["cells"])
    return [
        paragraph(
            f"The study reads one draw of {small['validate']} images. With so few, an accuracy of .25 has a standard "
            f"deviation of .023 from the images to validate on alone; over our {small['draws']} draws it is "
            f"{spread:.3f} on average. So .25 and .26 are the same number, and the study's order of its models is "
            "mostly luck."
        ),
        paragraph(small["in_words"]),
    ]


def _eigenfaces(kept: Kept) -> list[Html]:
    explained = kept.data["explained"]
    most = max(explained, key=int)
    found = [
        paragraph(
            f"Principal components of faces are faces themselves. The first explains {percent(explained['1'])} of "
            f"all differences between the images (light from the left or from the right), {most} together "
            f"{percent(explained[most])}. Move the slider: light and pose come back first, the expression last. "
            "What explains most of the pixels says little about the expression, which is why models on components "
            "are no better than models on pixels."
        )
    ]
    sheet = kept.content("slider")
    if sheet is not None:
        found.append(slider(sheet, kept.data["slider"]["ranks"], kept.data["slider"]["faces"]))
        found.append(Html(f'<div class="paper">{kept.shown("reconstructions")}</div>'))
    return [*found, kept.shown("eigenfaces", "explained_variance")]


def _patterns(kept: Kept, better: Mapping[str, Any] | None) -> list[Html]:
    mended = [cell for cell in (better or {"cells": []})["cells"] if cell["feature"] == "lbp_histogram"]
    found = [
        paragraph(
            "Around each pixel, beginning left-top and going round: a centre greater than its neighbour writes 0, "
            "otherwise 1; the eight digits are one number. On the 3 x 3 patch [9 9 1, 1 5 1, 1 5 1] that is "
            f"11000100, {kept.data['lbp_check']}."
        ),
        kept.shown("lbp", "lbp_of_means"),
        paragraph(
            "A weakness: the study gives these numbers to its models as if they were grey values. But they are "
            "names: 127 and 128 differ in every digit. Counting how often each name stands in each cell of a grid "
            "keeps what they say."
        ),
        kept.shown("lbp_histogram"),
    ]
    if mended:
        best = max(mended, key=lambda cell: float(cell["accuracy"]))
        found.append(
            paragraph(
                f"Mended, on the same images: {best['accuracy']:.3f} ± {best['std']:.3f} with {best['classifier']} on "
                f"{kept.data['lbp_dimensions']:,} counts, where the study's pattern images give .18 to .21."
            )
        )
    return found


def _better(kept: Kept, better: Mapping[str, Any] | None) -> list[Html]:
    if better is None:
        return []
    words = paragraph(
        "The images are not the limit: features that count edges and patterns in cells find much more in the same ones."
    )
    return [
        section("The same images, better features", words, _small(better), kept.shown("better_bars", "hog"), level=3)
    ]


def _whole(whole: Mapping[str, Any] | None) -> list[Html]:
    if whole is None:
        return []
    rows = [
        [
            cell["feature"].replace("_", " "),
            cell["classifier"].replace("_", " "),
            f"{cell['accuracy']:.3f}",
            f"{cell['deduplicated']['accuracy']:.3f}",
            f"{cell['macro_f1']:.3f}",
            f"{whole_fit_s(cell):,.0f}",
        ]
        for cell in sorted(whole["cells"], key=lambda cell: -float(cell["accuracy"]))
    ]
    head = ["feature", "model", "accuracy", "without copies", "macro-F1", "seconds"]
    caption = "Learned from the whole 80 %, measured on the 20 %, all copies of an image on one side"
    return [section("All rows", table(head, rows, caption=caption), level=3)]
