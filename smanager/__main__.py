"""`python3 -m smanager`, and what every way to start SManager runs."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Run the command line; returns the exit status."""
    gc.disable()  # nearly all of the hundred thousand objects that importing makes will stay
    from smanager.cli import main as run

    gc.enable()
    return run()


if __name__ == "__main__":
    sys.exit(main())
