"""The REST service: reading, drawing, exporting, models, health and metrics."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse, Response

from unmask import images
from unmask.errors import DataError, InputError, LimitError, UnmaskError
from unmask.outputs import open_writer
from unmask.outputs.blurring import blur as blurred
from unmask.outputs.drawing import draw
from unmask.parsing import parse_json
from unmask.readings import Reading
from unmask.studio import schemas
from unmask.studio.answers import FILES_FORM, PICTURE_FORM, REFUSALS
from unmask.studio.choosing import Chosen
from unmask.studio.metrics import CONTENT_TYPE
from unmask.studio.problems import RefusalError, explained, json_response
from unmask.studio.state import Here, Studio
from unmask.studio.uploads import decoded, pictures_of
from unmask.writing import encodable

router = APIRouter()

_KEY: dict[int | str, dict[str, Any]] = {status: REFUSALS[status] for status in (401, 429)}
_MEDIA = {"csv": "text/csv; charset=utf-8", "json": "application/json", "jsonl": "application/x-ndjson"}


@router.post(
    "/v1/read",
    summary="Read the expressions of all faces in pictures",
    responses={
        **REFUSALS,
        200: {
            "model": schemas.Readings,
            "description": "At least one file could be read.",
        },
        **{status: {**REFUSALS[status], "model": schemas.Problem | schemas.NoneRead} for status in (413, 415, 422)},
    },
    openapi_extra=FILES_FORM,
)
async def read(request: Request, studio: Here, choice: Chosen) -> Response:
    """Send one or more pictures as `multipart/form-data`; the name of the field does not matter.

    Each file gives a reading or, with the reason, a failure. When none can be read, the status is 413 if all are too
    large, 415 if none is a picture, and else 422.
    """
    pictures, fields = await pictures_of(request, max_files=studio.settings.limits.max_files)
    _refuse_fields(fields)
    readings, errors = await _read(studio, pictures, choice)
    if errors and not readings:
        raise _none_read(pictures, errors)
    failures = [{"source": name, **explained(error)} for name, error in errors]
    return json_response({"readings": [reading.to_json() for reading in readings], "failures": failures})


@router.post(
    "/v1/draw",
    summary="Draw the faces of a picture",
    response_class=Response,
    responses={**REFUSALS, 200: {"content": {"image/png": {}}, "description": "The picture with its faces marked."}},
    openapi_extra=PICTURE_FORM,
)
async def draw_picture(
    request: Request,
    studio: Here,
    choice: Chosen,
    blur: Annotated[bool, Query(description="Make the faces unrecognisable.")] = False,
) -> Response:
    """Send one picture and, in the field `reading`, its reading or the answer of `/v1/read`; without, it is read."""
    [(name, data)], fields = await pictures_of(request, max_files=1)
    _refuse_fields({key: value for key, value in fields.items() if key != "reading"})
    if "reading" in fields:
        reading = _reading_of(fields["reading"])
    else:
        readings, errors = await _read(studio, [(name, data)], choice)
        if errors:
            raise _none_read([(name, data)], errors)
        reading = readings[0]
    try:
        png = await asyncio.to_thread(_drawn, name, data, reading, studio.settings.limits.max_pixels, blur)
    except InputError as error:
        raise _none_read([(name, data)], [(name, error)]) from None
    return Response(png, media_type="image/png")


@router.post(
    "/v1/export",
    summary="Readings as a file",
    response_class=Response,
    responses={**REFUSALS, 200: {"content": {kind: {} for kind in _MEDIA.values()}, "description": "The file."}},
)
async def export(
    body: schemas.ExportBody,
    format: Literal["csv", "json", "jsonl"] = "csv",  # noqa: A002 (as the command line calls it)
) -> Response:
    """Send readings back, in the order in which they are to stand; nothing is kept."""
    text = await asyncio.to_thread(_written, format, body)
    return Response(
        encodable(text),
        media_type=_MEDIA[format],
        headers={"Content-Disposition": f'attachment; filename="expressions.{format}"'},
    )


@router.get("/v1/models", summary="Models and detectors", responses={**_KEY, 200: {"model": schemas.Models}})
async def models(studio: Here) -> Response:
    """What `model`, `head` and `detector` can name; the defaults are marked."""
    return json_response({"models": studio.readers.entries(), "detectors": studio.readers.detectors()})


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Whether the server answers", responses={200: {"model": schemas.Health}})
async def health(studio: Here) -> Response:
    """Needs no key."""
    return json_response(
        {
            "status": "ok",
            "version": version("unmask"),
            "model": studio.readers.model,
            "detector": studio.readers.detector,
        }
    )


@router.get("/metrics", summary="Counters for Prometheus", response_class=PlainTextResponse)
async def metrics(studio: Here) -> Response:
    """Numbers of requests, pictures, faces and frames, and times; nothing about who sent what."""
    return PlainTextResponse(studio.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


async def _read(
    studio: Studio, pictures: Sequence[tuple[str, bytes]], choice: Chosen
) -> tuple[list[Reading], list[tuple[str, UnmaskError]]]:
    """Readings, and the errors of what could not be read, by name."""
    jobs = studio.batcher.submit(pictures, choice)
    results = await asyncio.gather(*map(asyncio.wrap_future, jobs), return_exceptions=True)
    readings: list[Reading] = []
    errors: list[tuple[str, UnmaskError]] = []
    for (name, _), result in zip(pictures, results, strict=True):
        if isinstance(result, Reading):
            readings.append(result)
        elif isinstance(result, UnmaskError):
            errors.append((name, result))
        else:
            raise result
    return readings, errors


def _none_read(pictures: Sequence[tuple[str, bytes]], errors: Sequence[tuple[str, UnmaskError]]) -> RefusalError:
    failures = [{"source": name, **explained(error)} for name, error in errors]
    if all(isinstance(error, LimitError) for _, error in errors):
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    elif not any(images.picture_format(data[: images.SIGNATURE_BYTES]) for _, data in pictures):
        status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    else:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    return RefusalError(
        status,
        failures[0]["error"] if len(failures) == 1 else f"none of the {len(failures)} files could be read",
        failures[0]["next"] if len(failures) == 1 else "see the reason of each under failures",
        more={"failures": failures},
    )


def _refuse_fields(fields: dict[str, str]) -> None:
    for key in fields:
        raise DataError(f"field '{key[:100]}' is not a file; write settings into the address: /v1/read?{key[:100]}=...")


_MAX_DRAWN = 1000
"""Faces, whose labels take the longer to place the more there are."""


def _reading_of(field: str) -> Reading:
    """The reading in a field: alone, or as /v1/read answers with it."""
    try:
        value = parse_json(field)
    except ValueError as error:
        raise DataError(f"the field 'reading' is no JSON: {error}") from None
    if isinstance(value, dict) and isinstance(value.get("readings"), list):
        if len(value["readings"]) != 1:
            raise DataError(f"the field 'reading' holds {len(value['readings'])} readings; send that of the picture")
        value = value["readings"][0]
    reading = Reading.from_json(value)
    if len(reading.faces) > _MAX_DRAWN:
        raise DataError(f"the field 'reading' holds {len(reading.faces):,} faces; send {_MAX_DRAWN:,} or fewer")
    return reading


def _drawn(name: str, data: bytes, reading: Reading, max_pixels: int, blur: bool) -> bytes:
    image = decoded(data, name=name, max_pixels=max_pixels)
    if image.shape[:2] != (reading.height, reading.width):
        raise DataError(
            f"{name}: has {image.shape[1]} x {image.shape[0]} pixels, its reading {reading.width} x {reading.height}; "
            "send the picture that was read"
        )
    if blur:
        image = blurred(image, [face.box for face in reading.faces])
    return images.encoded(draw(image, reading), "PNG", icc_profile=images.colour_profile(data))


def _written(kind: str, body: schemas.ExportBody) -> str:
    readings = [Reading.from_json(value) for value in body.readings]
    found = next((face.scores for reading in readings for face in reading.faces), {})
    stream = io.StringIO()
    with open_writer(kind, stream, labels=list(found) if body.labels is None else body.labels) as writer:
        for reading in readings:
            writer.write(reading)
    return stream.getvalue()
