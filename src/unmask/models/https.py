"""Opens addresses on the network. Imported only when a user asks for a download: its libraries take long to load."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import IO

_TIMEOUT_S = 30.0


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirections, and only to ``https``."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"redirected to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_https(url: str) -> IO[bytes]:
    """Open an address for reading. Raises OSError (``URLError``) when it cannot, or when it leaves ``https``."""
    if not url.startswith("https://"):
        raise urllib.error.URLError(f"{url} is not https")
    stream: IO[bytes] = urllib.request.build_opener(_HttpsOnly).open(url, timeout=_TIMEOUT_S)
    return stream
