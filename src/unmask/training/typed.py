"""From TOML, JSON and ``KEY=VALUE`` to a typed object: every key known, every value of its type."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from unmask.errors import ConfigError, DataError, InputError, LimitError, suggest
from unmask.parsing import parse_json

_LONGEST = 2**20  # characters of a configuration; a device may have no end


def read_table(path: str | Path) -> dict[str, Any]:
    """The table in a configuration: a TOML file, or a ``.json`` file.

    Raises
    ------
    InputError
        The file cannot be opened.
    LimitError
        It is far too long for one, or has no end.
    ConfigError
        It is not what its name says.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(_LONGEST + 1)
        if len(text) > _LONGEST:
            raise LimitError(f"{path}: more than {_LONGEST:,} characters, so no configuration; name another file")
        values = parse_json(text) if str(path).endswith(".json") else tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
    except (ValueError, RecursionError) as error:  # tomllib raises more than its own error
        kind = "JSON" if str(path).endswith(".json") else "TOML"
        raise ConfigError(f"{path}: not {kind}: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a table of keys and values")
    return values


def set_value(values: dict[str, Any], key: str, value: Any) -> None:
    """Put a value into nested tables under a dotted key."""
    *parents, leaf = key.strip().split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{key}: '{parent}' holds a value and is no table")
    values[leaf] = value


def apply_overrides(values: dict[str, Any], overrides: Sequence[str]) -> None:
    """Apply ``key=value`` texts, the value written as in TOML; a bare word is a string."""
    for override in overrides:
        key, separator, text = override.partition("=")
        try:
            value = tomllib.loads(f"value = {text}")["value"] if separator else None
        except (ValueError, RecursionError):
            value = text
        if value is None:
            raise ConfigError(f"--set {override}: expected KEY=VALUE")
        set_value(values, key, value)


def build_typed(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """An instance of a dataclass from a table, its keys and types checked.

    Raises
    ------
    ConfigError
        An unknown key (the message names the nearest known one), a missing key, a value of another type.
    """
    hints = get_type_hints(kind)
    arguments = {}
    for key, value in values.items():
        if key not in hints:
            raise ConfigError(f"{where}: unknown key '{key}'; {suggest(key, hints)}")
        arguments[key] = _typed(hints[key], value, f"{where}: {key}")
    required = [f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
    missing = [key for key in required if key not in arguments]
    if missing:
        raise ConfigError(f"{where}: missing: {', '.join(missing)}")
    try:
        return kind(**arguments)
    except (ConfigError, DataError) as error:
        raise ConfigError(f"{where}: {error}") from None


def _typed(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, str, bool):
        if type(value) is not hint:
            raise ConfigError(f"{where} = {value!r}: expected {hint.__name__}")
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f'{where} = {value!r}: expected a list of texts, such as ["a", "b"]')
        return tuple(value)
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} = {value!r}: expected a table")
    if get_args(hint)[1:] == (float,):
        return {str(key): _typed(float, item, f"{where}.{key}") for key, item in value.items()}
    return build_typed(hint, value, where) if isinstance(hint, type) and dataclasses.is_dataclass(hint) else value


def check_ranges(config: object, rules: Mapping[str, tuple[bool, str]]) -> None:
    """Raise ConfigError for the first rule that does not hold.

    Parameters
    ----------
    rules
        By the name of the value that each is about: whether it holds, and what is expected, in words.
    """
    for key, (holds, expected) in rules.items():
        if not holds:
            raise ConfigError(f"{key} = {getattr(config, key)!r}: expected {expected}")
