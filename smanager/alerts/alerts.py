"""The service that tells of what `[alerts.*]` are about; it is loaded where there are any."""

from __future__ import annotations

import asyncio
import shlex
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from smanager import CallerError, ManagerError, SService, command
from smanager.alerts.attempts import DeliveryError
from smanager.alerts.incidents import DAMAGES, Incident, Message, Told
from smanager.alerts.message import TEST, Note, note_of
from smanager.alerts.rules import ALERT_FAILED, CALM, AlertEvent
from smanager.alerts.teller import Teller
from smanager.service import ADMIN, OWN_KINDS, VIEW
from smanager.system.memory import Memory, Saving
from smanager.system.moments import are_seconds
from smanager.terminal.text import one_spelling, resembling

ALERT_LOST = "alert lost"
"""The kind of the event that is reported where a message about a failed alert failed: no alert is about that."""

BEFORE_SECONDS = 60.0  # before the first start of all, from when on events count: other services may have been faster
MOST_EVENTS = 1000  # events that came while the service was down, and are caught up with: as many as are kept
LAST_SECONDS = 2.0  # in which deliveries that are under way may end at a stop, or they would be made again
WHY_SECONDS = 10.0  # in which the manager has to say why; a message without that is better than none


class AlertReport(NamedTuple):
    """An alert as people see it, in a line that fits a window."""

    name: str
    state: str  # `quiet`, `open` or `failing`
    by: str
    open: int  # incidents that the caller may know of
    last: str | None  # when a message was delivered, in the machine's time zone
    problem: str | None


@dataclass(frozen=True, slots=True)
class IncidentReport:
    """What is open of an alert."""

    service: str
    about: str
    since: str
    count: int
    text: str


class Alerts(SService):
    """Tells people and programs of what is wrong"""

    def start(self) -> None:
        self._began = time.time()
        self._ahead = self._began - time.monotonic()
        self._host = socket.gethostname()
        self._saving = Saving(self._save)
        self._tellers = {
            name: Teller(name, given, self._now, self._saving.soon) for name, given in self.options["alerts"].items()
        }
        self._memory = Memory(self.state_dir, self.name)
        self._seen = self._began - BEFORE_SECONDS
        self._restore(self._memory.read())
        self._tasks: list[asyncio.Task[None]] = []

    def _restore(self, kept: Mapping[str, Any]) -> None:
        if are_seconds(seen := kept.get("seen", "")) and seen <= self._began:
            self._seen = seen
        for name, teller in self._tellers.items():
            try:
                if facts := kept.get("alerts", {}).get(name):
                    teller.incidents.restore(facts, self._began)
                    teller.last = last if are_seconds(last := facts.get("last")) else None
            except DAMAGES:
                print(f"{name}: what is remembered of it is damaged, and forgotten")

    def _now(self) -> float:
        """Seconds since 1970, by a clock that cannot be set."""
        return self._ahead + time.monotonic()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            work = (teller.work(self._note, self._lost) for teller in self._tellers.values())
            self._tasks = [group.create_task(one) for one in work]
            await self._look_around()
            await self._follow()

    async def stop(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await asyncio.gather(*(teller.idle() for teller in self._tellers.values()))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._saving.end()

    # Events.

    async def _look_around(self) -> None:
        """Note which of the services that something was wrong with are well by now, or gone."""
        if any(teller.incidents.open for teller in self._tellers.values()):
            states = {one["name"]: one["state"] for one in await self.manager.call_async("status")}
            for teller in self._tellers.values():
                for service, *_ in list(teller.incidents.open):
                    if states.get(service, "removed") in CALM:
                        teller.incidents.calmed(service, self._now())
                teller.look()

    async def _follow(self) -> None:
        """Take in all events, those first that came while the service was down. Raises ManagerError."""
        since = datetime.fromtimestamp(self._seen + 1e-6).astimezone().isoformat()
        events = self.manager.stream_async("events", follow=True, count=MOST_EVENTS, since=since)
        async for one in events:
            if "left_out" in one:
                print(f"{one['left_out']} events came too fast, and are not known here")
            else:
                self._take(AlertEvent(*map(one.get, AlertEvent._fields)))

    def _take(self, event: AlertEvent) -> None:
        self._seen = event.when
        age = max(0.0, time.time() - event.when)
        for teller in self._tellers.values():
            if self._is_for(teller, event):
                teller.incidents.take(event, self._now(), age)
                teller.look()
        self._saving.soon()

    def _is_for(self, teller: Teller, event: AlertEvent) -> bool:
        """Whether an alert may be about an event. What the service itself reports must not go round in a circle."""
        if event.service != self.name or event.kind in OWN_KINDS:
            return True
        return event.kind == ALERT_FAILED and event.about != teller.name

    # Messages.

    async def _note(self, teller: Teller, told: Told) -> Note:
        """A message in full."""
        message, (_, kind, _) = told.message, told.key
        why = await self._why(message.service) if message.service and (not kind or kind in OWN_KINDS) else ""
        ends = max(time.time(), message.since) + (0.0 if message.is_over else teller.lasts)
        return note_of(message, teller.name, self._host, why, ends)

    async def _why(self, service: str) -> str:
        """What the manager says of a service; empty if that is gone, or the manager is busy."""
        with suppress(ManagerError, TimeoutError):
            async with asyncio.timeout(WHY_SECONDS):
                answer = await self.manager.call_async("shell.execute", f"why {shlex.quote(service)}")
                return str(answer["output"]) if not answer["status"] else ""
        return ""

    def _lost(self, teller: Teller, told: Told, problem: str) -> None:
        """A message was given up."""
        print(f"{teller.name}: {problem}")
        is_about_alert = told.message.kind == ALERT_FAILED
        self.event(ALERT_LOST if is_about_alert else ALERT_FAILED, problem, about=teller.name)

    def _save(self) -> None:
        kept = {name: {**teller.incidents.kept(), "last": teller.last} for name, teller in self._tellers.items()}
        self._memory.write({"seen": self._seen, "alerts": kept})

    # Commands.

    @command(role=VIEW, default=True)
    async def cmd_list(self) -> list[AlertReport]:
        """Shows each alert: what is open, and how its last delivery went"""
        known = await self._known()
        return [_alert_report(teller, known) for teller in self._tellers.values()]

    @command(role=VIEW)
    async def cmd_show(self, name: str) -> list[IncidentReport]:
        """Shows what is open of an alert, about services that the caller may know"""
        teller, known = self._find(name), await self._known()
        return [
            _incident_report(service, about, incident)
            for (service, _, about), incident in teller.incidents.open.items()
            if service in known
        ]

    async def _known(self) -> set[str]:
        """The services that the caller may know, and the empty name if that goes for the manager's own events.

        Raises CallerError for a caller who may know none.
        """
        assert self.caller
        asking = self.manager.as_caller(self.caller)
        try:
            services = await asking.call_async("services")
            identity = await asking.call_async("whoami")
        except ManagerError as error:
            raise CallerError(str(error)) from None
        return {*services["services"], *([""] if ADMIN in identity["roles"] else [])}

    async def cmd_test(self, name: str) -> str:
        """Sends a message, to see whether it arrives"""
        teller = self._find(name)
        now = self._now()
        message = Message(TEST, "", "", "a test, sent by hand; all is well", 1, now, now, is_over=True)
        try:
            await teller.attempt(note_of(message, teller.name, self._host, "", now))
        except DeliveryError as error:
            raise CallerError(f"{teller.name}: {error}") from None
        self._saving.soon()
        return f"{teller.name}: delivered"

    def complete_test(self, text: str, *ignored: object) -> list[str]:
        return [name for name in self._tellers if name.startswith(text)]

    complete_show = complete_test

    def _find(self, name: str) -> Teller:
        """The alert of a name. Raises CallerError for an unknown one."""
        for known in (name, *self._tellers):
            if known in self._tellers and one_spelling(known) == one_spelling(name):
                return self._tellers[known]
        similar = resembling(name, list(self._tellers), 1)
        hint = f"did you mean {similar[0]}?" if similar else f"there are: {', '.join(sorted(self._tellers))}"
        raise CallerError(f"there is no alert {name}; {hint}")


def _alert_report(teller: Teller, known: set[str]) -> AlertReport:
    number = sum(service in known for service, *_ in teller.incidents.open)
    return AlertReport(
        teller.name,
        "failing" if teller.problem else "open" if number else "quiet",
        teller.by,
        number,
        _shown(teller.last) if teller.last else None,
        teller.problem or None,
    )


def _incident_report(service: str, about: str, incident: Incident) -> IncidentReport:
    return IncidentReport(service or "smanager", about, _shown(incident.since), incident.count, incident.text)


def _shown(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment):%Y-%m-%d %H:%M:%S}"
