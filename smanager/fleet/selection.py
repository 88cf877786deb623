"""Which nodes of a fleet are meant: by names, by patterns, by labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from smanager.commands.globs import globbed, is_glob
from smanager.fleet.known import NodeAbout
from smanager.fleet.subjects import ALL, is_name

LABEL_EXAMPLE = "KEY=VALUE, such as site=lab3"


class SelectionError(Exception):
    """No node can be meant; the text says why."""


class NodeSelection(NamedTuple):
    """Nodes: those that any of the patterns fits, of which those that have all the labels."""

    patterns: tuple[str, ...] = (ALL,)
    labels: Mapping[str, str] = {}

    @classmethod
    def of(cls, words: Iterable[str], labels: Iterable[str] = ()) -> NodeSelection:
        """From what the user has typed: names and patterns, with commas or in several words. Raises SelectionError."""
        patterns = tuple(one for word in words for one in word.removeprefix("@").split(",") if one)
        pairs = dict(label.partition("=")[::2] for label in labels)
        for key, value in pairs.items():
            if not is_name(key) or not is_name(value):
                raise SelectionError(f"the label is {key}={value}, and should be {LABEL_EXAMPLE}")
        return cls(patterns or (ALL,), pairs)

    @property
    def is_all(self) -> bool:
        return ALL in self.patterns and not self.labels

    @property
    def names(self) -> list[str]:
        """The nodes that are named, and have to be there."""
        return [pattern for pattern in self.patterns if pattern != ALL and not is_glob(pattern)]

    def fits(self, node: NodeAbout) -> bool:
        has_labels = all(node.labels.get(key) == value for key, value in self.labels.items())
        return has_labels and any(pattern == ALL or globbed(node.name, pattern) for pattern in self.patterns)

    def among(self, nodes: Iterable[NodeAbout]) -> list[str]:
        """The nodes that are meant, of those that are known. Raises SelectionError for a name that is not known."""
        known = {node.name: node for node in nodes}
        for name in self.names:
            if name not in known:
                raise SelectionError(f"no node {name} is known; `nodes` lists them")
        chosen = [name for name, node in known.items() if self.fits(node)]
        if not known:
            raise SelectionError("no node is connected, and none was before")
        if not chosen:
            raise SelectionError(f"no node fits {self}; `nodes` lists them")
        return sorted(chosen)

    def __str__(self) -> str:
        labels = "".join(f" -l {key}={value}" for key, value in self.labels.items())
        return ",".join(self.patterns) + labels
