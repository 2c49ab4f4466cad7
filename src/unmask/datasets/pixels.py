"""Numbers written as text, ``70 80 82 ...``, to pixels: a fast reading that declines whatever it is not sure of.

`parse_pixels` defines what a row means and names what is wrong with it. `parse_block` reads many rows at once with
array operations alone and returns None unless every row is beyond doubt: one space between numbers of one to three
digits, each at most 255. The caller then asks `parse_pixels` row by row, so both together are as exact as the slow one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError

_SPACE, _ZERO, _TEN, _HUNDRED = np.uint8(ord(" ")), np.uint8(ord("0")), np.uint8(10), np.uint8(100)


def parse_pixels(text: bytes, count: int) -> NDArray[np.uint8]:
    """One image, ``(count,)``, from its numbers.

    Raises
    ------
    DataError
        Another number of pixels, something that is no number, or a value outside 0 to 255; the caller adds the place.
    """
    words = text.split()
    for word in words:
        if not word.isdigit():
            raise DataError(
                f"pixels must be whole numbers parted by spaces, got {word[:20].decode(errors='replace')!r}"
            )
    if len(words) != count:
        raise DataError(f"expected {count} pixels, got {len(words)}")
    values = [int(word) if len(word) < 20 else 256 for word in words]
    for value, word in zip(values, words, strict=True):
        if value > 255:
            raise DataError(f"pixels must be 0 to 255, got {word[:20].decode()}")
    return np.array(values, dtype=np.uint8)


def parse_block(text: NDArray[np.uint8], ends: NDArray[np.int64], digits: int, count: int) -> NDArray[np.uint8] | None:
    """Many rows, ``(R, count)``, or None where a row is not in the plain form.

    Parameters
    ----------
    text
        Bytes of the rows, ``(B,)``, from the first number on. What stands between rows must hold no space and must not
        end in a digit.
    ends
        Position behind each row's last number, ``(R,)``, ascending; no digit and no space stands there.
    digits
        How many digits the rows have if nothing but digits and single spaces stands in them.
    count
        Numbers in a row.
    """
    is_end = text == _SPACE
    is_end[ends] = True
    positions = np.flatnonzero(is_end)
    if len(positions) != len(ends) * count or not np.array_equal(positions[count - 1 :: count], ends):
        return None
    values = np.empty(len(text) + 3, dtype=np.uint8)
    values[:3] = 255
    np.subtract(text, _ZERO, out=values[3:])
    # The three bytes before each end, the last one first; what is no digit is 10 or more.
    ones, tens, hundreds = (values[2 - back :].take(positions) for back in range(3))
    has_tens = tens < _TEN
    has_hundreds = (hundreds < _TEN) & has_tens
    # Of longer numbers three digits are counted, of anything else none, so that the sum falls short.
    lengths = len(positions) + np.count_nonzero(has_tens) + np.count_nonzero(has_hundreds)
    if lengths != digits or ones.max(initial=0) > 9:
        return None
    hundreds *= has_hundreds
    if hundreds.max(initial=0) > 2:
        return None
    tens *= has_tens
    tens *= _TEN
    ones += tens
    hundreds *= _HUNDRED
    ones += hundreds
    if (ones < hundreds).any():  # more than 255: the byte has wrapped round
        return None
    return ones.reshape(-1, count)
