"""``python -m unmask``, and the command ``unmask``."""

import sys


def run() -> None:
    """Run the command line; what it needs loads in here, so that an interrupt shows no traceback even then."""
    try:
        from unmask.cli import run_process

        run_process()
    except KeyboardInterrupt:
        print("unmask: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    run()
