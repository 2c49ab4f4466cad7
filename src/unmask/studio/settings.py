"""What a server is started with: where it listens, what it reads with, and what it refuses."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
from dataclasses import dataclass, field

from unmask.errors import ConfigError
from unmask.images import MAX_PIXELS

KEY_VARIABLE = "UNMASK_API_KEY"
"""Environment variable with the key that requests must show."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused, so that no request can exhaust the machine.

    Parameters
    ----------
    max_body
        Bytes of a request with pictures.
    max_held
        Bytes of such requests in memory at a time.
    max_film
        Bytes of a film; it lies in a temporary file.
    max_pixels
        Width times height of a picture; about 24 bytes of memory a pixel while it is decoded.
    max_files
        Pictures in one request.
    max_requests
        Requests that are worked on at a time.
    max_waiting
        Pictures that wait for a worker.
    max_films, max_live
        Films and live sessions at a time.
    max_rate
        Requests a second of one client address, over ten seconds; 0 for no limit.
    timeout
        Seconds until a request must have its answer.

    Raises
    ------
    ConfigError
        A value that is no number, too small, or beyond what can be decoded.
    """

    max_body: int = 64 * 2**20
    max_held: int = 512 * 2**20
    max_film: int = 2 * 2**30
    max_pixels: int = 40_000_000
    max_files: int = 64
    max_requests: int = 32
    max_waiting: int = 256
    max_films: int = 2
    max_live: int = 4
    max_rate: float = 200.0
    timeout: float = 60.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            least = 0 if name == "max_rate" else 1
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value < float("inf"):
                raise ConfigError(f"{name}: expected a finite number of at least {least}, got {value!r}")
        if self.max_pixels > MAX_PIXELS:
            raise ConfigError(f"max_pixels: {self.max_pixels:,} pixels are more than are ever decoded, {MAX_PIXELS:,}")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server runs.

    Parameters
    ----------
    host, port
        Address to listen on.
    hosts
        Names, beside this machine's own and its addresses, under which browsers may call it; kept in small letters and
        without a dot at the end.
    model
        Model that is read unless a request chooses another; None is the one inside the package.
    detector
        Detector that is used unless a request chooses another; None is YuNet once fetched, else MTCNN.
    api_key
        What requests must show; empty for no key.
    workers
        Threads that read pictures.
    limits
        See :class:`Limits`.

    Raises
    ------
    ConfigError
        A port or number of workers that cannot be, or a key that no header can carry.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    hosts: tuple[str, ...] = ()
    model: str | None = None
    detector: str | None = None
    api_key: str = field(default="", repr=False)
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port {self.port}: expected 0 to 65535, where 0 takes a free one")
        for name in self.hosts:
            has_port = ":" in name and not is_address(name)
            if not name or has_port or "/" in name or any(character.isspace() for character in name):
                raise ConfigError(
                    f"host {name!r}: expected a name alone, without http://, port and path: faces.example.org"
                )
        object.__setattr__(self, "hosts", tuple(map(plain_name, self.hosts)))
        if self.workers < 1:
            raise ConfigError(f"workers {self.workers}: expected at least 1")
        if self.api_key and not (self.api_key.isascii() and self.api_key.isprintable() and " " not in self.api_key):
            raise ConfigError("the API key may hold letters, digits and signs of ASCII only, and no blanks")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK


def plain_name(name: str) -> str:
    """A host's name as it is compared: neither capitals nor a dot at the end make another one."""
    return name.lower().removesuffix(".")


def is_address(name: str) -> bool:
    """Whether a host's name is its address, IPv4 or IPv6."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
