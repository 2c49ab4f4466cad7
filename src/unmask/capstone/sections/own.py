"""The words of the own network's step."""

from __future__ import annotations

from unmask.capstone.interactive import matrix
from unmask.capstone.sections import Kept, loss_captions, tenths
from unmask.evaluation.intervals import between
from unmask.pages import Html, paragraph, section, table
from unmask.writing import percent


def parts(kept: Kept) -> list[Html]:
    """What it is made of, how it learned, what it confuses, and its dead half."""
    figures, row = kept.data["own"], kept.result.values["own.accuracy"]
    words = (
        f"Trained on 80 % and measured on 20 %, drawn plainly as the study did ({_splits(len(row['draws']))}): "
        f"{percent(row['value'], 1)} on average, where the study has 61 %. On the first split the 95 % interval is "
        f"{between(figures['intervals']['accuracy'], tenths)}, macro-F1 {figures['macro_f1']:.3f}."
    )
    return [
        paragraph(
            "The study's own network brings the map from 48 pixels to one in six steps: four blocks of a convolution "
            "of stride 2 and a residual block (8, 16, 32 and 64 channels), one more convolution (128) and a pooling. "
            "A last convolution (256) works on that single pixel, then two linear layers. "
            f"{kept.value('own.convolutions')} convolutions, {kept.value('own.linear')} linear layers, "
            f"{kept.value('own.parameters'):,} parameters: about a fortieth of VGG-19."
        ),
        paragraph(words),
        _runs(kept),
        kept.shown("curves"),
        section(
            "Confusion",
            matrix(
                figures["confusion"],
                figures["labels"],
                caption=f"The own network, first split: {figures['n']:,} rows.{kept.mark}",
                sprites=kept.content("own_cells"),
            ),
            level=3,
        ),
        section("Top losses", kept.tiles("own_losses", loss_captions(figures["top_losses"]), side=96), level=3),
        section("How far the scores can be trusted", kept.shown("own_reliability"), level=3),
        section("Layer by layer", *_layers(kept), level=3),
    ]


def _splits(count: int) -> str:
    return "one split" if count == 1 else f"{count} splits"


def _runs(kept: Kept) -> Html:
    names = {"parted": "plainly drawn (the study)", "together": "all copies on one side (mended)"}
    rows = []
    for way, runs in kept.data["runs"].items():
        for run in runs:
            apart = run["deduplicated"]
            rows.append(
                [
                    names[way],
                    str(run["seed"]),
                    f"{run['accuracy']:.3f}",
                    "" if apart is None else f"{apart['accuracy']:.3f}",
                    f"{run['macro_f1']:.3f}",
                    f"{run['ece']:.3f}",
                    f"{sum(record['seconds'] for record in run['history']):,.0f}",
                ]
            )
    head = ["split", "seed", "accuracy", "without copies", "macro-F1", "calibration error", "seconds"]
    caption = "Each seed draws its own split and its own first weights; the last epoch is kept, none is picked"
    return table(head, rows, caption=caption)


def _layers(kept: Kept) -> list[Html]:
    head, *rows = kept.data["layers"]
    rows = [row for row in rows if row[1] not in ("relu", "dropout", "flatten")]
    unseen, mended = kept.value("own.unseen"), kept.result.values["own.unseen"]["mended"]
    return [
        paragraph(
            f"A weakness: {percent(unseen, 1)} of the parameters never meet a face. The last convolution slides over a "
            "map of one pixel, so eight of its nine taps only ever see padding; the section on the inside sets them "
            "to 0 and gets the same answers. Mended: a 1 x 1 convolution there computes the same with "
            f"{mended['value']:,} parameters."
        ),
        table(head, rows, best=[len(rows) - 1], caption="Without ReLU, dropout and flattening, which learn nothing"),
    ]
