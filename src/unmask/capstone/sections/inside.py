"""The words of the look inside: maps of a face, and what each kind of layer does."""

from __future__ import annotations

from unmask.capstone.sections import Kept
from unmask.pages import Html, paragraph, section
from unmask.writing import percent


def parts(kept: Kept) -> list[Html]:
    """Feature maps of one surprised face and of the mean one, then six lessons."""
    face = kept.data["face"]
    silent = sum(block["silent_channels"] for block in face["blocks"])
    channels = sum(block["shape"][0] for block in face["blocks"])
    return [
        section(
            "One surprised face through four blocks",
            paragraph(
                f"The image labelled surprise of which the network is surest ({percent(face['probability'], 1)}). In "
                "the first block one can still see the face: edges, light, dark. With each block the maps get "
                f"smaller and say less where and more what. {silent} of the {channels} maps are silent for this face."
            ),
            kept.shown("heat"),
            kept.beside("maps_1", "maps_2", "maps_3", "maps_4"),
            level=3,
        ),
        section(
            "The mean surprised face",
            kept.beside("mean_maps_1", "mean_maps_2", "mean_maps_3", "mean_maps_4"),
            kept.shown("filters"),
            level=3,
        ),
        *[
            section(title, paragraph(words), kept.shown(f"lesson_{name}"), level=3)
            for title, name, words in _lessons(kept)
        ],
    ]


def _lessons(kept: Kept) -> list[tuple[str, str, str]]:
    told = kept.data["lessons"]
    padding, zeros = told["padding"], list(told["relu"]["zeros"].values())
    last = list(padding["shares"].values())
    norm, residual = told["batch_norm"], told["residual"]
    lost = {name: residual["accuracy"] - value for name, value in residual["without"].items()}
    most = max(lost, key=lambda name: lost[name])
    return [
        (
            "Stride",
            "stride",
            "A convolution lays a small kernel on the image, multiplies, adds up, and moves on. With stride 2 it "
            "moves on by two pixels: the map has a quarter of the places, and the work is divided "
            f"by {told['stride']['work']:.0f}. Nothing else changes: the map of stride 2 is every "
            f"second place of the map of stride 1 (largest difference {told['stride']['difference']:.1g}).",
        ),
        (
            "Padding",
            "padding",
            "At the edge a kernel of 3 x 3 hangs over by one pixel; zeros are put there so that maps do not shrink. "
            f"On the first map {percent(last[0])} of the outputs see such zeros, on the last all of them. There "
            f"eight of nine taps see nothing else: {padding['unseen']:,} parameters. Set to 0, they change no answer "
            f"(largest difference {padding['difference']:.1g}). Training has not moved them by what faces look like, "
            "only by weight decay.",
        ),
        (
            "ReLU",
            "relu",
            "ReLU keeps what is above 0 and writes 0 for the rest. Without it all layers together would be one "
            f"linear map, and no deeper than one layer. Here it cuts off between {percent(min(zeros))} and "
            f"{percent(max(zeros))} of what the convolutions give.",
        ),
        (
            "Pooling",
            "pooling",
            "Of 2 x 2 places the largest goes on, so it no longer matters where exactly something was found. In this "
            "network it is the last step in space: left or right, above or below is forgotten after it.",
        ),
        (
            "Batch normalisation",
            "batch_norm",
            "Each channel is brought to mean 0 and spread 1 over the batch, then to a mean and a spread that are "
            f"learned. Before it, the widest channel of this layer spreads {norm['spread_ratio_before']:.1f} times as "
            f"far as the narrowest; after it, {norm['spread_ratio_after']:.1f} times. Rates can be higher, and no "
            "channel drowns the others.",
        ),
        (
            "Residual blocks",
            "residual",
            "A residual block adds what two convolutions make of its input to that input. So it can do nothing at no "
            "cost, learns corrections, and lets the gradient pass. Taken away after training, one at a time, they "
            f"are missed: without {most} the accuracy on {kept.data['lesson_faces']:,} faces falls from "
            f"{residual['accuracy']:.2f} to {residual['without'][most]:.2f}.",
        ),
    ]
