"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from unmask.datasets.base import FaceDataset

# A busy machine takes long over any one example, which says nothing about the code.
hypothesis.settings.register_profile("unmask", deadline=None)
hypothesis.settings.load_profile("unmask")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the development data; tests that ask for it are skipped, saying so, where it is absent."""
    named = os.environ.get("UNMASK_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no development data in {folder}; name its folder in UNMASK_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def photo() -> Path:
    """The portrait of the astronaut Eileen Collins (NASA, public domain) that lies in the repository."""
    return Path(__file__).resolve().parents[1] / "docs" / "images" / "astronaut.jpg"


@pytest.fixture(scope="module")
def bars() -> FaceDataset:
    """See ``data_sets.make_bars``."""
    from data_sets import make_bars

    return make_bars()
