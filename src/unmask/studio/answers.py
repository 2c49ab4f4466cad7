"""What the OpenAPI document says about requests with files and about refusals."""

from __future__ import annotations

from typing import Any

from unmask.studio import schemas

_WHY = {
    400: "The request is damaged, or calls the server by a strange name.",
    401: "The server wants a key.",
    403: "A page of another site asks.",
    408: "The request did not come in whole in time.",
    413: "Too many bytes, pixels or files.",
    415: "Not `multipart/form-data`, or no file is a picture.",
    422: "A parameter has a wrong value, or the content cannot be read.",
    429: "Too many requests; `Retry-After` says when to come again.",
    503: "Busy, or no answer in time; `Retry-After` says when to come again.",
}

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Problem, "description": why} for status, why in _WHY.items()
}
"""Answers of every route that takes a body."""

_FILE = {"type": "string", "format": "binary"}


def form(properties: dict[str, Any]) -> dict[str, Any]:
    """The body of a route: a form with the field ``file`` and perhaps others."""
    schema = {"type": "object", "required": ["file"], "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


FILES_FORM = form({"file": {"type": "array", "items": _FILE, "minItems": 1}})
PICTURE_FORM = form({"file": _FILE, "reading": {"type": "string", "description": "JSON of a reading of this picture."}})
FILM_FORM = form({"file": _FILE})
