"""What the routes of one server share."""

from __future__ import annotations

import threading
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from unmask.studio.batching import Batcher
from unmask.studio.metrics import Metrics
from unmask.studio.readers import Readers
from unmask.studio.settings import Settings


class Studio:
    """Settings, models, the queue and the counters of one server.

    ``live`` is the number of live sessions, ``greeting`` that of those that have not said how to read
    yet; ``stopping`` is set once the server is told to stop, and ends films.

    Raises
    ------
    UnmaskError
        The model or the detector cannot be loaded.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.live = self.greeting = 0
        self.stopping = threading.Event()
        self.readers = Readers(model=settings.model, detector=settings.detector)
        self.batcher = Batcher(self.readers, limits=settings.limits, workers=settings.workers, metrics=self.metrics)
        self.metrics.gauge(
            "unmask_pictures_waiting", "Pictures that no worker has taken yet.", lambda: self.batcher.waiting
        )

        self.metrics.gauge("unmask_live_sessions", "Live sessions that are running.", lambda: self.live)

    def close(self) -> None:
        """Read what waits, and end the workers."""
        self.batcher.close()


def studio_of(connection: HTTPConnection) -> Studio:
    """The server that a request came to."""
    studio: Studio = connection.app.state.studio
    return studio


Here = Annotated[Studio, Depends(studio_of)]
"""A parameter of routes."""
