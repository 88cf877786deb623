"""Which past runs a caller is shown, by the services that they are about."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE
from smanager.supervision.commands.runs import is_shown
from tests.logs.test_runs import run_of


@pytest.mark.parametrize(
    ("services", "shown"),
    [
        (("web",), True),
        (("hidden",), False),
        (("web", "hidden"), False),
        (("gone-hidden",), False),  # a service that a reload has removed
        (("web", "gone-hidden"), False),
        (("w*",), False),  # a pattern, which could have meant any
        ((), False),
    ],
)
def test_a_run_about_services_needs_permission_for_each_even_for_one_that_is_gone(
    services: tuple[str, ...], shown: bool
) -> None:
    permissions: Any = SimpleNamespace(roles=("some",), allow_on=lambda command, name: "hidden" not in name)
    asked: Any = SimpleNamespace(
        caller=Caller(CONSOLE, "ben", permissions=permissions),
        manager=SimpleNamespace(keepers={"web": 1, "hidden": 2}),
    )
    assert is_shown(run_of(1)._replace(service="", services=services), asked) is shown
    del asked.manager.keepers["hidden"]
    assert is_shown(run_of(1)._replace(service="", services=services), asked) is (
        not any("hidden" in name for name in services)
    )
