"""The words of the VGG-19 step."""

from __future__ import annotations

from unmask.capstone.interactive import matrix
from unmask.capstone.published import CONFUSION, LABELS, MOST_CONFUSED
from unmask.capstone.sections import Kept, loss_captions, tenths, words_table
from unmask.evaluation.intervals import between
from unmask.pages import Html, paragraph, section, table
from unmask.writing import percent


def parts(kept: Kept) -> list[Html]:
    """Weights, rates, losses, confusion, pairs, worst rows; or what is missing."""
    study = [
        section(
            "The study's matrix",
            matrix(CONFUSION, LABELS, caption="The study's VGG-19: 3,976 of 5,741 right, 69.3 %; macro-F1 .675"),
            level=3,
        )
    ]
    if "vgg19" not in kept.data:
        return [kept.left_out(), *study]
    data, figures = kept.data, kept.data["vgg19"]
    return [
        paragraph(
            f"A network that has learned to tell a thousand kinds of things apart ({data['parameters']:,} parameters) "
            "begins with eyes that are good for faces too. It gets a new head, which learns alone at first while the "
            "body is frozen; then everything learns, early layers more slowly. The rate rises and falls once (one "
            "cycle). Like all networks here it is trained with PyTorch."
        ),
        paragraph(f"The weights here: {data['weights']}.", kind="about"),
        section("Which rate", *_rates(kept), level=3),
        section(
            "Losses by epoch",
            _history(kept),
            kept.shown("curves"),
            kept.beside("tuning_training", "tuning"),
            level=3,
        ),
        section("Confusion", *_confusion(kept), level=3),
        *study,
        section("Most confused", _pairs(kept), level=3),
        section(
            "Top losses",
            paragraph(
                "The rows that are most wrong by their label; orange is what the answer, not the label, rests on "
                "(Grad-CAM). Some of the labels are wrong themselves, which is the question of the section on "
                "cleaning."
            ),
            kept.tiles("vgg19_losses", loss_captions(figures["top_losses"]), side=96),
            level=3,
        ),
        section(
            "How far the scores can be trusted",
            kept.shown("vgg19_reliability"),
            paragraph(f"Expected calibration error: {figures['ece']:.3f}."),
            level=3,
        ),
    ]


def _rates(kept: Kept) -> list[Html]:
    data, finder = kept.data, kept.data["finder"]
    rows: list[list[str]] = []
    best: list[int] = []
    for stage, name in (("frozen", "head alone"), ("unfrozen", "everything")):
        for one in data["tuning"][stage]:
            for epoch in one["history"]:
                if one["rate"] == data["best_rate"][stage]:
                    best.append(len(rows))
                losses = (f"{epoch['train_loss']:.3f}", f"{epoch['holdout_loss']:.3f}")
                rows.append([name, f"{one['rate']:g}", str(epoch["epoch"]), *losses])
    return [
        paragraph(
            "The finder lets the rate grow until the loss explodes; a good peak is some way before that. It suggests "
            f"{finder['frozen']:.2g} with the body frozen and {finder['unfrozen']:.2g} with everything learning. Then "
            "rates are tried and compared on rows that are held out of the 80 %, never on the 20 % that is measured "
            "on: the study tunes and reports on the same rows. They also choose the epoch that is kept, number "
            f"{data['kept_epoch']} of those in which everything learns."
        ),
        kept.beside("finder_frozen", "finder_unfrozen"),
        table(
            ["what learns", "peak of the rate", "epoch", "training loss", "held-out loss"],
            rows,
            caption="Rates that were tried; the bold ones went on",
            best=best,
        ),
    ]


def _history(kept: Kept) -> Html:
    rows = [
        [
            f"{name} {record['epoch']}",
            f"{record['train_loss']:.3f}",
            f"{record['holdout_loss']:.3f}",
            percent(record["holdout_fer2013"], 1),
            f"{record['seconds']:,.0f}",
        ]
        for stage, name in (("frozen", "head alone"), ("unfrozen", "everything"))
        for record in kept.data["history"][stage]
    ]
    return table(["epoch", "training loss", "held-out loss", "held-out accuracy", "seconds"], rows)


def _confusion(kept: Kept) -> list[Html]:
    figures = kept.data["vgg19"]
    row = kept.result.values["vgg19.accuracy"]
    words = (
        f"{percent(row['value'], 1)} right (95 %: {between(row['interval'], tenths)}), macro-F1 "
        f"{figures['macro_f1']:.3f}, where the study has 69.3 % and .675. {row['protocol']}."
    )
    if row["mended"]:
        words += f" {row['mended']['quantity'].capitalize()}: {percent(row['mended']['value'], 1)}."
    if kept.quick:
        words += " Quick: a few hundred rows and an epoch; the full run is what compares with the study."
    caption = f"Ours: {figures['n']:,} rows.{kept.mark}"
    return [
        paragraph(words),
        matrix(figures["confusion"], figures["labels"], caption=caption, sprites=kept.content("vgg19_cells")),
    ]


def _pairs(kept: Kept) -> Html:
    ours = kept.data["vgg19"]["most_confused"][:5]
    pairs = zip(MOST_CONFUSED, ([pair[key] for key in ("actual", "predicted", "count")] for pair in ours), strict=False)
    rows = [[str(place), *(f"{a}, read as {b}: {n}" for a, b, n in both)] for place, both in enumerate(pairs, start=1)]
    return words_table(["", "the study", "ours"], rows)
