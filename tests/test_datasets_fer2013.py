"""FER2013 and FER+ themselves: byte for byte, the published counts, the copies, and the memory of a load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unmask.cli import main
from unmask.datasets import UNLABELLED, FaceDataset, load_dataset
from unmask.datasets.audit import audit
from unmask.datasets.split_file import make_split
from unmask.evaluation.answers import reference_labels

pytestmark = [pytest.mark.data, pytest.mark.slow]

CLASSES = [3995, 436, 4097, 7215, 4830, 3171, 4965]


@pytest.fixture(scope="module")
def folder(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CSV layouts, written from the development rows."""
    out = tmp_path_factory.mktemp("fer2013")
    script = data_folder / "fer2013" / "write_kaggle_csv.py"
    subprocess.run([sys.executable, script, out], check=True)
    return out


@pytest.fixture(scope="module")
def votes(data_folder: Path) -> Path:
    """FER+'s votes for the same rows."""
    return data_folder / "fer2013" / "fer2013new_development.csv"


@pytest.fixture(scope="module")
def dataset(folder: Path, votes: Path) -> FaceDataset:
    """FER2013's development rows with FER+'s votes."""
    return load_dataset(folder / "fer2013.csv", ferplus_path=votes, cache=False)


@pytest.mark.parametrize("name", ["fer2013", "icml_face_data", "train", "test"])
def test_byte_for_byte(data_folder: Path, folder: Path, name: str) -> None:
    """Every layout gives exactly the published pixels, labels and splits."""
    with np.load(data_folder / "fer2013" / "fer2013_development.npz") as archive:
        pixels, codes, usage = (archive[key] for key in ("pixels", "emotion", "usage"))
    rows = {"train": usage == 0, "test": usage == 1}.get(name, np.ones(len(usage), dtype=bool))
    loaded = load_dataset(folder / f"{name}.csv", cache=False)
    np.testing.assert_array_equal(loaded.images, pixels[rows])
    np.testing.assert_array_equal(loaded.labels, np.full(rows.sum(), -1) if name == "test" else codes[rows])
    np.testing.assert_array_equal(loaded.splits, np.where(usage[rows] == 0, "Training", "PublicTest"))


def test_published_counts(dataset: FaceDataset) -> None:
    """Classes of Training, copies in PublicTest, and FER+'s majority rule."""
    assert np.bincount(dataset.split("Training").labels).tolist() == CLASSES
    kept = reference_labels(dataset, use_votes=True)[0] != UNLABELLED
    assert [kept[dataset.splits == split].sum() for split in ("Training", "PublicTest")] == [25060, 3199]
    found = audit(dataset, near=False).to_json()
    assert found["images"] == 32298
    assert found["unique"] + found["exact_copies"] == 32298
    assert found["copies_across_splits"] == {"Training/PublicTest": 280}
    assert found["blank"] == 12


def test_study_split(dataset: FaceDataset) -> None:
    """The study's 80/20 of the labelled rows: 22,968 and 5,741."""
    split = make_split(dataset, "study", within="Training")
    assert [(split.names == name).sum() for name in ("Training", "Validation")] == [22968, 5741]


def test_documented_figures(
    dataset: FaceDataset, votes: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page about the data shows what the command prints."""
    path = folder / "fer2013.csv"
    assert main(["data", "describe", str(path), "--ferplus", str(votes), "--no-cache"]) == 0
    page = (Path(__file__).parents[1] / "docs" / "datasets.md").read_text(encoding="utf-8")
    for line in capsys.readouterr().out.splitlines():
        if not line.startswith("sha256"):
            assert line in page, line


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from Linux's /proc")
def test_memory_of_a_load(folder: Path, tmp_path: Path) -> None:
    """A first load peaks at 400 MB at most, a later one at less than the pixels take."""
    # Not ru_maxrss: a process inherits that of the one that starts it.
    code = (
        "import sys; from unmask.datasets import load_dataset; load_dataset(sys.argv[1]); "
        "print(*(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    command = [sys.executable, "-c", code, str(folder / "fer2013.csv")]
    env = {**os.environ, "UNMASK_CACHE": str(tmp_path)}
    peaks = []
    for _ in range(2):
        result = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        peaks.append(int(result.stdout.split()[1]) / 1000)  # kB
    first, later = peaks
    assert first <= 400
    assert later < 74


def test_audit_json(folder: Path, votes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command's JSON has the documented keys and the figures of the page."""
    command = ["data", "audit", str(folder / "fer2013.csv"), "--ferplus", str(votes), "--format", "json", "--no-cache"]
    assert main(command) == 0
    page = (Path(__file__).parents[1] / "docs" / "datasets.md").read_text(encoding="utf-8")
    for key, value in json.loads(capsys.readouterr().out).items():
        count = value["Training/PublicTest"] if isinstance(value, dict) else value
        assert f"| `{key}` | {count:,} |" in page
