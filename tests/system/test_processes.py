"""What the system reports about processes, and how they are signalled."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from signal import SIGKILL

import pytest

from smanager.system.processes import exceeded, exit_reason, set_limits, signal_group, too_high, usage


def test_this_process_uses_time_and_memory() -> None:
    used = usage(os.getpid())
    assert used is not None
    assert used.cpu > 0
    assert used.memory > 1_000_000


def test_a_process_that_is_gone_uses_nothing() -> None:
    assert usage(2**31 - 1) is None


@pytest.mark.parametrize(
    ("status", "words"), [(3, "exit status 3"), (-9, "killed by SIGKILL"), (-200, "killed by signal 200")]
)
def test_an_exit_status_in_words(status: int, words: str) -> None:
    assert exit_reason(status) == words


def test_a_group_is_signalled_as_long_as_it_has_processes() -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    assert signal_group(sleeper.pid, 0)
    assert signal_group(sleeper.pid, SIGKILL)
    assert sleeper.wait() == -SIGKILL
    assert not signal_group(sleeper.pid, 0)


@pytest.fixture
def hard(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Hard limits that nobody may raise."""
    own = {resource.RLIMIT_NOFILE: 1024, resource.RLIMIT_CORE: 0, resource.RLIMIT_AS: resource.RLIM_INFINITY}

    def refuse(which: int, limits: tuple[int, int]) -> None:
        raise ValueError

    monkeypatch.setattr(resource, "getrlimit", lambda which: (0, own[which]))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    return own


@pytest.mark.parametrize(
    ("limits", "over", "message"),
    [
        ({"nofile": 1024, "as": 2**40}, {}, ""),
        ({"nofile": 1025, "core": 0}, {"nofile": 1024}, ": nofile is 1025, and should be at most 1024"),
        (
            {"nofile": -1, "core": 5, "as": -1},
            {"nofile": 1024, "core": 0},
            ": nofile is unlimited, and should be at most 1024; core is 5, and should be at most 0",
        ),
    ],
)
def test_limits_that_are_too_high_are_named_with_the_highest(
    hard: dict[int, int], limits: dict[str, int], over: dict[str, int], message: str
) -> None:
    assert exceeded(limits) == over
    assert too_high(limits) == f"its limits cannot be set{message}"
    with pytest.raises(ValueError, match=f"^its limits cannot be set{message}$"):
        set_limits(limits)
