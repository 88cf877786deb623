"""Directed graphs of names: what can be reached from a name, and cycles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def reachable(names: Iterable[str], edges: Mapping[str, Iterable[str]]) -> list[str]:
    """The names, and all that their edges lead to, directly or through others; each after those it leads to."""
    reached: dict[str, None] = {}
    visited: set[str] = set()

    def visit(name: str) -> None:
        if name not in visited:
            visited.add(name)
            for other in edges.get(name, ()):
                visit(other)
            reached[name] = None

    for name in names:
        visit(name)
    return list(reached)


def cycles(edges: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """For each name on a cycle, the shortest path from the name back to itself, such as `a`, `b`, `a`."""
    return {name: path for name in edges if (path := _path_back(name, edges))}


def _path_back(start: str, edges: Mapping[str, Sequence[str]]) -> list[str]:
    paths = [[start]]
    visited: set[str] = set()
    for path in paths:
        for name in edges.get(path[-1], ()):
            if name == start:
                return [*path, name]
            if name not in visited:
                visited.add(name)
                paths.append([*path, name])
    return []
