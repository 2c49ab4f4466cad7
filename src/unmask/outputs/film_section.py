"""A film in the HTML report: the film itself, the course of every person's scores, and a playhead that joins them."""

from __future__ import annotations

import base64
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from unmask.expressions import Expression
from unmask.media.writing import FilmWriter
from unmask.outputs.drawing import draw
from unmask.outputs.report import film_beside
from unmask.pages import Html, table, text
from unmask.readings import Reading
from unmask.timeline.course import Stretch
from unmask.timeline.people import FilmSummary, Person
from unmask.writing import Closing, disk_errors, percent, printable

EMBED_BYTES = 24 * 2**20
"""A film up to this size goes into the page; a larger one stays beside it."""

MAX_PEOPLE = 12
"""People whose course is drawn, those who are seen longest; the tables have everybody."""

_MAX_SIDE = 960  # of the film in the page, in pixels
_POINTS = 600  # of a person's course
_TICKS = 8  # on the axis of time, at most
_TICK_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_HEIGHT = 100  # of a course, in units of its picture; a score of 1 is as high


class FilmSection(Closing):
    """Collects a film frame by frame; :meth:`finish` gives its part of the page.

    A context manager, which leaves nothing of a film that was not finished.

    Parameters
    ----------
    page
        The report's file, beside which the film is put if it is large.
    source
        The film.
    number
        Of the film in the report, from 1.
    sound
        The film's file, for its sound; None without.

    Raises
    ------
    InputError
        The film cannot be written.
    MissingExtraError
        PyAV is not installed.
    """

    def __init__(self, page: Path, source: str, *, number: int = 1, sound: Path | None = None) -> None:
        self.summary = FilmSummary(source)
        self._number = number
        self._beside = film_beside(page, number)
        with disk_errors(page):
            page.parent.mkdir(parents=True, exist_ok=True)
            # Beside the page, where there is room for it, and out of the way of what lies there.
            self._folder = tempfile.TemporaryDirectory(prefix=".unmask-", dir=page.parent, ignore_cleanup_errors=True)
        self._path = Path(self._folder.name) / self._beside.name
        try:
            self._film = FilmWriter(self._path, sound=sound)
        except BaseException:
            self.close()
            raise

    def add(self, image: NDArray[np.uint8], reading: Reading) -> None:
        """Add the next frame: ``uint8`` RGB ``(H, W, 3)`` or grey ``(H, W)``, and its reading."""
        self.summary.add(reading)
        self._film.write(draw(image, reading, max_side=_MAX_SIDE), reading.time_s or 0.0)

    def finish(self) -> Html:
        """Complete the film and describe it."""
        self._film.close()
        self.summary.finish()
        film = self.summary
        begin = self._film.begin_s or 0.0
        name = printable(film.source)
        shown = sorted(sorted(film.people, key=lambda one: -one.seen_s)[:MAX_PEOPLE], key=lambda one: one.id)
        end = max(film.last_s + film.frame_s, begin + 1e-3)
        span = end - begin
        parts = [film.stretches(person, points=_POINTS) for person in shown]
        courses = "".join(self._course(person, its, begin, span) for person, its in zip(shown, parts, strict=True))
        people = [_data(person, its) for person, its in zip(shown, parts, strict=True)]
        data = {"begin": begin, "end": end, "labels": film.courses.labels, "people": people}
        frames = "1 frame" if film.frames == 1 else f"{film.frames:,} frames"
        about = f"{frames} from {film.first_s:.2f} to {film.last_s:.2f} s, {film.empty:,} without a face, "
        about += f"{len(film.people)} {'person' if len(film.people) == 1 else 'people'}"
        return Html(
            f'<section class="film" aria-labelledby="film{self._number}">\n'
            f'<h2 id="film{self._number}">{text(name)}</h2>\n'
            f'<p class="about">{about}</p>\n'
            f'<video controls playsinline preload="auto" src="{self._address()}" '
            f'aria-label="{text(name)}, with the faces marked"></video>\n<p class="now"></p>\n'
            f'<div class="chart" role="slider" tabindex="0" aria-label="Time in the film" '
            f'aria-valuemin="{begin:.3f}" aria-valuemax="{end:.3f}" aria-valuenow="{begin:.3f}">\n{courses}'
            f'{_ticks(begin, end)}<div class="playhead"></div></div>\n'
            f"{_legend(film.courses.labels)}{_events(film)}{_people(film)}"
            f'<script type="application/json">{_json(data)}</script>\n</section>\n'
        )

    def close(self) -> None:
        """Remove what the film was collected in; a second call does nothing."""
        self._folder.cleanup()

    def _address(self) -> str:
        """The film as an address: itself, or where it is put."""
        with disk_errors(self._beside):
            if self._path.stat().st_size > EMBED_BYTES:
                self._path.replace(self._beside)
                return text(f"./{quote(self._beside.name)}")
            data = base64.b64encode(self._path.read_bytes()).decode("ascii")
        return f"data:video/mp4;base64,{data}"

    def _course(self, person: Person, parts: Sequence[Stretch], begin: float, span: float) -> str:
        """A person's scores, stacked, as a picture of 1000 by 100 units, and its events above them."""

        def x(time: float) -> float:
            return (time - begin) / span * 1000

        shapes, faded = [], []
        for part in parts:
            times, scores = part.corners()
            heights = np.cumsum(np.column_stack([np.zeros(len(times)), scores]), axis=1) * _HEIGHT
            for i, label in enumerate(self.summary.courses.labels):
                upper = [f"{x(a):.1f},{_HEIGHT - b:.1f}" for a, b in zip(times, heights[:, i + 1], strict=True)]
                lower = [f"{x(a):.1f},{_HEIGHT - b:.1f}" for a, b in zip(times, heights[:, i], strict=True)]
                shapes.append(f'<polygon class="{label}" points="{" ".join(upper + lower[::-1])}"/>')
            faded += [
                f'<rect class="withheld" x="{x(start):.1f}" y="0" height="{_HEIGHT}" width="{x(end) - x(start):.1f}"/>'
                for start, end in part.withheld_spans()
            ]
        bars = "".join(
            f'<rect class="{event.expression}" x="{x(event.onset_s):.1f}" y="-14" height="10" '
            f'width="{max(x(event.offset_s) - x(event.onset_s), 2):.1f}"/>'
            for event in person.events
        )
        return (
            f'<div class="course"><span>Person {person.id}</span>'
            f'<svg viewBox="0 -16 1000 {_HEIGHT + 16}" preserveAspectRatio="none" aria-hidden="true">'
            f"{''.join(shapes)}{''.join(faded)}{bars}</svg></div>\n"
        )


def _data(person: Person, parts: Sequence[Stretch]) -> dict[str, Any]:
    """What the script needs of a person: times, and scores in hundred thousandths; none where a gap begins."""
    times: list[float] = []
    scores: list[list[int] | None] = []
    for part in parts:
        times += [*(round(time, 3) for time in part.times.tolist()), round(part.end_s, 3)]
        scores += [*np.rint(1e5 * part.scores).astype(int).tolist(), None]
    return {"id": person.id, "times": times, "scores": scores}


def _ticks(begin: float, end: float) -> str:
    """The axis of time: whole steps, few enough for a small screen."""
    span = end - begin
    step = next((step for step in _TICK_STEPS_S if span / step <= _TICKS), math.ceil(span / _TICKS / 3600) * 3600)
    marks = [step * number for number in range(math.ceil(begin / step - 1e-6), math.floor(end / step + 1e-6) + 1)]
    spans = "".join(f'<span style="left:{100 * (mark - begin) / span:.2f}%">{mark:.9g} s</span>' for mark in marks)
    return f'<div class="ticks" aria-hidden="true">{spans}</div>\n'


def _legend(labels: tuple[Expression, ...]) -> str:
    chips = "".join(f'<span><span class="chip {label}"></span>{label}</span> ' for label in labels)
    chips += '<span><span class="chip withheld"></span>faded: none named</span> '
    chips += '<span><span class="chip unseen"></span>not seen</span>'
    return f'<p class="legend">{chips}</p>\n'


def _events(film: FilmSummary) -> str:
    rows = [
        (
            f"Person {event.person}",
            Html(f'<span class="chip {event.expression}"></span>{event.expression}'),
            *(_jump(time) for time in (event.onset_s, event.peak_s, event.offset_s)),
            percent(event.peak_score),
        )
        for person in film.people
        for event in sorted(person.events, key=lambda event: event.onset_s)
    ]
    if not film.people:
        return '<p class="about">No face was found.</p>\n'
    if not rows:
        return '<p class="about">No expression but neutral lasted long enough to be an event.</p>\n'
    head = ("Who", "Expression", "Onset, s", "Peak, s", "Offset, s", "Peak score")
    return table(head, rows, caption="Events; a time takes the film there")


def _people(film: FilmSummary) -> str:
    labels = film.courses.labels
    if not labels:
        return ""
    rows = []
    for person in film.people:
        shares = [_share_cell(label, person.share(label)) for label in labels]
        rows.append((f"Person {person.id}", f"{person.seen_s:.2f}", *shares, _withheld(person)))
    head = ("Who", "Seen, s", *labels, "none named")
    return table(head, rows, caption="Share of the time in which each person is seen, by the expression that is named")


def _withheld(person: Person) -> str:
    """The share of the time in which no expression was named, and of that the reasons."""
    shares = {str(reason): person.share(reason) for reason in sorted(person.withheld_s)}
    words = [name if len(shares) == 1 else f"{name} {percent(share)}" for name, share in shares.items()]
    return percent(sum(shares.values())) + (f" ({', '.join(words)})" if words else "")


def _share_cell(label: Expression, share: float) -> Html:
    return Html(f'<span class="bar {label}" style="--s:{share:.3f}">{text(percent(share))}</span>')


def _jump(time: float) -> Html:
    return Html(f'<button type="button" data-time="{time:.6f}">{time:.2f}</button>')


def _json(data: dict[str, Any]) -> str:
    """JSON that cannot end the element that it stands in."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
