"""``unmask studio``: a web application on one's own machine, and the REST service."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import sys
from typing import Any

from unmask.cli.text import counted, tell
from unmask.cli.values import whole
from unmask.errors import ConfigError

_LIMITS = (
    ("max_body", "MB", 2**20, "of a request with pictures"),
    ("max_film", "MB", 2**20, "of a film"),
    ("max_held", "MB", 2**20, "of requests in memory at a time"),
    ("max_pixels", "MPIXELS", 10**6, "of a picture"),
    ("max_files", "N", 1, "pictures in one request"),
    ("max_requests", "N", 1, "requests that are worked on at a time"),
    ("max_waiting", "N", 1, "pictures that wait"),
    ("max_films", "N", 1, "films at a time"),
    ("max_live", "N", 1, "live sessions at a time"),
    ("max_rate", "N", 1, "requests a second of one address; 0 for no limit"),
    ("timeout", "S", 1, "seconds until a request must have its answer"),
)


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    from unmask.studio import Limits

    limits = Limits()
    parser: argparse.ArgumentParser = verbs.add_parser(
        "studio",
        help="open the web application, which is also the REST service",
        description="Serve a web application for photos, films and the webcam, and the same as a REST service. Nothing "
        "leaves this machine, and nothing is kept unless you save it.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name it may be called by"
    )
    parser.add_argument("--model", metavar="NAME|FILE", help="default: small, inside the package")
    parser.add_argument(
        "--detector", metavar="NAME", help="mtcnn, yunet or whole (default: yunet once fetched, else mtcnn)"
    )
    parser.add_argument(
        "--api-key", metavar="KEY", help="what requests must show (default: UNMASK_API_KEY, else no key)"
    )
    parser.add_argument(
        "--workers", type=whole(1), metavar="N", help="threads that read pictures (default: one a core)"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    group = parser.add_argument_group("limits", "what is more is refused with its reason")
    for name, unit, size, what in _LIMITS:
        usual = f"{what} (default: {getattr(limits, name) / size:g})"
        group.add_argument(f"--{name.replace('_', '-')}", type=float, metavar=unit, help=usual)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from unmask.studio import KEY_VARIABLE, Limits, Settings
    from unmask.studio.serve import serve

    given = {}
    for name, _, unit, _ in _LIMITS:
        value = getattr(arguments, name)
        if value is not None:
            value *= unit
            whole = name not in ("max_rate", "timeout") and math.isfinite(value)
            given[name] = int(value) if whole else value
    try:
        limits = Limits(**given)
    except ConfigError as error:
        name, _, wrong = str(error).partition(":")
        said, got, _ = wrong.partition(", got ")
        value = f"{got}{getattr(arguments, name):g}" if got else ""  # in the unit in which it was given
        raise ConfigError(f"--{name.replace('_', '-')}:{said}{value}") from None
    settings = Settings(
        host=arguments.host,
        port=arguments.port,
        hosts=tuple(arguments.allow_host),
        model=arguments.model,
        detector=arguments.detector,
        api_key=_key(arguments.api_key, KEY_VARIABLE),
        limits=limits,
    )
    if arguments.workers is not None:
        settings = dataclasses.replace(settings, workers=arguments.workers)
    if not settings.is_local and not settings.api_key:
        tell(f"{settings.host} may be reached from other machines, and no key is asked for; set --api-key")

    def started(address: str) -> None:
        print(f"unmask studio is at {address} (stop it with Ctrl-C)", file=sys.stderr, flush=True)
        if not arguments.no_browser:
            import threading
            import webbrowser

            # A browser that runs in the terminal lets nobody go on before it is left.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    def stopping(requests: int) -> None:
        tell(f"waiting for {counted(requests, 'request')}; Ctrl-C again ends at once")

    serve(settings, started=started, stopping=stopping)
    print("unmask studio has stopped; nothing was kept", file=sys.stderr)
    return 0


def _key(given: str | None, variable: str) -> str:
    """The key that was given, or else set in the environment; empty without either.

    Raises
    ------
    ConfigError
        One of them is there and blank, as from a variable that the shell does not know: the server would be open.
    """
    name, key = ("--api-key", given) if given is not None else (variable, os.environ.get(variable))
    if key is not None and not key.strip():
        raise ConfigError(f"{name} is empty, and without a key anybody is let in; give it a key, or leave it out")
    return key or ""
