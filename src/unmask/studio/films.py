"""Films: one upload, and an answer that comes line by line while the film is read.

Nothing waits on the server between requests. Who goes away before the end stops the work.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from unmask.media import Failure
from unmask.media.base import FILM_SUFFIXES
from unmask.readings import Reading
from unmask.studio.choosing import Chosen
from unmask.studio.problems import explained
from unmask.studio.readers import Choice
from unmask.studio.state import Here, Studio
from unmask.studio.uploads import film_of

router = APIRouter()

_LINES_A_TIME = 8  # readings that are sent together
_OPEN_FILES = Path("/proc/self/fd")


@router.post("/v1/films", summary="Read the expressions in a film")
async def film(request: Request, studio: Here, choice: Chosen) -> Response:
    """Send one film as `multipart/form-data`."""
    name, file = await film_of(request)
    return StreamingResponse(_sent(_events(studio, choice, name, file.file), file.file), media_type="application/x-ndjson")


def _events(studio: Studio, choice: Choice, name: str, file: IO[bytes]) -> Iterator[dict[str, Any]]:
    with film_path(file, name) as path:
        for item in studio.readers.reader(choice).stream(path):
            if isinstance(item, Failure):
                yield {"event": "error", **explained(item.error)}
            else:
                studio.metrics.frames.add("film")
                yield {"event": "reading", "reading": dataclasses.replace(item[1], source=name).to_json()}


async def _sent(events: Iterator[dict[str, Any]], file: IO[bytes]) -> AsyncIterator[str]:
    """Events as lines; when the client goes away, the work is stopped and the film deleted."""
    def some() -> str:
        return "".join(json.dumps(event) + "\n" for _, event in zip(range(_LINES_A_TIME), events, strict=False))

    try:
        while text := await asyncio.to_thread(some):
            yield text
    finally:
        events.close()
        file.close()


@contextmanager
def film_path(file: IO[bytes], name: str) -> Iterator[Path]:
    """A path under which an uploaded film can be opened as long as it is needed.

    Where the system shows open files as paths, it is a link to the file without a name, so that nothing is left behind
    even when the process is killed.
    """
    suffix = Path(name).suffix.lower()
    with tempfile.TemporaryDirectory(prefix="unmask-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / f"film{suffix if suffix in FILM_SUFFIXES else '.mp4'}"
        if _OPEN_FILES.is_dir():
            path.symlink_to(_OPEN_FILES / str(file.fileno()))
        else:
            with path.open("wb") as copy:
                shutil.copyfileobj(file, copy)
        yield path
