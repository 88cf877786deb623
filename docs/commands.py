"""Makes docs/reference/commands.md, the reference of the commands, as `smanager --docs` prints it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "commands.md"
COMMAND = [sys.executable, "smanager.py", "--services", "services", "--docs"]
SECONDS = 60
"""How long the program may take to describe its services."""


def markdown() -> str:
    """The page as it should be.

    Raises subprocess.CalledProcessError if the program finds problems in its services.
    """
    printed = subprocess.run(COMMAND, cwd=ROOT, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
    heading, _, rest = printed.partition("\n")
    assert heading == "# Commands", heading
    return f"# Command reference\n\n<!-- Made by `python -m docs.commands`; changes here are lost. -->\n{rest}"


if __name__ == "__main__":
    PAGE.write_text(markdown())
