"""Numbers written as text, ``70 80 82 ...``, to pixels: a fast reading that declines whatever it is not sure of.

`parse_pixels` defines what a row means and names what is wrong with it. `parse_block` reads many rows at once with
array operations alone and returns None unless every row is beyond doubt: one space between numbers of one to three
digits, each at most 255. The caller then asks `parse_pixels` row by row, so both together are as exact as the slow one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError

_SPACE, _ZERO, _TEN = np.uint8(ord(" ")), np.uint8(ord("0")), np.uint8(10)


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
    values = [int(word[-20:]) for word in words]
    if max(values) > 255:
        raise DataError(f"pixels must be 0 to 255, got {max(values)}")
    return np.array(values, dtype=np.uint8)


def parse_block(text: NDArray[np.uint8], ends: NDArray[np.int64], digits: int, count: int) -> NDArray[np.uint8] | None:
    """Many rows, ``(R, count)``, or None where a row is not in the plain form.

    Parameters
    ----------
    text
        Bytes of the rows, ``(B,)``, from the first number on; what stands between rows must hold no space.
    ends
        Position behind each row's last number, ``(R,)``, ascending; a space must stand there.
    digits
        How many digits there must be in all if nothing but digits and single spaces stands in the rows.
    count
        Numbers in a row.
    """
    space = text == _SPACE
    positions = np.flatnonzero(space)
    if len(positions) != len(ends) * count or not np.array_equal(positions[count - 1 :: count], ends):
        return None
    digit_values = text - _ZERO
    is_digit = digit_values < _TEN
    both = is_digit[1:] & is_digit[:-1]
    if (
        np.count_nonzero(is_digit) != digits
        or (both[2:] & both[:-2]).any()  # four digits in a row
        or np.count_nonzero(is_digit[:-1] & space[1:]) != len(positions)  # a space without a number before it
    ):
        return None
    digit_values *= is_digit
    # At each byte: the number that its digit and the digit before it make, 0 to 99.
    pairs = digit_values[:-1] * both
    pairs *= _TEN
    pairs += digit_values[1:]
    # A number's leading digits, then the number. The first number may be one digit with nothing before it: the clipped
    # positions then point at itself, and the separator rule below takes its share away.
    positions -= 1
    values = digit_values.take(positions)
    leading = np.empty_like(values)
    leading[1:] = pairs.take(positions[1:] - 2)
    leading[0] = int(bytes(text[: positions[0]]) or b"0")
    if leading.max() > 25:
        return None
    values += leading * _TEN
    if (values < leading).any():  # more than 255: the byte has wrapped round
        return None
    return values.reshape(-1, count)
