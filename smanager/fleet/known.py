"""The nodes that a user has heard of before, so that who does not answer can be named."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from smanager.fleet.subjects import is_name
from smanager.system.atomic import replacing
from smanager.system.private import contents, make_directory

SIZE_LIMIT = 64 * 1024 * 1024  # bytes: some hundred thousand nodes
FORMAT = 1


class NodeAbout(NamedTuple):
    """What a node tells of itself."""

    name: str
    labels: Mapping[str, str] = {}
    version: str = ""
    since: float = 0.0  # wall clock
    seen: float = 0.0  # when it was last heard, likewise


def known_file(user: str, hub: str) -> Path:
    """Where what is known of a hub's nodes is kept."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "smanager" / f"fleet-{user}@{hub}.json"


class KnownNodes:
    """The nodes of one hub, as far as its user knows; a damaged file is forgotten, for the nodes tell it all again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nodes: dict[str, NodeAbout] = {}
        self._has_changed = False
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            content = json.loads(contents(path, SIZE_LIMIT))
            if content["format"] == FORMAT:
                nodes = [NodeAbout(name, *fields) for name, fields in content["nodes"].items() if is_name(name)]
                self._nodes = {node.name: node for node in nodes}

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
