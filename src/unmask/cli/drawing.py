"""What ``unmask read`` makes beside the results: annotated pictures and films, the report, summary and timeline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.errors import ConfigError
from unmask.images import colour_profile
from unmask.media.base import FILM_SUFFIXES
from unmask.writing import disk_errors, refuse_folder, write_whole

if TYPE_CHECKING:
    from unmask.media import Frame
    from unmask.readings import Reading
    from unmask.timeline.people import FilmSummary


class Pictures:
    """Takes every frame and its reading, and draws, blurs and counts what the user asked for. A context manager.

    Parameters
    ----------
    annotate
        A picture or film, or a folder for many.
    report
        An HTML page.
    summary, timeline
        A JSON file and a plot of what the people of films showed.
    blur
        Blur the faces in all that shows them.
    roots
        Folders that are read: what is drawn of a picture below one lies as far below ``annotate``.

    Raises
    ------
    ConfigError
        The timeline's suffix is another than PNG and SVG, or the report's than HTML.
    MissingExtraError
        A timeline without matplotlib.
    """

    def __init__(
        self,
        *,
        annotate: Path | None = None,
        report: Path | None = None,
        summary: Path | None = None,
        timeline: Path | None = None,
        blur: bool = False,
        roots: Sequence[Path] = (),
    ) -> None:
        self._annotate, self._report, self._summary, self._timeline = annotate, report, summary, timeline
        self._roots = tuple(roots)
        self._stack = ExitStack()
        self._used: set[Path] = set()
        self._passed: set[str] = set()
        self._blurrer: Any = None
        self._page: Any = None
        self._film: _Film | None = None
        self._films = self._counted = 0
        self._summaries: list[FilmSummary] = []
        self._last_counted: Reading | None = None
        self._told: list[dict[str, Any]] = []
        if report:
            from unmask.outputs.report import check_report

            check_report(report)
        if timeline:
            from unmask.timeline.plot import check_timeline

            check_timeline(timeline)
        if blur:
            from unmask.outputs.blurring import Blurrer

            self._blurrer = Blurrer()

    @property
    def shows(self) -> bool:
        """Whether it needs pictures, not only readings."""
        return self._annotate is not None or self._report is not None

    @property
    def reports(self) -> bool:
        """Whether it makes a page, which shows all that was ever read."""
        return self._report is not None

    @property
    def counts(self) -> bool:
        """Whether it makes a summary or a timeline."""
        return self._summary is not None or self._timeline is not None

    def __enter__(self) -> Pictures:
        for path in filter(None, (self._report, self._summary, self._timeline)):
            with disk_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            refuse_folder(path)
        if self._report:
            from unmask.outputs.report import ReportWriter

            self._page = self._stack.enter_context(ReportWriter(self._report))
        return self

    def __exit__(self, *failure: Any) -> None:
        with self._stack:
            self._end_film()
            self._write_summaries()

    def add(self, frame: Frame, reading: Reading) -> None:
        """Draw and count one frame."""
        self.count(reading)
        for shown, its_reading in self._blurrer.add(frame, reading) if self._blurrer else [(frame, reading)]:
            self._show(shown, its_reading)

    def fail(self, message: str) -> None:
        """Note an input that could not be read."""
        if self._page:
            self._page.add_failure(message)

    def count(self, reading: Reading) -> None:
        """Count one frame without drawing it."""
        self._counted += 1
        if reading.time_s is None or not self.counts:
            return
        from unmask.timeline.people import FilmSummary

        last, self._last_counted = self._last_counted, reading
        if last is None or not reading.follows(last):
            self._tell()
            self._summaries.append(FilmSummary(reading.source))
        self._summaries[-1].add(reading)

    def pass_over(self, source: str, *, moves: bool) -> None:
        """Leave what an earlier run has drawn of a source as it is, and its name to it."""
        self._passed.add(source)
        if self._annotate and not names_one(self._annotate):
            self._target(source, ".mp4" if moves else ".png")

    def _show(self, frame: Frame, reading: Reading) -> None:
        if not self.shows:
            return
        if reading.time_s is not None:
            if self._film is None or not self._film.goes_on_with(reading):
                self._close_film()
                self._film = self._open_film(reading.source)
            self._film.add(frame, reading)
            return
        profile = colour_profile(reading.source)
        if self._annotate and reading.source not in self._passed:
            from unmask.outputs.drawing import save_annotated

            save_annotated(frame.image, reading, self._target(reading.source, ".png"), profile=profile)
        if self._page:
            self._page.add(frame.image, reading, profile=profile)

    def _open_film(self, source: str) -> _Film:
        self._films += 1
        film = _Film(source)
        if self._annotate and source not in self._passed:
            film.annotate(self._target(source, ".mp4"))
        if self._report:
            film.describe(self._report, self._films)
        return film

    def _end_film(self) -> None:
        try:
            for frame, reading in self._blurrer.finish() if self._blurrer else ():
                self._show(frame, reading)
        finally:
            self._close_film()

    def _close_film(self) -> None:
        film, self._film = self._film, None
        if film is not None:
            film.close(self._page)

    def _tell(self) -> None:
        """Turn the summary of the film that has ended into its JSON, and keep its course only for a plot."""
        if not self._summaries:
            return
        self._summaries[-1].finish()
        self._told.append(self._summaries[-1].to_json())
        if not self._timeline:
            self._summaries.clear()

    def _write_summaries(self) -> None:
        self._tell()
        if self._summary and self._may_write(self._summary):
            write_whole(self._summary, json.dumps({"films": self._told}, indent=1, ensure_ascii=False) + "\n")
        if self._timeline and self._may_write(self._timeline):
            from unmask.timeline.plot import save_timeline

            save_timeline(self._timeline, self._summaries)

    def _may_write(self, path: Path) -> bool:
        """Whether there is something to write; a run that read nothing leaves what an earlier one has written."""
        return self._counted > 0 or not path.exists()

    def _target(self, source: str, suffix: str) -> Path:
        """Where to draw: the picture or film itself, or a name in the folder that no other source has taken."""
        assert self._annotate is not None
        if names_one(self._annotate):
            check_target(self._annotate, moves=suffix == ".mp4")
            if self._used:
                raise ConfigError(f"--annotate {self._annotate} names one file, but there are more; name a folder")
            if _same(self._annotate, source):  # named by a list from standard input, which nobody knew before
                raise ConfigError(f"--annotate {self._annotate} would replace what it shows; name another file")
            self._used.add(self._annotate)
            return self._annotate
        folder = self._annotate / below(source, self._roots)
        if Path(source).is_file() and Path(source).parent.resolve() == folder.resolve():
            raise drawn_beside(self._annotate, source)  # such a list again
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        stem = _stem(source) or ("film" if suffix == ".mp4" else "picture")
        names = (f"{stem}{suffix}" if number == 1 else f"{stem}_{number}{suffix}" for number in range(1, 10**9))
        paths = (folder / name for name in names)
        target = next(path for path in paths if path not in self._used)
        self._used.add(target)
        return target


class _Film:
    """One film that is being drawn: into a file, into the report, or both."""

    def __init__(self, source: str) -> None:
        self.source = source
        path = Path(source)  # of a sequence of one picture, too, which has no sound
        self._sound = path if path.suffix.lower() in FILM_SUFFIXES and path.is_file() else None
        self._writer: Any = None
        self._section: Any = None
        self._last: Reading | None = None

    def annotate(self, path: Path) -> None:
        from unmask.media.writing import FilmWriter

        self._writer = FilmWriter(path, sound=self._sound)

    def describe(self, page: Path, number: int) -> None:
        from unmask.outputs.film_section import FilmSection

        self._section = FilmSection(page, self.source, number=number, sound=self._sound)

    def goes_on_with(self, reading: Reading) -> bool:
        """Whether a reading is of its next frame, not of another film."""
        return self._last is None or reading.follows(self._last)

    def add(self, frame: Frame, reading: Reading) -> None:
        assert reading.time_s is not None
        self._last = reading
        if self._writer:
            from unmask.outputs.drawing import draw

            self._writer.write(draw(frame.image, reading), reading.time_s)
        if self._section:
            self._section.add(frame.image, reading)

    def close(self, page: Any) -> None:
        with self._section or nullcontext():
            if self._writer:
                self._writer.close()
            if self._section:
                page.add_film(self._section.finish(), model=self._last.model if self._last else "")


def drawn_beside(folder: Path, source: str | Path) -> ConfigError:
    """What is raised when a picture would be drawn into the folder in which it, or another one that is read, lies."""
    return ConfigError(
        f"--annotate {folder} would draw beside {source}, which is read and might be drawn over; name another"
    )


def names_one(path: Path) -> bool:
    """Whether --annotate names a picture or film, not a folder. Raises InputError where it cannot be looked for."""
    with disk_errors(path):
        return bool(path.suffix) and not path.is_dir()


def check_target(path: Path, *, moves: bool) -> None:
    """Raises ConfigError when --annotate names a picture for a film, or the other way round."""
    if moves:
        from unmask.media.writing import film_format

        film_format(path)
    else:
        from unmask.outputs.drawing import annotated_format

        annotated_format(path)


def below(source: str, roots: Sequence[Path]) -> Path:
    """The folder of a source, seen from the one that was read; of all else, none."""
    folders = (Path(source).relative_to(root).parent for root in roots if Path(source).is_relative_to(root))
    # Seen from ".", "../b/c.jpg" is below it too, as paths go; nothing is drawn outside the folder to draw in.
    return next((path for path in folders if ".." not in path.parts), Path())


def _same(path: Path, source: str) -> bool:
    """Whether a path is the source's own file, which must not be drawn over."""
    return path.exists() and Path(source).exists() and path.samefile(source)


def _stem(source: str) -> str:
    """A name for what is made of a source: of a file its own, of anything else its letters and digits."""
    stem = Path(source).stem
    return "".join(char if char.isalnum() or char in "-_. " else "_" for char in stem).strip("_. ")
