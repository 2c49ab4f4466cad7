"""The words of the data step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unmask.capstone.sections import Kept
from unmask.pages import Html, paragraph, section, table
from unmask.writing import percent


def parts(kept: Kept) -> list[Html]:
    """Counts, first rows, faces, imbalance, copies, augmentation."""
    described, found = kept.data["description"], kept.data["audit"]
    splits = described["splits"]
    counts = [
        [f"{code} {label}", *(f"{split['classes'][label]:,}" for split in splits.values())]
        for code, label in described["codes"].items()
    ]
    counts.append(["in all", *(f"{split['rows']:,}" for split in splits.values())])
    first = [
        [
            f"{row['label']} {described['codes'][str(row['label'])]}",
            str([float(v) for v in row["pixels"]])[:-1] + ", ...]",
        ]
        for row in described["first_rows"]
        if row["label"] >= 0
    ]
    copies = kept.result.values["data.copies"]
    return [
        paragraph(
            f"{described['name']} is {described['rows']:,} grey faces of 48 x 48 pixels, each with the label that one "
            "person gave it. The study draws a fifth of the labelled rows at random to validate on and trains on the "
            f"rest: {kept.value('data.training'):,} and {kept.value('data.validation'):,} rows."
        ),
        table(["code and class", *splits], counts, caption="Images by class and split"),
        kept.shown("classes"),
        paragraph(
            "The classes are far from even: there are sixteen happy faces for each disgusted one. A model that always "
            "answers happy is right one time in four, so accuracy alone flatters; macro-F1, the mean over the classes, "
            "stands beside it everywhere below."
        ),
        kept.shown("samples", "mean_faces"),
        section(
            "What a row looks like",
            table(["label", "pixels"], first, caption="The first rows as lists of floats, as the study shows them"),
            level=3,
        ),
        section(
            "A weakness: copies on both sides",
            paragraph(
                f"{found['exact_copies']:,} of the images are exact copies of an earlier one. Drawn plainly at "
                f"random, {percent(copies['value'], 1)} of the validation images stand among the training images too "
                f"(ten draws: {percent(min(copies['draws']), 1)} to {percent(max(copies['draws']), 1)}), and a model "
                "that remembers them looks better than it is. Mended: all copies of an image on one side leave "
                f"{percent(copies['mended']['value'], 1)}. Below, a network's accuracy is given without such rows too, "
                "or measured with all copies on one side."
            ),
            paragraph(audited(found)),
            level=3,
        ),
        *_agreement(kept),
        section("Augmentation", *_augmentation(kept), level=3),
    ]


def audited(found: Mapping[str, Any]) -> str:
    """What an audit found besides, in a sentence."""
    told = [f"{found['exact_copies']:,} exact copies", f"{found['blank']:,} blank pictures"]
    if found["near_copies"] is not None:
        told.append(f"{found['near_copies']:,} pairs of near copies (the same photograph cut or marked a little)")
    if found["not_a_face"] is not None:
        told.append(f"{found['not_a_face']:,} pictures in which no tagger of FER+ saw a face")
    told.append(f"{found['conflicting_groups']:,} groups of copies whose labels contradict each other")
    return f"The audit finds, in {found['images']:,} pictures, {', '.join(told[:-1])}, and {told[-1]}."


def _agreement(kept: Kept) -> list[Html]:
    if "agreement" not in kept.data:
        return []
    plurality = kept.data["agreement"]["plurality"]
    words = paragraph(
        "Ten other people looked at the same images for FER+. FER2013's label is what most of them say in "
        f"{percent(plurality['agree'], 1)} of {plurality['rows']:,} images. No accuracy on these labels can be read "
        "without that number beside it."
    )
    return [section("How far the labels can be trusted", words, kept.shown("agreement"), level=3)]


def _augmentation(kept: Kept) -> list[Html]:
    used = kept.data["augmentation"]
    return [
        paragraph(
            f"Each epoch sees each face anew: turned by up to {used['rotation']:.0f} degrees, zoomed by up to "
            f"{percent(used['zoom'])}, shifted by up to {percent(used['shift'])} of its side, tilted "
            "(symmetric warp), lighter or darker, with more or less contrast, and mirrored half of the time. What "
            f"lies beyond the edge is filled by {used['padding']}. The gallery shows every ingredient alone."
        ),
        kept.shown("augmentation", "augmented_faces"),
    ]
