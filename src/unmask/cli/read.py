"""``unmask read``: expressions from pictures and films, as rows, annotated pictures and films, pages and timelines."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.cli.film_options import add_film_options, check_film, film_options, number, only_films_heed
from unmask.cli.text import tell
from unmask.errors import ConfigError, UnmaskError
from unmask.writing import try_file

if TYPE_CHECKING:
    from unmask.media import Source
    from unmask.models import Thresholds
    from unmask.reader import Reader

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
        "--out",
        type=Path,
        metavar="FILE",
        help="write the results there, in place of what it holds, not to standard output",
    )
    parser.add_argument(
        "--annotate", type=Path, metavar="PATH", help="draw the faces: a picture or film, or a folder for many"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write a page with all pictures, films and scores"
    )
    parser.add_argument("--blur-faces", action="store_true", help="blur the faces in everything that is drawn")
    parser.add_argument("--model", metavar="NAME|FILE", help="default: small, inside the package")
    parser.add_argument("--head", metavar="NAME", help="which output of the model to read, for example fer2013")
    parser.add_argument(
        "--detector", metavar="NAME", help="mtcnn, yunet or whole (default: yunet once fetched, else mtcnn)"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="pictures decoded and searched at a time")
    parser.add_argument("--resume", action="store_true", help="go on with the JSON lines file that --out names")
    add_film_options(parser)
    group = parser.add_argument_group("abstention", "a face beyond a threshold gets scores and no expression")
    for key, what in THRESHOLDS.items():
        group.add_argument(f"--{key.replace('_', '-')}", type=float, metavar="X", help=f"{what} (default: the model's)")
    group.add_argument("--no-abstain", action="store_true", help="always name the likeliest expression")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, write, report what could not be read."""
    from unmask.cli.counting import Tally
    from unmask.cli.drawing import Pictures, names_one
    from unmask.cli.progress import Progress
    from unmask.cli.resuming import check_span, earlier_of, redo
    from unmask.cli.targets import check_targets
    from unmask.media import Failure, count
    from unmask.outputs import open_writer
    from unmask.reader import load

    kind = _format(arguments)
    if arguments.workers < 1:
        raise ConfigError(f"--workers {arguments.workers}: expected at least 1")
    if arguments.blur_faces and not (arguments.annotate or arguments.report):
        raise ConfigError("--blur-faces blurs what is drawn; say where to draw: --annotate or --report")
    if arguments.resume and (kind != "jsonl" or arguments.out is None):
        raise ConfigError("--resume goes on with a JSON lines file; name it with --out FILE.jsonl")
    sources = _sources(arguments)
    check_targets(_outputs(arguments), arguments.sources)
    total, film = count(sources), film_options(arguments)
    of_films = only_films_heed(arguments, sources, total)
    if arguments.resume:
        _check_names(sources)
    if arguments.annotate and names_one(arguments.annotate):
        _check_annotate(arguments.annotate, sources, total)
    elif arguments.annotate:
        _check_folder(arguments.annotate, sources, _folders(arguments))
    if total == 1:
        check_film(sources)
    for path in (arguments.summary, arguments.timeline):  # of all the outputs, those that are written at the end alone
        try_file(path)
    reader = load(arguments.model, detector=arguments.detector, head=arguments.head)
    reader.thresholds = _thresholds(reader, arguments)
    earlier = earlier_of(arguments.out, reader) if arguments.resume else None
    if earlier is not None:
        check_span(earlier, film)
    tally, moves, lost = Tally(), False, 0
    with ExitStack() as stack:
        pictures = stack.enter_context(
            Pictures(
                annotate=arguments.annotate,
                report=arguments.report,
                summary=arguments.summary,
                timeline=arguments.timeline,
                blur=arguments.blur_faces,
                roots=_folders(arguments),
            )
        )
        writer = stack.enter_context(open_writer(kind, arguments.out, labels=reader.labels, append=arguments.resume))
        if earlier is not None:
            lost = redo(pictures, earlier, sources, film)
        progress = stack.enter_context(Progress(*_counted(sources, total)))
        items = reader.stream(
            sources,
            workers=arguments.workers,
            skip=earlier.done.__contains__ if earlier else None,
            film=film,
            past=earlier.past if earlier else None,
        )
        stack.enter_context(closing(items))
        for item in items:
            tally.add(item if isinstance(item, Failure) else item[1])
            if isinstance(item, Failure):
                progress.clear()
                tell(item.error)
                pictures.fail(str(item.error))
            else:
                frame, reading = item
                if arguments.out is None:
                    progress.clear()
                writer.write(reading)
                pictures.add(frame, reading)
                moves = moves or reading.time_s is not None
            if total != 1 or moves:
                progress.advance(note=f"{tally.failed} not read" if tally.failed else "")
    _tell_films_left_out(arguments)
    if of_films and total is None and tally.inputs > tally.failed and not moves:
        tell(f"{of_films} changed nothing: no input was a film")
    if tally.failed and total != 1:
        rest = "; the rest were" if tally.failed < tally.inputs else ""
        tell(f"{tally.failed} of {tally.inputs} inputs could not be read{rest}")
    return 1 if tally.failed or lost else 0


def _format(arguments: argparse.Namespace) -> str:
    """The format that is written. Raises ConfigError where --out has no known ending, or that of another format."""
    from unmask.outputs import format_of

    if arguments.out is None:
        return arguments.format or "table"
    try:
        named = format_of(arguments.out)
    except ConfigError:
        if arguments.format is None:
            raise
        return str(arguments.format)
    if arguments.format not in (None, named):
        raise ConfigError(
            f"--out {arguments.out} has the ending of the format {named}, not of {arguments.format}; "
            "leave out --format, or name another file"
        )
    return named


def _counted(sources: list[Source], total: int | None) -> tuple[str, int | None]:
    """What is counted, and how many there will be; None where a film is among them, nobody knows, or nobody is told."""
    from unmask.media import expand

    if total is None or total == 1 or not sys.stderr.isatty() or any(one.moves for one in expand(sources)):
        return "frames", None
    return "pictures", total


def _thresholds(reader: Reader, arguments: argparse.Namespace) -> Thresholds:
    """The model's thresholds, with those that the user set."""
    from unmask.models import Thresholds

    given = {key: getattr(arguments, key) for key in THRESHOLDS if getattr(arguments, key) is not None}
    if arguments.no_abstain:
        if given:
            raise ConfigError(f"--no-abstain leaves nothing for --{next(iter(given)).replace('_', '-')} to decide")
        return Thresholds.never()
    thresholds = reader.thresholds
    for key, value in given.items():
        try:
            thresholds = dataclasses.replace(thresholds, **{key: value})
        except UnmaskError as error:
            raise ConfigError(str(error).replace(key, f"--{key.replace('_', '-')}", 1)) from None
    return thresholds


def _sources(arguments: argparse.Namespace) -> list[Source]:
    """The sources as the reader takes them."""
    from unmask.media import Camera, ImageSequence
    from unmask.media.stdin import STDIN

    sources: list[Source] = list(arguments.sources)
    if arguments.fps is not None:
        if STDIN in sources:
            raise ConfigError("--fps takes pictures by their folder or glob, not from standard input")
        sources = [ImageSequence(source, number("--fps", arguments.fps)) for source in arguments.sources]
    if arguments.camera is not None:
        if arguments.resume:
            raise ConfigError("--resume cannot go on with a camera; write to another --out")
        sources.append(Camera(arguments.camera))
    if not sources:
        raise ConfigError("nothing to read; name a SOURCE, or a camera: --camera 0")
    return sources


def _check_names(sources: list[Source]) -> None:
    """Raises ConfigError for two inputs of one name, whose results --resume could not tell apart."""
    from unmask.media import expand_named

    seen: set[str] = set()
    for item in expand_named(sources):
        if item.name in seen:
            raise ConfigError(f"--resume cannot tell inputs of one name apart; name {item.name} once")
        seen.add(item.name)


def _folders(arguments: argparse.Namespace) -> list[Path]:
    """The folders among the sources."""
    from unmask.media.stdin import STDIN

    # Unlike a Path's is_dir, this one raises nothing for a name that is too long, which fails later, alone.
    return [Path(source) for source in arguments.sources if source != STDIN and os.path.isdir(source)]  # noqa: PTH112


def _outputs(arguments: argparse.Namespace) -> dict[str, Path | None]:
    """The files that are written, by their options; a folder for --annotate replaces nothing."""
    from unmask.cli.drawing import names_one

    outputs: dict[str, Path | None] = {f"--{name}": getattr(arguments, name) for name in OUTPUTS}
    if arguments.report:
        from unmask.outputs.report import film_number, films_beside

        beside = films_beside(arguments.report)
        if arguments.annotate and (number := film_number(arguments.report, arguments.annotate)):
            beside[number] = arguments.annotate
        outputs |= {f"--report (film {number})": path for number, path in sorted(beside.items())}
    if arguments.annotate and names_one(arguments.annotate):
        outputs["--annotate"] = arguments.annotate
    return outputs


def _tell_films_left_out(arguments: argparse.Namespace) -> None:
    """Say which films stand in the folders that were read: of a folder, pictures alone are read."""
    from unmask.media.expand import films_in

    for folder in _folders(arguments):
        if films := films_in(folder):
            more = f" and {len(films) - 1} more" if len(films) > 1 else ""
            tell(f"{folder}: films are left out of folders; name them to read them: {films[0]}{more}")


def _check_folder(folder: Path, sources: list[Source], roots: list[Path]) -> None:
    """Raises ConfigError when pictures would be drawn into a folder of those that are read, and might replace one."""
    from unmask.cli.drawing import below, drawn_beside
    from unmask.media import expand_named

    if not folder.is_dir():
        return
    # What a list from standard input names is not known before it is read.
    files = (item.content for item in expand_named(sources))
    held, drawn = dict[Path, Path](), set[Path]()
    for file in files:
        if isinstance(file, Path) and file.parent not in held:
            held[file.parent] = file
            drawn.add((folder / below(str(file), roots)).resolve())
    for parent, file in held.items():
        if parent.resolve() in drawn:
            raise drawn_beside(folder, file)


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
