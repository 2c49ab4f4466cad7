"""Stands before every route: checks who asks, bounds what comes in, sets the headers of what goes out, and counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unmask.studio.access import RateLimit, check_host, check_key, check_origin, shown_key
from unmask.studio.metrics import Metrics
from unmask.studio.problems import RefusalError, busy, stopping
from unmask.studio.settings import Limits, Settings

FILM_ROUTES = ("/v1/films", "/v1/films/annotated")
"""Take long: their bodies may be large, and only the upload has to end in time."""

FILM_UPLOAD_S = 1800.0

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware; see the module.

    Parameters
    ----------
    app
        What it guards.
    settings
        Names, key and limits.
    metrics
        Where requests are counted.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._rate = RateLimit(settings.limits.max_rate)
        self._running = 0
        self._films = 0
        self._held = 0
        metrics.gauge("unmask_requests_running", "Requests that are worked on.", lambda: self._running)
        metrics.gauge("unmask_held_bytes", "Bytes of requests in memory.", lambda: self._held)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            check_host(headers, self._settings)
            check_origin(headers)
            self._rate.check(_address(scope))
        except RefusalError as problem:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": problem.error[:120]})
            return
        await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        body = _Body(receive, *self._most_bytes(scope))
        answer = _Answer(send, body)
        try:
            try:
                self._admit(scope)
                with self._slot(scope):
                    await self._in_time(scope, body, answer)
                if body.refusal and not answer.status:
                    raise body.refusal
            except RefusalError as problem:
                if answer.status:
                    raise
                body.refusal = None
                await problem.response()(scope, receive, answer)
            except asyncio.CancelledError:  # the server stops, and has waited long enough
                if not answer.status:
                    await stopping().response()(scope, receive, answer)
        finally:
            self._held -= body.counted
            route = getattr(scope.get("route"), "path", None) or "other"
            self._metrics.requests.add(_method(scope), route, str(answer.status or 500))
            self._metrics.duration.observe(time.monotonic() - started)

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        check_host(headers, self._settings)
        if scope["method"] not in ("GET", "HEAD"):
            check_origin(headers)
        if scope["path"].startswith("/v1/") or scope["path"] == "/metrics":
            self._rate.check(_address(scope))  # first, so that keys cannot be tried out
            check_key(shown_key(headers), self._settings)
        announced = headers.get("content-length", "0")
        if announced.isdecimal():
            _check_length(int(announced), *self._most_bytes(scope))

    def _most_bytes(self, scope: Scope) -> tuple[int, str]:
        """How many a request may have, and the option that says so."""
        limits = self._settings.limits
        return (limits.max_film, "--max-film") if scope["path"] in FILM_ROUTES else (limits.max_body, "--max-body")

    @contextmanager
    def _slot(self, scope: Scope) -> Iterator[None]:
        """One of the requests that are worked on at a time; pages and health checks need none."""
        limits = self._settings.limits
        if scope["method"] != "POST":
            yield
        elif scope["path"] in FILM_ROUTES:
            if self._films >= limits.max_films:
                raise busy(f"{self._films} films are being read already", seconds=10)
            self._films += 1
            try:
                yield
            finally:
                self._films -= 1
        else:
            if self._running >= limits.max_requests:
                raise busy(f"{self._running} requests are being worked on already")
            self._running += 1
            try:
                yield
            finally:
                self._running -= 1

    async def _in_time(self, scope: Scope, body: _Body, answer: _Answer) -> None:
        limits = self._settings.limits
        if scope["path"] in FILM_ROUTES:
            body.deadline = time.monotonic() + FILM_UPLOAD_S
            await self._app(scope, body, answer)
            return
        body.on_bytes = lambda count: self._hold(body, count, limits)
        try:
            async with asyncio.timeout(limits.timeout):
                await self._app(scope, body, answer)
        except TimeoutError:
            if not body.complete:
                raise _too_slow() from None
            raise busy(f"no answer within {limits.timeout:g} s", seconds=5) from None

    def _hold(self, body: _Body, count: int, limits: Limits) -> None:
        if self._held + count > limits.max_held:
            raise busy(f"{self._held:,} bytes of requests are in memory already")
        body.counted += count
        self._held += count


class _Body:
    """``receive`` of ASGI that counts bytes and refuses too many, or a film that takes too long to come.

    The refusal is kept, because who reads the body may take it for a damaged one and answer that.
    """

    def __init__(self, receive: Receive, most: int, option: str) -> None:
        self._receive, self._most, self._option = receive, most, option
        self._received = 0
        self.refusal: RefusalError | None = None
        self.counted = 0
        self.complete = False
        self.deadline: float | None = None
        self.on_bytes = _nothing

    async def __call__(self) -> Message:
        try:
            return await self._next()
        except RefusalError as refusal:
            self.refusal = refusal
            raise

    async def _next(self) -> Message:
        if self.deadline is None or self.complete:
            message = await self._receive()
        else:
            try:
                message = await asyncio.wait_for(self._receive(), self.deadline - time.monotonic())
            except TimeoutError:
                raise _too_slow() from None
        if message["type"] == "http.request":
            count = len(message.get("body", b""))
            self._received += count
            _check_length(self._received, self._most, self._option)
            self.on_bytes(count)
            self.complete = not message.get("more_body", False)
        return message


class _Answer:
    """``send`` of ASGI that adds the common headers, notes the status, and drops what is said of a refused body."""

    def __init__(self, send: Send, body: _Body) -> None:
        self._send, self._body = send, body
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if self._body.refusal and not self.status:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message.setdefault("headers", [])
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def _nothing(count: int) -> None:
    """A body whose bytes need not be counted in memory."""


def _too_slow() -> RefusalError:
    return RefusalError(HTTPStatus.REQUEST_TIMEOUT, "the request did not come in whole in time", "send it again")


def _check_length(count: int, most: int, option: str) -> None:
    if count > most:
        raise RefusalError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"more than {most:,} bytes in one request",
            f"send fewer or smaller files at a time, or start the server with a higher {option}",
        )


def _method(scope: Scope) -> str:
    """The method, of which strangers may invent any number."""
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("unknown",))[0])
