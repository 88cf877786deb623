"""What the system reports about processes, and how they are signalled."""

from __future__ import annotations

import os
import subprocess
import sys
from signal import SIGKILL

import pytest

from smanager.system.processes import exit_reason, signal_group, usage


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
