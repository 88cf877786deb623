"""How listeners share what is scarce."""

from __future__ import annotations

from pathlib import Path

import pytest

from smanager.config.listener import ListenerSettings
from smanager.server import listeners as module
from smanager.server.listeners import DESCRIPTORS_A_HOST, Listeners, budgets


def test_sessions_are_shared_out_where_there_are_few_descriptors() -> None:
    wanted = [1000, 5, 1000, 50]
    listeners = [ListenerSettings(str(number), unix=Path("s"), max_sessions=most) for number, most in enumerate(wanted)]
    assert budgets(listeners, 10_000) == wanted
    assert budgets(listeners, 205) == [75, 5, 75, 50]
    assert budgets(listeners, 3) == [1, 1, 1, 1]


def test_each_host_takes_descriptors_from_the_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "raise_limit", lambda: 1000)
    listeners = Listeners([ListenerSettings("local", unix=Path("s"), max_sessions=5000)])
    (listener,) = listeners._all
    without = listener.most_sessions
    listeners.share_out(hosts=50)
    assert without - listener.most_sessions == 50 * DESCRIPTORS_A_HOST
    listeners.share_out(hosts=5000)
    assert listener.most_sessions == 1  # somebody has to be able to stop some of them
