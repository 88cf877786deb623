"""How listeners share what is scarce."""

from __future__ import annotations

from pathlib import Path

from smanager.config.listener import ListenerSettings
from smanager.server.listeners import budgets


def test_sessions_are_shared_out_where_there_are_few_descriptors() -> None:
    wanted = [1000, 5, 1000, 50]
    listeners = [ListenerSettings(str(number), unix=Path("s"), max_sessions=most) for number, most in enumerate(wanted)]
    assert budgets(listeners, 10_000) == wanted
    assert budgets(listeners, 205) == [75, 5, 75, 50]
    assert budgets(listeners, 3) == [1, 1, 1, 1]
