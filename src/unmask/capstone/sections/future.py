"""The words of future work."""

from __future__ import annotations

from unmask.capstone.sections import Kept, points
from unmask.evaluation.intervals import between
from unmask.pages import Html, paragraph, section, table
from unmask.writing import percent


def parts(kept: Kept) -> list[Html]:
    """What the study hoped for and what came of it."""
    return [*_labels(kept), *_beginnings(kept), *_small(kept), *_film(kept), kept.left_out()]


def _labels(kept: Kept) -> list[Html]:
    if "labels" not in kept.data:
        return []
    figures, compared = kept.data["labels"]["figures"], kept.data["labels"]["comparison"]
    rows = [
        [
            name,
            f"{one['accuracy']:.3f}",
            f"{one['macro_f1']:.3f}",
            f"{one['ece']:.3f}",
            f"{one['fer2013_accuracy']:.3f}",
        ]
        for name, one in (("FER2013's labels", figures["fer2013"]), ("FER+'s votes", figures["ferplus"]))
    ]
    words = (
        "The same network on the same images, once with FER2013's single label and once with the votes of ten people "
        "as soft targets. Measured against the majority of those ten, votes gain "
        f"{points(compared['accuracy_difference'])} points (95 %: {between(compared['interval'], points)}; McNemar p = "
        f"{compared['p_value']:.2g})."
    )
    head = ["learned from", "accuracy", "macro-F1", "calibration error", "against FER2013's labels"]
    caption = f"Against FER+'s majority rule, {figures['ferplus']['n']:,} rows of the 20 %"
    return [section("Better labels", paragraph(words), table(head, rows, caption=caption), level=3)]


def _beginnings(kept: Kept) -> list[Html]:
    if "beginnings" not in kept.data:
        return []
    figures = kept.data["beginnings"]["figures"]
    rows = [
        [
            name,
            f"{one['accuracy']:.3f}",
            between(one["interval"], "{:.3f}".format),
            f"{one['macro_f1']:.3f}",
            f"{one['parameters']:,}",
            f"{one['rate']:g}",
        ]
        for name, one in figures.items()
    ]
    words = (
        "The study hopes that weights trained on faces begin nearer to the goal than weights trained on things. One "
        f"recipe, {kept.data['beginnings']['learned']:,} rows to learn from, three beginnings: ImageNet "
        "(MobileNetV2), faces (MobileNetV1, trained on VGGFace2 to tell people apart), and nothing (MobileNetV2). "
        "The two published networks are of the same size and not of the same design; nobody publishes one design "
        "with both weights."
    )
    head = ["begun from", "accuracy", "95 %", "macro-F1", "parameters", "rate"]
    return [section("Weights trained on faces", paragraph(words), table(head, rows), kept.shown("beginnings"), level=3)]


def _small(kept: Kept) -> list[Html]:
    if "small" not in kept.data:
        return []
    small, own = kept.data["small"], kept.data["small"]["own"]
    rows = [
        [
            small["model"],
            f"{small['parameters']:,}",
            f"{small['figures']['accuracy']:.3f}",
            f"{small['deduplicated']:.3f}",
            f"{small['figures']['macro_f1']:.3f}",
            f"{small['figures']['ece']:.3f}",
        ]
    ]
    if own is not None:
        rows.append(
            [
                "the study's own network",
                f"{small['own_parameters']:,}",
                f"{own['accuracy']:.3f}",
                f"{own['deduplicated']['accuracy']:.3f}",
                f"{own['macro_f1']:.3f}",
                f"{own['ece']:.3f}",
            ]
        )
    words = (
        "The default model inside the package, a small residual network that learned from votes, labels and four "
        "larger networks, on "
        f"{small['figures']['n']:,} rows of PublicTest that neither has learned from: "
        f"{percent(small['figures']['accuracy'], 1)}, {percent(small['deduplicated'], 1)} without copies."
    )
    head = ["model", "parameters", "accuracy", "without copies", "macro-F1", "calibration error"]
    return [section("A better own model", paragraph(words), table(head, rows), level=3)]


def _film(kept: Kept) -> list[Html]:
    if "film" not in kept.data:
        return []
    film = kept.data["film"]
    words = (
        f"{film['source']}: {film['frames']} frames, each with its time, {film['frames_without_a_face']} of them "
        f"without a face. Followed from frame to frame, with smoothed scores: {len(film['people'])} people."
    )
    return [section("Expressions in video", paragraph(words), kept.shown("timeline"), level=3)]
