"""Writes the reference pages that are made from the program's own records: `python -m docs.generate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from smanager.config.checks import Key
from smanager.config.file import TABLES

REFERENCE = Path(__file__).resolve().parent / "reference"

INTRODUCTION = """\
# The keys of smanager.toml

All keys are optional, except `program` for a program and one of `tcp`, `unix` and `systemd` for a listener.

<!-- Made by docs/generate.py from the records that the program checks with: edit those. -->
"""


def configuration() -> str:
    """The configuration reference, as Markdown."""
    return INTRODUCTION + "".join(f"\n## {_title(name)}\n\n{_table(keys)}" for name, keys in TABLES.items())


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


PAGES = {"configuration.md": configuration}


if __name__ == "__main__":
    for file, page in PAGES.items():
        (REFERENCE / file).write_text(page())
