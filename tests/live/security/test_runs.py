"""Who may know of whose runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.live.security.conftest import TOKENS, Network


def runs(network: Network, user: str) -> list[tuple[str, str | None]]:
    found: list[dict[str, Any]] = json.loads(network.ask("locked", "runs --since 1d --json", token=TOKENS[user]))
    return [(run["command"], run["user"]) for run in found]


@pytest.fixture(scope="module")
def past(shared_network: Network) -> Network:
    """A network in which each user has run something."""
    line: dict[str, Any] = {"method": "shell.execute", "params": {"line": "whoami", "keep": True}}
    shared_network.call("locked", line, token=TOKENS["viewer"])
    shared_network.ask("locked", "box fail", token=TOKENS["operator"])
    shared_network.ask("locked", "wait hidden stopped --timeout 0.01", token=TOKENS["root"])
    shared_network.ask("locked", "hidden secret &", token=TOKENS["root"])
    line["params"]["line"] = "jobs"  # its output is what the caller may know of, which others may not
    shared_network.call("locked", line, token=TOKENS["root"])
    return shared_network


def test_an_admin_knows_of_all_runs(past: Network) -> None:
    assert runs(past, "root") == [
        ("whoami", "viewer"),
        ("box fail", "operator"),
        ("wait --timeout 0.01 hidden stopped", "root"),
        ("hidden secret", "root"),
    ]


def test_others_know_of_their_own_and_of_those_of_commands_that_they_may_run(past: Network) -> None:
    assert ("box fail", "operator") in runs(past, "odd")
    assert ("box fail", "operator") not in runs(past, "viewer")
    assert ("whoami", "viewer") in runs(past, "viewer")


def test_runs_about_hidden_services_are_hidden(past: Network) -> None:
    assert not any("hidden" in command for command, _ in runs(past, "odd"))


@pytest.mark.parametrize("command", ["output", "output -f", "rerun"])
def test_what_a_caller_may_not_know_of_does_not_exist(past: Network, command: str) -> None:
    number = json.loads(past.ask("locked", "runs box.fail --json", token=TOKENS["root"]))[-1]["id"]
    refused = past.ask("locked", f"{command} {number}", token=TOKENS["viewer"])
    unknown = past.ask("locked", f"{command} 99999", token=TOKENS["viewer"])
    assert refused.replace(str(number), "99999") == unknown


def test_who_runs_a_command_again_does_so_as_themselves(past: Network) -> None:
    number = json.loads(past.ask("locked", "runs box.fail --json", token=TOKENS["root"]))[-1]["id"]
    assert past.ask("locked", f"rerun {number}", token=TOKENS["odd"]) == "*** box fail: ValueError: no\n"
    assert runs(past, "root")[-1] == ("box fail", "odd")
    given = [entry["name"] for entry in past.audit() if entry["event"] == "command" and entry["user"] == "odd"]
    assert given[-2:] == ["rerun", "box fail"]


def test_without_a_user_no_run_is_the_callers_own(past: Network) -> None:
    assert "box fail" not in past.ask("open", "runs --since 1d")
