"""``unmask read``: expressions from pictures and films, as rows, annotated pictures and films, pages and timelines."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.errors import ConfigError, UnmaskError

if TYPE_CHECKING:
    from fractions import Fraction

    from unmask.cli.drawing import Pictures
    from unmask.media import Source
    from unmask.models import Thresholds
    from unmask.outputs.jsonl import EarlierRun
    from unmask.reader import Reader
    from unmask.session import FilmOptions

STDIN = "-"
TIMES = ("start", "end", "every")
OUTPUTS = ("out", "report", "summary", "timeline")
FORMATS = ("table", "json", "jsonl", "csv", "parquet")
THRESHOLDS = {
    "min_size": "shortest side of a face's box, in pixels",
    "min_sharpness": "sharpness of the face",
    "max_yaw": "degrees turned to a side",
    "max_pitch": "degrees turned up or down",
    "min_confidence": "the highest score",
    "min_margin": "the highest score less the second",
}


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "read",
        help="read expressions from pictures and films",
        description="Read the expressions of all faces in pictures and films. A score is how people tend to label "
        "such a face, not what the person feels.",
    )
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="picture, film, folder of pictures, glob, address of a stream, or - for standard input (one picture, or a "
        "list of paths, one a line)",
    )
    parser.add_argument("--format", choices=FORMATS, help="default: by the ending of --out, else a table")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the results there instead of to standard output"
    )
    parser.add_argument(
        "--annotate", type=Path, metavar="PATH", help="draw the faces: a picture or film, or a folder for many"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write a page with all pictures, films and scores"
    )
    parser.add_argument("--blur-faces", action="store_true", help="blur the faces in everything that is drawn")
    parser.add_argument("--model", metavar="NAME|FILE", help="default: the model inside the package")
    parser.add_argument("--head", metavar="NAME", help="which output of the model to read, for example fer2013")
    parser.add_argument(
        "--detector", metavar="NAME", help="mtcnn, yunet or whole (default: yunet once fetched, else mtcnn)"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="pictures decoded and searched at a time")
    parser.add_argument("--resume", action="store_true", help="go on with the JSON lines file that --out names")
    _add_film_options(parser)
    group = parser.add_argument_group("abstention", "a face beyond a threshold gets scores and no expression")
    for key, what in THRESHOLDS.items():
        group.add_argument(f"--{key.replace('_', '-')}", type=float, metavar="X", help=f"{what} (default: the model's)")
    group.add_argument("--no-abstain", action="store_true", help="always name the likeliest expression")
    parser.set_defaults(run=run)


def _add_film_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("films", "times are seconds, or h:mm:ss; see also docs/video.md")
    group.add_argument("--camera", type=int, metavar="N", help="read a camera, the first is 0, until Ctrl-C or --end")
    group.add_argument("--fps", metavar="RATE", help="pictures of a SOURCE are frames of one film, so many a second")
    group.add_argument("--start", metavar="TIME", help="begin there")
    group.add_argument("--end", metavar="TIME", help="end before there")
    group.add_argument("--every", metavar="SECONDS", help="read one frame of each stretch of so many seconds")
    group.add_argument(
        "--smooth", type=float, metavar="SECONDS", help="time constant that smooths the scores, 0 is off (default: 0.2)"
    )
    group.add_argument(
        "--search-every",
        type=int,
        metavar="N",
        help="search the whole picture in every Nth frame, between only where faces were (default: 5; 1 for "
        "--blur-faces)",
    )
    group.add_argument("--summary", type=Path, metavar="FILE.json", help="write what each person showed, with events")
    group.add_argument("--timeline", type=Path, metavar="FILE", help="plot the scores over time, as PNG or SVG")


def run(arguments: argparse.Namespace) -> int:
    """Read, write, report what could not be read."""
    from unmask.cli.drawing import Pictures, names_one
    from unmask.cli.progress import Progress
    from unmask.cli.targets import check_targets
    from unmask.media import Failure, count
    from unmask.outputs import format_of, open_writer
    from unmask.reader import load

    kind = arguments.format or (format_of(arguments.out) if arguments.out else "table")
    if arguments.workers < 1:
        raise ConfigError(f"--workers {arguments.workers}: expected at least 1")
    if arguments.resume and (kind != "jsonl" or arguments.out is None):
        raise ConfigError("--resume goes on with a JSON lines file; name it with --out FILE.jsonl")
    sources = _sources(arguments)
    check_targets(_outputs(arguments), arguments.sources)
    total, film = count(sources), _film_options(arguments)
    if arguments.annotate and names_one(arguments.annotate):
        _check_annotate(arguments.annotate, sources, total)
    reader = load(arguments.model, detector=arguments.detector, head=arguments.head)
    reader.thresholds = _thresholds(reader, arguments)
    earlier = _earlier(arguments)
    inputs, failed, moves, source, bad_source = 0, 0, False, None, None
    with ExitStack() as stack:
        stack.enter_context(_stop_on_termination())
        pictures = stack.enter_context(
            Pictures(
                annotate=arguments.annotate,
                report=arguments.report,
                summary=arguments.summary,
                timeline=arguments.timeline,
                blur=arguments.blur_faces,
            )
        )
        # After all that may be refused, because it empties its file.
        writer = stack.enter_context(open_writer(kind, arguments.out, labels=reader.labels, append=arguments.resume))
        if earlier is not None:
            _redo(pictures, earlier, sources, film)
        progress = stack.enter_context(Progress("frames", total if total != 1 else None))
        items = reader.stream(
            sources,
            workers=arguments.workers,
            skip=earlier.done.__contains__ if earlier else None,
            film=film,
            past=earlier.past if earlier else None,
        )
        stack.enter_context(closing(items))
        for item in items:
            name = item.source if isinstance(item, Failure) else item[1].source
            inputs, source = inputs + (name != source), name
            if isinstance(item, Failure):
                progress.clear()
                print(f"unmask: {item.error}", file=sys.stderr)
                failed, bad_source = failed + (name != bad_source), name
            else:
                frame, reading = item
                if arguments.out is None:
                    progress.clear()
                writer.write(reading)
                pictures.add(frame, reading)
                moves = moves or reading.time_s is not None
            if total != 1 or moves:
                progress.advance(note=f"{failed} not read" if failed else "")
    if failed and total != 1:
        print(f"unmask: {failed} of {inputs} inputs could not be read; the rest were", file=sys.stderr)
    return 1 if failed else 0


def _thresholds(reader: Reader, arguments: argparse.Namespace) -> Thresholds:
    """The model's thresholds, with those that the user set."""
    from unmask.models import Thresholds

    given = {key: getattr(arguments, key) for key in THRESHOLDS if getattr(arguments, key) is not None}
    if arguments.no_abstain:
        if given:
            raise ConfigError(f"--no-abstain leaves nothing for --{next(iter(given)).replace('_', '-')} to decide")
        return Thresholds.never()
    try:
        return dataclasses.replace(reader.thresholds, **given)
    except UnmaskError as error:
        raise ConfigError(str(error)) from None


@contextmanager
def _stop_on_termination() -> Iterator[None]:
    """Let ``kill`` end the work as Ctrl-C does, so that everything that is open is completed."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread, where nobody sends signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _sources(arguments: argparse.Namespace) -> list[Source]:
    """The sources as the reader takes them."""
    from unmask.media import Camera, ImageSequence

    sources: list[Source] = list(arguments.sources)
    if arguments.fps is not None:
        if STDIN in sources:
            raise ConfigError("--fps takes pictures by their folder or glob, not from standard input")
        sources = [ImageSequence(source, _number("--fps", arguments.fps)) for source in arguments.sources]
    if arguments.camera is not None:
        if arguments.resume:
            raise ConfigError("--resume cannot go on with a camera; write to another --out")
        sources.append(Camera(arguments.camera))
    if not sources:
        raise ConfigError("nothing to read; name a SOURCE, or a camera: --camera 0")
    return sources


def _outputs(arguments: argparse.Namespace) -> dict[str, Path | None]:
    """The files that are written, by their options; a folder for --annotate replaces nothing."""
    from unmask.cli.drawing import names_one

    outputs: dict[str, Path | None] = {f"--{name}": getattr(arguments, name) for name in OUTPUTS}
    if arguments.annotate and names_one(arguments.annotate):
        outputs["--annotate"] = arguments.annotate
    return outputs


def _film_options(arguments: argparse.Namespace) -> FilmOptions | None:
    """How films are read, where the user says anything about it: else nothing that films need is loaded."""
    times = {name: _number(f"--{name}", given) for name in TIMES if (given := getattr(arguments, name)) is not None}
    search = 1 if arguments.blur_faces and arguments.search_every is None else arguments.search_every
    if not times and arguments.smooth is None and search is None:
        return None
    from unmask.media import Span
    from unmask.session import FilmOptions

    given = {"smooth_s": arguments.smooth, "search_every": search}
    return FilmOptions(
        span=Span(**{f"{name}_s": time for name, time in times.items()}),
        **{name: value for name, value in given.items() if value is not None},
    )


def _number(option: str, text: str) -> Fraction:
    """Seconds (or a rate) as an exact number, from ``90``, ``1.5``, ``30000/1001``, ``1:30`` or ``0:01:30.5``."""
    from fractions import Fraction

    try:
        parts = [Fraction(part) for part in text.split(":")]
    except (ValueError, ZeroDivisionError):
        parts = []
    if not 1 <= len(parts) <= 3 or min(parts) < 0:
        raise ConfigError(f"{option} {text}: expected seconds such as 1.5, or h:mm:ss")
    return sum((part * 60**place for place, part in enumerate(reversed(parts))), Fraction(0))


def _check_annotate(path: Path, sources: list[Source], total: int | None) -> None:
    """Raises ConfigError when --annotate names one file and there are several, or one of the other kind."""
    from unmask.cli.drawing import check_target
    from unmask.media import expand

    if total is not None and total > 1:
        raise ConfigError(f"--annotate {path} names one file, but there are {total} inputs; name a folder")
    if total is None:  # a list from standard input, which only reading it would tell
        return
    (item,) = expand(sources)
    check_target(path, moves=item.moves)


def _earlier(arguments: argparse.Namespace) -> EarlierRun | None:
    """What an earlier run has written to the file that this one goes on with; None for a run of its own."""
    if not arguments.resume:
        return None
    from unmask.outputs.jsonl import earlier_run

    return earlier_run(arguments.out)


def _redo(pictures: Pictures, earlier: EarlierRun, sources: list[Source], film: FilmOptions | None) -> None:
    """Count and, of the film that was cut short, draw again what an earlier run has read already."""
    from unmask.cli.drawing import redraw
    from unmask.media import WHOLE, expand, open_film

    if pictures.counts:
        for reading in earlier.readings():
            if not (pictures.shows and reading.source in earlier.past):
                pictures.count(reading)
    if pictures.shows:
        span = film.span if film else WHOLE
        for item in expand(sources) if earlier.past else ():
            if item.name in earlier.past:
                redraw(pictures, open_film(item, span), earlier.readings(item.name))
