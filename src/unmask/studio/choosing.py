"""How a request says what to read with: in the query of its address."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

from fastapi import Depends, Query, Request

from unmask.errors import DataError, suggest
from unmask.models import Thresholds
from unmask.studio.readers import Choice
from unmask.studio.state import Studio, studio_of

THRESHOLDS = tuple(field.name for field in fields(Thresholds))
_KNOWN = ("model", "head", "detector", "abstain", *THRESHOLDS)
_ALSO = {"/v1/draw": ("blur",), "/v1/films/annotated": ("blur",)}

_Name = Annotated[str | None, Query(max_length=100)]
_AtLeast0 = Annotated[float | None, Query(ge=0, allow_inf_nan=False)]
_Degrees = Annotated[float | None, Query(ge=0, le=180, allow_inf_nan=False)]
_Share = Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)]


def choice_of(
    request: Request,
    studio: Annotated[Studio, Depends(studio_of)],
    model: _Name = None,
    head: _Name = None,
    detector: _Name = None,
    min_size: _AtLeast0 = None,
    min_sharpness: _AtLeast0 = None,
    max_yaw: _Degrees = None,
    max_pitch: _Degrees = None,
    min_confidence: _Share = None,
    min_margin: _Share = None,
    abstain: bool = True,
) -> Choice:
    """What the query chooses. Raises UnmaskError for what is unknown or doubled: no slip of the pen is ignored."""
    known = (*_KNOWN, *_ALSO.get(request.url.path, ()))
    for key in request.query_params:
        if key not in known:
            raise DataError(f"unknown parameter '{key[:100]}'; {suggest(key[:100], known)}")
        if len(request.query_params.getlist(key)) > 1:
            raise DataError(f"parameter '{key}' is given more than once; leave one value")
    values = (min_size, min_sharpness, max_yaw, max_pitch, min_confidence, min_margin)
    thresholds = {key: value for key, value in zip(THRESHOLDS, values, strict=True) if value is not None}
    return studio.readers.choose(model=model, head=head, detector=detector, thresholds=thresholds, abstain=abstain)


Chosen = Annotated[Choice, Depends(choice_of)]
"""A parameter of routes."""
