"""What Linux reports about a process."""

from __future__ import annotations

import os

from smanager.system.procfs import usage


def test_this_process_uses_time_and_memory() -> None:
    used = usage(os.getpid())
    assert used is not None
    assert used.cpu > 0
    assert used.memory > 1_000_000


def test_a_process_that_is_gone_uses_nothing() -> None:
    assert usage(2**31 - 1) is None
