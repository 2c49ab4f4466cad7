"""Runs the server until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from unmask.errors import ConfigError, MissingExtraError
from unmask.studio.settings import Settings

STOP_S = 30
"""Seconds that requests in flight may take to end once the server is told to stop; films are ended at once."""

_MAX_FRAME = 4 * 2**20  # bytes of a message on a web socket


def serve(settings: Settings, *, started: Callable[[str], None], stopping: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are answered first.

    Parameters
    ----------
    settings
        See :class:`unmask.studio.Settings`.
    started
        Called with the address of the first page once it can be opened.
    stopping
        Called with the number of requests in flight, if there are any, once the server is told to stop.

    Raises
    ------
    ConfigError
        The address cannot be listened on.
    MissingExtraError
        The server's libraries are not installed.
    UnmaskError
        The model or the detector cannot be loaded.
    """
    try:
        import python_multipart as _multipart  # noqa: F401
        import uvicorn
        import websockets as _websockets  # noqa: F401

        from unmask.studio.app import create_app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("unmask"):
            raise
        raise MissingExtraError(error.name or "fastapi", "studio") from None
    import cv2

    # Each worker reads pictures of its own: threads within OpenCV would only get in each other's way.
    cv2.setNumThreads(1)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # damaged requests are answered, not logged
    app = create_app(settings)
    with _listening(settings) as listener:
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets=sockets)
                if self.started:
                    started(f"http://{shown}:{port}/")

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                app.state.studio.stopping.set()
                # What is given up after STOP_S is answered or broken off; to uvicorn that is an error with a traceback.
                logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
                if waiting := len(self.server_state.tasks):
                    stopping(waiting)
                await super().shutdown(sockets=sockets)

        server = Server(
            uvicorn.Config(
                app,
                log_level="error",  # damaged requests are answered, not logged
                access_log=False,
                server_header=False,
                ws_max_size=_MAX_FRAME,
                ws_per_message_deflate=False,  # a small message could fill the memory before any key is shown
                proxy_headers=False,  # anybody can write them, and rates and tries of keys are counted by address
                timeout_graceful_shutdown=STOP_S,
            )
        )
        # uvicorn raises the signal that stopped it once more when all is done: by then it has been obeyed.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
        # Stopped twice, the server has not closed it; a process whose threads still read pictures would end in a crash.
        app.state.studio.close()


def _listening(settings: Settings) -> socket.socket:
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((settings.host, settings.port), family=family, backlog=512)
    except (OSError, UnicodeError) as error:  # the latter of a host that no name can be
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{settings.host}:{settings.port} cannot be listened on ({reason}); choose another --port or --host"
        ) from None
