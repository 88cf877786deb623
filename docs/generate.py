"""Writes the reference pages that are made from the program's own records: `python -m docs.generate`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from smanager.config.checks import Key
from smanager.config.file import TABLES
from smanager.system.descriptors import open_standard_descriptors

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"

NOTE = "<!-- Made by `python -m docs.generate` from the program's own records: changes here are lost. -->\n"

CONFIGURATION = f"""\
# The keys of smanager.toml

All keys are optional, except `program` for a program, one of `tcp`, `unix` and `systemd` for a listener, and `run`
and one of `every`, `cron` and `at` for a schedule.

{NOTE}"""

SHIPPED = "systemstatus.py"

SECONDS = 60
"""How long the program may take to describe its services."""


def commands() -> str:
    """The command reference: what `--docs` prints of the manager and the services that ship.

    Raises subprocess.CalledProcessError if the services have problems.
    """
    with tempfile.TemporaryDirectory() as services:  # beside what ships, there may be services of who runs the manager
        shutil.copy(ROOT / "services" / SHIPPED, services)
        command = [sys.executable, "smanager.py", "--services", services, "--docs"]
        printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
    return f"# Command reference\n\n{NOTE}{printed.removeprefix('# Commands' + chr(10))}"


def configuration() -> str:
    """The configuration reference."""
    return CONFIGURATION + "".join(f"\n## {_title(name)}\n\n{_table(keys)}" for name, keys in TABLES.items())


def _title(table: str) -> str:
    if not table:
        return "Outside of tables"
    name, _, kind = table.partition("] ")
    return f"`{name}]` {kind}" if kind else f"`{table}`"


def _table(keys: Mapping[str, Key]) -> str:
    rows = [("Key", "Value", "Default", "Meaning"), ("---",) * 4]
    for name, key in keys.items():
        default = "" if key.default is None else f"`{json.dumps(key.default)}`"
        rows.append((f"`{name}`", key.values, default, key.meaning))
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


PAGES = {"commands.md": commands, "configuration.md": configuration}


if __name__ == "__main__":
    open_standard_descriptors()
    for file, page in PAGES.items():
        (REFERENCE / file).write_text(page())
