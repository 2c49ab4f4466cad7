"""What is particular to each format."""

from __future__ import annotations

import builtins
import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import names, readings
from test_outputs_writers import ABSTAINED, HAPPY, LABELS, RUNS

from unmask.errors import DataError, InputError, MissingExtraError
from unmask.outputs import open_writer
from unmask.outputs import parquet as parquet_module
from unmask.outputs.columns import Column, columns, rows
from unmask.outputs.jsonl import earlier_run
from unmask.readings import Reading

STILLS = [Reading(f"{name}.jpg", 100, 80, "small@1.0", (HAPPY,)) for name in "abc"]
FILM = [Reading("clip.mp4", 480, 270, "small@1.0", (HAPPY,), i, i / 25) for i in range(3)]


def lines_of(run: list[Reading]) -> str:
    """The text of a whole file."""
    return "".join(reading.to_line() + "\n" for reading in run)


# JSON lines


@pytest.mark.parametrize(
    ("text", "done", "kept"),
    [
        ("", set(), []),
        (lines_of(STILLS), {"a.jpg", "b.jpg", "c.jpg"}, STILLS),
        (lines_of(STILLS[:2]) + STILLS[2].to_line()[:40], {"a.jpg", "b.jpg"}, STILLS[:2]),  # torn
        (lines_of(STILLS[:2]) + STILLS[2].to_line(), {"a.jpg", "b.jpg"}, STILLS[:2]),  # only the line end is missing
        (lines_of(STILLS[:1]) + "{", {"a.jpg"}, STILLS[:1]),  # one character of a line
        (lines_of(STILLS[:1] + FILM), {"a.jpg"}, STILLS[:1] + FILM),  # the film may have been cut short
        (lines_of(FILM + STILLS[:1]), {"clip.mp4", "a.jpg"}, FILM + STILLS[:1]),  # a film that something follows
        (lines_of(FILM), set(), FILM),
        (lines_of(FILM)[:-9], set(), FILM[:2]),  # a film torn in a frame
    ],
)
def test_a_run_goes_on(text: str, done: set[str], kept: list[Reading], tmp_path: Path) -> None:
    """Complete lines stay in the file, and the rest is written after them; a film at the end is not done."""
    path = tmp_path / "out.jsonl"
    path.write_text(text, encoding="utf-8")
    assert set(earlier_run(path).done) == done
    assert path.read_text("utf-8") == text, "looking changes nothing"
    more = Reading("more.jpg", 10, 10, "small@1.0")
    with open_writer("jsonl", path, labels=LABELS, append=True) as writer:
        writer.write(more)
    assert path.read_text("utf-8") == lines_of([*kept, more])


def test_a_film_goes_on_after_its_last_seconds(tmp_path: Path) -> None:
    """An unfinished film comes with the readings of its last three seconds, and none of another film."""
    path = tmp_path / "out.jsonl"
    film = [Reading("long.mp4", 48, 27, "small@1.0", (), i, i / 10) for i in range(100)]
    path.write_text(lines_of(FILM + film), encoding="utf-8")
    earlier = earlier_run(path)
    assert set(earlier.done) == {"clip.mp4"}
    assert list(earlier.past) == ["long.mp4"]
    assert [reading.index for reading in earlier.past["long.mp4"].recent] == list(range(69, 100))
    assert earlier.past["long.mp4"].highest_id == 0
    found = list(earlier.readings())
    assert [reading for reading in found if reading.source == "clip.mp4"] == FILM
    assert len(found) == 103


def test_a_film_read_in_long_steps_goes_on(tmp_path: Path) -> None:
    """As many readings as the tracker looks back on, and the highest number, which was given long before them."""
    path = tmp_path / "out.jsonl"
    faces = [(replace(HAPPY, track_id=number),) if number else () for number in (1, 7, 0, 0, 0, 0, 2)]
    film = [Reading("slow.mp4", 48, 27, "small@1.0", one, 50 * i, 2.0 * i) for i, one in enumerate(faces)]
    path.write_text(lines_of([replace(FILM[0], faces=(replace(HAPPY, track_id=9),)), *film]), encoding="utf-8")
    past = earlier_run(path).past["slow.mp4"]
    assert [reading.time_s for reading in past.recent] == [6.0, 8.0, 10.0, 12.0]
    assert past.highest_id == 7


@given(run=st.lists(readings(sources=names), max_size=3, unique_by=lambda r: r.source), share=st.floats(0, 1))
def test_a_file_torn_anywhere(run: list[Reading], share: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cut at any byte, a file resumed with what is neither done nor begun holds each source whole and once."""
    path = tmp_path_factory.mktemp("torn") / "out.jsonl"
    whole = lines_of(run).encode("utf-8")
    path.write_bytes(whole[: round(share * len(whole))])
    earlier = earlier_run(path)
    with open_writer("jsonl", path, labels=LABELS, append=True) as writer:
        for reading in run:
            if reading.source not in earlier.done and reading.source not in earlier.past:
                writer.write(reading)
    assert path.read_bytes() == whole


def test_nothing_is_done_without_a_file(tmp_path: Path) -> None:
    """The first run may say --resume too."""
    path = tmp_path / "out.jsonl"
    assert not earlier_run(path).done
    with open_writer("jsonl", path, labels=LABELS, append=True) as writer:
        writer.write(STILLS[0])
    assert path.read_text("utf-8") == lines_of(STILLS[:1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines_of(STILLS[:1]).encode() + b"hello\n", "line 2"),
        (b'{"source": "a.jpg"}\n', "line 1.*missing"),
        (b"a letter without a line end", "line 1"),  # no torn line of ours: must not be cut off
        (lines_of(STILLS[:1]).encode() + b"\n", "line 2"),
        (b"\xff\xfe\n", "line 1"),  # not UTF-8
    ],
)
def test_a_file_of_something_else_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    """The line is named, and the file is left as it is."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        earlier_run(path)
    with pytest.raises(DataError, match=message):
        open_writer("jsonl", path, labels=LABELS, append=True)
    assert path.read_bytes() == content


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """An error of the system becomes one that names the path."""
    with pytest.raises(InputError, match=tmp_path.name):
        earlier_run(tmp_path)


# JSON


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
def test_json_holds_the_readings(run: list[Reading]) -> None:
    """The array's items are the readings, whole."""
    stream = io.StringIO()
    with open_writer("json", stream, labels=LABELS) as writer:
        for reading in run:
            writer.write(reading)
    assert [Reading.from_json(value) for value in json.loads(stream.getvalue())] == run


# CSV and Parquet


def typed(text: str, column: Column) -> Any:
    """A cell of a CSV file as its column's type."""
    return column.type(text.removeprefix("'")) if text or column.name in ("source", "model") else None


@given(run=st.lists(readings(), max_size=3))
def test_csv_round_trip(run: list[Reading]) -> None:
    """Every cell comes back as it was, text and floats to the last digit."""
    stream = io.StringIO(newline="")
    with open_writer("csv", stream, labels=LABELS) as writer:
        for reading in run:
            writer.write(reading)
    header, *body = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    assert header == [column.name for column in columns(LABELS)]
    found = [tuple(map(typed, row, columns(LABELS))) for row in body]
    assert found == [row for reading in run for row in rows(reading, LABELS)]


@pytest.mark.parametrize(
    ("source", "cell"),
    [
        ("=1+2.jpg", "'=1+2.jpg"),
        ("+x", "'+x"),
        ("-x", "'-x"),
        ("@x", "'@x"),
        ("\t=x", "'\t=x"),
        ("'=x", "''=x"),  # so that removing one apostrophe gives the name back
        ("-", "-"),  # standard input
        ("a=b", "a=b"),
    ],
)
def test_csv_disarms_formulas(source: str, cell: str) -> None:
    """A spreadsheet shows the name of such a picture and does not run it; numbers stay numbers."""
    stream = io.StringIO()
    with open_writer("csv", stream, labels=LABELS) as writer:
        writer.write(Reading(source, 10, 10, "small@1.0", (ABSTAINED,)))
    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert row["source"] == cell
    assert row["x1"] == "-5"


def test_the_columns() -> None:
    """Names and order are what other programs rely on."""
    found = [column.name for column in columns(LABELS[:2])]
    assert found[:6] == ["source", "index", "time_s", "width", "height", "model"]
    assert found[6:12] == ["face", "x1", "y1", "x2", "y2", "detection_score"]
    assert found[12:16] == ["track_id", "expression", "confidence", "abstained"]
    assert found[16:23] == ["score_neutral", "score_happy", "size", "sharpness", "yaw", "pitch", "roll"]
    assert found[23:] == [
        f"{point}_{axis}"
        for point in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
        for axis in ("x", "y")
    ]


def test_parquet_round_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed columns, nulls where there is nothing, several row groups."""
    pq = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(parquet_module, "ROW_GROUP", 100)
    run = [*RUNS["many faces"], *RUNS["frame without a face"], *RUNS["a film"]]
    path = tmp_path / "out.parquet"
    with open_writer("parquet", path, labels=LABELS) as writer:
        for reading in run:
            writer.write(reading)
            assert not path.exists(), "the name is taken when the file is complete"
    file = pq.ParquetFile(path)
    assert file.metadata.num_row_groups == 2
    assert {str(kind) for kind in file.schema_arrow.types} == {"string", "int64", "double"}
    assert [tuple(row.values()) for row in file.read().to_pylist()] == [
        row for reading in run for row in rows(reading, LABELS)
    ]


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is the line that installs it."""
    original = builtins.__import__

    def without(name: str, *args: Any, **keywords: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return original(name, *args, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"unmask\[parquet\]"):
        open_writer("parquet", tmp_path / "out.parquet", labels=LABELS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["csv", "jsonl", "json", "table"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk(name: str) -> None:
    """No space left: an error that names the file, and a next step."""
    with pytest.raises(InputError, match=r"/dev/full: cannot be written.*; free some space or choose another place"):
        open_writer(name, Path("/dev/full"), labels=LABELS).write(STILLS[0])


# Table


class Terminal(io.StringIO):
    """A stream that says that a person is looking."""

    def isatty(self) -> bool:
        return True


def table_of(run: list[Reading], stream: io.StringIO) -> str:
    """What the table writer writes to the stream."""
    with open_writer("table", stream, labels=LABELS) as writer:
        for reading in run:
            writer.write(reading)
    return stream.getvalue()


def test_the_table_to_the_letter() -> None:
    """A heading a frame, aligned columns, an abstention's reason in brackets, no face, a person's number."""
    run = [
        Reading("a\nb.jpg", 100, 80, "small@1.0", (replace(HAPPY, track_id=None), ABSTAINED)),
        Reading("lake.jpg", 640, 480, "small@1.0"),
        Reading("clip.mp4", 480, 270, "small@1.0", (replace(HAPPY, track_id=12),), 12, 0.48),
    ]
    assert table_of(run, io.StringIO()).splitlines() == [
        "face     x    y    w    h  expression          top   neu  hap  sur  sad  ang  dis  fea  con",
        "a\\nb.jpg, 100 x 80, 2 faces",
        "   0    10   20   20   30  happy             90.0%    2%  90%   2%   2%   1%   1%   1%   1%",
        "   1    -5   60   15   15  (too small)       90.0%    2%  90%   2%   2%   1%   1%   1%   1%",
        "lake.jpg, 640 x 480, no face",
        "clip.mp4, frame 12, 0.480 s, 480 x 270, 1 face",
        "  12    10   20   20   30  happy             90.0%    2%  90%   2%   2%   1%   1%   1%   1%",
    ]


@pytest.mark.parametrize(
    ("environment", "bold"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_bold_only_where_it_is_wanted(environment: dict[str, str], bold: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal unless NO_COLOR or TERM=dumb say otherwise; never in a file or pipe."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shown = table_of(STILLS, Terminal())
    plain = table_of(STILLS, io.StringIO())
    assert ("\x1b[1m  90%\x1b[0m" in shown) == bold
    assert "\x1b" not in plain
    assert shown.replace("\x1b[1m", "").replace("\x1b[0m", "") == plain


@given(run=st.lists(readings(), max_size=2))
def test_no_name_acts_on_the_terminal(run: list[Reading]) -> None:
    """Control characters and bidirectional overrides in names are escaped."""
    text = table_of([replace(reading, source=f"{reading.source}\x1b[2J\u202e\x07") for reading in run], io.StringIO())
    assert not set(text) & {"\x1b", "\u202e", "\x07", "\r"}
    assert text.count("\n") == sum(1 + len(reading.faces) for reading in run) + any(reading.faces for reading in run)
