"""An explanation as one HTML page, its pictures and its data."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.explain.base import Layer
from unmask.explain.drawing import filter_mosaic, map_mosaic, overlay
from unmask.explain.explanation import Explanation
from unmask.images import encoded
from unmask.pages import Html, figure, gallery, page, paragraph, section, table
from unmask.writing import disk_errors, hundredths, percent, write_whole

PAGE, DATA = "explanation.html", "explanation.json"

_HEAT_WORDS = {
    "grad-cam": (
        "Grad-CAM",
        "The maps of block {block}, weighted by what each gains the label. Orange speaks for it.",
    ),
    "occlusion": (
        "Occlusion",
        "What the label's probability loses when a patch of 8 x 8 pixels is covered. Orange speaks for the label; blue "
        "marks where covering the face makes the label likelier.",
    ),
}

_OURS = re.compile(r"filters|(?:maps|heat)_.+")  # pictures whose names depend on the model and on what was asked for

_LEAD = (
    "What the network computes from this one face. Heat shows which pixels the answer rests on, not whether the answer "
    "is right, and not what the person feels."
)


def pictures(explanation: Explanation) -> dict[str, NDArray[np.uint8]]:
    """Every picture by the name of its file without ending: face, filters, maps of each block, heat of each method."""
    maps = map(map_mosaic, explanation.maps.values())
    heat = (heat_picture(explanation, method) for method in explanation.heat)
    filters = [filter_mosaic(explanation.filters)] if len(explanation.filters) else []
    drawn = [explanation.crop, *filters, *maps, *heat]
    return dict(zip(_picture_names(explanation), drawn, strict=True))


def file_names(explanation: Explanation) -> list[str]:
    """Every file that :func:`write_explanation` writes into a folder."""
    return [PAGE, DATA, *(f"{name}.png" for name in _picture_names(explanation))]


def _picture_names(explanation: Explanation) -> list[str]:
    maps = [f"maps_{number}_{_file_name(name)}" for number, name in enumerate(explanation.maps, start=1)]
    filters = ["filters"] if len(explanation.filters) else []
    return ["face", *filters, *maps, *(f"heat_{_file_name(method)}" for method in explanation.heat)]


def heat_picture(explanation: Explanation, method: str, code: int | None = None) -> NDArray[np.uint8]:
    """Heat of one class, the answer's by default, over the face."""
    heat = explanation.heat[method]
    return overlay(explanation.crop, heat[explanation.answer if code is None else code])


def write_explanation(folder: Path, explanation: Explanation, *, source: str) -> Path:
    """Write the page, its data and its pictures into a folder, and return the page's path.

    Parameters
    ----------
    source
        Where the face came from, as the page says it.

    Raises
    ------
    InputError
        The disk does not take them.
    """
    drawn = pictures(explanation)
    if (folder / DATA).is_file():  # of an earlier explanation, perhaps of another model with other layers
        for old in folder.glob("*.png"):
            if _OURS.fullmatch(old.stem) and old.stem not in drawn:
                with disk_errors(old):
                    old.unlink()
    for name, pixels in drawn.items():
        write_whole(folder / f"{name}.png", png(pixels))
    write_whole(folder / DATA, json.dumps({"source": source, **explanation.to_json()}, indent=2) + "\n")
    write_whole(folder / PAGE, explanation_page(explanation, source=source))
    return folder / PAGE


def explanation_page(explanation: Explanation, *, source: str) -> str:
    """The page as HTML."""
    labels = explanation.taxonomy.labels
    answer = labels[explanation.answer]
    scores = sorted(zip(labels, explanation.probs, strict=True), key=lambda pair: -pair[1])
    return page(
        f"How {explanation.model} reads a face",
        section(
            f"The answer: {answer}",
            figure(
                overlay(explanation.crop, np.zeros(explanation.crop.shape)),
                alt="the face as the network sees it",
                caption=f"{source}, as the network sees it: {explanation.crop.shape[1]} x "
                f"{explanation.crop.shape[0]} grey pixels.",
                width=192,
            ),
            table(["label", "score"], [[label, f"{hundredths(share, 1)} %"] for label, share in scores], best=[0]),
        ),
        section("Where the answer comes from", *_heat_parts(explanation)),
        *([section("What the blocks see", *_map_parts(explanation))] if explanation.maps else []),
        *_filter_part(explanation),
        section("Layers", paragraph(UNSEEN, kind="about"), layer_html(explanation.layers)),
        lead=_LEAD,
        style="td { white-space: nowrap; }\nmain > section:last-child :is(td, th):nth-child(2) { text-align: left; }\n",
    )


def _filter_part(explanation: Explanation) -> list[Html]:
    """The section of the first convolution; none where there is none."""
    filters = explanation.filters
    if not len(filters):
        return []
    shown = figure(
        filter_mosaic(filters),
        alt="small grids of weights",
        caption=f"{len(filters)} kernels of {filters.shape[2]} x {filters.shape[3]} weights, all in one scale: "
        "orange above 0, blue below, white 0.",
        width=min(960, 60 * len(filters)),
    )
    return [section("The first layer's filters", shown)]


def layer_html(layers: Sequence[Layer]) -> Html:
    """The layers as a table with totals."""
    rows = [[layer.name, *cells(layer)] for layer in layers]
    return table(["layer", *COLUMNS], [*rows, ["in all", *totals(layers)]], best=[len(rows)])


COLUMNS = ("what", "output", "parameters", "multiply-adds", "unseen")
UNSEEN = "Unseen parameters only ever meet the padding around a map, so no face can change what they do."


def cells(layer: Layer) -> list[str]:
    """A layer's cells below :data:`COLUMNS`; what is 0 stays empty."""
    numbers = (layer.parameters, layer.macs, layer.unseen)
    return [layer.kind, " x ".join(map(str, layer.shape)), *(f"{number:,}" if number else "" for number in numbers)]


def totals(layers: Sequence[Layer]) -> list[str]:
    """The sums below :data:`COLUMNS`."""
    sums = (sum(getattr(layer, name) for layer in layers) for name in ("parameters", "macs", "unseen"))
    return ["", "", *(f"{number:,}" for number in sums)]


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels as a PNG file."""
    return encoded(pixels, "PNG", optimize=True)


def _heat_parts(explanation: Explanation) -> list[Html]:
    labels, parts = explanation.taxonomy.labels, []
    for method, heat in explanation.heat.items():
        title, words = _HEAT_WORDS.get(method, (method, "Orange speaks for the label, blue against it."))
        reach = float(np.abs(heat).max())  # one scale for all classes of a method
        items = [
            (overlay(explanation.crop, heat[code], reach=reach), f"{labels[code]} {percent(explanation.probs[code])}")
            for code in np.argsort(-explanation.probs).tolist()
        ]
        parts += [
            section(title, paragraph(words.format(block=explanation.heat_block)), gallery(items, side=104), level=3)
        ]
    return parts


def _map_parts(explanation: Explanation) -> list[Html]:
    parts = [
        paragraph(
            "Each tile is one channel, from its own lowest value (black) to its highest (white). A tile that is black "
            "all over is silent: 0 everywhere for this face."
        )
    ]
    for name, maps in explanation.maps.items():
        channels, height, width = maps.shape
        silent = explanation.silent_channels(name)
        parts.append(
            figure(
                map_mosaic(maps),
                alt=f"{channels} small grey maps",
                caption=f"{name}: {channels} channels of {height} x {width}"
                + (f", {silent} of them silent." if silent else "."),
            )
        )
    return parts


def _file_name(name: str) -> str:
    """A layer's or method's name as part of a file's name."""
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in name)
