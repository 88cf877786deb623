"""Settings: each key's values, and the line that says what is wrong with another."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.config.checks import SettingsError
from smanager.config.service import Policy, Restart, ServiceSettings, settings_of


def test_nothing_given_is_the_default() -> None:
    assert settings_of({}, is_program=False) == ServiceSettings()


def test_all_that_may_be_given_is_taken() -> None:
    settings = settings_of(
        {
            "program": ["web", "--serve"],
            "restart": "on-failure",
            "give_up_after": 3,
            "needs": ["database"],
            "watchdog": 0,
            "umask": "027",
            "stop_signal": "int",
            "success_codes": [0, 2],
            "ready_when": {"output": "^listening", "interval": 0.5},
            "limits": {"nofile": 100},
        },
        is_program=True,
    )
    assert settings.policy == Policy(restart=Restart.ON_FAILURE, give_up_after=3)
    assert (settings.needs, settings.watchdog) == (("database",), 0.0)
    program = settings.program
    assert program is not None
    assert (program.program, program.umask, program.stop_signal) == (("web", "--serve"), 0o27, "SIGINT")
    assert (program.success_codes, settings.limits) == ((0, 2), {"nofile": 100})
    assert program.ready_when is not None
    assert program.ready_when.output == re.compile("^listening")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"restart": "sometimes"}, """restart is 'sometimes', and should be one of "always", "on-failure", "never\""""),
        ({"neds": ["a"]}, "there is no setting 'neds'; did you mean needs?"),
        ({"xyzzy": 1}, "there is no setting 'xyzzy'; there are: after, alive_when, "),
        ({"enabled": "yes"}, "enabled is 'yes', and should be true or false"),
        ({"watchdog": -1}, "watchdog is -1, and should be a number of seconds"),
        ({"watchdog": True}, "watchdog is True, and should be a number of seconds"),
        ({"give_up_after": 1.5}, "give_up_after is 1.5, and should be a whole number from 0"),
        ({"needs": "database"}, "needs is 'database', and should be a list of services' names, such as [\"database\"]"),
        ({"directory": "/tmp"}, "directory is for programs, and this service is not a program"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}"):
        settings_of(given, is_program=False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "program is missing; it should be a list of words"),
        ({"program": "sleep 60"}, "program is 'sleep 60', and should be a list of words"),
        (
            {"program": ["x"], "watchdog": 3},
            "watchdog is for services with a class; use alive_when for a program",
        ),
        ({"program": []}, "program is [], and should be a list of words"),
        ({"program": ["x"], "umask": 22}, "umask is 22, and should be octal digits in quotes"),
        (
            {"program": ["x"], "stop_signal": "SIGNOTHING"},
            "stop_signal is 'SIGNOTHING', and should be the name of a signal",
        ),
        (
            {"program": ["x"], "limits": {"files": 1}},
            "limits is {'files': 1}, and should be a table with some of: as, ",
        ),
        ({"program": ["x"], "environment": {"A": 1}}, "environment is {'A': 1}, and should be a table of text"),
        ({"program": ["x"], "ready_when": {}}, "ready_when is {}, and should be a table with one of output, port"),
        (
            {"program": ["x"], "ready_when": {"port": 0}},
            "ready_when is {'port': 0}, and should be a table whose port is",
        ),
        (
            {"program": ["x"], "ready_when": {"output": "("}},
            "ready_when is {'output': '('}, and should be a table whose",
        ),
        (
            {"program": ["x"], "alive_when": {"output": "a{99999999999999999999}"}},
            "alive_when is {'output': 'a{99999999999999999999}'}, and should be a table whose output is a regular",
        ),
        (
            {"program": ["x"], "ready_when": {"output": "(" * 5000}},
            "ready_when is {'output': '(((",
        ),
    ],
)
def test_what_is_wrong_with_a_program_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}"):
        settings_of(given, is_program=True)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(
    ["enabled", "host", "restart", "needs", "watchdog", "options", "program", "umask", "limits", "ready_when", "x"]
)


@given(st.dictionaries(keys, values, max_size=4), st.booleans())
def test_nothing_else_is_ever_raised(given: dict[str, Any], is_program: bool) -> None:
    with suppress(SettingsError):
        settings_of(given, is_program)
