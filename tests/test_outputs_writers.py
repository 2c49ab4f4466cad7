"""One contract for every registered format, and the registry itself."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import readings, undecodable_names

from unmask.errors import ConfigError, DataError, InputError
from unmask.expressions import FER2013, FERPLUS, Expression
from unmask.outputs import Format, format_names, format_of, open_writer, register_format
from unmask.outputs.csv_file import CsvWriter
from unmask.readings import Abstention, Box, Face, Landmarks, Quality, Reading, normalised_scores
from unmask.writing import hundredths

LABELS = FERPLUS.labels
SCORES = normalised_scores(LABELS, [0.02, 0.9, 0.02, 0.02, 0.01, 0.01, 0.01, 0.01])
HAPPY = Face(
    Box(10.5, 20, 30, 50.25),
    0.99,
    SCORES,
    Expression.HAPPY,
    landmarks=Landmarks((12, 25), (20, 25), (16, 30), (13, 40), (19, 40)),
    quality=Quality(19.5, 0.2, 1.5, None, -3.0),
    track_id=7,
)
ABSTAINED = Face(Box(-5, 60, 10, 75), 0.5, SCORES, None, Abstention.TOO_SMALL)

RUNS = {
    "empty run": [],
    "frame without a face": [Reading("lake.jpg", 640, 480, "small@1.0")],
    "one face": [Reading("a.jpg", 100, 80, "small@1.0", (HAPPY,))],
    "an abstention": [Reading("a.jpg", 100, 80, "small@1.0", (ABSTAINED,))],
    "many faces": [Reading("crowd.jpg", 4000, 3000, "small@1.0", (HAPPY, ABSTAINED) * 150)],
    "a film": [Reading("clip.mp4", 480, 270, "small@1.0", (HAPPY,) * (i % 3), i, i / 25) for i in range(9)],
    "odd names": [
        Reading(name, 10, 10, "small@1.0", (HAPPY,))
        for name in (
            "=1+2.jpg",
            "'quoted'",
            'a,b;c\t".jpg',
            "two\nlines\r.jpg",
            "笑顔 😀.png",
            "\udcff.jpg",
            "-",
            "",
            "\x1b[2J",
        )
    ],
}


def rows_of_json(path: Path) -> list[tuple[str, int, int]]:
    """The frames of a JSON file as (source, index, number of faces)."""
    return [(value["source"], value["index"], len(value["faces"])) for value in json.loads(path.read_text("utf-8"))]


def rows_of_jsonl(path: Path) -> list[tuple[str, int, int]]:
    """The same of JSON lines."""
    found = [Reading.from_line(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    return [(reading.source, reading.index, len(reading.faces)) for reading in found]


def rows_of_csv(path: Path) -> list[tuple[str, int, int]]:
    """The same of CSV, the guard against formulas removed."""
    with path.open(encoding="utf-8", newline="") as file:
        cells = [(row["source"].removeprefix("'"), row["index"], row["face"]) for row in csv.DictReader(file)]
    return [*_frames((source, int(index), face or None) for source, index, face in cells)]


def rows_of_parquet(path: Path) -> list[tuple[str, int, int]]:
    """The same of Parquet."""
    pq = pytest.importorskip("pyarrow.parquet")
    return [*_frames((row["source"], row["index"], row["face"]) for row in pq.read_table(path).to_pylist())]


def rows_of_table(path: Path) -> list[str]:
    """The lines of a table, which is for people and not for programs."""
    return path.read_text("utf-8").splitlines()


def _frames(rows: Any) -> list[tuple[str, int, int]]:
    """Rows of (source, index, face or None) as (source, index, number of faces)."""
    counts: dict[tuple[str, int], int] = {}
    for source, index, face in rows:
        counts[source, index] = counts.get((source, index), 0) + (face is not None)
    return [(source, index, count) for (source, index), count in counts.items()]


READ_BACK: dict[str, Callable[[Path], list[Any]]] = {
    "csv": rows_of_csv,
    "json": rows_of_json,
    "jsonl": rows_of_jsonl,
    "parquet": rows_of_parquet,
    "table": rows_of_table,
}


def as_written(name: str, run: list[Reading]) -> list[tuple[str, int, int]]:
    """What must be read back; only the JSON formats can give a name that is not UTF-8 back as it was."""
    exact = name in ("json", "jsonl")
    return [(r.source if exact else r.source.replace("\udcff", "\\udcff"), r.index, len(r.faces)) for r in run]


def test_every_format_is_under_contract() -> None:
    """Whoever registers a format adds the way to read it back."""
    assert format_names() == sorted(READ_BACK)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
@pytest.mark.parametrize("name", READ_BACK)
def test_a_run_is_read_back(name: str, run: list[Reading], tmp_path: Path) -> None:
    """Every frame is there, in order, with its number of faces; nothing else stands in the folder."""
    path = tmp_path / "out"
    with open_writer(name, path, labels=LABELS) as writer:
        for reading in run:
            writer.write(reading)
    assert [item.name for item in tmp_path.iterdir()] == ["out"]
    if name == "table":
        lines = rows_of_table(path)
        header = any(reading.faces for reading in run)
        assert len(lines) == header + len(run) + sum(len(reading.faces) for reading in run)
        assert all(len(line) <= 100 for line in lines)
    else:
        assert READ_BACK[name](path) == as_written(name, run)


@pytest.mark.parametrize("name", READ_BACK)
def test_an_interrupted_run_is_readable(name: str, tmp_path: Path) -> None:
    """What was written before the interruption stays, in a complete file."""
    path = tmp_path / "out"
    with suppress(KeyboardInterrupt), open_writer(name, path, labels=LABELS) as writer:
        writer.write(RUNS["one face"][0])
        raise KeyboardInterrupt
    assert len(READ_BACK[name](path)) == (3 if name == "table" else 1)


@pytest.mark.parametrize("name", ["csv", "jsonl", "json", "table"])
def test_a_killed_run_keeps_what_it_wrote(name: str, tmp_path: Path) -> None:
    """Text is on the disk after each frame, without ``close``."""
    path = tmp_path / "out"
    writer = open_writer(name, path, labels=LABELS)
    writer.write(RUNS["one face"][0])
    assert "a.jpg" in path.read_text("utf-8")
    writer.close()


@pytest.mark.parametrize("name", READ_BACK)
def test_close_twice_and_write_after_close(name: str, tmp_path: Path) -> None:
    """A second close changes nothing; writing to a closed writer is a mistake of the programmer."""
    path = tmp_path / "out"
    writer = open_writer(name, path, labels=LABELS)
    writer.close()
    before = path.read_bytes()
    writer.close()
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="closed"):
        writer.write(RUNS["one face"][0])


@pytest.mark.parametrize("name", READ_BACK)
def test_an_existing_file_is_replaced(name: str, tmp_path: Path) -> None:
    """By the first reading, of which nothing of an older, longer file remains; where none comes, the file stays."""
    path = tmp_path / "out"
    path.write_text("old " * 10_000)
    with open_writer(name, path, labels=LABELS):
        pass
    assert path.read_text() == "old " * 10_000
    assert list(tmp_path.iterdir()) == [path]
    with open_writer(name, path, labels=LABELS) as writer:
        writer.write(Reading("a.jpg", 100, 80, "small@1.0"))
    assert b"old" not in path.read_bytes()
    assert len(READ_BACK[name](path)) == 1
    path.unlink()
    with open_writer(name, path, labels=LABELS):
        pass
    assert READ_BACK[name](path) == []


@pytest.mark.parametrize("name", READ_BACK)
def test_a_path_that_cannot_be_written(name: str, tmp_path: Path) -> None:
    """The error comes on opening, before any picture is read, names the path, and blames no full disk."""
    (tmp_path / "nowhere").write_text("a file, not a folder")
    with pytest.raises(InputError, match=r"nowhere.out: cannot be written: (?!.*space).*; choose another place"):
        open_writer(name, tmp_path / "nowhere" / "out", labels=LABELS)


@pytest.mark.parametrize("name", READ_BACK)
def test_a_folder_is_no_file(name: str, tmp_path: Path) -> None:
    """Known on opening, and nothing is left beside it."""
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"out: cannot be written: Is a directory; choose another place"):
        open_writer(name, tmp_path / "out", labels=LABELS)
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


@pytest.mark.parametrize("name", READ_BACK)
def test_the_folder_of_a_file_is_made(name: str, tmp_path: Path) -> None:
    """As it is for pages, drawings and plots."""
    path = tmp_path / "new" / "folder" / "out"
    open_writer(name, path, labels=LABELS).close()
    assert path.exists()


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_other_labels_are_refused(name: str, tmp_path: Path) -> None:
    """A format with a column for each label does not drop scores in silence."""
    with (
        open_writer(name, tmp_path / "out", labels=FER2013.labels) as writer,
        pytest.raises(DataError, match="contempt"),
    ):
        writer.write(RUNS["one face"][0])


@pytest.mark.parametrize("name", [name for name in READ_BACK if name != "parquet"])
def test_a_lent_stream_stays_open(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output, and any other stream, can be written to after the writer is closed."""
    stream = io.StringIO()
    for target in (stream, None):
        with open_writer(name, target, labels=LABELS) as writer:
            writer.write(RUNS["one face"][0])
    assert not stream.closed
    assert stream.getvalue() == capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("name", ["json", "jsonl", "csv", "table"])
def test_a_stream_of_another_encoding(name: str, encoding: str) -> None:
    """A terminal without Unicode gets escapes, which in JSON mean the same."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    with open_writer(name, stream, labels=LABELS) as writer:
        writer.write(replace(RUNS["one face"][0], source="é 笑顔.jpg"))
    text = raw.getvalue().decode(encoding)
    if name == "jsonl":
        assert Reading.from_line(text).source == "é 笑顔.jpg"
    elif encoding == "ascii":
        assert "\\u7b11" in text


@pytest.mark.parametrize("name", READ_BACK)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(run=st.lists(readings(sources=undecodable_names), max_size=4))
def test_any_readings_can_be_written(name: str, run: list[Reading], tmp_path: Path) -> None:
    """No valid reading makes a writer fail, or a file that cannot be read."""
    path = tmp_path / "out"
    with open_writer(name, path, labels=LABELS) as writer:
        for reading in run:
            writer.write(reading)
    READ_BACK[name](path)


def test_parquet_needs_a_file() -> None:
    """Binary data does not go to a terminal; the message says what to do."""
    with pytest.raises(ConfigError, match="--out FILE"):
        open_writer("parquet", None, labels=LABELS)


def test_an_unknown_format_gets_a_hint() -> None:
    """A slip of the pen, answered with the nearest name."""
    with pytest.raises(ConfigError, match="did you mean 'jsonl'"):
        open_writer("jsnl", None, labels=LABELS)


@pytest.mark.parametrize("name", [name for name in READ_BACK if name != "jsonl"])
def test_only_json_lines_can_be_appended_to(name: str, tmp_path: Path) -> None:
    """To go on in another format would write a second header, or a broken file."""
    with pytest.raises(ConfigError, match="jsonl"):
        open_writer(name, tmp_path / "out", labels=LABELS, append=True)


@pytest.mark.parametrize(
    ("path", "name"),
    [("a.csv", "csv"), ("a.JSONL", "jsonl"), ("a.b.ndjson", "jsonl"), ("a.json", "json"), ("a.parquet", "parquet")],
)
def test_the_suffix_names_the_format(path: str, name: str) -> None:
    """In capitals too, and only the last suffix counts."""
    assert format_of(Path(path)) == name


@pytest.mark.parametrize("path", ["a", "a.jsn", "jsonl"])
def test_a_suffix_without_a_format(path: str) -> None:
    """The message lists what there is."""
    with pytest.raises(ConfigError, match=r"\.jsonl"):
        format_of(Path(path))


@pytest.mark.parametrize(("name", "suffixes"), [("csv", ()), ("excel", (".csv",))])
def test_duplicates_are_refused(name: str, suffixes: tuple[str, ...]) -> None:
    """A plug-in takes neither a name nor a suffix from another format."""
    with pytest.raises(ValueError, match="already"):
        register_format(name, Format(CsvWriter, suffixes))
    assert "excel" not in format_names()


@pytest.mark.parametrize(
    ("share", "places", "shown"),
    [
        (0.914, 0, "91"),
        (0.9949, 0, "99"),
        (0.9992, 0, ">99"),  # nearly all is not all
        (0.9992, 1, "99.9"),
        (0.99961, 1, ">99.9"),
        (0.1 + 0.2 + 0.7 - 1e-12, 0, "100"),  # a sum that floats do not hold exactly
        (1.0, 1, "100.0"),
        (0.0, 0, "0"),
    ],
)
def test_shares_in_percent(share: float, places: int, shown: str) -> None:
    """Only what is 100 percent is called so."""
    assert hundredths(share, places) == shown
