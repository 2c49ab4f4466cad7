"""Files that are replaced only when the new ones are complete: by whom, and what they leave alone."""

from __future__ import annotations

import itertools
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_sets import make_bars
from numpy.typing import NDArray
from test_outputs_writers import LABELS, RUNS

from unmask.datasets import fer2013, own_folder, own_parquet_writing
from unmask.datasets.export import write_dataset
from unmask.errors import InputError
from unmask.outputs import open_writer
from unmask.outputs.report import ReportWriter
from unmask.writing import replacing, whole_folder, write_whole

OLD, FOREIGN = "old " * 1000, "the user's own"


def text(path: Path) -> None:
    """A text at once."""
    write_whole(path, "new")


def report(path: Path) -> None:
    """A page with a picture."""
    with ReportWriter(path) as page:
        page.add(np.zeros((80, 100, 3), np.uint8), RUNS["one face"][0])


def parquet(path: Path) -> None:
    """Readings."""
    pytest.importorskip("pyarrow")
    with open_writer("parquet", path, labels=LABELS) as writer:
        writer.write(RUNS["one face"][0])


def csv_set(path: Path) -> None:
    """A data set as CSV."""
    fer2013.write(make_bars(), path)


def parquet_set(path: Path) -> None:
    """A data set as Parquet."""
    pytest.importorskip("pyarrow")
    own_parquet_writing.write(make_bars(), path)


def checkpoint(path: Path) -> None:
    """A checkpoint of a training."""
    torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")
    from unmask.training.checkpoint import save_checkpoint

    save_checkpoint(path, {"weight": torch.ones(3)}, {})


WRITERS: list[tuple[Callable[[Path], None], str]] = [
    (text, "new.txt"),
    (report, "new.html"),
    (parquet, "new.parquet"),
    (csv_set, "new.csv"),
    (parquet_set, "new.parquet"),
    (checkpoint, "new.safetensors"),
]
each_writer = pytest.mark.parametrize(("write", "name"), WRITERS, ids=[write.__name__ for write, _ in WRITERS])


def mode(path: Path) -> int:
    """Who may read and write a file."""
    return stat.S_IMODE(path.stat().st_mode)


@each_writer
def test_nothing_else_in_the_folder_is_touched(write: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    """A file of the user's own that is called like a part stays, and nothing is left beside the new one."""
    path = tmp_path / name
    others = [path.with_name(f"{name}.part"), path.with_suffix(".part")]
    for other in others:
        other.write_text(FOREIGN)
    write(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])
    assert [other.read_text() for other in others] == [FOREIGN, FOREIGN]
    assert path.stat().st_size > 0


@each_writer
def test_links_are_followed(write: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    """The file that a link leads to is replaced, or made, and the link stays."""
    (tmp_path / "far").mkdir()
    for target in (tmp_path / "far" / "there", tmp_path / "far" / "missing"):
        link = tmp_path / "links" / target.name / name
        link.parent.mkdir(parents=True)
        link.symlink_to(Path("../../far") / target.name)
        if target.name == "there":
            target.write_text(OLD)
        write(link)
        assert link.is_symlink()
        assert target.is_file()
        assert target.read_bytes() != OLD.encode()
    assert len(list((tmp_path / "far").iterdir())) == 2


@each_writer
@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_permissions_are_those_of_any_file(write: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    """A new file gets what the umask leaves, and an old one keeps what it had."""
    path = tmp_path / name
    before = os.umask(0o027)
    try:
        write(path)
        assert mode(path) == 0o640
        path.chmod(0o606)
        write(path)
        assert mode(path) == 0o606
    finally:
        os.umask(before)


@pytest.mark.parametrize(("write", "name"), WRITERS[:-1], ids=[write.__name__ for write, _ in WRITERS[:-1]])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipes_are_written_to(write: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    """What goes into a pipe is what a file would hold, and the pipe stays one."""
    file, pipe = tmp_path / "file" / name, tmp_path / "pipe" / name
    write(file)
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    came = list[bytes]()
    reader = threading.Thread(target=lambda: came.append(pipe.read_bytes()))
    reader.start()
    write(pipe)
    reader.join()
    assert came == [file.read_bytes()]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(pipe.parent.iterdir()) == [pipe]


@pytest.mark.parametrize(("write", "name"), WRITERS[:-1], ids=[write.__name__ for write, _ in WRITERS[:-1]])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_device_is_told_and_stays(write: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    """A device is never replaced, also not by way of a link; what goes wrong names the link."""
    link = tmp_path / name
    link.symlink_to("/dev/full")
    with pytest.raises(InputError, match=rf"{name}: cannot be written: No space left"):
        write(link)
    assert link.is_symlink()
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_what_stood_there_stays_until_the_end(tmp_path: Path) -> None:
    """Where writing fails, the old file is whole and the new one gone."""
    path = tmp_path / "kept.txt"
    path.write_text(OLD)

    def fail() -> None:
        with replacing(path) as part:
            part.write_text("half")
            assert path.read_text() == OLD
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == OLD
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_of_any_length(tmp_path: Path) -> None:
    """The longest name that a file can have is no longer while it is written."""
    path = tmp_path / ("n" * 251 + ".txt")
    write_whole(path, "new")
    assert path.read_text() == "new"


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """What is written stands in its place at the end; an interruption leaves nothing, nor the folders made for it."""
    target = tmp_path / "deep" / "set"

    def write(error: BaseException | None = None, *, full: bool = False) -> None:
        with whole_folder(target) as part:
            (part / "sub").mkdir()
            (part / "sub" / "a").write_text("a")
            assert [path.name[0] for path in target.iterdir()] == ["."]
            if error:
                raise error
            if full:
                raise InputError(f"{part / 'b'}: full")

    with pytest.raises(KeyboardInterrupt):
        write(KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == []
    target.mkdir(parents=True)  # an empty one is taken, and stays
    with pytest.raises(ValueError, match="torn"):
        write(ValueError("torn"))
    assert list(target.iterdir()) == []
    with pytest.raises(InputError, match="full") as caught:  # of what the user named, not of the hidden folder
        write(None, full=True)
    assert str(caught.value) == f"{target / 'b'}: full"
    write()
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == ["sub", str(Path("sub", "a"))]
    with pytest.raises(InputError, match="is not empty"):
        write()


@pytest.mark.parametrize("to", ["folders", "parquet"])
def test_an_interrupted_export_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    """A part of a data set would read like a whole one."""
    if to == "parquet":
        pytest.importorskip("pyarrow")
    written, encoded, count = own_folder if to == "folders" else own_parquet_writing, own_folder.png, itertools.count()

    def png(image: NDArray[np.uint8]) -> bytes:
        if next(count) == 20:
            raise KeyboardInterrupt
        return encoded(image)

    monkeypatch.setattr(written, "png", png)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(make_bars(), tmp_path / "set", to=to)
    assert next(count) == 21
    assert list(tmp_path.iterdir()) == []
