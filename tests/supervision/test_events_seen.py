"""Who may see an event: who may see its service, and of the manager's own, who may read the audit journal."""

from __future__ import annotations

from typing import Any, cast

import pytest

from smanager.access.callers import Caller
from smanager.access.origin import Origin, OriginKind
from smanager.access.roles import Role, Roles
from smanager.logs.history import EventLine, Happening, LogLine
from smanager.supervision.commands.logs import LogCommands
from smanager.supervision.commands.own import Requester
from smanager.supervision.commands.registry import OWN_COMMANDS

ROLES = {"without-web": Role("without-web", deny=("* web",)), "auditor": Role("auditor", allow=("audit",))}
OF_WEB = EventLine(1.0, "web", "running", "running")
OF_LOGINS = EventLine.of(1.0, "", Happening("login blocked", "no logins", "user 'anna'"))


@pytest.mark.parametrize(
    ("roles", "line", "sees"),
    [
        (["view"], OF_WEB, True),
        (["view", "without-web"], OF_WEB, False),
        ([], OF_WEB, False),
        (["view"], OF_LOGINS, False),
        (["operate"], OF_LOGINS, False),
        (["view", "auditor"], OF_LOGINS, True),
        (["admin"], OF_LOGINS, True),
    ],
)
def test_who_may_see_an_event(roles: list[str], line: LogLine, sees: bool) -> None:
    command = OWN_COMMANDS["events"].command
    permissions = Roles(ROLES, [own.command for own in OWN_COMMANDS.values()]).permissions(roles)
    requester = Requester(Caller(Origin(OriginKind.TCP, "192.0.2.1", 1), permissions=permissions), cast(Any, None))
    assert LogCommands(cast(Any, None), requester, command).may_see_line(line) is sees


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (OF_WEB, "running"),
        (OF_LOGINS, "no logins"),
        (EventLine(1.0, "web", "3 wait", "queue full", "orders", False), "queue full: orders: 3 wait"),
        (EventLine(1.0, "web", "none waits", "queue full", over=True), "queue full is over: none waits"),
        (EventLine(1.0, "web", "of an earlier manager"), "of an earlier manager"),
    ],
)
def test_what_a_service_reports_is_shown_with_its_kind(line: LogLine, shown: str) -> None:
    assert line.shown == shown
