"""How a program is started."""

from __future__ import annotations

import os
from typing import Any, cast

import pytest

from smanager.hosts.child import program as program_module
from smanager.hosts.child.life import make
from smanager.hosts.child.program import Program

BECOMES = {"user": 1, "group": 2, "extra_groups": [2, 3]}


@pytest.mark.parametrize(
    ("euid", "over", "done", "left_to_popen"),
    [
        (0, {"nofile": 5}, [("limits",), ("groups", [2, 3]), ("group", 2), ("user", 1)], dict.fromkeys(BECOMES)),
        (0, {}, [("limits",)], BECOMES),
        (1000, {"nofile": 5}, [("limits",)], BECOMES),
    ],
    ids=["root raises a limit", "root lowers one", "another user tries"],
)
def test_a_limit_is_raised_before_root_becomes_another_user(
    monkeypatch: pytest.MonkeyPatch, euid: int, over: dict[str, int], done: list[Any], left_to_popen: dict[str, Any]
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    monkeypatch.setattr(program_module, "exceeded", lambda limits: over)
    monkeypatch.setattr(program_module, "set_limits", lambda limits: calls.append(("limits",)))
    for name, what in {"setgroups": "groups", "setgid": "group", "setuid": "user"}.items():
        monkeypatch.setattr(os, name, lambda value, what=what: calls.append((what, value)))
    program = make(Program, "web", {"program": ["true"], "limits": {"nofile": 9}}, cast("Any", None))
    assert isinstance(program, Program)
    options = program._limited({**BECOMES, "cwd": None})
    options.pop("preexec_fn")()
    assert calls == done
    assert options == {**left_to_popen, "cwd": None}
