"""Sources: what they expand to, in which order, and that one bad source never ends the rest."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from unmask.errors import InputError, LimitError
from unmask.images import Image
from unmask.media import Failure, Frame, Input, Source, count, expand, frames, open_frame, ordered_map
from unmask.media import stdin as stdin_module
from unmask.media.expand import natural_key


def png(shade: int = 0) -> bytes:
    """A grey 2 x 2 PNG."""
    buffer = io.BytesIO()
    Pillow.new("L", (2, 2), shade).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which holds ``album`` with pictures, folders, and things that are not to be read."""
    for name in ("10.png", "2.PNG", "Nested/a.jpeg", "Nested/deep/b.webp", "one[1].png"):
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png())
    for name in ("notes.txt", ".hidden.png", ".cache/c.png", "Nested/._a.jpeg", "film.mp4"):
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def give_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """Let standard input hold some bytes."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def names(sources: Source | list[Source]) -> list[str]:
    """Names of what sources expand to, with / between folders, those of failures in brackets."""
    return [
        f"[{item.name}]" if isinstance(item.content, InputError) else Path(item.name).as_posix()
        for item in expand(sources)
    ]


EXPANSIONS: list[tuple[str, list[Source], list[str]]] = [
    ("a file", ["album/10.png"], ["album/10.png"]),
    ("a path", [Path("album/10.png")], ["album/10.png"]),
    ("an odd way to write it", ["./album//10.png"], ["album/10.png"]),
    ("a named file of any ending", ["album/notes.txt"], ["album/notes.txt"]),
    ("a missing file, for open_frame to tell", ["album/11.png"], ["album/11.png"]),
    ("a folder", ["album"],
     ["album/2.PNG", "album/10.png", "album/Nested/a.jpeg", "album/Nested/deep/b.webp", "album/one[1].png"]),
    ("a folder without pictures", ["empty"], ["[empty]"]),
    ("an empty path", [""], ["['']"]),
    ("a NUL, for open_frame to tell", ["a\0b"], ["a\0b"]),
    ("a glob", ["album/*.png"], ["album/10.png", "album/one[1].png"]),
    ("a glob of folders", ["album/N*/*.jpeg"], ["album/Nested/a.jpeg"]),
    ("a glob through folders", ["**/*.[jw]*"], ["album/Nested/a.jpeg", "album/Nested/deep/b.webp"]),
    ("a glob for hidden files", ["album/.*.png"], ["album/.hidden.png"]),
    ("a glob that matches none", ["album/*.bmp"], ["[album/*.bmp]"]),
    ("a glob that matches folders only", ["alb*"], ["[alb*]"]),
    ("a file whose name could be a glob", ["album/one[1].png"], ["album/one[1].png"]),
    ("several, in their order", ["album/one[1].png", "empty", "album/2.PNG"],
     ["album/one[1].png", "[empty]", "album/2.PNG"]),
    ("bytes and arrays", ["album/2.PNG", b"x", np.zeros((2, 2))], ["album/2.PNG", "<bytes 1>", "<array 2>"]),
]  # fmt: skip


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(("sources", "expected"), [row[1:] for row in EXPANSIONS], ids=[row[0] for row in EXPANSIONS])
def test_expand(sources: list[Source], expected: list[str]) -> None:
    """Each kind of source gives its inputs, in natural order, and counts as many."""
    assert names(sources) == expected
    assert count(sources) == len(expected)
    if len(sources) == 1:
        assert len(names(sources[0])) == len(expected)  # one source alone needs no list


def test_absolute_globs(tree: Path) -> None:
    """A pattern from the root gives paths from the root, also below a hidden folder."""
    hidden = tree / ".hidden folder"
    hidden.mkdir()
    (hidden / "a.png").write_bytes(png())
    assert names(str(hidden / "*.png")) == [(hidden / "a.png").as_posix()]


def test_what_is_no_source_is_a_failure() -> None:
    """An object of another kind fails alone."""
    wrong: list[Source] = [3.5, b"x"]  # type: ignore[list-item]
    assert names(wrong) == ["[<source 0>]", "<bytes 1>"]


def test_links_in_circles_end(tree: Path) -> None:
    """A link to a folder above, to itself, or to a folder that was gone through, adds nothing and ends."""
    before = names("album")
    try:
        (tree / "album" / "Nested" / "up").symlink_to(tree / "album", target_is_directory=True)
        (tree / "album" / "itself").symlink_to("itself")
        (tree / "album" / "zz").symlink_to("Nested", target_is_directory=True)
    except OSError:
        pytest.skip("links may not be made here")
    assert names("album") == before
    (tree / "outside").mkdir()
    (tree / "outside" / "o.png").write_bytes(png())
    (tree / "album" / "linked").symlink_to(tree / "outside", target_is_directory=True)
    assert "album/linked/o.png" in names("album")


def test_a_folder_that_cannot_be_listed_fails_alone(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures before and after an unreadable folder are still found."""
    listed = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "Nested":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert names(["album"]) == ["album/2.PNG", "album/10.png", "[album/Nested]", "album/one[1].png"]


@given(st.lists(st.text(st.characters(exclude_characters="/\0"), max_size=8)))
def test_natural_order_sorts_any_names(texts: list[str]) -> None:
    """Any two names can be compared, and numbers count by their value."""
    in_order = sorted(texts, key=natural_key)
    texts.reverse()
    assert sorted(texts, key=natural_key) == in_order
    assert sorted(["a10", "A9", "b1", "a9b", "٣"], key=natural_key) == ["A9", "a9b", "a10", "b1", "٣"]


STDIN = [
    # name, what comes in, names
    ("a picture", png(), ["<stdin>"]),
    ("a list", b"album/2.PNG\nalbum/10.png\n", ["album/2.PNG", "album/10.png"]),
    ("no line end at the end", b"album/2.PNG\nalbum/10.png", ["album/2.PNG", "album/10.png"]),
    ("blank lines", b"\n\n  \nalbum/2.PNG\n\nalbum/10.png\n\n", ["album/2.PNG", "album/10.png"]),
    ("Windows line ends and mark", b"\xef\xbb\xbfalbum/2.PNG\r\nalbum/10.png\r\n", ["album/2.PNG", "album/10.png"]),
    ("folders and globs", b"album/*.png\nempty\n", ["album/10.png", "album/one[1].png", "[empty]"]),
    ("missing files", b"a\nb\nc\n" * 20, ["a", "b", "c"] * 20),
    ("a dash is a file here", b"album/2.PNG\n-\n", ["album/2.PNG", "-"]),
    ("not UTF-8", "album/2.PNG\nM\xfcnchen.png\nalbum/10.png\n".encode("latin-1"),
     ["album/2.PNG", "[<stdin>]", "album/10.png"]),
    ("nothing", b"", ["[<stdin>]"]),
    ("a film", b"\0\0\0\x20ftypisom\0\0\x02\0" + b"\n\xff\xfe" * 50, ["[<stdin>]"]),
    ("paths divided by NUL", b"album/2.PNG\0album/10.png\0", ["[<stdin>]"]),
    ("a document", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type /Catalog>>\n" + b"\xff\0\n\xfe" * 50,
     ["%PDF-1.4", "[<stdin>]", "1 0 obj", "<</Type /Catalog>>", "[<stdin>]"]),
    ("names that begin like pictures", b"BM\nGIF\nRIFF\nII\nalbum/2.PNG\n", ["BM", "GIF", "RIFF", "II", "album/2.PNG"]),
]  # fmt: skip


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in STDIN], ids=[row[0] for row in STDIN])
def test_standard_input(data: bytes, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input is one picture or a list of paths; its length is not known before it is read."""
    give_stdin(monkeypatch, data)
    assert count(["album", "-"]) is None
    assert names("-") == expected


def test_a_picture_from_standard_input_between_files(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture comes at its place in the order."""
    give_stdin(monkeypatch, png(77))
    found = list(frames(["album/2.PNG", "-", "album/10.png"]))
    assert [item.source for item in found] == [str(Path("album/2.PNG")), "<stdin>", str(Path("album/10.png"))]
    assert isinstance(found[1], Frame)
    assert (found[1].image == 77).all()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (bytearray(png()), r"got bytearray; give bytes\(source\)"),
        (memoryview(png()), r"got memoryview; give bytes\(source\)"),
        (io.BytesIO(png()), r"got BytesIO; give its bytes: \.read\(\)"),
        (Pillow.new("RGB", (8, 8)), r"got Image; give numpy\.asarray\(picture\)"),
        (None, "got NoneType"),
        (3.5, "got float"),
    ],
)
def test_sources_of_another_kind(source: Any, words: str) -> None:
    """An open file is not gone through line by line; each says what to give instead."""
    for one in (source, [source]):
        (item,) = expand(one)
        with pytest.raises(InputError, match=words):
            raise item.content if isinstance(item.content, Exception) else AssertionError


def test_standard_input_that_is_closed_or_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither raises; the size is limited before anything is decoded."""
    monkeypatch.setattr(sys, "stdin", None)
    assert names("-") == ["[<stdin>]"]
    give_stdin(monkeypatch, png() + bytes(1000))
    monkeypatch.setattr(stdin_module, "MAX_BYTES", 1000)
    (item,) = expand("-")
    assert isinstance(item.content, LimitError)


def test_a_list_is_read_while_it_is_written(tmp_path: Path) -> None:
    """The first path is read before the second is written."""
    (tmp_path / "a.png").write_bytes(png())
    code = "from unmask.media import frames\nfor frame in frames('-'): print(frame.source, flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name in ("a.png", "missing.png"):
            process.stdin.write(f"{name}\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{name}\n"
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_open_frame_opens_every_kind_of_content(tree: Path) -> None:
    """Files, bytes and arrays become frames under their names; errors pass through."""
    path = tree / "album" / "2.PNG"
    contents: list[Path | bytes | Image] = [path, png(), np.zeros((2, 2), np.uint8)]
    for content in contents:
        frame = open_frame(Input("name", content))
        assert isinstance(frame, Frame)
        assert (frame.source, frame.index, frame.time_s, frame.image.shape) == ("name", 0, None, (2, 2))
    error = InputError("why")
    failure = open_frame(Input("name", error))
    assert isinstance(failure, Failure)
    assert failure.error is error


@pytest.mark.parametrize("workers", [1, 3])
def test_failures_stand_in_their_places(workers: int, tree: Path) -> None:
    """What cannot be read is a Failure that names it, and the rest is read, in order, with any number of threads."""
    sources: list[Source] = ["album/film.mp4", "album/2.PNG", "album/notes.txt", "empty", "gone.jpg"]
    sources += [np.zeros((2, 2)), b"GIF89a", png(), "album/10.png"]
    found = list(frames(sources, workers=workers))
    assert [type(item) for item in found] == [Failure, Frame, Failure, Failure, Failure, Failure, Failure, Frame, Frame]
    says = ["no film, or damaged", "begins with b'x'", "no pictures in this folder", "no such file"]
    says += ["numpy.uint8", "damaged or incomplete GIF"]
    failures = [item for item in found if isinstance(item, Failure)]
    for failure, words in zip(failures, says, strict=True):
        assert str(failure.error).startswith(f"{failure.source}: ")
        assert words in str(failure.error)


@pytest.mark.usefixtures("tree")
def test_skipped_inputs_are_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resuming costs nothing for what is done: its file is not touched."""
    opened: list[str] = []

    def opens(path: Path) -> Image:
        opened.append(str(path))
        return np.zeros((2, 2), np.uint8)

    monkeypatch.setattr("unmask.images.load", opens)
    done = {str(Path("album/2.PNG")), str(Path("album/Nested/a.jpeg"))}
    found = [item.source for item in frames("album", skip=done.__contains__)]
    assert len(found) == 3
    assert opened == found
    assert not done & set(found)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_order_holds_however_long_each_takes(workers: int) -> None:
    """The first item ends last, and still comes first."""
    last_began = threading.Event()

    def work(number: int) -> int:
        if number == 0 and workers > 1:
            assert last_began.wait(10)
        if number == 2 * workers - 1:
            last_began.set()
        return number * number

    assert list(ordered_map(work, range(20), workers=workers)) == [number * number for number in range(20)]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_few_items_are_in_flight(workers: int) -> None:
    """Memory is flat: never more than two items a worker are taken ahead of what was handed out."""
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(200):
            taken += 1
            yield number

    for handed_out, _ in enumerate(ordered_map(abs, items(), workers=workers), 1):
        assert taken - handed_out <= 2 * workers


def test_stopping_early_leaves_no_thread() -> None:
    """Who closes the iterator waits for the work in flight and nothing more."""
    before = threading.active_count()
    results = ordered_map(abs, iter(range(10**9)), workers=3)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_memory_is_flat_over_many_pictures(tmp_path: Path) -> None:
    """Reading 300 pictures takes no more memory than reading 60."""
    for number in range(60):
        Pillow.new("RGB", (500, 500), (number, 0, 0)).save(tmp_path / f"{number}.png")
    code = (
        "import resource, sys\nfrom unmask.media import frames\n"
        "for number, frame in enumerate(frames([sys.argv[1]] * 5, workers=2)):\n"
        "    assert frame.image[0, 0, 0] == number % 60\n"
        "    if number in (60, 299): print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True, timeout=60
    )
    early, late = map(int, done.stdout.split())
    assert late < early * 1.1
