"""Which services come before which."""

from __future__ import annotations

import pytest

from smanager.supervision.graph import beyond, circles

NEEDS = {"web": ["app"], "app": ["database", "cache"], "database": [], "cache": ["disk"], "disk": []}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["disk"], ["disk"]),
        (["web"], ["database", "disk", "cache", "app", "web"]),
        (["cache", "web"], ["disk", "cache", "database", "app", "web"]),
        (["elsewhere"], ["elsewhere"]),
    ],
)
def test_what_is_led_to_comes_first(names: list[str], found: list[str]) -> None:
    assert beyond(names, NEEDS) == found


@pytest.mark.parametrize(
    ("leads_to", "found"),
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
def test_circles_are_found_with_the_way_around(leads_to: dict[str, list[str]], found: dict[str, list[str]]) -> None:
    assert circles(leads_to) == found


def test_a_circle_does_not_go_on_for_ever() -> None:
    assert beyond(["a"], {"a": ["b"], "b": ["a"]}) == ["b", "a"]
