"""RAF-DB as it is published: a list of labels and a folder of aligned faces.

Li et al., "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the Wild"
(doi:10.1109/CVPR.2017.277). The list is ``list_patition_label.txt`` (so spelt), its lines ``train_00001.jpg 5``; the
face lies in ``aligned/train_00001_aligned.jpg``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from unmask.datasets.base import NEXT_STEP, FaceDataset, LeftOut
from unmask.datasets.layouts import LoadOptions
from unmask.datasets.pictures import PictureRow, from_pictures, split_named
from unmask.errors import DataError, InputError

LIST_NAMES = ("list_patition_label.txt", "list_partition_label.txt")
CODES = {"1": "surprise", "2": "fear", "3": "disgust", "4": "happy", "5": "sad", "6": "angry", "7": "neutral"}

_FOLDERS = (("Image", "aligned"), ("aligned",), ("Image", "original"), ("original",))


def sniff(path: Path) -> bool:
    """Whether RAF-DB's list lies in the folder, or in ``EmoLabel`` or ``basic/EmoLabel`` of it."""
    return _list_file(path) is not None


def load(path: Path, options: LoadOptions) -> FaceDataset:
    """Read the basic expressions of RAF-DB; the aligned faces, or the original pictures where there are none.

    Raises
    ------
    InputError
        A file is missing or damaged.
    DataError
        The list has another form, or names a code outside 1 to 7.
    """
    list_file = _list_file(path)
    if list_file is None:
        raise DataError(f"{path}: {LIST_NAMES[0]} is missing")
    root = list_file.parent.parent if list_file.parent.name == "EmoLabel" else list_file.parent
    folder = next((root.joinpath(*parts) for parts in _FOLDERS if root.joinpath(*parts).is_dir()), None)
    if folder is None:
        raise InputError(f"{root}: no folder of faces; expected {' or '.join('/'.join(parts) for parts in _FOLDERS)}")
    rows, left_out = [], []
    try:
        lines = list_file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{list_file}: cannot be read ({error.strerror}); check the file") from None
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or words[1] not in CODES or Path(words[0]).name != words[0]:
            reason = f"expected a file name and a code 1 to 7, got {line[:60]!r}"
            if not options.skip_bad:
                raise DataError(f"{list_file}: line {number}: {reason}; {NEXT_STEP}")
            left_out.append(LeftOut(f"{list_file.name}, line {number}", reason))
            continue
        name = Path(words[0])
        aligned = folder / f"{name.stem}_aligned{name.suffix}"
        rows.append(
            PictureRow(
                path=aligned if folder.name == "aligned" and not (folder / name).exists() else folder / name,
                label=CODES[words[1]],
                split=split_named(name.stem.partition("_")[0]),
                where=f"{list_file.name}, line {number}",
            )
        )
    dataset = from_pictures("RAF-DB", path, rows, options)
    return replace(dataset, left_out=(*left_out, *dataset.left_out))


def _list_file(path: Path) -> Path | None:
    folders = (path, path / "EmoLabel", path / "basic" / "EmoLabel")
    return next((file for folder in folders for name in LIST_NAMES if (file := folder / name).is_file()), None)
