"""Whatever is written is read back the same: CSV, Parquet, folders; Parquet also in pieces."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from data_strategies import assert_same_rows, datasets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unmask.datasets import FaceDataset, load_dataset, own_parquet, own_parquet_writing
from unmask.datasets.export import WRITERS, write_dataset
from unmask.errors import ConfigError, DataError, InputError
from unmask.expressions import FER2013, FERPLUS

MODEST = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def form(name: str) -> str:
    """The name, after a skip where its library is missing."""
    if name == "parquet":
        pytest.importorskip("pyarrow")
    return name


@pytest.mark.parametrize("to", WRITERS)
@MODEST
@given(datasets())
def test_written_and_read_again(to: str, dataset: FaceDataset) -> None:
    """Any data set comes back with the same rows in the same order, and writing does not change it."""
    form(to)
    before = dataset.images.copy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("set.csv" if to == "csv" else "set")
        write_dataset(dataset, path, to=to)
        assert_same_rows(load_dataset(path, cache=False), dataset)
    np.testing.assert_array_equal(dataset.images, before)


def test_files_that_are_no_shards_of_each_other_are_not_joined(tmp_path: Path) -> None:
    """A data set and another version of it in one folder are two."""
    form("parquet")
    for name in ("original", "fixed"):
        write_dataset(ramp(4), tmp_path / "both" / f"{name}.parquet", to="parquet")
    with pytest.raises(DataError, match=r"holds several data sets \(fixed.parquet, original.parquet\); name one"):
        load_dataset(tmp_path / "both")
    assert len(load_dataset(tmp_path / "both" / "fixed.parquet")) == 4


def test_shards_of_different_classes_are_not_joined() -> None:
    """One's codes would be read as the other's labels."""
    rows = ramp(4)
    other = dataclasses.replace(rows, taxonomy=FERPLUS)
    with pytest.raises(DataError, match=r"labels of different classes \(fer2013, ferplus\)"):
        own_parquet.joined([rows, other])


@MODEST
@given(datasets(), st.integers(1, 4))
def test_parquet_parts_and_shards(dataset: FaceDataset, step: int) -> None:
    """Parts written one after the other, in small shards and groups, are the whole; so is what is streamed."""
    form("parquet")
    parts = [dataset.select(np.arange(n, min(n + step, len(dataset)))) for n in range(0, len(dataset), step)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shards"
        files = own_parquet_writing.write(parts, path, shard_rows=step)
        assert len(files) == len(parts)
        assert_same_rows(load_dataset(path), dataset)
        streamed = list(own_parquet.stream(path, batch_rows=2))
        assert max(len(batch) for batch in streamed) <= 2
        assert_same_rows(own_parquet.joined(streamed), dataset)
        shuffled = own_parquet.joined(list(own_parquet.stream(path, batch_rows=2, seed=1)))
        assert sorted(image.tobytes() for image in shuffled.images) == sorted(i.tobytes() for i in dataset.images)


def ramp(count: int) -> FaceDataset:
    """Rows that can be told apart."""
    images = np.arange(count, dtype=np.uint32).view(np.uint8).reshape(count, 2, 2)
    splits = np.where(np.arange(count) % 3 == 0, "PublicTest", "Training")
    return FaceDataset("ramp", images, np.arange(count) % 7, FER2013, splits, "1" * 64)


def test_stream_by_split_and_seed(tmp_path: Path) -> None:
    """One split only; the same seed the same order, another seed another, across groups of rows."""
    form("parquet")
    own_parquet_writing.write(ramp(1200), tmp_path / "shards", shard_rows=1024)

    def order(seed: int | None) -> list[int]:
        batches = own_parquet.stream(tmp_path / "shards", split="PublicTest", seed=seed, batch_rows=100)
        return [int(image.view("<u4")[0, 0]) for batch in batches for image in batch.images.reshape(-1, 1, 4)]

    assert order(None) == list(range(0, 1200, 3))
    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == list(range(0, 1200, 3))


@pytest.mark.slow
def test_streaming_keeps_memory(tmp_path: Path) -> None:
    """Streaming three times as many rows holds no more of them: the peak of what NumPy and Python allocate stays."""
    form("parquet")
    import tracemalloc

    rng = np.random.default_rng(0)

    def part() -> FaceDataset:
        images = rng.integers(0, 256, (512, 16, 16)).astype(np.uint8)
        return FaceDataset("noise", images, np.zeros(512, np.int64), FER2013, np.full(512, "Training"), "0" * 64)

    peaks = []
    for parts in (4, 12):
        path = tmp_path / str(parts)
        own_parquet_writing.write((part() for _ in range(parts)), path, shard_rows=1024)
        tracemalloc.start()
        assert sum(len(batch) for batch in own_parquet.stream(path)) == parts * 512
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_a_renamed_file_is_the_same_data(tmp_path: Path) -> None:
    """The checksum is of what a Parquet file holds, so that a split fits it under any name."""
    pytest.importorskip("pyarrow")
    dataset = FaceDataset(
        "two", np.zeros((2, 8, 8), np.uint8), np.array([0, 1]), FER2013, np.array(["a", "b"]), "0" * 64
    )
    write_dataset(dataset, tmp_path / "one.parquet")
    first = load_dataset(tmp_path / "one.parquet").checksum
    (tmp_path / "one.parquet").rename(tmp_path / "two.parquet")
    assert load_dataset(tmp_path / "two.parquet").checksum == first


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A place that is taken is refused for every form, and stays as it is."""
    for to in WRITERS:
        path = tmp_path / f"{to}.old"
        path.write_text("precious")
        with pytest.raises(InputError, match="is there already"):
            write_dataset(ramp(3), path, to=form(to))
        assert path.read_text() == "precious"
    with pytest.raises(ConfigError, match="did you mean 'parquet'"):
        write_dataset(ramp(3), tmp_path / "x", to="parquett")
    for to, name in (("csv", "y.parquet"), ("folders", "y.csv")):
        with pytest.raises(ConfigError, match="has the ending of the form"):
            write_dataset(ramp(3), tmp_path / name, to=to)


def test_endings(tmp_path: Path) -> None:
    """A folder may have a dot in its name; an ending that is nearly a file's is refused, unless the form is named."""
    for name in ("v1.0", "faces.small", "faces"):
        write_dataset(ramp(3), tmp_path / name)
        assert (tmp_path / name).is_dir()
    for name, near in (("out.cvs", r"\.csv"), ("out.CSVV", r"\.csv"), ("out.parqet", r"\.parquet")):
        with pytest.raises(ConfigError, match=f"unknown ending .* did you mean '{near}'"):
            write_dataset(ramp(3), tmp_path / name)
        assert not (tmp_path / name).exists()
    write_dataset(ramp(3), tmp_path / "out.cvs", to="folders")
    assert (tmp_path / "out.cvs").is_dir()


def test_parts_must_agree(tmp_path: Path) -> None:
    """Parts of two taxonomies are no one data set, and leave no torn file."""
    form("parquet")
    other = dataclasses.replace(ramp(3), taxonomy=FERPLUS)
    with pytest.raises(DataError, match="must agree"):
        own_parquet_writing.write([ramp(3), other], tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="no rows"):
        own_parquet_writing.write([], tmp_path / "y.parquet")


def test_damaged_parquet_rows(tmp_path: Path) -> None:
    """A picture that does not decode names shard and row; skip_bad lists it and reads the rest."""
    form("parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    own_parquet_writing.write(ramp(5), tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    images = table["image"].to_pylist()
    images[3]["bytes"] = b"\x89PNG\r\n\x1a\nrubbish"
    table = table.set_column(0, table.schema.field(0), pa.array(images, table.schema.field(0).type))
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: row 3: .*--skip-bad"):
        load_dataset(tmp_path / "a.parquet")
    dataset = load_dataset(tmp_path / "a.parquet", skip_bad=True)
    assert len(dataset) == 4
    assert [entry.where for entry in dataset.left_out] == ["a.parquet, row 3"]


@pytest.mark.parametrize("layout", ["parquet", "table"])
@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_damaged_parquet_pages(tmp_path: Path, layout: str, compression: str) -> None:
    """A file with another byte anywhere in its pages is read, or refused by name; no other error comes up."""
    form("parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    write_dataset(ramp(3), path)
    table = pq.read_table(path)
    if layout == "table":
        (tmp_path / "a.png").write_bytes(table["image"][0].as_py()["bytes"])
        table = pa.table({"file": ["a.png"] * 3, "label": table["label"], "split": table["split"]})
    pq.write_table(table, path, compression=compression)
    whole, refused = path.read_bytes(), 0
    pages = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")  # the rest describes them
    for place in range(4, pages):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            load_dataset(path, layout=layout)
        except (InputError, DataError) as error:
            refused += str(error).startswith(str(path)) and "no Parquet file that can be read" in str(error)
    assert refused


def test_a_parquet_file_that_lacks_a_column(tmp_path: Path) -> None:
    """A file that calls itself ours and lacks what ours have is refused by name."""
    form("parquet")
    import pyarrow.parquet as pq

    write_dataset(ramp(2), tmp_path / "a.parquet")
    pq.write_table(pq.read_table(tmp_path / "a.parquet").drop_columns(["label"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: column missing: 'label'"):
        load_dataset(tmp_path / "a.parquet")


def test_a_folder_with_a_path_that_leads_out(tmp_path: Path) -> None:
    """rows.csv cannot make unmask read files outside of its folder."""
    write_dataset(ramp(2), tmp_path / "own")
    text = (tmp_path / "own/rows.csv").read_text().replace("PublicTest/angry/0.png", "../secret.png")
    (tmp_path / "own/rows.csv").write_text(text)
    with pytest.raises(DataError, match="a file inside the folder"):
        load_dataset(tmp_path / "own")
    shutil.rmtree(tmp_path / "own")


def test_descriptions_that_are_nested_too_deeply(tmp_path: Path) -> None:
    """What a folder or a Parquet file says about itself is refused, however it is written."""
    write_dataset(ramp(2), tmp_path / "own")
    (tmp_path / "own/dataset.json").write_text("[" * 200_000)
    with pytest.raises(InputError, match=r"dataset\.json: cannot be read \(nested too deeply\)"):
        load_dataset(tmp_path / "own")
    form("parquet")
    import pyarrow.parquet as pq

    write_dataset(ramp(2), tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    pq.write_table(table.replace_schema_metadata({own_parquet_writing.KEY: b"[" * 200_000}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: not unmask's own Parquet"):
        load_dataset(tmp_path / "a.parquet", layout="parquet")


def test_parquet_groups_of_damaged_rows_alone(tmp_path: Path) -> None:
    """A shard in which nothing can be read does not spoil the others; each row left out is listed once."""
    form("parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    own_parquet_writing.write(ramp(5), tmp_path / "shards", shard_rows=1)
    own_parquet_writing.write(ramp(3), tmp_path / "one.parquet")
    table = pq.read_table(tmp_path / "one.parquet")
    empty = pa.array([{"bytes": b"", "path": None}] * 3, table.schema.field(0).type)
    pq.write_table(table.set_column(0, table.schema.field(0), empty), tmp_path / "shards" / "part-000005.parquet")
    dataset = load_dataset(tmp_path / "shards", skip_bad=True)
    assert (len(dataset), len(dataset.left_out)) == (5, 3)
    with pytest.raises(DataError, match="no picture in 'image'"):
        load_dataset(tmp_path / "shards")


@pytest.mark.parametrize(("column", "value", "words"), [("label", 3, "'3' is no label"), ("split", None, "split None")])
def test_parquet_cells_of_another_kind(tmp_path: Path, column: str, value: object, words: str) -> None:
    """A label that is a number and a split that is none are bad rows, and no split of the name None."""
    form("parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    own_parquet_writing.write(ramp(3), tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    place = table.schema.get_field_index(column)
    cells = [*table[column].to_pylist()[:2], value] if value is None else [value] * 3
    pq.write_table(table.set_column(place, column, pa.array(cells)), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=words):
        load_dataset(tmp_path / "a.parquet")


def test_file_names_that_are_no_text(tmp_path: Path) -> None:
    """They are written to Parquet with escapes, as they are everywhere else."""
    form("parquet")
    named = dataclasses.replace(ramp(2), names=np.array(["\udcff.png", "b.png"]))
    own_parquet_writing.write(named, tmp_path / "a.parquet")
    names = load_dataset(tmp_path / "a.parquet").names
    assert names is not None
    assert names.tolist() == ["\\udcff.png", "b.png"]
