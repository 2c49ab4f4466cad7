"""CSV files with a column of pixels, read in pieces on several threads: fast, exact, and in bounded memory.

A piece of whole lines goes through :func:`~unmask.datasets.pixels.parse_block`. A piece that it declines is read again
line by line, which either understands it or says which line is wrong and why.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import NEXT_STEP, LeftOut
from unmask.datasets.pixels import parse_block, parse_pixels
from unmask.errors import DataError, InputError

_PIECE = 1 << 20
"""Bytes of a piece."""

_LONGEST_LINE = 1 << 22
_MARGIN = b' "\t\r'
_IS_MARGIN = np.isin(np.arange(256), np.frombuffer(_MARGIN, dtype=np.uint8))


@dataclass(frozen=True)
class PixelRows:
    """What a file holds: pixels ``uint8 (N, count)``, the other cells by column, and the line of each row."""

    pixels: NDArray[np.uint8]
    cells: dict[str, list[bytes]]
    lines: NDArray[np.int64]
    checksum: str
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class _Piece:
    """Rows of a piece with their lines, the piece's number of lines, and what is wrong in which line; from 0."""

    pixels: NDArray[np.uint8]
    cells: list[list[bytes]]
    lines: NDArray[np.int64]
    line_count: int
    bad: list[tuple[int, str]]


def read_header(path: Path) -> list[str]:
    """Names of the columns, in lower case, without quotes and margins.

    Raises
    ------
    InputError
        The file cannot be opened.
    """
    try:
        with open(path, "rb") as file:
            text = file.readline(4096).decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
    return [name.strip(' "\r\n\t').lower() for name in text.split(",")]


def read_pixel_rows(path: Path, columns: list[str], pixels: str, count: int, *, skip_bad: bool = False) -> PixelRows:
    """All rows below the header.

    Parameters
    ----------
    columns
        Names of the columns.
    pixels
        Name of the one that holds the pixels.
    count
        Pixels in a row.
    skip_bad
        Leave damaged rows out and list them, instead of stopping at the first.

    Raises
    ------
    InputError
        The file cannot be read.
    DataError
        A row is damaged; the message names its line.
    """
    reader = _Reader(columns, columns.index(pixels), count)
    digest = hashlib.sha256()
    workers = min(4, os.cpu_count() or 1)
    # A large array, freed at once, teaches glibc's malloc to keep what it is given back. Otherwise the arrays of each
    # piece are mapped anew from the system, which takes as long as the parsing.
    np.empty(31 << 20, dtype=np.uint8)
    pieces: list[_Piece] = []
    lines: list[NDArray[np.int64]] = []
    left_out: list[LeftOut] = []
    first_line = 2
    waiting: deque[tuple[Future[_Piece], Future[None]]] = deque()

    def take() -> None:
        nonlocal first_line
        parsed, hashed = waiting.popleft()
        hashed.result()
        piece = parsed.result()
        if piece.bad and not skip_bad:
            number, reason = piece.bad[0]
            raise DataError(f"{path}: line {first_line + number}: {reason}; {NEXT_STEP}")
        left_out.extend(LeftOut(f"line {first_line + number}", reason) for number, reason in piece.bad)
        lines.append(piece.lines + first_line)
        first_line += piece.line_count
        pieces.append(piece)

    # One thread of its own computes the checksum, piece after piece in their order.
    with ThreadPoolExecutor(workers) as pool, ThreadPoolExecutor(1) as hasher:
        try:
            for chunk in _chunks(path, digest):
                waiting.append((pool.submit(reader.read, _ended(chunk)), hasher.submit(digest.update, chunk)))
                if len(waiting) > 2 * workers:
                    take()
            while waiting:
                take()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); check the file and the disk") from None
        finally:
            for parsed, hashed in waiting:
                parsed.cancel()
                hashed.cancel()
    others = [name for name in columns if name != pixels]
    return PixelRows(
        pixels=np.concatenate([np.empty((0, count), np.uint8), *(piece.pixels for piece in pieces)]),
        cells={name: [cell for piece in pieces for cell in piece.cells[n]] for n, name in enumerate(others)},
        lines=np.concatenate([np.empty(0, np.int64), *lines]),
        checksum=digest.hexdigest(),
        left_out=tuple(left_out),
    )


def _chunks(path: Path, digest: hashlib._Hash) -> Iterator[bytes]:
    """Pieces of whole lines below the header, which itself goes into the digest."""
    with open(path, "rb") as file:
        digest.update(file.readline())
        while chunk := file.read(_PIECE):
            rest = file.readline(_LONGEST_LINE)
            if len(rest) == _LONGEST_LINE:
                raise DataError(f"{path}: a line has more than {_LONGEST_LINE:,} bytes; this is no CSV of pixels")
            yield chunk + rest


def _ended(chunk: bytes) -> bytes:
    """The piece with a break behind its last line, which a file's last line may lack."""
    return chunk if chunk.endswith(b"\n") else chunk + b"\n"


@dataclass(frozen=True)
class _Reader:
    """Reads pieces; ``pixels`` is the place of their column, ``count`` how many a row has."""

    columns: list[str]
    pixels: int
    count: int

    def read(self, chunk: bytes) -> _Piece:
        return self._fast(chunk) or self._slow(chunk)

    def _fast(self, chunk: bytes) -> _Piece | None:
        bounds = self._bounds(chunk)
        if bounds is None:
            return None
        text = np.frombuffer(chunk, dtype=np.uint8)
        starts, ends = bounds[:, self.pixels] + 1, bounds[:, self.pixels + 1].copy()
        while (margin := _IS_MARGIN[text[starts]]).any():
            starts += margin
        while (margin := _IS_MARGIN[text[ends - 1]]).any():
            ends -= margin
        if (ends <= starts).any():
            return None
        digits = int((ends - starts).sum()) - len(ends) * (self.count - 1)
        pixels = parse_block(text[starts[0] : ends[-1] + 1], ends - starts[0], digits, self.count)
        if pixels is None:
            return None
        cells = [
            [
                chunk[before + 1 : behind].strip(_MARGIN)
                for before, behind in zip(bounds[:, column].tolist(), bounds[:, column + 1].tolist(), strict=True)
            ]
            for column in range(len(self.columns))
            if column != self.pixels
        ]
        return _Piece(pixels, cells, np.arange(len(ends)), len(ends), [])

    def _bounds(self, chunk: bytes) -> NDArray[np.int64] | None:
        """Positions before and behind each cell, ``(R, columns + 1)``; None where a line has too few commas.

        The cells before the pixels are looked for from the left, those behind them from the right; a comma too many
        then stands among the pixels, where it is noticed.
        """
        bounds: list[int] = []
        before, behind = self.pixels, len(self.columns) - 1 - self.pixels
        start = 0
        while start < len(chunk):
            end = chunk.find(b"\n", start)
            left = [start - 1]
            for _ in range(before):
                left.append(chunk.find(b",", left[-1] + 1, end))
            right = [end]
            for _ in range(behind):
                right.append(chunk.rfind(b",", start, right[-1]))
            if -1 in left[1:] or right[-1] <= left[-1]:
                return None
            bounds += left
            bounds += right[::-1]
            start = end + 1
        return np.array(bounds, dtype=np.int64).reshape(-1, len(self.columns) + 1)

    def _slow(self, chunk: bytes) -> _Piece:
        pixels, lines, bad = [], [], []
        cells: list[list[bytes]] = [[] for _ in range(len(self.columns) - 1)]
        text = chunk.removesuffix(b"\n").split(b"\n")
        for number, line in enumerate(text):
            row = [cell.strip(_MARGIN) for cell in line.split(b",")]
            if row == [b""]:
                continue
            try:
                if len(row) != len(self.columns):
                    raise DataError(f"expected {len(self.columns)} cells ({', '.join(self.columns)}), got {len(row)}")
                pixels.append(parse_pixels(row.pop(self.pixels), self.count))
            except DataError as error:
                bad.append((number, str(error)))
                continue
            lines.append(number)
            for column, cell in zip(cells, row, strict=True):
                column.append(cell)
        values = np.array(pixels, dtype=np.uint8).reshape(-1, self.count)
        return _Piece(values, cells, np.array(lines, dtype=np.int64), len(text), bad)
