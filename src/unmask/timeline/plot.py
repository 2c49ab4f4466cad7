"""The timeline as a plot: a row for each person, its scores stacked, its events above them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.errors import ConfigError, suggest
from unmask.plots import new_figure, rgb, style, to_png, to_svg
from unmask.timeline.people import FilmSummary, Person
from unmask.writing import printable, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_ROWS = 12
"""People in one plot, those who are seen longest."""

_SUFFIXES = (".png", ".svg")
_POINTS = 2000  # of a person's course
_EVENTS = 1.22  # height of the bars that stand for events


def timeline_format(path: Path) -> str:
    """The suffix of a timeline's file. Raises ConfigError for other ones than PNG and SVG."""
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ConfigError(f"{path}: a timeline is PNG or SVG; {suggest(suffix, _SUFFIXES)}")
    return suffix


def check_timeline(path: Path) -> None:
    """Raise before anything is read what :func:`save_timeline` would raise after it: the suffix, or no matplotlib."""
    timeline_format(path)
    with style():
        pass


def save_timeline(path: Path, films: Sequence[FilmSummary]) -> None:
    """Write :func:`timeline`'s plot as PNG or SVG.

    Raises
    ------
    ConfigError
        Another suffix.
    InputError
        The file cannot be written.
    MissingExtraError
        matplotlib is not installed.
    """
    figure = timeline(films)
    write_whole(path, to_svg(figure) if timeline_format(path) == ".svg" else to_png(figure))


def timeline(films: Sequence[FilmSummary]) -> Figure:
    """Scores over time, for the people who are seen longest in one film or several, each in a row of its own."""
    rows = [(film, person) for film in films for person in film.people]
    shown = sorted(rows, key=lambda row: -row[1].seen_s)[:MAX_ROWS]
    rows = [row for row in rows if row in shown]
    names = _names(films)
    with style():
        figure, grid = new_figure(10, 1.2 + 1.35 * max(1, len(rows)), rows=max(1, len(rows)), squeeze=False)
        for axes, (film, person) in zip(grid[:, 0], rows, strict=False):
            _draw_person(axes, film, person, title=names[film.source] + _title(person))
        last = grid[-1, 0]
        last.set_xlabel("time in seconds")
        if not rows:
            last.text(0.5, 0.5, "no face was found", ha="center", va="center", transform=last.transAxes)
            last.set_yticks([])
            last.set_xlim(min((film.first_s for film in films), default=0.0), max(map(_end_s, films), default=1.0))
        else:
            labels = rows[0][0].courses.labels
            handles = [*(_patch(label) for label in labels), _withheld(0, 1)]
            shown_labels = [*(str(label) for label in labels), "none named"]
            figure.legend(handles, shown_labels, loc="outside upper center", ncols=len(shown_labels))
    return figure


def _draw_person(axes: Any, film: FilmSummary, person: Person, *, title: str) -> None:
    colours = [rgb(label) for label in film.courses.labels]
    for part in film.stretches(person, points=_POINTS):
        times, scores = part.corners()
        axes.stackplot(times, scores.T, colors=colours, edgecolor="white", linewidth=0.3)
        for span in part.withheld_spans():
            axes.add_patch(_withheld(*span))
    for event in person.events:
        colour = rgb(event.expression)
        axes.plot([event.onset_s, event.offset_s], [_EVENTS] * 2, color=colour, linewidth=5, solid_capstyle="butt")
        axes.plot([event.peak_s], [_EVENTS], marker="|", color="black", markersize=5)
    axes.set_xlim(film.first_s, _end_s(film))
    axes.set_ylim(0, 1.35)
    axes.set_yticks([0, 0.5, 1, _EVENTS], ["0", ".5", "1", "events"])
    axes.set_title(title, fontsize=8.5)


def _end_s(film: FilmSummary) -> float:
    return max(film.last_s + film.frame_s, film.first_s + 1e-3)


def _names(films: Sequence[FilmSummary]) -> dict[str, str]:
    """What stands before the people of each film, by its source: its name, or its path where two are named alike."""
    sources = {film.source for film in films}
    short = Counter(Path(source).name for source in sources)
    if len(films) == 1:
        return dict.fromkeys(sources, "")
    return {one: f"{printable(Path(one).name if short[Path(one).name] == 1 else one)}: " for one in sources}


def _title(person: Person) -> str:
    return f"person {person.id}, seen {person.seen_s:.{1 if person.seen_s >= 1 else 2}f} s"


def _withheld(begin_s: float, end_s: float) -> Any:
    """What lies over the scores of a time in which no expression was named."""
    from matplotlib.patches import Rectangle

    look: dict[str, Any] = {"facecolor": (1, 1, 1, 0.55), "edgecolor": (0.25, 0.25, 0.25), "hatch": "////"}
    return Rectangle((begin_s, 0), end_s - begin_s, 1, linewidth=0, **look)


def _patch(label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=rgb(label))
