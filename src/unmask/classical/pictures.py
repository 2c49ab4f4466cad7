"""What each feature sees, as pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unmask import plots
from unmask.classical.base import Images
from unmask.classical.gabor import Gabor
from unmask.classical.gradients import Hog
from unmask.classical.lbp import LbpHistogram, lbp_images
from unmask.classical.pixels import Eigenfaces
from unmask.classical.words import BINS, ORIENTATIONS, VisualWords

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RANKS = (5, 20, 50, 100, 300)


def lbp_before_after(images: Images, captions: Sequence[str] = ()) -> Figure:
    """Faces above, their local binary patterns below."""
    both = [*images, *lbp_images(images)]
    return plots.image_grid(
        both,
        captions=[*captions, *[""] * len(captions)],
        rows=["picture", "patterns"],
        columns=len(images),
        cell=1.2,
    )


def lbp_histogram(image: NDArray[np.uint8]) -> Figure:
    """How often each uniform pattern stands in a face."""
    feature = LbpHistogram(grid=1, root=False).fit(image[None])
    shares = feature.transform(image[None])[0]
    with plots.style():
        figure, axes = plots.new_figure(6.5, 2.4)
        axes.bar(np.arange(59), shares, color=plots.LINE_COLOURS[0])
        axes.set(xlabel="pattern (58: all that change more than twice)", ylabel="share of pixels")
        axes.set_title("Histogram of uniform patterns")
    return figure


def eigenfaces(feature: Eigenfaces, *, count: int = 24) -> Figure:
    """The mean face and the first eigenfaces, with the share of the variance that each explains."""
    faces = list(feature.eigenfaces_[:count])
    return plots.image_grid(
        [feature.mean_face_, *faces],
        captions=["mean", *[f"{number}: {share:.1%}" for number, share in enumerate(feature.explained_[:count], 1)]],
        columns=5,
        title=f"The mean face and the first {len(faces)} eigenfaces, with their share of the variance",
        cell=1.1,
    )


def explained_variance(feature: Eigenfaces) -> Figure:
    """How much of the variance the first so many components explain together."""
    total = np.cumsum(feature.explained_)
    drawn = {"explained": (list(range(1, len(total) + 1)), total.tolist())}
    return plots.lines(drawn, title="Variance explained by the first components", x="components", y="share", log_x=True)


def reconstructions(feature: Eigenfaces, images: Images) -> Figure:
    """Faces as the first so many eigenfaces tell them, and as they are."""
    ranks = [rank for rank in RANKS if rank <= feature.components]
    drawn: list[NDArray[Any]] = []
    for image in images:
        for rank in ranks:
            rebuilt = feature.reconstruct(image[None], rank=rank)[0]
            drawn.append(np.clip(np.rint(rebuilt), 0, 255).astype(np.uint8))
        drawn.append(image)
    captions = [*[f"{rank} components" for rank in ranks], "picture"] * len(images)
    return plots.image_grid(drawn, captions=captions, columns=len(ranks) + 1, title="Reconstructions", cell=1.1)


def hog_glyphs(image: NDArray[np.uint8], *, cell: int = 6, orientations: int = 9) -> Figure:
    """A face, and in each cell the edges that its histogram tells of: across each gradient, darker if stronger."""
    feature = Hog(cell=cell, orientations=orientations).fit(image[None])
    cells = feature.cells(image[None])[0]
    strongest = float(cells.max()) or 1.0
    with plots.style():
        figure, (left, right) = plots.new_figure(6.4, 3.2, rows=1, columns=2)
        left.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        for (row, column, number), strength in np.ndenumerate(cells):
            share = strength / strongest
            if share < 0.02:
                continue
            angle = np.pi * number / orientations + np.pi / 2  # the edge lies across the gradient
            reach = 0.48 * cell
            middle = (column * cell + (cell - 1) / 2, row * cell + (cell - 1) / 2)
            across, down = reach * np.cos(angle), reach * np.sin(angle)
            ends = ([middle[0] - across, middle[0] + across], [middle[1] - down, middle[1] + down])
            right.plot(*ends, color="black", alpha=min(1.0, share**0.5), linewidth=1.4)
        side = len(image)
        right.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5), aspect="equal", title="HOG: edges in each cell")
        left.set_title("picture")
        for axes in (left, right):
            axes.set_xticks([])
            axes.set_yticks([])
    return figure


def gabor_filters(feature: Gabor) -> Figure:
    """The real part of every filter, all on the same ground: a row a wavelength, a column a direction."""
    side = max(len(one) for one in feature.filters_)
    drawn = []
    for kernel in feature.filters_:
        margin = (side - len(kernel)) // 2
        drawn.append(np.pad(kernel.real, margin).astype(np.float64))
    return plots.image_grid(
        drawn,
        rows=[f"{wavelength:g} px" for wavelength in feature.wavelengths],
        columns=feature.orientations,
        title="Gabor filters by wavelength and direction (real part)",
        signed=True,
    )


def gabor_answers(feature: Gabor, image: NDArray[np.uint8]) -> Figure:
    """A face, and how strongly filters of each wavelength answer, summed over directions."""
    answers = feature.answers(image[None])[0]
    sums = answers.reshape(len(feature.wavelengths), feature.orientations, *image.shape).sum(axis=1)
    captions = ["picture", *[f"{wavelength:g} px" for wavelength in feature.wavelengths]]
    drawn = [image, *sums.astype(np.float64)]
    return plots.image_grid(
        drawn, captions=captions, columns=len(drawn), title="Answers of the Gabor filters", cell=1.2
    )


def visual_words(feature: VisualWords, *, count: int = 30) -> Figure:
    """The edges that a word stands for: in each of its four by four places a line across each direction's gradient."""
    from matplotlib.collections import LineCollection

    columns, step = 10, 1.15
    clearest = np.argsort(-(feature.words_**2).std(axis=1))  # words of flat patches have something of everything
    words = feature.words_[clearest][:count]
    edges, shades, frames = [], [], []
    for position, word in enumerate(words):
        left, top = position % columns * step, position // columns * step
        frames.append([(left, top), (left + 1, top), (left + 1, top + 1), (left, top + 1), (left, top)])
        strengths = word.reshape(BINS, BINS, ORIENTATIONS) ** 2
        for (row, column, number), strength in np.ndenumerate(strengths / max(float(strengths.max()), 1e-9)):
            if strength < 0.1:
                continue
            angle = 2 * np.pi * number / ORIENTATIONS + np.pi / 2
            across, down = 0.11 * np.cos(angle), 0.11 * np.sin(angle)
            x, y = left + (column + 0.5) / BINS, top + (row + 0.5) / BINS
            edges.append([(x - across, y - down), (x + across, y + down)])
            shades.append((0.0, 0.0, 0.0, float(strength)))
    with plots.style():
        figure, axes = plots.new_figure(0.8 * columns, 0.8 * -(-len(words) // columns) + 0.4)
        axes.add_collection(LineCollection(frames, colors="#bbbbbb", linewidths=0.6))
        axes.add_collection(LineCollection(edges, colors=shades, linewidths=1))
        axes.autoscale_view()
        axes.set(aspect="equal", title=f"{len(words)} of {len(feature.words_)} visual words: the edges in their places")
        axes.invert_yaxis()
        axes.axis("off")
    return figure


def accuracy_bars(table: Mapping[str, Any]) -> Figure:
    """The mean accuracies of a small table with one standard deviation, beside published ones where there are any."""
    features = list(dict.fromkeys(cell["feature"] for cell in table["cells"]))
    classifiers = list(dict.fromkeys(cell["classifier"] for cell in table["cells"]))
    found = {(cell["feature"], cell["classifier"]): cell for cell in table["cells"]}
    values: dict[str, list[float]] = {}
    errors: dict[str, list[float]] = {}
    for classifier in classifiers:
        cells = [found.get((feature, classifier)) for feature in features]
        values[classifier] = [cell["accuracy"] if cell else math.nan for cell in cells]
        errors[classifier] = [cell["std"] if cell else math.nan for cell in cells]
    width = max(6.0, 0.55 * len(features) * len(classifiers) + 1)
    return plots.bars(
        [feature.replace("_", "\n") for feature in features],
        values,
        errors=errors,
        y="accuracy",
        reference=(table["chance"], "chance"),
        digits=2,
        size=(width, 3.4),
    )
