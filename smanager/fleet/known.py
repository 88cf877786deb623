"""The nodes that a user has heard of before, so that who does not answer can be named."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from smanager.fleet.subjects import is_name
from smanager.system.atomic import replacing
from smanager.system.private import contents, make_directory
from smanager.terminal.wording import duration_text

SIZE_LIMIT = 64 * 1024 * 1024  # bytes: some hundred thousand nodes
FORMAT = 1


class NodeAbout(NamedTuple):
    """What a node tells of itself."""

    name: str
    labels: Mapping[str, str] = {}
    version: str = ""
    since: float = 0.0  # wall clock
    seen: float = 0.0  # when it was last heard, likewise


def own_directory() -> Path:
    """Where what a person knows of hubs is kept."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "smanager"


def last_seen(when: float, now: float) -> str:
    """When a node was last heard, in words; both are wall clock."""
    return f"last seen {duration_text(max(0.0, now - when))} ago" if when else "never seen"


def row_of(node: NodeAbout, is_connected: bool, now: float, state: str = "connected") -> dict[str, str]:
    """A node in a table of nodes; `state` is what is shown of one that is connected."""
    labels = " ".join(f"{key}={value}" for key, value in sorted(node.labels.items()))
    since = duration_text(max(0.0, now - node.since)) if is_connected else "-"
    state = state if is_connected else f"not connected; {last_seen(node.seen, now)}"
    return {"name": node.name, "labels": labels or "-", "version": node.version or "-", "since": since, "state": state}


class KnownNodes:
    """The nodes of one hub, as far as its user knows; a damaged file is forgotten, for the nodes tell it all again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nodes: dict[str, NodeAbout] = {}
        self._has_changed = False
        with suppress(OSError, ArithmeticError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            content = json.loads(contents(path, SIZE_LIMIT))
            if content["format"] == FORMAT:
                self._nodes = {name: _node_of(name, *fields) for name, fields in content["nodes"].items()}

    def __getitem__(self, name: str) -> NodeAbout:
        return self._nodes.get(name) or NodeAbout(name)

    @property
    def names(self) -> list[str]:
        return sorted(self._nodes)

    def heard(self, names: Iterable[str], now: float) -> None:
        """These have answered."""
        for name in names:
            self.learn(self[name]._replace(seen=now))

    def learn(self, node: NodeAbout) -> None:
        self._nodes[node.name] = node
        self._has_changed = True

    def forget(self, names: Iterable[str]) -> None:
        """Expect no answer of these any more."""
        for name in names:
            self._has_changed = self._nodes.pop(name, None) is not None or self._has_changed

    def save(self) -> None:
        """Keep what has changed, if that is possible: without it, less is known next time."""
        if not self._has_changed:
            return
        self._has_changed = False
        nodes = {name: [dict(node.labels), *node[2:]] for name, node in sorted(self._nodes.items())}
        with suppress(OSError):
            make_directory(self._path.parent)
            with replacing(self._path) as file:
                json.dump({"format": FORMAT, "nodes": nodes}, file)


def _node_of(name: str, labels: dict[str, str], version: str, since: float, seen: float) -> NodeAbout:
    """A node from a file. Raises TypeError or ValueError."""
    words = (name, *labels, *labels.values())
    if not all(map(is_name, words)) or not isinstance(version, str) or not math.isfinite(since + seen):
        raise ValueError
    return NodeAbout(name, labels, version, since, seen)
