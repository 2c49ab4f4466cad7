"""The recipes that the study is carried out with: those of the repository, which are also inside the package."""

from __future__ import annotations

from pathlib import Path

from unmask.errors import ConfigError


def recipe(name: str) -> Path:
    """The file of a recipe, for example ``study_net.toml``. Raises ConfigError where it is missing."""
    package = Path(__file__).parents[1]
    for folder in (package / "recipes", package.parents[1] / "recipes"):  # installed, and in a checkout
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(f"the recipe {name} is not in the package; install unmask again")
