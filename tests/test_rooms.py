"""The rooms of the house: every import points to its own room or to one above it in this list, and none forms a cycle.

The order is told to readers in docs/architecture.md.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

from smanager.supervision.graph import cycles

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "smanager"

ROOMS = (
    "service",
    "system",
    "terminal",
    "commands",
    "logs",
    "access",
    "schedules",
    "alerts",
    "metrics",
    "fleet",
    "config",
    "web",
    "hosts",
    "hosts.child",
    "supervision",
    "shells",
    "server",
    "cli",
    "__main__",
)
"""From the bottom up; a module belongs to the longest of these that its name begins with."""

LONGEST_MODULE = 400
"""Lines."""


def modules() -> dict[str, Path]:
    """The product's modules below `smanager`, by their dotted names; empty files are no modules."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if not name.endswith("__init__"):
            found[name] = path
    return found


class Source(NamedTuple):
    """What a file has to do with others."""

    imports: set[str]
    """The names below `smanager` that it imports, wherever in it."""
    classes: list[str]


@cache
def source(path: Path) -> Source:
    module = ast.parse(path.read_text())
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    classes = [node.name for node in module.body if isinstance(node, ast.ClassDef)]
    return Source({name.removeprefix("smanager.") for name in names}, classes)


def room(module: str) -> str:
    return max((name for name in ROOMS if f"{module}.".startswith(f"{name}.")), key=len)


def imports() -> dict[str, list[str]]:
    known = modules()
    return {name: sorted(source(path).imports & known.keys()) for name, path in known.items()}


def test_every_module_is_in_a_room() -> None:
    assert [name for name in modules() if not any(f"{name}.".startswith(f"{known}.") for known in ROOMS)] == []


def test_no_import_points_to_a_room_further_down_the_list() -> None:
    upward = [
        f"{name} imports {other}"
        for name, others in imports().items()
        for other in others
        if ROOMS.index(room(other)) > ROOMS.index(room(name))
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_cycle() -> None:
    assert cycles(imports()) == {}


def test_packages_hold_nothing_but_their_modules() -> None:
    files = [path for path in PACKAGE.rglob("__init__.py") if path != PACKAGE / "__init__.py"]
    assert [str(path) for path in files if path.read_text()] == []


def test_modules_are_short_enough_to_be_read_at_once() -> None:
    long = {
        name: lines
        for name, path in modules().items()
        if (lines := len(path.read_text().splitlines())) > LONGEST_MODULE
    }
    assert long == {}


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for name, path in {**modules(), "tshell": ROOT / "tshell.py"}.items():
        for one in source(path).classes:
            places.setdefault(one, []).append(name)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
