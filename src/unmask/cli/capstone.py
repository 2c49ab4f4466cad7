"""``unmask capstone``: the study from one command, its report, and its values beside the study's."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.cli.loading import check_outside
from unmask.cli.text import aligned, tell
from unmask.cli.values import MOST_THREADS, whole
from unmask.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unmask.cli.progress import Progress


def add_parser(verbs: Any) -> None:
    """Register the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "capstone",
        help="carry out the whole study, and write its report",
        description="Carry out the study that unmask grew out of, step by step, and write OUT/report.html and "
        "OUT/report.json. A step that is done costs nothing again; an interrupted one goes on. Exit code 1 with "
        "--check: a value lies outside its tolerance.",
    )
    parser.add_argument("--data", metavar="FILE", help="FER2013 in one of its CSV layouts; train.csv alone will do")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the steps and of the report")
    parser.add_argument("--quick", action="store_true", help="minutes: small samples, few epochs, every figure real")
    parser.add_argument("--only", metavar="STEP", help="only this step, and what it needs")
    parser.add_argument("--from", dest="start", metavar="STEP", help="this step and those after it")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of VGG-19's body (default: the fetched ones)")
    parser.add_argument("--ferplus", type=Path, metavar="FILE", help="FER+'s votes: better labels")
    parser.add_argument("--imagenet", type=Path, metavar="FILE", help="of MobileNetV2 (default: the fetched ones)")
    parser.add_argument("--face-weights", type=Path, metavar="FILE", help="of MobileNetV1, trained on faces")
    parser.add_argument("--film", type=Path, metavar="FILE", help="a film to read")
    parser.add_argument(
        "--jobs", type=whole(1), default=1, help="processes of the classical models (default: %(default)s)"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps (default: %(default)s)")
    parser.add_argument("--threads", type=whole(1, MOST_THREADS), help="threads of PyTorch (default: all cores)")
    parser.add_argument(
        "--check", type=Path, metavar="REPORT", help="compare a report.json, or its folder, with the study, and end"
    )
    parser.add_argument(
        "--publish",
        type=Path,
        metavar="FOLDER",
        help="copy OUT's report.json and the figures without faces there, and end",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of what is printed")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check, publish, or carry out."""
    if arguments.check is not None:
        return _check(arguments.check, arguments.format)
    if arguments.out is None:
        raise ConfigError("name a folder with --out DIR, or a report with --check")
    if arguments.publish is not None:
        return _publish(arguments.out, arguments.publish)
    if arguments.data is None:
        raise ConfigError("name FER2013's CSV with --data FILE; docs/datasets.md says where it is published")
    if arguments.only is not None and arguments.start is not None:
        raise ConfigError("--only and --from both choose steps; leave one out")
    return _carry_out(arguments)


def _carry_out(arguments: argparse.Namespace) -> int:
    from unmask.cli.train import need_torch

    check_outside(arguments, {"--out": arguments.out})
    need_torch(arguments.threads, arguments.device)
    _need_study()
    from unmask.capstone.budgets import BUDGETS
    from unmask.capstone.inputs import Inputs
    from unmask.capstone.pipeline import chosen, run_study
    from unmask.capstone.report import write_report
    from unmask.capstone.rows import compare_all, failures
    from unmask.cli.progress import Progress
    from unmask.datasets import load_dataset

    steps = chosen(only=arguments.only, start=arguments.start)
    inputs = Inputs(
        weights=arguments.weights,
        imagenet=arguments.imagenet,
        faces=arguments.face_weights,
        votes=arguments.ferplus,
        film=arguments.film,
    )
    budget = BUDGETS["quick" if arguments.quick else "full"]
    dataset = load_dataset(arguments.data)
    with Progress("steps") as progress:

        def say(line: str) -> None:
            progress.clear()
            tell(line)

        done = run_study(
            dataset,
            arguments.out,
            budget=budget,
            inputs=inputs,
            steps=steps,
            jobs=arguments.jobs,
            device=arguments.device,
            say=say,
            notify=_on_terminal(progress),
        )
    page = write_report(arguments.out, done, dataset, budget=budget, device=arguments.device)
    rows = compare_all(done.results, quick=arguments.quick)
    for result in done.results.values():
        for sentence in result.left_out.values():
            tell(f"left out: {sentence}")
    if arguments.format == "json":
        print((arguments.out / "report.json").read_text(encoding="utf-8"), end="")
    else:
        print(_counted(rows, len(failures(rows))))
        print(page)
    return 0


def _need_study() -> None:
    from unmask.errors import MissingExtraError

    for library in ("sklearn", "matplotlib"):
        try:
            __import__(library)
        except ModuleNotFoundError:
            raise MissingExtraError(library, "study") from None


def _on_terminal(progress: Progress) -> Any:
    """A bar over the batches of an epoch and the cells of the classical study."""

    def notify(event: str, record: dict[str, Any]) -> None:
        if event == "batch":
            place = f"epoch {record['epoch']}, batch {record['batch']}/{record['batches']}"
            progress.advance(note=f"{place}  loss {record['loss']:.3f}")
        elif event == "cell":
            progress.advance(record["finished"], note=record["line"])

    return notify


def _publish(out: Path, folder: Path) -> int:
    from unmask.capstone.publish import publish

    for path in publish(out, folder):
        print(path)
    return 0


def _check(place: Path, form: str) -> int:
    from unmask.capstone.publish import read_report
    from unmask.capstone.rows import check_rows, failures

    report = read_report(place)
    rows = check_rows(report, str(place))
    failed = failures(rows)
    print(json.dumps(rows, indent=1) if form == "json" else _table(rows, failed))
    return 1 if failed else 0


def _table(rows: Sequence[dict[str, Any]], failed: Sequence[dict[str, Any]]) -> str:
    from unmask.capstone.rows import SHOWN, in_few_words

    cells = [["part", "quantity", "the study", "ours", "verdict"]]
    for row in rows:
        ours = "shown" if row["verdict"] == SHOWN else in_few_words(row["ours"])
        cells.append([row["part"], row["quantity"], in_few_words(row["study"]), ours, row["verdict"]])
    lines = [*aligned(cells, left=5), ""]
    lines += [f"differs: {row['part']}, {row['quantity']}: {row['why']}" for row in failed]
    missing = {row["why"] for row in rows if row["verdict"] == "not run" and row["why"]}
    lines += [f"not run: {reason}" for reason in sorted(missing)]
    return "\n".join([*lines, _counted(rows, len(failed))])


def _counted(rows: Sequence[dict[str, Any]], failed: int) -> str:
    from unmask.capstone.rows import VERDICTS

    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in VERDICTS}
    shown = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return f"{len(rows)} rows: {shown}{'' if failed else '; nothing outside its tolerance'}"
