"""The application: the guard, the service and the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from unmask.errors import UnmaskError
from unmask.outputs import MEANING
from unmask.studio import api, document, films, live, site
from unmask.studio.guard import Guard
from unmask.studio.problems import RefusalError, problem_of
from unmask.studio.settings import Settings
from unmask.studio.state import Studio


def create_app(settings: Settings | None = None) -> FastAPI:
    """The ASGI application: browser pages, REST service and live sessions. Models are loaded at once.

    Parameters
    ----------
    settings
        None for those of a server for this machine alone.

    Raises
    ------
    UnmaskError
        The model or the detector cannot be loaded.
    """
    studio = Studio(settings or Settings())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        studio.close()

    app = _Application(
        title="unmask",
        summary="Reads facial expressions on your own machine: reads expressions, not minds.",
        description=f"{MEANING} Pictures are read in memory and forgotten with the answer.",
        version=version("unmask"),
        docs_url=None,  # their scripts come from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.studio = studio
    app.include_router(api.router)
    app.include_router(films.router)
    app.include_router(live.router)
    app.include_router(site.router)
    app.mount("/static", site.files(), name="static")
    app.add_middleware(Guard, settings=studio.settings, metrics=studio.metrics)
    app.add_exception_handler(RefusalError, _answer)
    app.add_exception_handler(UnmaskError, _answer)
    app.add_exception_handler(RequestValidationError, _answer)
    app.add_exception_handler(HTTPException, _answer)
    app.add_exception_handler(ClientDisconnect, _answer)
    app.add_exception_handler(Exception, _answer)
    return app


class _Application(FastAPI):
    """FastAPI with a completed OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document.complete(super().openapi(), self.state.studio.readers)
        return super().openapi()


def _answer(request: Request, error: Exception) -> Response:
    """Every refusal in the same JSON."""
    if isinstance(error, RefusalError):
        return error.response()
    if isinstance(error, UnmaskError):
        return problem_of(error).response()
    if isinstance(error, RequestValidationError):
        return _invalid(request, error).response()
    if isinstance(error, ClientDisconnect):  # nobody reads it, but it is counted
        return RefusalError(HTTPStatus.BAD_REQUEST, "the request ended early", "send all of it").response()
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        step = "the addresses and methods of this server stand in /openapi.json"
        return RefusalError(status, f"{status.phrase.lower()}", step, headers=error.headers).response()
    return RefusalError(
        HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says where", "try again, and report it"
    ).response()


def _invalid(request: Request, error: RequestValidationError) -> RefusalError:
    """The first value that is not what the OpenAPI document says."""
    first = error.errors()[0]
    sent = request.headers.get("content-type", "")
    if first["loc"] == ("body",) and "json" not in sent:
        return RefusalError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the body is of the type '{sent[:100]}'",
            "send Content-Type: application/json",
        )
    is_broken = first["type"] == "json_invalid"
    where = ".".join(str(part) for part in first["loc"][1:] if not is_broken) or str(first["loc"][0])
    return RefusalError(
        HTTPStatus.BAD_REQUEST if is_broken else HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{where[:200]}: {first['msg']}",
        "see /openapi.json for what is expected",
    )
