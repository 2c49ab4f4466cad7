"""Plots in one style, made without a screen and without matplotlib's global state.

Each function returns a matplotlib ``Figure``; :func:`to_svg` and :func:`to_png` make bytes of it, the same bytes for
the same data. Backgrounds are white, so that a plot reads on light and dark pages and on paper.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import MissingExtraError
from unmask.expressions import Expression
from unmask.palette import COLOURS
from unmask.writing import hundredths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#767676")
"""Okabe and Ito's colours in an order that keeps neighbours apart, also in grey."""

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": False,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "legend.frameon": False,
    "svg.hashsalt": "unmask",
    "text.parse_math": False,  # names of data sets and people may hold dollars
    "svg.fonttype": "none",
}


def need_matplotlib() -> None:
    """Raise MissingExtraError where matplotlib is not installed, before there is anything to draw."""
    _matplotlib()


def new_figure(width: float, height: float, *, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """An empty figure of a size in inches (of 100 pixels) and its axes, as ``Figure.subplots`` gives them.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    with style():
        figure = _figure_class()(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, **options)


@contextmanager
def style() -> Iterator[None]:
    """The style, for the time in which axes are made and drawn on."""
    matplotlib = _matplotlib()
    with matplotlib.rc_context(_STYLE):
        yield


def to_svg(figure: Figure) -> bytes:
    """The figure as SVG."""
    return _saved(figure, "svg", metadata={"Date": None, "Creator": None})


def to_png(figure: Figure, *, dpi: int = 150) -> bytes:
    """The figure as PNG."""
    return _saved(figure, "png", dpi=dpi, metadata={"Software": None})


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    title: str = "",
    x: str = "",
    y: str = "",
    log_x: bool = False,
    size: tuple[float, float] = (6.0, 3.2),
) -> Figure:
    """Curves by name, each of its x and y values."""
    with style():
        from matplotlib.ticker import NullFormatter

        figure, axes = new_figure(*size)
        for colour, (name, (xs, ys)) in zip(_cycle(), series.items(), strict=False):
            axes.plot(xs, ys, color=colour, label=name, linewidth=1.5, marker="." if len(xs) < 30 else None)
        axes.set(title=title, xlabel=x, ylabel=y)
        if log_x:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(lambda value, place: f"{value:g}")  # its own labels are formulas
            axes.xaxis.set_minor_formatter(NullFormatter())
        if len(series) > 1:
            axes.legend()
    return figure


def bars(
    groups: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    errors: Mapping[str, Sequence[float]] | None = None,
    title: str = "",
    y: str = "",
    reference: tuple[float, str] | None = None,
    digits: int = 0,
    size: tuple[float, float] = (7.0, 3.2),
) -> Figure:
    """Bars in groups, their values above them.

    Parameters
    ----------
    groups
        Names along the axis. Names of expressions, in a plot of one series, get their own colours.
    series
        A value for each group, by the name of the series; NaN where there is none.
    errors
        Half the length of each bar's whisker.
    reference
        A level to draw across, such as chance, and its name.
    digits
        Decimals of the values.
    """
    with style():
        figure, axes = new_figure(*size)
        place = np.arange(len(groups))
        width = 0.8 / max(len(series), 1)
        by_expression = len(series) == 1 and all(group in COLOURS for group in groups)
        for number, (colour, (name, values)) in enumerate(zip(_cycle(), series.items(), strict=False)):
            colours: Any = [rgb(group) for group in groups] if by_expression else colour
            drawn = axes.bar(
                place + (number - (len(series) - 1) / 2) * width,
                values,
                width * 0.92,
                color=colours,
                label=name,
                yerr=None if errors is None else errors[name],
                error_kw={"elinewidth": 1, "capsize": 2},
            )
            axes.bar_label(
                drawn,
                labels=["" if math.isnan(value) else f"{value:,.{digits}f}" for value in values],
                padding=2,
                fontsize=7.5,
            )
        if reference is not None:
            axes.axhline(reference[0], color="#767676", linewidth=1, linestyle="--")
            axes.annotate(reference[1], (1, reference[0]), xycoords=("axes fraction", "data"), ha="right", va="bottom")
        axes.set_xticks(place, groups)
        axes.set(title=title, ylabel=y)
        axes.margins(y=0.12)
        if len(series) > 1:
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1))  # beside the bars, which fill the axes
    return figure


def confusion(matrix: NDArray[np.integer], labels: Sequence[str], *, title: str = "") -> Figure:
    """Counts ``(C, C)``, rows actual and columns predicted, with totals; the shade is the share of the row."""
    totals = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.maximum(totals, 1)
    with style():
        figure, axes = new_figure(0.75 * len(labels) + 1.8, 0.6 * len(labels) + 1.4)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), count in np.ndenumerate(matrix):
            share = shares[row, column]
            axes.text(
                column,
                row,
                f"{count:,}\n{hundredths(share)}%",
                ha="center",
                va="center",
                color="white" if share > 0.5 else "black",
                fontsize=8,
            )
        names = [f"{label}\n{total:,}" for label, total in zip(labels, matrix.sum(axis=0), strict=True)]
        axes.set_xticks(range(len(labels)), names)
        axes.set_yticks(
            range(len(labels)), [f"{label}\n{int(total):,}" for label, total in zip(labels, totals[:, 0], strict=True)]
        )
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set(xlabel="predicted (with totals)", ylabel="actual (with totals)", title=title)
    return figure


def image_grid(
    images: Sequence[NDArray[Any]],
    *,
    captions: Sequence[str] = (),
    rows: Sequence[str] = (),
    columns: int = 8,
    title: str = "",
    cell: float = 0.9,
    signed: bool = False,
) -> Figure:
    """Pictures in a grid, row by row, every pixel shown as a square.

    Parameters
    ----------
    images
        ``uint8`` grey ``(H, W)`` or RGB ``(H, W, 3)``, or float ``(H, W)``, which is spread over the greys by itself.
    captions
        A line below each picture.
    rows
        Names of the rows, left of them.
    columns
        Pictures in a row.
    cell
        Side of a picture, in inches.
    signed
        Float pictures are shown in red (below 0) and blue (above), white in between.
    """
    count = max(1, -(-len(images) // columns))
    with style():
        height = cell * 1.05 * count + (0.22 * count if captions else 0) + (0.35 if title else 0.05)
        figure, grid = new_figure(cell * 1.05 * columns + (0.9 if rows else 0.05), height, rows=count, columns=columns)
        for number, axes in enumerate(np.atleast_1d(grid).ravel()):
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if number < len(images):
                _show(axes, images[number], signed=signed)
                if captions:
                    axes.set_xlabel(captions[number], fontsize=7, labelpad=2)
            if rows and number % columns == 0 and number // columns < len(rows):
                axes.set_ylabel(rows[number // columns], rotation=0, ha="right", va="center", fontsize=9)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def _show(axes: Any, image: NDArray[Any], *, signed: bool) -> None:
    if image.dtype == np.uint8:
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    elif signed:
        reach = float(np.abs(image).max()) or 1.0
        axes.imshow(image, cmap="RdBu", vmin=-reach, vmax=reach, interpolation="nearest")
    else:
        axes.imshow(image, cmap="gray", interpolation="nearest")


def rgb(name: str) -> tuple[float, float, float]:
    """The colour of an expression, as matplotlib takes it."""
    red, green, blue = COLOURS[Expression(name)]
    return red / 255, green / 255, blue / 255


def _cycle() -> Iterator[str]:
    while True:
        yield from LINE_COLOURS


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # a name in another script
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise MissingExtraError("matplotlib", "plots") from None
    return matplotlib


def _figure_class() -> type[Figure]:
    _matplotlib()
    from matplotlib.figure import Figure

    return Figure
