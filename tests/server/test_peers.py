"""What the system tells of a peer."""

from __future__ import annotations

import pwd

import pytest

from smanager.server import peers


def test_who_has_a_user_id_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    names = ["first", "second"]
    monkeypatch.setattr(peers, "monotonic", lambda: now[0])
    monkeypatch.setattr(pwd, "getpwuid", lambda number: pwd.struct_passwd((names.pop(0), "", number, 0, "", "", "")))
    assert [peers.user_name(4242), peers.user_name(4242)] == ["first", "first"]
    now[0] += peers.NAME_SECONDS
    assert peers.user_name(4242) == "second"
