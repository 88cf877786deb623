"""Makes docs/reference/commands.md: the manager's own commands, and those of the services that ship."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from smanager.shells.reference import own_markdown
from smanager.supervision.commands.registry import OWN_COMMANDS

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
    services = printed.removeprefix("# Commands\n\n")
    own = own_markdown(own.command for own in OWN_COMMANDS.values())
    return (
        "# Command reference\n\n<!-- Made by `python -m docs.commands`; changes here are lost. -->\n\n"
        f"## The manager\n\nThe commands `help`, `exit` and `quit` are the shell's own.\n\n{own}\n{services}"
    )


if __name__ == "__main__":
    PAGE.write_text(markdown())
