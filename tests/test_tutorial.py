"""The tutorial runs as it stands, chapter after chapter in one session, on made-up faces and a small budget."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")
pytest.importorskip("sklearn", reason="the extra 'study' is not installed")

from data_sets import write_csv
from tiny_faces import bars

CHAPTERS = sorted((Path(__file__).resolve().parents[1] / "docs" / "tutorial").glob("*.md"))

SMALLER = {
    'DATA = Path("fer2013.csv")': 'DATA = Path("faces.csv")',
    "PER_CLASS, VALIDATED = 100, 50": "PER_CLASS, VALIDATED = 8, 4",
    "COMPONENTS = 300": "COMPONENTS = 20",
    "ROWS = 700": "ROWS = 28",
    "BODY = {}": 'BODY = {"network": "resnet", "arguments": {"widths": [4, 8], "blocks": [0, 1], "dropout": 0.1}}',
    '"batch_size": 32': '"batch_size": 8',
    "EPOCHS = 5": "EPOCHS = 2",
}
"""What the test makes smaller: the data, the draws, VGG-19 itself, the epochs."""


def blocks(chapter: Path) -> list[str]:
    """The Python of a chapter, block by block."""
    return re.findall(r"```python\n(.*?)```", chapter.read_text(encoding="utf-8"), re.DOTALL)


def test_five_chapters() -> None:
    """In order, each with Python, each below its number."""
    assert [chapter.name[0] for chapter in CHAPTERS] == ["1", "2", "3", "4", "5"]
    for chapter in CHAPTERS:
        assert chapter.read_text(encoding="utf-8").startswith(f"# {chapter.name[0]}. ")
        assert len(blocks(chapter)) >= 5


def test_what_is_made_smaller_stands_in_the_tutorial() -> None:
    """Each replacement is used once, so that none goes stale."""
    text = "\n".join(code for chapter in CHAPTERS for code in blocks(chapter))
    for line in SMALLER:
        assert text.count(line) == 1, line


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block; at the end there are the pictures, the proof about padding, and the saved model's same answers."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    write_csv(bars(), tmp_path / "faces.csv")
    session: dict[str, Any] = {}
    printed = io.StringIO()
    try:
        for chapter in CHAPTERS:
            for number, code in enumerate(blocks(chapter), start=1):
                for line, smaller in SMALLER.items():
                    code = code.replace(line, smaller)
                with contextlib.redirect_stdout(printed):
                    exec(compile(code, f"{chapter.name}, block {number}", "exec"), session)
    finally:
        torch.set_num_threads(threads)
    said = printed.getvalue()
    assert "11000100" in said
    assert "526,255 parameters" in said
    assert "unseen: 262,144" in said
    assert re.search(r"largest difference: 0\.0$", said, re.MULTILINE)
    assert "identical: True" in said
    pictures = {path.name for path in (tmp_path / "runs/tutorial").glob("*.png")}
    assert {"eigenfaces.png", "finder.png", "vgg19_confusion.png", "maps_block4.1.png", "residual.png"} <= pictures
