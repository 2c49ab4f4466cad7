"""Films: one upload, and an answer that comes line by line while the film is read.

Nothing waits on the server between requests, and whoever goes away before the end stops the work. A film lies in a
temporary file until it is read, because its frames are not stored in the order in which they are shown.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from unmask import images
from unmask.errors import InputError, LimitError, UnmaskError
from unmask.faces.following import SEARCH_EVERY
from unmask.media import Failure, Frame
from unmask.media.base import FILM_SUFFIXES
from unmask.media.writing import FilmWriter
from unmask.outputs.blurring import Blurrer
from unmask.outputs.drawing import draw
from unmask.readings import Reading
from unmask.session import FilmOptions
from unmask.studio import schemas
from unmask.studio.answers import FILM_FORM, REFUSALS
from unmask.studio.choosing import Chosen
from unmask.studio.problems import RefusalError, explained, problem_of, stopping
from unmask.studio.readers import Choice
from unmask.studio.state import Here, Studio
from unmask.studio.uploads import film_of
from unmask.timeline.people import FilmSummary

router = APIRouter()

_TOGETHER = 8  # readings that are sent at a time
_CHUNK = 1 << 20
_OPEN_FILES = Path("/proc/self/fd")

Step = TypeVar("Step")
PROBLEM = "Unmask-Problem"
"""A header beside a drawn film that lacks something: why, and what to do, as JSON."""

Read = Iterator[tuple[Frame, Reading] | Failure]


@router.post(
    "/v1/films",
    summary="Read the expressions in a film",
    responses={
        **REFUSALS,
        200: {
            "description": "JSON lines, each as soon as it is known: a reading for each frame, then the summary.",
            "model": schemas.FilmEvent,
            "content": {"application/x-ndjson": {}},
        },
    },
    openapi_extra=FILM_FORM,
)
async def read_film(request: Request, studio: Here, choice: Chosen) -> Response:
    """Send one film as `multipart/form-data`; people keep their numbers through it, and scores are smoothed in time.

    A film that cannot be read at all is refused; one that is damaged further on, or read while the server is
    told to stop, gives the frames that it has, and then an event that says why.
    """
    name, upload = await film_of(request)
    events = _Steps(_events(studio, choice, name, upload.file))
    try:
        (first,) = await events.some(1)
    except BaseException:
        await events.close()
        raise
    return StreamingResponse(_lines(first, events), media_type="application/x-ndjson")


@router.post(
    "/v1/films/annotated",
    summary="Draw the faces of a film",
    response_class=Response,
    responses={**REFUSALS, 200: {"content": {"video/mp4": {}}, "description": "The film, H.264, with its sound."}},
    openapi_extra=FILM_FORM,
)
async def annotate_film(
    request: Request,
    studio: Here,
    choice: Chosen,
    blur: Annotated[bool, Query(description="Make the faces unrecognisable.")] = False,
) -> Response:
    """Send one film as `multipart/form-data`; the answer comes when all of it is read and drawn."""
    name, upload = await film_of(request)
    drawn = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it is sent)
    problems: list[UnmaskError] = []
    steps = _Steps(_drawing(studio, choice, name, upload.file, drawn, blur=blur, problems=problems))
    try:
        try:
            while await steps.some(1):
                if await request.is_disconnected():
                    break
        finally:
            await steps.close()
    except BaseException:
        drawn.close()
        raise
    headers = {PROBLEM: json.dumps(explained(problems[0]))} if problems else {}
    return StreamingResponse(_chunks(drawn), media_type="video/mp4", headers=headers)


class _Steps(Generic[Step]):
    """A generator that is worked on by threads, and may be closed while one of them is at it."""

    def __init__(self, steps: Generator[Step, None, None]) -> None:
        self._steps = steps
        self._at_work = threading.Lock()

    async def some(self, most: int) -> list[Step]:
        """The next steps, so many at most; none at the end."""

        def take() -> list[Step]:
            with self._at_work:
                return list(itertools.islice(self._steps, most))

        return await asyncio.to_thread(take)

    async def close(self) -> None:
        """Let the step that is being worked on end, and take no other; goes on when whoever waits for it is gone."""

        def close() -> None:
            with self._at_work:
                self._steps.close()

        await asyncio.shield(asyncio.to_thread(close))


def _streamed(studio: Studio, choice: Choice, path: Path, *, search_every: int = SEARCH_EVERY) -> Read:
    """What comes of a film. To blur faces, each frame is searched, so that none passes between two searches."""
    film = FilmOptions(search_every=search_every, max_pixels=studio.settings.limits.max_pixels)
    return studio.readers.reader(choice).stream(path, film=film)


def _events(studio: Studio, choice: Choice, name: str, film: IO[bytes]) -> Generator[dict[str, Any], None, None]:
    """Readings, errors and the summary of a film, which is closed at the end."""
    summary = FilmSummary(name)
    with film, _path_of(film, name) as path:
        for item in _streamed(studio, choice, path):
            if studio.stopping.is_set():
                yield _error_event(stopping(), summary)
                break
            if isinstance(item, Failure):
                yield _error_event(problem_of(_of_film(item.error, path, name)), summary)
                continue
            studio.metrics.frames.add("film")
            reading = dataclasses.replace(item[1], source=name)
            summary.add(reading)
            yield {"event": "reading", "reading": reading.to_json()}
        summary.finish()
        yield {"event": "summary", "summary": summary.to_json()}


def _error_event(refusal: RefusalError, summary: FilmSummary) -> dict[str, Any]:
    """What cuts a film short, as an event; raised as a refusal while nothing of the film has been sent."""
    if not summary.frames:
        raise refusal
    return {"event": "error", **refusal.to_json()}


async def _lines(first: dict[str, Any], events: _Steps[dict[str, Any]]) -> AsyncIterator[str]:
    """Events as lines, some at a time; closed, also when the client goes away."""
    try:
        yield json.dumps(first) + "\n"
        while some := await events.some(_TOGETHER):
            yield "".join(json.dumps(event) + "\n" for event in some)
    finally:
        await events.close()


def _drawing(
    studio: Studio,
    choice: Choice,
    name: str,
    film: IO[bytes],
    target: IO[bytes],
    *,
    blur: bool,
    problems: list[UnmaskError],
) -> Generator[int, None, None]:
    """Read a film and write it with its faces marked; gives the number of frames so far after each.

    What the film lacks, where it is damaged, is added to ``problems``.
    """
    with film, _path_of(film, name) as path, _path_of(target, "drawn.mp4", write=True) as out:
        try:
            with FilmWriter(out, sound=path) as writer:
                read = _streamed(studio, choice, path, search_every=1 if blur else SEARCH_EVERY)
                frames = _frames(read, problems)
                for number, (frame, reading) in enumerate(_blurred(frames) if blur else frames, 1):
                    if studio.stopping.is_set():
                        raise stopping()
                    studio.metrics.frames.add("film")
                    writer.write(draw(frame.image, reading), reading.time_s or 0.0)
                    yield number
        except InputError as error:
            raise _of_film(error, path, name) from None
        problems[:] = [_of_film(problem, path, name) for problem in problems]
        if not out.is_symlink():
            target.write(out.read_bytes())


def _frames(read: Read, problems: list[UnmaskError]) -> Iterator[tuple[Frame, Reading]]:
    """The frames of a film; where it cannot be read from the start, the reason is raised, later ones are kept."""
    some = False
    for item in read:
        if not isinstance(item, Failure):
            some = True
            yield item
        elif not some:
            raise item.error
        else:
            problems.append(item.error)


def _blurred(frames: Iterator[tuple[Frame, Reading]]) -> Iterator[tuple[Frame, Reading]]:
    blurrer = Blurrer()
    for frame, reading in frames:
        yield from blurrer.add(frame, reading)
    yield from blurrer.finish()


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        file.seek(0)
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk


def _of_film(error: UnmaskError, path: Path, name: str) -> UnmaskError:
    """An error about a temporary file, as one about the film as the client calls it."""
    kind = images.file_format(path)
    if kind is not None:
        return InputError(f"{name}: is a picture ({kind}) and no film; send it to /v1/read or /v1/draw")
    return (LimitError if isinstance(error, LimitError) else InputError)(str(error).replace(str(path), name))


@contextmanager
def _path_of(file: IO[bytes], name: str, *, write: bool = False) -> Iterator[Path]:
    """A path under which an open file can be opened once more as long as it is needed.

    Where the system shows open files as paths, it is a link to the file without a name, so that nothing is left behind
    even when the process is killed. Elsewhere it is a copy.
    """
    suffix = Path(name).suffix.lower()
    with tempfile.TemporaryDirectory(prefix="unmask-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / f"film{suffix if suffix in FILM_SUFFIXES else '.mp4'}"
        if _OPEN_FILES.is_dir():
            path.symlink_to(_OPEN_FILES / str(file.fileno()))
            file.flush()
        elif not write:
            with path.open("wb") as copy:
                shutil.copyfileobj(file, copy)
        yield path
