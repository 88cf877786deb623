"""What a name leads to, and cycles."""

from __future__ import annotations

import pytest

from smanager.supervision.graph import cycles, reachable

NEEDS = {"web": ["app"], "app": ["database", "cache"], "database": [], "cache": ["disk"], "disk": []}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["disk"], ["disk"]),
        (["web"], ["database", "disk", "cache", "app", "web"]),
        (["cache", "web"], ["disk", "cache", "database", "app", "web"]),
        (["elsewhere"], ["elsewhere"]),
    ],
)
def test_each_name_comes_after_those_that_it_leads_to(names: list[str], expected: list[str]) -> None:
    assert reachable(names, NEEDS) == expected


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        (NEEDS, {}),
        ({"a": ["a"]}, {"a": ["a", "a"]}),
        ({"a": ["b"], "b": ["a"], "c": ["a"]}, {"a": ["a", "b", "a"], "b": ["b", "a", "b"]}),
        (
            {"a": ["b"], "b": ["c"], "c": ["a", "b"]},
            {"a": ["a", "b", "c", "a"], "b": ["b", "c", "b"], "c": ["c", "b", "c"]},
        ),
    ],
)
def test_cycles_are_found_with_their_path(edges: dict[str, list[str]], expected: dict[str, list[str]]) -> None:
    assert cycles(edges) == expected


def test_a_chain_may_be_long() -> None:
    chain = {str(number): [str(number + 1)] for number in range(20_000)}
    assert reachable(["0"], chain) == [str(number) for number in range(20_000, -1, -1)]


def test_a_cycle_does_not_go_on_for_ever() -> None:
    assert reachable(["a"], {"a": ["b"], "b": ["a"]}) == ["b", "a"]
