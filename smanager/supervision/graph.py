"""Which services come before which: what a name leads to, and circles, in which nobody can be first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def beyond(names: Iterable[str], leads_to: Mapping[str, Iterable[str]]) -> list[str]:
    """The names and all that they lead to, directly or through others; what is led to comes first."""
    found: dict[str, None] = {}
    visited: set[str] = set()

    def visit(name: str) -> None:
        if name not in visited:
            visited.add(name)
            for other in leads_to.get(name, ()):
                visit(other)
            found[name] = None

    for name in names:
        visit(name)
    return list(found)


def circles(leads_to: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """For each name that leads back to itself the way there, as `a`, `b`, `a`."""
    return {name: way for name in leads_to if (way := _way(name, name, leads_to))}


def _way(start: str, goal: str, leads_to: Mapping[str, Sequence[str]]) -> list[str]:
    """The shortest way from `start` over at least one step to `goal`; empty where there is none."""
    ways = [[start]]
    visited: set[str] = set()
    for way in ways:
        for name in leads_to.get(way[-1], ()):
            if name == goal:
                return [*way, name]
            if name not in visited:
                visited.add(name)
                ways.append([*way, name])
    return []
