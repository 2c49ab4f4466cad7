"""Labels as other people write them, to codes of a taxonomy."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.base import UNLABELLED
from unmask.errors import DataError
from unmask.expressions import FER2013, FERPLUS, Expression, Taxonomy

_OTHER_WORDS = {
    Expression.ANGRY: ("anger",),
    Expression.DISGUST: ("disgusted",),
    Expression.FEAR: ("fearful", "afraid", "scared"),
    Expression.HAPPY: ("happiness", "joy"),
    Expression.SAD: ("sadness",),
    Expression.SURPRISE: ("surprised",),
    Expression.NEUTRAL: ("neutrality",),
    Expression.CONTEMPT: ("contemptuous",),
}

WORDS = {word: label for label, others in _OTHER_WORDS.items() for word in (str(label), *others)}
"""Expression of every word that is understood, in lower case."""

NO_LABEL = ("", "unlabelled", "unlabeled")
"""Words that say that a picture has no label."""


def expression_of(text: str) -> Expression | None:
    """The expression that a word names, or None for a word that says there is none.

    Raises
    ------
    DataError
        The word is not known.
    """
    word = text.strip().lower()
    if word in NO_LABEL:
        return None
    try:
        return WORDS[word]
    except KeyError:
        raise DataError(f"unknown label {text[:40]!r}; expected one of {', '.join(Expression)}") from None


def parse_label(text: str, taxonomy: Taxonomy | None) -> Expression | None:
    """The expression that a word, or a code of the taxonomy, names; None for no label.

    Raises
    ------
    DataError
        A word that is not known, a number outside the taxonomy, or a number where no taxonomy gives it a meaning.
    """
    word = text.strip()
    if not re.fullmatch(r"-?[0-9]+", word):
        return expression_of(word)
    if taxonomy is None:
        raise DataError(
            f"label {word[:40]!r} is a number; say which taxonomy it belongs to: fer2013 or ferplus (--taxonomy)"
        )
    # The length is asked first: Python does not turn thousands of digits into a number.
    if len(word) > 9 or not UNLABELLED <= int(word) < len(taxonomy):
        raise DataError(f"label {word[:40]!r}; expected 0 to {len(taxonomy) - 1} ('{taxonomy.name}')")
    return None if int(word) == UNLABELLED else taxonomy.labels[int(word)]


def to_codes(labels: Iterable[Expression | None], taxonomy: Taxonomy | None) -> tuple[NDArray[np.int64], Taxonomy]:
    """Codes ``(N,)`` and their taxonomy; None takes FER2013's seven, or FER+'s eight where contempt occurs.

    Raises
    ------
    DataError
        A label is none of the taxonomy's.
    """
    labels = list(labels)
    if taxonomy is None:
        taxonomy = FERPLUS if Expression.CONTEMPT in labels else FER2013
    codes = {label: taxonomy.code(label) for label in set(labels) if label is not None}
    return np.array([UNLABELLED if label is None else codes[label] for label in labels], dtype=np.int64), taxonomy
