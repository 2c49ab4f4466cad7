"""``unmask read``: expressions from pictures, as a table, JSON, CSV, Parquet, annotated pictures or a page."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.errors import ConfigError, UnmaskError

if TYPE_CHECKING:
    from unmask.media import Frame
    from unmask.models import Thresholds
    from unmask.reader import Reader
    from unmask.readings import Reading

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
        help="read expressions from pictures",
        description="Read the expressions of all faces in pictures. A score is how people tend to label such a face, "
        "not what the person feels.",
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="picture, folder, glob, or - for standard input (one picture, or a list of paths, one a line)",
    )
    parser.add_argument("--format", choices=FORMATS, help="default: by the ending of --out, else a table")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the results there instead of to standard output"
    )
    parser.add_argument("--annotate", type=Path, metavar="PATH", help="draw the faces: a picture, or a folder for many")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write a page with all pictures and scores")
    parser.add_argument("--model", metavar="NAME|FILE", help="default: the model inside the package")
    parser.add_argument("--head", metavar="NAME", help="which output of the model to read, for example fer2013")
    parser.add_argument(
        "--detector", metavar="NAME", help="mtcnn, yunet or whole (default: yunet once fetched, else mtcnn)"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="pictures decoded and searched at a time")
    parser.add_argument("--resume", action="store_true", help="go on with the JSON lines file that --out names")
    group = parser.add_argument_group("abstention", "a face beyond a threshold gets scores and no expression")
    for key, what in THRESHOLDS.items():
        group.add_argument(f"--{key.replace('_', '-')}", type=float, metavar="X", help=f"{what} (default: the model's)")
    group.add_argument("--no-abstain", action="store_true", help="always name the likeliest expression")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, write, report what could not be read."""
    from unmask.cli.progress import Progress
    from unmask.media import Failure, count
    from unmask.outputs import done_sources, format_of, open_writer
    from unmask.outputs.drawing import annotated_format
    from unmask.reader import load

    kind = arguments.format or (format_of(arguments.out) if arguments.out else "table")
    if arguments.workers < 1:
        raise ConfigError(f"--workers {arguments.workers}: expected at least 1")
    if arguments.resume and (kind != "jsonl" or arguments.out is None):
        raise ConfigError("--resume goes on with a JSON lines file; name it with --out FILE.jsonl")
    total = count(arguments.sources)
    if arguments.annotate and _names_one(arguments.annotate):
        annotated_format(arguments.annotate)
        if total is not None and total > 1:
            raise ConfigError(
                f"--annotate {arguments.annotate} names one picture, but there are {total}; name a folder"
            )
    reader = load(arguments.model, detector=arguments.detector, head=arguments.head)
    reader.thresholds = _thresholds(reader, arguments)
    done = done_sources(arguments.out) if arguments.resume and arguments.out.exists() else set()
    failed = 0
    with ExitStack() as stack:
        writer = stack.enter_context(open_writer(kind, arguments.out, labels=reader.labels, append=arguments.resume))
        pictures = stack.enter_context(_Pictures(arguments.annotate, arguments.report))
        progress = stack.enter_context(Progress("pictures", total if total != 1 else None))
        for item in reader.stream(arguments.sources, workers=arguments.workers, skip=done.__contains__):
            if isinstance(item, Failure):
                progress.clear()
                print(f"unmask: {item.error}", file=sys.stderr)
                failed += 1
            else:
                frame, reading = item
                if arguments.out is None:
                    progress.clear()
                writer.write(reading)
                pictures.add(frame, reading)
            if total != 1:
                progress.advance(note=f"{failed} not read" if failed else "")
    if failed and total != 1:
        print(f"unmask: {failed} of {progress.done} inputs could not be read; the rest were", file=sys.stderr)
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


def _names_one(path: Path) -> bool:
    """Whether --annotate names a picture, not a folder."""
    return bool(path.suffix) and not path.is_dir()


class _Pictures:
    """What is drawn while reading: annotated pictures, and the pages of the report."""

    def __init__(self, annotate: Path | None, report: Path | None) -> None:
        self.annotate, self.report = annotate, report
        self._used: set[Path] = set()
        self._stack = ExitStack()
        self._page: Any = None

    def __enter__(self) -> _Pictures:
        if self.report:
            from unmask.outputs.report import ReportWriter

            self._page = self._stack.enter_context(ReportWriter(self.report))
        return self

    def __exit__(self, *failure: Any) -> None:
        self._stack.__exit__(*failure)

    def add(self, frame: Frame, reading: Reading) -> None:
        """Draw one reading."""
        if self.annotate:
            from unmask.outputs import save_annotated

            save_annotated(frame.image, reading, self._target(reading.source))
        if self._page:
            self._page.add(frame.image, reading)

    def _target(self, source: str) -> Path:
        """Where to draw: the picture itself, or a name in the folder that no other source has taken."""
        assert self.annotate is not None
        if _names_one(self.annotate):
            if self._used:
                raise ConfigError(f"--annotate {self.annotate} names one picture, but there are more; name a folder")
            self._used.add(self.annotate)
            return self.annotate
        self.annotate.mkdir(parents=True, exist_ok=True)
        stem = Path(source).stem.strip("<>") or "picture"
        names = (f"{stem}.png" if number == 1 else f"{stem}_{number}.png" for number in range(1, 10**9))
        target = next(path for name in names if (path := self.annotate / name) not in self._used)
        self._used.add(target)
        return target
