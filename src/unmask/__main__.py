"""``python -m unmask``."""

from unmask.cli import run_process

run_process()
