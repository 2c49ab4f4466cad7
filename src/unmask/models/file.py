"""A model file: a folder, or the same in one ``.unmask`` archive.

::

    model.json      the card (see unmask.models.card)
    model.onnx      the network: grey crops uint8 (N, S, S) to one float32 output (N, classes) per head
    CARD.md         the card for people, generated
    weights.safetensors  the network's weights as they were trained, from which another run can start; may be missing
    history.json    a record of each epoch of its training; may be missing

An archive is a zip file without compression of these members; nothing else in it is looked at. There is no pickle.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from unmask.errors import InputError, ModelError, UnknownModelError, suggest
from unmask.models.card import ModelCard
from unmask.writing import write_whole

ARCHIVE_SUFFIX = ".unmask"
DEFAULT_MODEL = "small"
GRAPH_FILE = "model.onnx"
WEIGHTS_FILE = "weights.safetensors"
"""A network's weights as they were trained, under its own names; only what was trained here has them."""

_MEMBERS = ("model.json", GRAPH_FILE, "CARD.md", WEIGHTS_FILE, "history.json")

_MAX_MEMBER = 512 * 2**20  # bytes; a model of unmask has a few million


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model as loaded: its card, the bytes of its network, and where they were read from, if from a file."""

    card: ModelCard
    onnx: bytes = field(repr=False)
    bundled: bool = False
    source: str = ""


def _bundled_folder() -> Path:
    return Path(__file__).parents[1] / "weights"


def bundled_models() -> dict[str, Path]:
    """Folders of the models inside the package, by name."""
    return {path.parent.name: path.parent for path in sorted(_bundled_folder().glob("*/model.json"))}


def load_model(name_or_path: str | Path | None = None) -> ModelFile:
    """A model by the name of one inside the package, or from a folder or ``.unmask`` archive; None is the default one.

    Raises
    ------
    UnknownModelError
        Neither a known name nor an existing path.
    ModelError
        The file cannot be opened, is damaged, or of another format version.
    """
    path = find_model(name_or_path)
    return _read_folder(path, bundled=path.parent == _bundled_folder()) if path.is_dir() else _read_archive(path)


def find_model(name_or_path: str | Path | None = None) -> Path:
    """The folder or archive of a model, by name or path; None is the default one.

    Raises
    ------
    UnknownModelError
        Neither a known name nor an existing path.
    ModelError
        The path cannot be looked for.
    """
    bundled = bundled_models()
    wanted = DEFAULT_MODEL if name_or_path is None else str(name_or_path)
    path = bundled.get(wanted, Path(wanted))
    try:
        there = path.is_dir() or path.is_file()
    except OSError as error:  # too long a name, or a folder that may not be searched
        raise ModelError(f"{wanted}: cannot be opened ({error.strerror}); check the path") from None
    if not there:
        raise UnknownModelError(f"no model '{wanted}': neither a known name nor a file; {suggest(wanted, bundled)}")
    return path


def _read_folder(folder: Path, *, bundled: bool) -> ModelFile:
    try:
        text = (folder / "model.json").read_text(encoding="utf-8")
        onnx = (folder / GRAPH_FILE).read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        if (folder / "model" / "model.json").is_file():
            raise ModelError(
                f"{folder}: a run's folder, not a model; name the model in it, {folder / 'model'}"
            ) from None
        if (folder / "checkpoint.safetensors").is_file():
            raise ModelError(f"{folder}: a run that is not finished; unmask train --resume makes its model") from None
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ModelError(f"{folder}: not a model folder ({reason}); expected model.json and model.onnx in it") from None
    return ModelFile(ModelCard.from_json(text, where=f"{folder}/model.json"), onnx, bundled, str(folder / GRAPH_FILE))


def _read_archive(path: Path) -> ModelFile:
    members = read_members(path, ("model.json", GRAPH_FILE))
    try:
        text, onnx = members["model.json"].decode("utf-8"), members[GRAPH_FILE]
    except (KeyError, UnicodeDecodeError) as error:
        raise _not_an_archive(path, error) from None
    return ModelFile(ModelCard.from_json(text, where=f"{path}: model.json"), onnx, source=str(path))


def read_members(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The members of an archive that are among some names, those that it has. Raises ModelError when it is damaged."""
    import zipfile  # takes long to load, and the models inside the package are folders
    import zlib

    try:
        with zipfile.ZipFile(path) as archive:
            wanted = [archive.getinfo(name) for name in names if name in archive.namelist()]
            for member in wanted:
                if member.file_size > _MAX_MEMBER:
                    raise ModelError(
                        f"{path}: {member.filename} is larger than {_MAX_MEMBER} bytes; not a model of unmask"
                    )
            return {member.filename: archive.read(member) for member in wanted}
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise _not_an_archive(path, error) from None


def _not_an_archive(path: Path, error: Exception) -> ModelError:
    reason = f"it lacks {error}" if isinstance(error, KeyError) else error
    return ModelError(f"{path}: not a {ARCHIVE_SUFFIX} archive ({reason}); export the model again")


def save_folder(folder: Path, card: ModelCard, onnx: bytes) -> None:
    """Write a model folder: ``model.json``, ``model.onnx`` and a generated ``CARD.md``.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    from unmask.models.document import card_markdown

    write_whole(folder / GRAPH_FILE, onnx)
    write_whole(folder / "model.json", json.dumps(card.to_json(), indent=2) + "\n")
    write_whole(folder / "CARD.md", card_markdown(card))


def save_archive(folder: Path, path: Path) -> None:
    """Pack a model folder into one ``.unmask`` archive, the same bytes for the same folder.

    Raises
    ------
    ModelError
        The folder is damaged.
    InputError
        The archive cannot be written, or what stands there is no model and would be lost.
    """
    import io
    import zipfile

    _read_folder(folder, bundled=False)  # a damaged folder is refused before anything is written
    if path.exists():
        try:
            _read_archive(path)
        except ModelError:
            raise InputError(f"{path}: is there already and is no model; name another file") from None
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression=zipfile.ZIP_STORED) as archive:
        for name in _MEMBERS:
            if (folder / name).is_file():
                archive.writestr(zipfile.ZipInfo(name), (folder / name).read_bytes())
    write_whole(path, packed.getvalue())
