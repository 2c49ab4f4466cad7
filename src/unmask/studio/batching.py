"""Pictures of many requests, read together.

::

    requests --submit--> one queue --workers take turns--> Reader --> a future for each picture

Each worker takes a fair share of what waits and is to be read alike, so that a lone picture is read at once, and many
go through the network together. Pictures are decoded one after the other just before they are read: what waits is the
compressed file.
"""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from unmask.errors import InputError, UnmaskError
from unmask.images import Image
from unmask.media import Failure
from unmask.readings import Reading
from unmask.studio import uploads
from unmask.studio.metrics import Metrics
from unmask.studio.problems import busy, stopping
from unmask.studio.readers import Choice, Readers
from unmask.studio.settings import Limits

LARGEST_BATCH = 8
"""Pictures that a worker takes at a time, at most: a network gains little from more, and the other workers
would wait for the last one."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One picture to read: its name, the bytes of its file, and what to read it with."""

    name: str
    data: bytes = field(repr=False)
    choice: Choice
    result: Future[Reading] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """The queue and its workers.

    Parameters
    ----------
    readers
        Models and detectors.
    limits
        Of pixels and of pictures that wait.
    workers
        Threads.
    metrics
        Where they count.
    """

    def __init__(self, readers: Readers, *, limits: Limits, workers: int, metrics: Metrics) -> None:
        self._readers, self._limits, self._metrics = readers, limits, metrics
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"unmask-read-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Pictures that no worker has taken yet."""
        return len(self._jobs)

    def submit(self, pictures: Sequence[tuple[str, bytes]], choice: Choice) -> list[Future[Reading]]:
        """Queue named files; each future gives a reading, or raises why there is none (an UnmaskError).

        A future that is cancelled before a worker takes its picture costs nothing more.

        Raises
        ------
        RefusalError
            So many pictures do not fit into the queue now; none of them is queued.
        """
        jobs = [Job(name, data, choice) for name, data in pictures]
        with self._changed:
            if self._closing:
                raise stopping()
            if len(self._jobs) + len(jobs) > max(self._limits.max_waiting, len(jobs)):
                raise busy(f"{len(self._jobs)} pictures are waiting already")
            self._jobs.extend(jobs)
            self._changed.notify(len(jobs))
        return [job.result for job in jobs]

    def close(self) -> None:
        """Read what waits, then end the workers."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._take():
            self._read(batch)

    def _take(self) -> list[Job]:
        """The next pictures for one worker; none at the end."""
        with self._changed:
            while not self._jobs and not self._closing:
                self._changed.wait()
            share = min(LARGEST_BATCH, math.ceil(len(self._jobs) / len(self._threads)))
            batch: list[Job] = []
            while self._jobs and len(batch) < share and (not batch or self._jobs[0].choice == batch[0].choice):
                batch.append(self._jobs.popleft())
            return batch

    def _read(self, batch: list[Job]) -> None:
        now = time.monotonic()
        self._metrics.batches.observe(len(batch))
        wanted = [job for job in batch if job.result.set_running_or_notify_cancel()]
        for job in wanted:
            self._metrics.waited.observe(now - job.since)
        decoded: deque[Job] = deque()
        try:
            reader = self._readers.reader(batch[0].choice)
            for item in reader.stream(self._decode(wanted, decoded)):
                job = decoded.popleft()
                if isinstance(item, Failure):
                    self._fail(job, item.error)
                else:
                    self._metrics.pictures.add("read")
                    self._metrics.faces.add(amount=len(item[1].faces))
                    job.result.set_result(dataclasses.replace(item[1], source=job.name))
        except Exception as error:  # a worker must outlive whatever a picture does to a library
            for job in wanted:
                if not job.result.done():
                    self._fail(job, _unexpected(job, error))

    def _decode(self, batch: list[Job], decoded: deque[Job]) -> Iterator[Image]:
        """Pictures that can be decoded, each noted in ``decoded``; the others fail here."""
        for job in batch:
            try:
                image = uploads.decoded(job.data, name=job.name, max_pixels=self._limits.max_pixels)
            except UnmaskError as error:
                self._fail(job, error)
            except MemoryError as error:
                self._fail(job, _unexpected(job, error))
            else:
                decoded.append(job)
                yield image

    def _fail(self, job: Job, error: UnmaskError) -> None:
        self._metrics.pictures.add("failed")
        job.result.set_exception(error)


def _unexpected(job: Job, error: BaseException) -> UnmaskError:
    failure = InputError(f"{job.name}: cannot be read ({type(error).__name__}: {error}); report this with the picture")
    failure.__cause__ = error
    return failure
