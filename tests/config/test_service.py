"""Settings: each key's values, and the line that says what is wrong with another."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.config.checks import LONGEST, SettingsError
from smanager.config.service import Policy, Restart, ServiceSettings, settings_of, signal_number


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
            "success_codes": [0, 2, "SIGTERM"],
            "nice": 5,
            "ready_when": {"output": "^listening", "interval": 0.5, "timeout": 2},
            "limits": {"nofile": 100, "core": "unlimited"},
        },
        is_program=True,
    )
    assert settings.policy == Policy(restart=Restart.ON_FAILURE, give_up_after=3)
    assert (settings.needs, settings.watchdog) == (("database",), 0.0)
    program = settings.program
    assert program is not None
    assert (program.program, program.umask, program.stop_signal) == (("web", "--serve"), 0o27, 2)
    assert (program.success_codes, settings.limits) == ((0, 2, -15), {"nofile": 100, "core": -1})
    assert program.ready_when is not None
    assert program.ready_when.output == re.compile("^listening")


def test_a_program_that_is_to_end_may_take_its_time_and_is_not_started_again_after_a_success() -> None:
    task = {"program": ["migrate"], "ready_when": {"done": True}}
    settings = settings_of(task, is_program=True)
    assert (settings.policy.restart, settings.start_timeout) == (Restart.ON_FAILURE, LONGEST)
    settings = settings_of({**task, "restart": "never", "start_timeout": 600}, is_program=True)
    assert (settings.policy.restart, settings.start_timeout) == (Restart.NEVER, 600)


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
            {"program": ["x"], "stop_signal_to": "all"},
            """stop_signal_to is 'all', and should be one of "main", "group\"""",
        ),
        (
            {"program": ["x"], "stop_signal": "SIGNOTHING"},
            "stop_signal is 'SIGNOTHING', and should be the name of a signal",
        ),
        ({"program": ["x"], "stop_signal": "SIGRTMIN+99"}, "stop_signal is 'SIGRTMIN+99', and should be the name of"),
        ({"program": ["x"], "success_codes": ["SIGNO"]}, "success_codes is ['SIGNO'], and should be a list of exit st"),
        ({"program": ["x"], "success_codes": [256]}, "success_codes is [256], and should be a list of exit statuses"),
        ({"program": ["x"], "nice": 20}, "nice is 20, and should be a whole number from -20 to 19"),
        ({"program": ["x"], "user": -1}, "user is -1, and should be a name or a number"),
        ({"program": ["x"], "group": True}, "group is True, and should be a name or a number"),
        ({"program": ["x"], "group": "4294967295"}, "group is '4294967295', and should be a name or a number"),
        ({"program": ["x"], "directory": "~no-such-user/x"}, "directory is '~no-such-user/x', and should be a path; "),
        ({"program": ["x"], "limits": {"nofile": "many"}}, "limits is {'nofile': 'many'}, and should be a table of "),
        ({"program": ["", "x"]}, "program is ['', 'x'], and should be a list of words"),
        ({"program": ["x", "y" * 131_072]}, "program is ['x', 'yyy"),
        ({"program": ["x"], "environment": {"A": "y" * 131_070}}, "environment is {'A': 'yyy"),
        (
            {"program": ["x"], "ready_when": {"port": 1, "timeout": 0}},
            "ready_when is {'port': 1, 'timeout': 0}, and should be a table whose timeout is a number of seconds ",
        ),
        (
            {"program": ["x"], "limits": {"files": 1}},
            "limits is {'files': 1}, and should be a table with some of: as, ",
        ),
        ({"program": ["x"], "environment": {"A": 1}}, "environment is {'A': 1}, and should be a table of text"),
        ({"program": ["x"], "ready_when": {}}, "ready_when is {}, and should be a table with one of output, port"),
        (
            {"program": ["x"], "ready_when": {"done": False}},
            "ready_when is {'done': False}, and should be a table whose done is true",
        ),
        (
            {"program": ["x"], "alive_when": {"done": True}},
            "alive_when is {'done': True}, and should be a table with one of output, port and command, such as",
        ),
        (
            {"program": ["x"], "ready_when": {"done": True, "port": 80}},
            "ready_when is {'done': True, 'port': 80}, and should be a table with one of output, port, command and",
        ),
        (
            {"program": ["x"], "ready_when": {"done": True}, "restart": "always"},
            'restart = "always" is for programs that go on, and this one has ready_when = { done = true }',
        ),
        (
            {"program": ["x"], "ready_when": {"done": True}, "alive_when": {"port": 80}},
            "alive_when is for programs that go on, and this one has ready_when",
        ),
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


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("SIGTERM", 15),
        ("hup", 1),
        ("SIGRTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("rtmin+3", signal.SIGRTMIN + 3),
        ("RTMAX-1", signal.SIGRTMAX - 1),
        ("SIGRTMAX", signal.SIGRTMAX),
    ],
)
def test_a_signal_has_many_names(name: str, number: int) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize(
    "name", ["", "SIG", "SIGRTMIN+", "SIGRTMIN-1", "SIGRTMAX-99", "RTMIN+3 ", "15", None, "SIGSIGTERM"]
)
def test_what_is_not_the_name_of_a_signal_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match=r'^the name of a signal, such as "SIGTERM" or "SIGRTMIN\+3"$'):
        signal_number(name)


def test_a_tilde_is_the_home_directory_in_every_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    probe = {"command": ["~/probe", "~"]}
    given = {"program": ["~/bin/web", "~"], "directory": "~/www", "env_files": ["~/a.env", "b"], "alive_when": probe}
    program = settings_of(given, is_program=True).program
    assert program is not None
    assert program.alive_when is not None
    assert (program.program, program.directory) == (("/home/anna/bin/web", "~"), "/home/anna/www")
    assert (program.env_files, program.alive_when.command) == (("/home/anna/a.env", "b"), ("/home/anna/probe", "~"))


def test_an_argument_may_be_empty_and_a_program_is_taken_as_written() -> None:
    program = settings_of({"program": ["./web", ""]}, is_program=True).program
    assert program is not None
    assert program.program == ("./web", "")


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
