"""The files around the project agree with each other."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.conftest import ROOT

HOOKS = (ROOT / ".pre-commit-config.yaml").read_text()


@pytest.mark.parametrize(("tool", "repository"), [("ruff", "ruff-pre-commit"), ("mypy", "mirrors-mypy")])
def test_pre_commit_has_the_versions_of_tox(tool: str, repository: str) -> None:
    in_tox = re.search(rf"{tool}==([\d.]+)", (ROOT / "tox.ini").read_text())
    in_hooks = re.search(rf"{repository}\n +rev: v([\d.]+)", HOOKS)
    assert in_tox
    assert in_hooks
    assert in_tox[1] == in_hooks[1]


def test_services_of_who_runs_the_manager_from_the_checkout_are_not_checked() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    for named in (tools["ruff"]["include"], tools["mypy"]["files"]):
        assert [path for path in named if path.startswith("services")] == ["services/systemstatus.py"]


def test_the_security_policy_and_the_licence_are_where_people_look() -> None:
    assert "docs/security.md" in (ROOT / "SECURITY.md").read_text()
    assert "the SManager developers" in (ROOT / "LICENSE").read_text()
