"""Who may ask: which names the server answers to, which pages may call it, who has the key, and how often."""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from unmask.studio.problems import RefusalError
from unmask.studio.settings import Settings, is_address, plain_name
from unmask.writing import printable

_RATE_WINDOW_S = 10.0
_MAX_CLIENTS = 4096


def check_host(headers: Headers, settings: Settings) -> None:
    """Refuse names that are not this server's.

    A page of another site may point its own name to this machine (DNS rebinding), and its scripts would then be of the
    same origin as the server. Addresses cannot be pointed elsewhere; of names, only ``localhost`` and those that the
    server was started with are answered.

    Raises
    ------
    RefusalError
        400.
    """
    try:
        name = plain_name(urlsplit(f"//{headers.get('host', '')}").hostname or "")
    except ValueError:  # brackets that do not close
        name = ""
    if name in ("localhost", plain_name(settings.host), *settings.hosts) or is_address(name):
        return
    raise RefusalError(
        HTTPStatus.BAD_REQUEST,
        f"this server does not answer to the name '{printable(name)}'",
        f"open it by its address, or start it with --allow-host {printable(name) or 'NAME'}",
    )


def check_origin(headers: Headers) -> None:
    """Refuse pages of other origins: a browser says in ``Origin`` whose page it acts for.

    Raises
    ------
    RefusalError
        403.
    """
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        raise RefusalError(
            HTTPStatus.FORBIDDEN,
            f"a page of {printable(origin)} may not use this server",
            "open the server's own page, or call it from a program",
        )


def shown_key(headers: Headers) -> str:
    """The key in ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``; empty without one."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def check_key(shown: str, settings: Settings, *, remedy: str = "send the header Authorization: Bearer KEY") -> None:
    """Refuse who does not have the key, in the same time whatever was shown.

    Parameters
    ----------
    remedy
        How the key is shown.

    Raises
    ------
    RefusalError
        401.
    """
    key = settings.api_key
    if key and not hmac.compare_digest(*(one.encode("utf-8", "surrogatepass") for one in (shown, key))):
        raise RefusalError(
            HTTPStatus.UNAUTHORIZED,
            "this server wants a key, and another or none was shown",
            remedy,
            headers={"WWW-Authenticate": "Bearer"},
        )


class RateLimit:
    """So many requests a second of one address, counted in a bucket that holds ten seconds' worth.

    Parameters
    ----------
    rate
        Requests a second; 0 for no limit.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address: requests left, and when

    def check(self, address: str) -> None:
        """Count one request. Raises RefusalError, 429, when there were too many."""
        if not self._rate:
            return
        now = time.monotonic()
        most = self._rate * _RATE_WINDOW_S
        left, then = self._left.pop(address, (most, now))
        left = min(most, left + self._rate * (now - then))
        self._left[address] = (max(left - 1, 0.0), now)
        if len(self._left) > _MAX_CLIENTS:
            self._left.popitem(last=False)
        if left < 1:
            seconds = str(max(1, round((1 - left) / self._rate)))
            raise RefusalError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"more than {self._rate:g} requests a second",
                f"try again in {seconds} s",
                headers={"Retry-After": seconds},
            )
