"""A split as a small file that can be committed, and that only fits the data it was made for."""

from __future__ import annotations

import base64
import binascii
import json
import textwrap
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.datasets import splits
from unmask.datasets.base import FaceDataset
from unmask.errors import ConfigError, DataError, InputError
from unmask.parsing import parse_json
from unmask.writing import disk_errors, write_whole

FORMAT = 1
MAX_FOLDS = 100


def _fold_names(folds: int) -> list[str]:
    return [f"fold{number}" for number in range(1, folds + 1)]


@dataclass(frozen=True)
class Split:
    """Which split each row of one data set belongs to.

    Parameters
    ----------
    checksum
        Of the data set.
    names
        Name of each row's split, ``str (N,)``; rows that are ``unused`` are left out.
    method
        How it was made: ``name`` and its arguments, with the seed.

    Raises
    ------
    DataError
        More than 255 names.
    """

    checksum: str
    names: NDArray[np.str_] = field(repr=False)
    method: Mapping[str, Any]

    def __post_init__(self) -> None:
        if len(np.unique(self.names)) > 255:
            raise DataError("a split of more than 255 names")

    @property
    def folds(self) -> int:
        """How many folds it has; 0 when it is no k-fold split."""
        folds: int = self.method.get("folds", 0)
        return folds

    def apply(self, dataset: FaceDataset, *, fold: int | None = None) -> FaceDataset:
        """The data set with these splits, without its unused rows.

        Parameters
        ----------
        fold
            Fold to validate on, from 1; the other folds become ``Training``. For k-fold splits, and needed there.

        Raises
        ------
        DataError
            The split was made for other data.
        ConfigError
            A fold that is not there, or none where one is needed.
        """
        if (dataset.checksum, len(dataset)) != (self.checksum, len(self.names)):
            raise DataError(
                f"this split was made for data of {len(self.names)} rows with sha256 {self.checksum[:16]}..., "
                f"{dataset.name} has {len(dataset)} rows and {dataset.checksum[:16]}...; make a new one: "
                "unmask data split"
            )
        names = self.names
        if self.folds or fold is not None:
            if not self.folds:
                raise ConfigError("this split has no folds; leave --fold out")
            if fold is None or not 1 <= fold <= self.folds:
                given = "" if fold is None else f"there is no fold {fold}; "
                raise ConfigError(f"{given}this split has {self.folds} folds; choose with --fold, 1 to {self.folds}")
            drawn = _fold_names(self.folds)
            held = names == drawn[fold - 1]
            names = np.where(held, splits.VALIDATION, np.where(np.isin(names, drawn), splits.TRAINING, names))
        return replace(dataset, splits=names).select(names != splits.UNUSED)

    def write(self, path: str | Path) -> None:
        """Write the file.

        Raises
        ------
        InputError
            Something else is there already, or the disk does not take it.
        """
        unique, codes = np.unique(self.names, return_inverse=True)
        packed = base64.b64encode(zlib.compress(codes.astype(np.uint8).tobytes(), 9)).decode("ascii")
        content = {
            "format": FORMAT,
            "data": {"sha256": self.checksum, "rows": len(self.names)},
            "method": dict(self.method),
            "splits": dict(zip(unique.tolist(), np.bincount(codes, minlength=len(unique)).tolist(), strict=True)),
            "rows": textwrap.wrap(packed, 120),
        }
        text = json.dumps(content, indent=1) + "\n"
        if not _holds(Path(path), text):
            write_whole(Path(path), text)

    @staticmethod
    def read(path: str | Path) -> Split:
        """Read a file that :meth:`write` wrote.

        Raises
        ------
        InputError
            It cannot be opened.
        DataError
            It is no split file, or its parts contradict each other.
        """
        try:
            content = parse_json(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
        except ValueError:
            raise DataError(f"{path}: no split file; make one: unmask data split") from None
        try:
            if content["format"] != FORMAT:
                raise DataError(f"{path}: format {content['format']}, expected {FORMAT}; update unmask")
            rows, names = int(content["data"]["rows"]), list(map(str, content["splits"]))
            unpacker = zlib.decompressobj()
            codes = np.frombuffer(
                unpacker.decompress(base64.b64decode("".join(content["rows"]), validate=True), rows + 1), np.uint8
            )
            counts = np.bincount(codes, minlength=len(names)).tolist()
            if len(codes) != rows or counts != list(content["splits"].values()):
                raise DataError(f"{path}: damaged: its rows are not those that it counts; make it anew")
            method = dict(content["method"])
            folds = method.get("folds", 0)
            if type(folds) is not int or not 0 <= folds <= MAX_FOLDS:
                raise DataError(f"{path}: damaged: {str(folds)[:40]!r} folds, expected 2 to {MAX_FOLDS}; make it anew")
            return Split(str(content["data"]["sha256"]), np.array(names, dtype=np.str_)[codes], method)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, binascii.Error, zlib.error):
            raise DataError(f"{path}: no split file, or a damaged one; make one: unmask data split") from None


def _holds(path: Path, text: str) -> bool:
    """Whether a file is there and holds the text; raises InputError where it holds anything else."""
    with disk_errors(path):
        if not path.exists():
            return False
        if path.read_bytes() != text.encode():
            raise InputError(
                f"{path}: is there already and holds something else; name another file, nothing is overwritten"
            )
    return True


def make_split(
    dataset: FaceDataset,
    method: str,
    *,
    seed: int = 0,
    fraction: float = 0.2,
    folds: int = 5,
    within: str | None = None,
    stratify: bool = True,
    training: int = 100,
    validation: int = 50,
) -> Split:
    """Draw a split.

    Parameters
    ----------
    method
        ``holdout`` and ``kfold``: copies and subjects together, classes in the same shares. ``study``: the study's
        80/20, which parts copies. ``study-sample``: so many rows of each class.
    fraction
        Share of the rows to validate on, for ``holdout``.
    folds
        How many, for ``kfold``.
    within
        Draw from the rows of this split only, the others keep theirs; None draws from all rows.
    stratify
        Keep the shares of the classes, for ``holdout`` and ``kfold``.
    training, validation
        Rows of each class, for ``study-sample``.

    Raises
    ------
    ConfigError
        A value outside its range.
    DataError
        There is no such split to draw from, a class has too few rows, a part of the split would have none, or a split
        that is kept has the name of a part.
    """
    rows = np.ones(len(dataset), dtype=bool) if within is None else dataset.splits == within
    part = dataset if within is None else dataset.split(within)
    groups = splits.linked_groups(dataset)[rows]
    strata = part.labels if stratify else None
    about: dict[str, Any] = {"name": method, "seed": seed, "within": within}
    # Wide enough for the names that are drawn, and for those that stay.
    width = max(32, dataset.splits.dtype.itemsize // 4)
    names = np.full(len(dataset), "", dtype=f"<U{width}") if within is None else dataset.splits.astype(f"<U{width}")
    if method not in METHODS:
        raise ConfigError(f"unknown method '{method}'; known: {', '.join(METHODS)}")
    if method == "kfold" and not 2 <= folds <= MAX_FOLDS:
        raise ConfigError(f"folds {folds}: expected 2 to {MAX_FOLDS}")
    parts = _fold_names(folds) if method == "kfold" else [splits.TRAINING, splits.VALIDATION]
    # The folds of k-fold are called so when one of them is chosen.
    taken = {*parts, splits.TRAINING, splits.VALIDATION}
    if kept := sorted(taken.intersection(names[~rows].tolist())):
        raise DataError(
            f"{dataset.name}: keeps a split '{kept[0]}', and of what is drawn a part would be called so too; name it "
            "otherwise in the data, or draw from all rows"
        )
    if method == "holdout":
        if not 0 < fraction < 1:
            raise ConfigError(f"fraction {fraction}: expected more than 0 and less than 1")
        mask = splits.holdout_mask(groups, fraction, seed=seed, strata=strata)
        names[rows] = np.where(mask, splits.VALIDATION, splits.TRAINING)
        about |= {"fraction": fraction, "stratified": stratify, "groups": "copies and subjects"}
    elif method == "kfold":
        numbers = splits.fold_numbers(groups, folds, seed=seed, strata=strata)
        names[rows] = np.array(parts)[numbers]
        about |= {"folds": folds, "stratified": stratify, "groups": "copies and subjects"}
    elif method == "study":
        mask = splits.study_holdout(len(part), seed=seed)
        names[rows] = np.where(mask, splits.VALIDATION, splits.TRAINING)
    else:
        if min(training, validation) < 1:
            raise ConfigError(f"{training} + {validation} rows of each class: expected at least 1 and 1")
        names[rows] = splits.study_sample(part, training=training, validation=validation, seed=seed)
        about |= {"training": training, "validation": validation}
    if missing := [name for name in parts if name not in names[rows]]:
        step = _MORE_ROWS.get(method, "give it data of more rows")
        raise DataError(f"{dataset.name}: '{method}' leaves {missing[0]} none of {len(part):,} rows; {step}")
    return Split(dataset.checksum, names, about)


METHODS = ("holdout", "kfold", "study", "study-sample")

_MORE_ROWS = {
    "holdout": "ask for a larger share (--fraction), or not for the shares of small classes (--no-stratify)",
    "kfold": "ask for fewer folds (--folds)",
}
