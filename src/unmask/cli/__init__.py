"""The command line: one thin module a verb, each with ``add_parser`` and a ``run`` that returns the exit code."""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from unmask.cli.text import inert, tell
from unmask.errors import (
    ConfigError,
    MissingExtraError,
    UnknownModelError,
    UnknownSplitError,
    UnmaskError,
    suggest,
)
from unmask.writing import disk_errors, encodable, remedy

DONE, SOME_FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


_WRONG_USE = (ConfigError, MissingExtraError, UnknownModelError, UnknownSplitError)
"""Errors about what was typed; all others are about what was read or written."""

VERBS = ("read", "data", "study", "train", "tune", "evaluate", "explain", "models", "studio", "capstone", "benchmark")
"""Modules of this package, in the order in which the help lists them."""


class _Parser(argparse.ArgumentParser):
    """A parser, and those of its verbs, whose complaints cannot act on the terminal: a glob may give any words."""

    def error(self, message: str) -> NoReturn:
        super().error(inert(message))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """What is not known is refused by the verb that it was given to, with this verb's usage."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Name the nearest choice, as is done for all other names."""
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(
                action, f"invalid choice: '{value}'; {suggest(str(value), map(str, action.choices))}"
            )


def build_parser(verb: str | None = None) -> argparse.ArgumentParser:
    """The parser of the whole command line, or of one verb alone, which is made sooner."""
    parser = _Parser(
        prog="unmask",
        description="Reads facial expressions on your own machine: reads expressions, not minds.",
        epilog="Exit codes: 0 done, 1 something could not be read, found or written, or did not pass a check (each is "
        "reported; the rest is done), 2 wrong usage or something not installed, 130 interrupted (what is complete is "
        "kept).",
    )
    parser.add_argument("--version", action="store_true", help="print the version and end")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    for name in VERBS if verb is None else (verb,):
        importlib.import_module(f"unmask.cli.{name}").add_parser(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors go to standard error, in one line, without a traceback."""
    try:
        code = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
    except UnmaskError as error:
        tell(error)
        return WRONG_USAGE if isinstance(error, _WRONG_USE) else SOME_FAILED
    except KeyboardInterrupt:
        tell("interrupted; what is complete is kept")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output (head, less) has gone: nothing is wrong
        return DONE
    except OSError as error:  # of a path that nothing has looked at before, such as one that is too long
        what, step = (f"{error.filename}: ", "check the path") if error.filename else ("", remedy(error.errno))
        tell(f"{what}{error.strerror or error}; {step}")
        return SOME_FAILED
    return code


def _run(given: list[str]) -> int:
    parser = build_parser(given[0] if given and given[0] in VERBS else None)
    try:
        arguments = parser.parse_args(given)
    except SystemExit as stop:  # argparse has printed its help or its complaint
        return int(stop.code or DONE)
    if arguments.version:
        from importlib.metadata import version

        print(f"unmask {version('unmask')}")
        return DONE
    if "run" not in arguments:
        parser.print_help(sys.stderr)
        return WRONG_USAGE
    with _stop_on_termination():
        code: int = arguments.run(arguments)
    return code


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


class _Output(io.TextIOWrapper):
    """Standard output that escapes what it cannot encode, and raises InputError when it is full or closed."""

    def write(self, text: str, /) -> int:
        with disk_errors("<stdout>"):
            return super().write(encodable(text, self.encoding))

    def flush(self) -> None:
        with disk_errors("<stdout>"):
            super().flush()


def _open_streams() -> None:
    """Let standard output raise what :func:`main` reports; messages go nowhere where standard error is closed."""
    given: Any = sys.stdout
    if given is None:  # the shell has closed it
        os.dup2(os.open(os.devnull, os.O_RDONLY), 1)  # refuses all that is written, and no other file gets its number
        closed = open(1, "wb", closefd=False)  # noqa: SIM115 (until the process ends)
        sys.stdout = _Output(closed, encoding="utf-8")
    else:
        sys.stdout = _Output(
            given.buffer,
            encoding=given.encoding,
            errors=given.errors,
            line_buffering=given.line_buffering,
            write_through=given.write_through,
        )
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def run_process() -> None:
    """The command as a process of its own.

    Reading one photograph is over in a third of a second. So it neither searches the libraries' own objects for garbage
    while they load, nor unloads OpenCV and ONNX Runtime, which gives nothing back that the process's end does not.
    """
    reads = sys.argv[1:2] == ["read"]
    if reads:
        gc.set_threshold(100_000)
    _open_streams()
    code = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, UnmaskError):  # it has been told, or the reader has gone: Python must not complain at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if reads:
        os._exit(code)
    sys.exit(code)
