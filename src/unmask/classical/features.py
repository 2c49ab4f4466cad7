"""Features by name, as the configuration of the study writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unmask.classical.base import ImageFeature, Mirrored, Union
from unmask.classical.gabor import Gabor
from unmask.classical.gradients import Hog
from unmask.classical.lbp import LbpHistogram, LbpImage
from unmask.classical.pixels import Eigenfaces, Pixels
from unmask.classical.words import VisualWords
from unmask.errors import ConfigError, UnknownModelError, suggest

_FEATURES: dict[str, Callable[..., ImageFeature]] = {}


def register_feature(kind: str, build: Callable[..., ImageFeature]) -> None:
    """Make a feature known under a name. Raises ValueError when the name is taken."""
    if kind in _FEATURES:
        raise ValueError(f"a feature named '{kind}' is registered already")
    _FEATURES[kind] = build


def feature_names() -> list[str]:
    """Every registered name, sorted."""
    return sorted(_FEATURES)


def build_feature(kind: str, **options: Any) -> ImageFeature:
    """A new feature, not yet fitted.

    Raises
    ------
    UnknownModelError
        The name is not registered.
    ConfigError
        The feature has no such option.
    """
    if kind not in _FEATURES:
        raise UnknownModelError(f"unknown feature '{kind}'; {suggest(kind, _FEATURES)}")
    try:
        return _FEATURES[kind](**{key: tuple(v) if isinstance(v, list) else v for key, v in options.items()})
    except TypeError as error:
        raise ConfigError(f"feature '{kind}': {error}") from None


def resolve(name: str, tables: Mapping[str, Mapping[str, Any]], *, within: tuple[str, ...] = ()) -> ImageFeature:
    """The feature that a configuration's table ``features.NAME`` describes; ``parts`` and ``feature`` name others.

    Raises
    ------
    ConfigError
        A name that no table has, one that leads back to itself, or an option that the feature does not have.
    """
    if name not in tables:
        raise ConfigError(f"no table [features.{name}]; {suggest(name, tables)}")
    if name in within:
        raise ConfigError(f"[features.{name}] is made of itself, through {' and '.join(within)}")
    options = dict(tables[name])
    kind = str(options.pop("kind", name))
    inner = (*within, name)
    if "parts" in options:
        options["parts"] = [resolve(part, tables, within=inner) for part in options["parts"]]
    if "feature" in options:
        options["feature"] = resolve(options["feature"], tables, within=inner)
    try:
        return build_feature(kind, **options)
    except (ConfigError, UnknownModelError) as error:
        raise ConfigError(f"[features.{name}]: {error}") from None


register_feature("pixels", Pixels)
register_feature("eigenfaces", Eigenfaces)
register_feature("lbp_image", LbpImage)
register_feature("lbp_histogram", LbpHistogram)
register_feature("hog", Hog)
register_feature("gabor", Gabor)
register_feature("visual_words", VisualWords)
register_feature("union", Union)
register_feature("mirrored", Mirrored)
