"""``unmask data audit``: what is wrong with a data set, and a copy without it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from unmask.cli.loading import add_loading_options, check_outputs, check_outside, load
from unmask.cli.text import tell
from unmask.cli.values import file_with
from unmask.errors import ConfigError
from unmask.writing import try_file


def add_parser(actions: Any) -> None:
    """Register the action."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "audit",
        help="copies, leaks between splits, conflicting labels, blanks",
        description="Look for exact and near copies, copies across splits, copies with conflicting labels, blank "
        "images and, with FER+'s votes, images in which no tagger saw a face.",
    )
    add_loading_options(parser, positional=True)
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("--no-near", action="store_true", help="do not search for near copies")
    parser.add_argument(
        "--report", type=file_with(".html", ".htm"), metavar="FILE.html", help="write a page with the pictures"
    )
    parser.add_argument(
        "--fix", type=Path, metavar="OUT", help="write the data set without what was found: .csv, .parquet or a folder"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load, search, print, write."""
    from unmask.datasets.audit import audit, fixed_rows, require_rows
    from unmask.datasets.audit_page import count_lines, write_audit_page
    from unmask.datasets.export import check_place, write_dataset

    check_outputs(arguments, {"--report": arguments.report})
    if arguments.report and arguments.fix and arguments.report.absolute().is_relative_to(arguments.fix.absolute()):
        raise ConfigError(f"--report {arguments.report} would lie where --fix writes the data set; name another place")
    check_outside(arguments, {"--report": arguments.report, "--fix": arguments.fix})
    if arguments.fix:
        check_place(arguments.fix)
    try_file(arguments.report)
    dataset, code = load(arguments)
    found = audit(dataset, near=not arguments.no_near)
    if arguments.format == "json":
        print(json.dumps(found.to_json(), indent=2))
    else:
        for what, count in count_lines(found):
            print(f"{count:9,}  {what}")
    if arguments.report:
        write_audit_page(dataset, found, arguments.report)
        tell(arguments.report)
    if arguments.fix:
        fixed = require_rows(dataset, fixed_rows(dataset, found))
        write_dataset(fixed, arguments.fix)
        tell(f"{arguments.fix}: {len(fixed):,} of {len(dataset):,} rows")
    return code
