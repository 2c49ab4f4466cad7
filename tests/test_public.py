"""The public surface, and what importing and starting cost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import unmask

HEAVY = ("torch", "sklearn", "matplotlib", "pandas", "PIL", "cv2", "onnxruntime", "pyarrow")


def modules_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys\n{statement}\nprint('\\n' + ' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "statement",
    [
        "import unmask",
        "from unmask.cli import main; main(['--help'])",
        "from unmask.cli import main; main(['read', '--help'])",
        "from unmask.cli import main; main(['studio', '--help'])",
    ],
)
def test_nothing_heavy_is_loaded(statement: str) -> None:
    """Importing the package and asking for help load no library that takes time."""
    assert not modules_after(statement) & set(HEAVY)


def test_reading_loads_no_training_library(photo: Path) -> None:
    """Reading a photograph needs neither PyTorch nor scikit-learn nor matplotlib nor pandas."""
    loaded = modules_after(f"import unmask; unmask.read({str(photo)!r})")
    assert not loaded & {"torch", "sklearn", "matplotlib", "pandas", "pyarrow"}


def test_exported_names() -> None:
    """The public names are written down, exist, and there are no others."""
    assert unmask.__all__ == [
        "FER2013",
        "FERPLUS",
        "Abstention",
        "Box",
        "Expression",
        "Face",
        "Landmarks",
        "Quality",
        "Reader",
        "Reading",
        "Taxonomy",
        "Thresholds",
        "UnmaskError",
        "load",
        "read",
    ]
    for name in unmask.__all__:
        assert getattr(unmask, name) is not None
    assert dir(unmask) == sorted(unmask.__all__)
    with pytest.raises(AttributeError, match="no attribute 'emotion'"):
        _ = unmask.emotion


def test_module_runs() -> None:
    """``python -m unmask --version`` prints the version, which Python code can ask for too."""
    result = subprocess.run([sys.executable, "-m", "unmask", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("unmask 0.")
    assert result.stdout == f"unmask {unmask.__version__}\n"


def test_the_runtime_reports_to_nobody(photo: Path, tmp_path: Path) -> None:
    """Reading a photograph writes no file, not even the one with which ONNX Runtime's telemetry starts."""
    code = f"import unmask; unmask.read({str(photo)!r})"
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", code], check=True, env={**environment, "TMPDIR": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []
