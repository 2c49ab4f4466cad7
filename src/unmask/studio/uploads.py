"""Files of a request's body (``multipart/form-data``): pictures in memory, a film in a file without a name."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import PurePosixPath

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from unmask import images
from unmask.errors import InputError
from unmask.images import Image
from unmask.media.base import FILM_SUFFIXES
from unmask.studio.problems import RefusalError
from unmask.writing import printable

_LONGEST_NAME = 200
_MAX_FIELDS = 8
_MAX_FIELD = 8 * 2**20  # bytes; a reading that is sent back to be drawn


class _Parser(MultiPartParser):
    """Refuses a body that ends within a part, and closes what it has of it."""

    _is_within = False

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._is_within = True

    def on_part_end(self) -> None:
        super().on_part_end()
        self._is_within = False

    async def parse(self) -> FormData:
        form = await super().parse()
        if self._is_within:
            await form.close()
            if self._current_part.file is not None:
                await self._current_part.file.close()
            raise MultiPartException("it ends too early")
        return form


class _InMemory(_Parser):
    """Keeps files of any allowed size in memory: a picture must not touch the disk."""

    spool_max_size = 2**40


async def pictures_of(request: Request, *, max_files: int) -> tuple[list[tuple[str, bytes]], dict[str, str]]:
    """The files of a request, each with its name, in their order, and its other fields.

    Parameters
    ----------
    max_files
        How many there may be.

    Raises
    ------
    RefusalError
        415 when it is no multipart request, 400 when it is a damaged one, 413 for too many files, 422 without a file.
    """
    form = await _parse(request, _InMemory, max_files)
    try:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        pictures = [(_name_of(file, number), await file.read()) for number, file in enumerate(files, 1)]
    finally:
        await form.close()
    if not pictures:
        raise _no_file("photo.jpg")
    return pictures, {key: value for key, value in form.multi_items() if isinstance(value, str)}


def decoded(data: bytes, *, name: str, max_pixels: int) -> Image:
    """The picture in a file; see :func:`unmask.images.decode`, whose errors here say what helps on a server."""
    try:
        raised_by = "start the server with a higher --max-pixels"
        return images.decode(data, name=name, max_pixels=max_pixels, raised_by=raised_by)
    except InputError as error:
        if PurePosixPath(name).suffix.lower() in FILM_SUFFIXES and images.picture_format(data) is None:
            raise InputError(
                f"{name}: is a film and no picture; open it under Films, or send it to /v1/films"
            ) from error
        raise


async def film_of(request: Request) -> tuple[str, UploadFile]:
    """The one file of a request and its name; a large one lies where the system deletes it with the process.

    The caller closes it. Raises RefusalError like :func:`pictures_of`.
    """
    form = await _parse(request, _Parser, 1)
    for _, value in form.multi_items():
        if isinstance(value, UploadFile):
            return _name_of(value, 1), value
    raise _no_file("film.mp4")


async def _parse(request: Request, parser: type[_Parser], max_files: int) -> FormData:
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        raise RefusalError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"expected multipart/form-data, got {printable(kind[:100]) or 'no content type'}",
            "send files as a form does: curl -F file=@photo.jpg",
        )
    try:
        return await parser(
            request.headers, request.stream(), max_files=max_files, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD
        ).parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise RefusalError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"more than {max_files} file{'s' * (max_files != 1)} in one request",
                "send them in several requests",
            ) from None
        raise RefusalError(
            HTTPStatus.BAD_REQUEST,
            f"the multipart body is damaged: {printable(error.message)}",
            "let a library build it: curl -F file=@photo.jpg",
        ) from None


def _name_of(file: UploadFile, number: int) -> str:
    """What a file is called in readings and messages: its name without folders, or its number."""
    name = PurePosixPath((file.filename or "").replace("\\", "/")).name[-_LONGEST_NAME:]
    return name or f"file {number}"


def _no_file(example: str) -> RefusalError:
    return RefusalError(
        HTTPStatus.UNPROCESSABLE_ENTITY, "there is no file in the request", f"add one: curl -F file=@{example}"
    )
