"""The documentation cannot lie: pages that are made equal what makes them, and the README's figures are the card's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from unmask.models import bundled_models, load_model
from unmask.models.document import card_markdown

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_command_line_page_is_what_argparse_says() -> None:
    """docs/cli.md is the help of the present parser; make it anew with python docs/make_cli.py > docs/cli.md."""
    made = subprocess.run(
        [sys.executable, ROOT / "docs/make_cli.py"], capture_output=True, text=True, check=True
    ).stdout
    if sys.version_info[:2] == (3, 11):  # argparse lays its help out differently from version to version
        assert (ROOT / "docs/cli.md").read_text(encoding="utf-8") == made
    else:
        assert "unmask read" in made


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_cards_are_generated(name: str) -> None:
    """The committed CARD.md is what its model.json gives."""
    card = load_model(name).card
    assert (bundled_models()[name] / "CARD.md").read_text(encoding="utf-8") == card_markdown(card)


def test_cards_hold_no_code() -> None:
    """A network's arguments, and what it mistakes most often, stand in its card as words."""
    text = card_markdown(load_model("small").card)
    assert "| network | `resnet`, widths 32 48 96 128, blocks 0 2 2 2, dropout 0.1 |" in text
    assert "Most often mistaken: sad as neutral (80), neutral as sad (78)" in text
    assert "| fear | 3 | 0 | 16 | 5 | 2 | 0 | 36 | 0 |" in text


def test_readme_figures_are_the_cards() -> None:
    """What the README's table says of the models in the package is, rounded, what stands in their cards."""
    heads = ("FER+ PublicTest (majority rule)", "FER2013 PublicTest")
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| (.*) \|$", README, re.MULTILINE)
    ours = [row for row in rows if row[0] in bundled_models()]
    assert {name for name, *_ in ours} == set(bundled_models())
    for name, parameters, cells in ours:
        card = load_model(name).card
        votes, labels = (card.metrics[head] for head in heads)
        expected = [
            *(f"{100 * figures['accuracy']:.1f} %" for figures in (votes, votes["deduplicated"])),
            f"{votes['macro_f1']:.3f}",
            f"{votes['ece']:.3f}",
            *(f"{100 * figures['accuracy']:.1f} %" for figures in (labels, labels["deduplicated"])),
        ]
        assert (parameters, cells.split(" | ")) == (f"{card.parameters:,}", expected)


def test_readme_shows_what_the_command_prints(tmp_path: Path) -> None:
    """The table in the README is the output of the README's own command."""
    command = re.search(r"unmask (read docs/images/\S+)", README)
    assert command is not None
    result = subprocess.run(
        [sys.executable, "-m", "unmask", *command[1].split(), "--detector", "mtcnn"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert result.stdout.strip() in README


def test_nothing_says_the_other_word() -> None:
    """Results are called expressions; the other word stands only where it names FER2013's column or a work."""
    allowed = re.compile(
        r"\"emotion\"|'emotion'|`emotion`|emotion,|Emotional|emotions of people|never `?emotion|unmask\.emotion"
    )
    for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if "emotion" in line.lower() and path.parent.name != "datasets":
                assert allowed.search(line), f"{path}:{number}: {line}"
