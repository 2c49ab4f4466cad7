"""Ours beside the study's: each row with its verdict and the reason for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from unmask.capstone.published import LABELS, ROWS, Published
from unmask.capstone.step import Result
from unmask.errors import ConfigError

SAME, NOISE, DIFFERS = "the same", "within noise", "differs"
SHOWN, OURS, QUICK, MISSING = "shown", "ours alone", "quick: not compared", "not run"
VERDICTS = (SAME, NOISE, DIFFERS, QUICK, SHOWN, OURS, MISSING)

_Z_SEVEN = 2.69
"""Normal quantile of 1 - .05 / 14: 95 % for seven two-sided comparisons together."""


def compare_all(results: Mapping[str, Result], *, quick: bool) -> list[dict[str, Any]]:
    """Every row of the study, as plain data.

    Returns
    -------
    For each: ``key``, ``part``, ``quantity``, ``study``, ``ours``, ``interval``, ``mended``, ``tolerance`` and its
    ``basis``, ``protocol``, ``seeds``, ``seconds`` of its step, ``verdict`` and ``why``.
    """
    return [_row(published, results, quick=quick) for published in ROWS]


def _row(published: Published, results: Mapping[str, Result], *, quick: bool) -> dict[str, Any]:
    step, _, name = published.key.partition(".")
    step = "own" if step == "conclusion" else step
    result = results.get(step)
    measured: Mapping[str, Any] | None = None
    if result is not None:
        measured = result.values.get(published.key)
        if published.judged == "shown" and name in result.figures:
            measured = {"value": result.figures[name].file}
    verdict, why = _verdict(published, measured, quick=quick)
    if measured is None and result is not None:
        why = result.left_out.get(published.key) or result.left_out.get(step, "")
    about = measured or {}
    return {
        "key": published.key,
        "step": step,
        "part": published.part,
        "quantity": published.quantity,
        "study": published.study,
        "ours": about.get("value"),
        "interval": about.get("interval"),
        "std": about.get("std"),
        "draws": about.get("draws"),
        "mended": about.get("mended"),
        "tolerance": published.tolerance,
        "basis": published.basis,
        "protocol": about.get("protocol", ""),
        "seeds": about.get("seeds", []),
        "seconds": None if measured is None or result is None else result.seconds,
        "verdict": verdict,
        "why": why,
    }


def _verdict(published: Published, measured: Mapping[str, Any] | None, *, quick: bool) -> tuple[str, str]:
    if measured is None or measured["value"] is None:
        return MISSING, ""
    if quick and published.trained:
        return QUICK, "trained for a few epochs, on part of the rows or all of them"
    if published.judged in ("shown", "none"):
        return (SHOWN if published.judged == "shown" else OURS), ""
    return judge(published, measured)


def judge(published: Published, measured: Mapping[str, Any]) -> tuple[str, str]:
    """Verdict on one measured value, and the reason where it differs.

    Parameters
    ----------
    measured
        With ``value``, and ``draws`` where the study's value is to be one more of them.
    """
    study, ours = published.study, measured["value"]
    if published.judged == "exact":
        return (SAME, "") if ours == study else (DIFFERS, "other data, or a smaller budget, than the study's")
    if published.judged == "most":
        return (SAME, "") if ours <= published.tolerance else (DIFFERS, "what is loaded is not what was saved")
    if published.judged == "near":
        return (NOISE, "") if abs(ours - study) <= published.tolerance else (DIFFERS, published.why)
    if published.judged == "draws":
        from unmask.classical.statistics import within_noise

        return (NOISE, "") if within_noise(study, measured["draws"]) else (DIFFERS, published.why)
    if published.judged == "recalls":
        far = far_recalls(study, ours)
        return (DIFFERS, f"{', '.join(far)}: {published.why}") if far else (NOISE, "")
    common = {tuple(pair[:2]) for pair in study} & {tuple(pair[:2]) for pair in ours}
    return (NOISE, "") if len(common) >= published.tolerance else (DIFFERS, published.why)


def far_recalls(study: list[list[int]], ours: list[list[int]]) -> list[str]:
    """The classes whose share of right answers differs by more than chance explains, all seven looked at together."""
    far = []
    for code, label in enumerate(LABELS):
        one, other = (np.array(matrix[code], dtype=np.float64) for matrix in (study, ours))
        counts = (one.sum(), other.sum())
        if not all(counts):
            continue
        shares = (one[code] / counts[0], other[code] / counts[1])
        both = (one[code] + other[code]) / sum(counts)
        error = math.sqrt(both * (1 - both) * (1 / counts[0] + 1 / counts[1]))
        if abs(shares[0] - shares[1]) > _Z_SEVEN * error:
            far.append(label)
    return far


def failures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows outside their tolerance."""
    return [row for row in rows if row["verdict"] == DIFFERS]


def check_rows(report: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """The rows of a report.json, judged anew. Raises ConfigError when it is no such file."""
    try:
        quick = report["about"]["budget"] == "quick"
        known = {row["key"]: row for row in report["rows"]}
        judged = []
        for published in ROWS:
            row = dict(known[published.key])
            measured = {"value": row["ours"], "draws": row["draws"]}
            verdict, why = _verdict(published, measured, quick=quick)
            judged.append({**row, "study": published.study, "verdict": verdict, "why": why or row["why"]})
        return judged
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ConfigError(
            f"{where}: not a report of unmask capstone ({error!r}); name its report.json or folder"
        ) from None


def in_words(value: Any) -> str:
    """A value as a table shows it: shares with three decimals, counts with commas, lists and pairs in short."""
    if value is None:
        return ""
    if isinstance(value, (bool, str)):
        return str(value)
    if isinstance(value, float):
        return f"{value:.2g}" if value and abs(value) < 0.001 else f"{value:.3f}" if value else "0"
    if isinstance(value, int):
        return f"{value:,}"
    if value and isinstance(value[0], list):
        if len(value) == len(LABELS):
            return f"{sum(map(sum, value)):,} rows"
        return "; ".join(_short(one) for one in value)
    return " / ".join(in_words(one) for one in value)


def ours_in_words(row: Mapping[str, Any]) -> str:
    """Our value of a row with its spread or interval; nothing for a picture."""
    if row["verdict"] in (SHOWN, MISSING):
        return ""
    words = in_words(row["ours"])
    if row["std"] is not None:
        return f"{words} ± {row['std']:.3f}"
    if row["interval"]:
        return f"{words} ({row['interval'][0]:.3f} to {row['interval'][1]:.3f})"
    return words


def mended_in_words(row: Mapping[str, Any]) -> str:
    """What stands beside a row's value, with what it is."""
    mended = row["mended"]
    return "" if mended is None else f"{in_words(mended['value'])}: {mended['quantity']}"


def protocol_in_words(row: Mapping[str, Any]) -> str:
    """How a row's value was measured, and with which seeds."""
    seeds = row["seeds"]
    told = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}" if seeds else ""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        told = f"seeds {seeds[0]} to {seeds[-1]}"
    return "; ".join(part for part in (row["protocol"], told) if part)


def in_few_words(value: Any, *, most: int = 40) -> str:
    """The same, cut where a terminal's table would get too wide."""
    words = in_words(value)
    return words if len(words) <= most else words[: most - 4].rstrip(" /;,") + " ..."


def _short(one: list[Any]) -> str:
    if isinstance(one[0], str):
        return f"{one[0]}/{one[1]} {one[2]}"
    return f"{one[0]} [{', '.join(map(str, one[1:]))}, ...]"
