"""What goes wrong with a request, as a status code and JSON that says what to do next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from unmask.errors import LimitError, UnmaskError
from unmask.writing import encodable, printable


class RefusalError(Exception):
    """A request that is refused.

    Parameters
    ----------
    status
        HTTP status code.
    error
        What is wrong.
    next_step
        What the caller can do about it.
    headers
        Of the answer, for example ``Retry-After``.
    more
        Further members of the answer's JSON.
    """

    def __init__(
        self,
        status: HTTPStatus,
        error: str,
        next_step: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(error)
        self.status, self.error, self.next_step = status, error, next_step
        self.headers, self.more = dict(headers or {}), dict(more or {})

    def to_json(self) -> dict[str, Any]:
        return {"error": self.error, "next": self.next_step, **self.more}

    def response(self) -> Response:
        """The answer."""
        return json_response(self.to_json(), status=self.status, headers=self.headers)


def busy(what: str, *, seconds: int = 1) -> RefusalError:
    """Too much to do at the moment."""
    return RefusalError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        what,
        f"try again in {seconds} s",
        headers={"Retry-After": str(seconds)},
    )


def stopping() -> RefusalError:
    """The server has been told to stop."""
    return busy("the server is stopping", seconds=10)


_LONGEST = 2000
"""Characters of a message, which may repeat what was sent."""


def explained(error: UnmaskError) -> dict[str, str]:
    """An error of unmask as ``error`` and ``next``: its messages end with the next step, after a semicolon."""
    said = str(error)
    if len(said) > _LONGEST:
        said = f"{said[: _LONGEST // 2]} … {said[-_LONGEST // 2 :]}"
    what, _, step = printable(said).rpartition("; ")
    return {"error": what or step, "next": step if what else "check what was sent, and send it again"}


def problem_of(error: UnmaskError) -> RefusalError:
    """An error of unmask about a whole request: 413 where it is too large, else 422."""
    parts = explained(error)
    is_large = isinstance(error, LimitError)
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if is_large else HTTPStatus.UNPROCESSABLE_ENTITY
    return RefusalError(status, parts["error"], parts["next"])


def json_response(value: Any, *, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """JSON in UTF-8; what UTF-8 lacks, such as halves of surrogate pairs in names, is escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return Response(encodable(text), status_code=status, headers=dict(headers or {}), media_type="application/json")
