"""Directed graphs of names: what can be reached from a name, and cycles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def reachable(names: Iterable[str], edges: Mapping[str, Iterable[str]]) -> list[str]:
    """The names, and all that their edges lead to, directly or through others; each after those it leads to."""
    reached: dict[str, None] = {}
    visited: set[str] = set()
    path = [*names][::-1]  # a chain may be longer than Python's stack
    while path:
        name = path[-1]
        if name not in visited:
            visited.add(name)
            path += [other for other in reversed([*edges.get(name, ())]) if other not in visited]
        else:
            reached.setdefault(path.pop())
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
