"""JSON that anybody may have written, and the numbers in it."""

from __future__ import annotations

import json
import math
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says. Raises ValueError for any other text, and for one that is nested too deeply to be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_finite(value: object) -> bool:
    """Whether a value is a number that a float can hold; neither a truth value nor a larger whole number is one."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False
