"""What one alert has to tell: incidents, which begin with an event, count what follows, and end. It is handed the time.

An incident is all that goes wrong with one service, or with one thing that a service reports of. Each kind of event in
it is told once; again after `repeat`, if it goes on; and its end once more. An incident is over when its service, or
what was reported, has been calm for `quiet`: so a service that falls again and again is one incident, whatever state it
is in at the moment. What is to be told follows from the incidents alone, so nothing is lost when a message cannot be
sent now, be it for the rate or for a restart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf
from typing import Any, NamedTuple

from smanager.alerts.rules import CALM, RECOVERED, RESTARTED, AlertEvent, Rule, is_about
from smanager.service import OWN_KINDS
from smanager.system.moments import are_seconds

MOST_INCIDENTS = 1000  # of one alert; any more are left out, and counted
HOUR = 3600.0
LONGEST_QUIET = HOUR  # for which what begins again and again has to be calm, unless the table says longer
SOON = 4  # times as long as it had to be calm: what begins again within that has to be calm for twice as long
FORGET_SECONDS = 7 * 24 * HOUR  # after which a reported problem whose end is never reported is over without a message

Key = tuple[str, str, str]  # service, kind of report, about what; the last two are empty for the service's own troubles


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told of an incident."""

    kind: str  # the rule's label, or `recovered`
    service: str  # empty for the manager
    about: str
    text: str  # of the last event; of restarts, why the last life ended
    count: int  # events of this kind so far; with `recovered`, of all kinds
    since: float  # when the incident began
    when: float  # when the last event came
    is_over: bool = False
    state: str = ""  # of the service, as far as known
    left_out: int = 0  # incidents that came and went without a message
    is_last: bool = False  # whether others wait from now on, because too many messages were sent
    waiting: int = 0  # how many wait already


class Told(NamedTuple):
    """A message, and the incident that it tells of."""

    key: Key
    message: Message


@dataclass
class Incident:
    """Something that is wrong. Times are seconds since 1970, by a clock that is never set where they decide."""

    since: float  # by the wall clock, for people
    when: float  # of the last event, likewise
    heard: float  # when the last event was taken in
    text: str = ""
    counts: dict[str, int] = field(default_factory=dict)  # by the labels of rules
    told: dict[str, int] = field(default_factory=dict)  # the counts when they were told
    told_at: float = 0.0
    calm_since: float | None = None
    quiet: float = 0.0  # how long it has to be calm to be over
    is_moment: bool = False  # whether it only counts what happens, and nothing lasts
    state: str = ""
    waits_until: float = 0.0  # a message could not be delivered: until then, nothing is told

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    @property
    def over_at(self) -> float:
        return self.heard + FORGET_SECONDS if self.calm_since is None else self.calm_since + self.quiet

    def untold(self) -> Iterator[str]:
        """The kinds that nothing was told of yet."""
        return (kind for kind in self.counts if kind not in self.told)

    @classmethod
    def of(cls, kept: Mapping[str, Any], now: float) -> Incident:
        """From what was kept. Raises TypeError or ValueError if that is something else."""
        one = cls(**kept)
        moments = [one.since, one.when, one.heard, one.quiet, *filter(None, [one.calm_since])]
        numbers = [*one.counts.values(), *one.told.values()]
        are_texts = isinstance(one.text, str) and isinstance(one.state, str)
        if not are_texts or not are_seconds(*moments) or not all(isinstance(number, int) for number in numbers):
            raise ValueError
        one.since, one.when, one.heard = (min(moment, now) for moment in (one.since, one.when, one.heard))
        one.calm_since = one.calm_since and min(one.calm_since, now)
        one.told_at, one.waits_until = min(one.told_at, now), 0.0
        return one


class Incidents:
    """The incidents of one alert."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        """`given` is the checked table."""
        self.rules = [Rule.of(text) for text in given["on"] if text != RECOVERED]
        self._tells_recovery = RECOVERED in given["on"]
        self._services = given["services"]
        self._quiet: float = given["quiet"]
        self._repeat: float = given["repeat"] or inf
        self._most_per_hour: int = given["most_per_hour"]
        self.open: dict[Key, Incident] = {}
        self._restarts: dict[str, list[float]] = {}  # the times, by service
        self._falls: dict[str, str] = {}  # why the last lives of these services ended
        self._closed: dict[Key, tuple[float, float]] = {}  # when what was told of ended, and how long it had to be calm
        self._sent: list[float] = []  # the times of the last messages, as many as an hour may have
        self.left_out = 0

    # What happens.

    def take(self, event: AlertEvent, now: float, age: float = 0.0) -> None:
        """Take in an event, which came `age` seconds ago: while the service was down, perhaps."""
        if not is_about(event, self._services):
            return
        if event.kind in OWN_KINDS and event.service:
            self._enter(event, now)
        if event.kind == "backoff":
            self._falls.pop(event.service, "")
            self._falls[event.service] = event.text
            if len(self._falls) > MOST_INCIDENTS:
                del self._falls[next(iter(self._falls))]
        if event.kind == RESTARTED:
            self._count_restart(event.service, now - age)
            event = event._replace(text=self._falls.get(event.service, event.text))
        for rule in self.rules:
            if rule.matches(event):
                self._count(rule, event, now)

    def calmed(self, service: str, at: float) -> None:
        """A service is known to be well, or gone, though no event has told of that."""
        if (incident := self.open.get((service, "", ""))) and incident.calm_since is None:
            incident.calm_since = at

    def _enter(self, event: AlertEvent, now: float) -> None:
        """A service has entered another state."""
        if incident := self.open.get((event.service, "", "")):
            incident.state = event.kind
            if event.kind not in CALM:
                incident.calm_since = None
            elif incident.calm_since is None:
                incident.calm_since = now

    def _count_restart(self, service: str, at: float) -> None:
        longest = max((rule.span for rule in self.rules), default=0.0)
        most = max((rule.more_than for rule in self.rules), default=0) + 1
        times = [time for time in self._restarts.pop(service, ()) if at - time < longest]
        if longest:
            self._restarts[service] = [*times, at][-most:]
        if len(self._restarts) > MOST_INCIDENTS:
            del self._restarts[next(iter(self._restarts))]

    def _count(self, rule: Rule, event: AlertEvent, now: float) -> None:
        key = (event.service, "", "") if rule.is_trouble else (event.service, event.kind, event.about)
        incident, label = self.open.get(key), rule.label(event)
        if event.over and not rule.is_trouble:
            if incident and incident.calm_since is None:
                incident.calm_since, incident.text = now, event.text
            return
        number = 1
        if rule.more_than and label not in (incident.counts if incident else {}):
            number = sum(now - time < rule.span for time in self._restarts[event.service])
            if number <= rule.more_than:
                return
        if incident is None:
            if len(self.open) >= MOST_INCIDENTS:
                self.left_out += 1
                return
            incident = self.open[key] = Incident(event.when, event.when, now)
            incident.state = event.kind if rule.is_trouble else ""
            incident.quiet = self._quiet_again(key, now)
        incident.counts[label] = incident.counts.get(label, 0) + number
        incident.when, incident.heard, incident.text = event.when, now, event.text
        incident.quiet = max(incident.quiet, self._quiet, rule.span)
        incident.is_moment = not rule.is_trouble and event.over is None
        incident.calm_since = now if incident.is_moment else None

    def _quiet_again(self, key: Key, now: float) -> float:
        """How long an incident has to be calm that begins soon after its like; 0 if there was none."""
        ended, quiet = self._closed.pop(key, (-inf, 0.0))
        return min(2 * quiet, max(quiet, LONGEST_QUIET)) if now - ended < SOON * quiet else 0.0

    def _close(self, key: Key, now: float) -> None:
        """Forget an incident that is over."""
        incident = self.open.pop(key)
        if incident.told:
            self._closed[key] = (now, incident.quiet)
            if len(self._closed) > MOST_INCIDENTS:
                del self._closed[next(iter(self._closed))]

    # What is to be told.

    def next(self, now: float) -> Told | None:
        """What is to be told now, if anything is; what is over, and needs no word, is forgotten."""
        self._sent = [time for time in self._sent if now - time < HOUR]
        for key, incident in list(self.open.items()):
            if now >= incident.over_at:
                if self._has_last_word(incident):
                    return Told(key, self._last_word(key, incident))
                self.left_out += not incident.told
                self._close(key, now)
            elif (kind := self._due(incident, now)) and now >= self._room_at:
                return Told(key, self._message(key, incident, kind, incident.counts[kind]))
        return None

    def next_look(self, now: float) -> float:
        """When there may be something to tell, if nothing happens; the time is never past."""
        moments = [inf]
        for incident in self.open.values():
            moments.append(incident.over_at)
            if any(incident.untold()):
                moments.append(max(incident.waits_until, self._room_at))
            elif not incident.is_moment:
                moments.append(max(incident.waits_until, self._room_at, incident.told_at + self._repeat))
        return max(now, min(moments))

    def _due(self, incident: Incident, now: float) -> str | None:
        """The kind of event that is to be told now."""
        if now < incident.waits_until:
            return None
        if kind := next(incident.untold(), None):
            return kind
        is_due = not incident.is_moment and now >= incident.told_at + self._repeat
        return [*incident.counts][-1] if is_due else None

    @property
    def _room_at(self) -> float:
        """From when on another message may be sent."""
        return self._sent[0] + HOUR if len(self._sent) >= self._most_per_hour else 0.0

    def _has_last_word(self, incident: Incident) -> bool:
        if not incident.told or incident.calm_since is None:
            return False
        if incident.is_moment:
            return incident.count > sum(incident.told.values())
        return self._tells_recovery

    def _last_word(self, key: Key, incident: Incident) -> Message:
        kind = [*incident.counts][-1] if incident.is_moment else RECOVERED
        return replace(self._message(key, incident, kind, incident.count), is_over=True)

    def _message(self, key: Key, incident: Incident, kind: str, count: int) -> Message:
        service, _, about = key
        return Message(
            kind,
            service,
            about,
            incident.text,
            count,
            incident.since,
            incident.when,
            state=incident.state,
            left_out=self.left_out,
            is_last=(is_last := len(self._sent) + 1 >= self._most_per_hour),
            waiting=is_last and sum(other is not incident and any(other.untold()) for other in self.open.values()),
        )

    # What became of it.

    def renewed(self, told: Told) -> Told | None:
        """What waits to be delivered, as it is by now; None if it is no longer true that something is over."""
        incident = self.open[told.key]
        if told.message.is_over:
            return told if incident.count == told.message.count else None
        kind = told.message.kind
        return Told(told.key, self._message(told.key, incident, kind, incident.counts[kind]))

    def _count_message(self, now: float) -> None:
        self._sent = [*self._sent, now][-self._most_per_hour :]

    def delivered(self, told: Told, now: float) -> None:
        self._count_message(now)
        self.left_out -= told.message.left_out
        incident = self.open[told.key]
        if not told.message.is_over:
            incident.told[told.message.kind] = told.message.count
            incident.told_at = now
        elif self.renewed(told):
            self._close(told.key, now)
        else:  # it has begun again meanwhile, and that is news
            incident.told.clear()

    def gave_up(self, told: Told, now: float) -> None:
        """A message could not be delivered: an end is forgotten, and what goes on is told later.

        It counts as one that was sent, or a receiver that takes none would be sent all that are open at once.
        """
        self._count_message(now)
        if told.message.is_over and self.renewed(told):
            self._close(told.key, now)
        else:
            self.open[told.key].waits_until = now + min(self._repeat, HOUR)

    # What is remembered.

    def _has(self, label: str) -> bool:
        """Whether the alert is still about what has this label."""
        return any(rule.gives(label) for rule in self.rules)

    def kept(self) -> dict[str, Any]:
        """What to remember, as JSON."""
        incidents = [[*key, asdict(incident)] for key, incident in self.open.items()]
        closed = [[*key, *ended] for key, ended in self._closed.items()]
        return {
            "incidents": incidents,
            "closed": closed,
            "restarts": self._restarts,
            "sent": self._sent,
            "left_out": self.left_out,
        }

    def restore(self, kept: Mapping[str, Any], now: float) -> None:
        """Take in what an earlier `kept` has returned. Raises one of DAMAGES if it is something else."""
        found: dict[Key, Incident] = {}
        for service, kind, about, facts in kept["incidents"][:MOST_INCIDENTS]:
            incident = Incident.of(facts, now)
            incident.counts = {text: count for text, count in incident.counts.items() if self._has(text)}
            if not kind:  # in what state the service is, is found out anew
                incident.calm_since = None
            if incident.counts and is_about(AlertEvent(0.0, str(service), "", ""), self._services):
                found[str(service), str(kind), str(about)] = incident
        closed: dict[Key, tuple[float, float]] = {}
        for service, kind, about, ended, quiet in kept["closed"][:MOST_INCIDENTS]:
            ended, quiet = _past([ended, quiet], now)
            closed[str(service), str(kind), str(about)] = (ended, quiet)
        restarts = {service: _past(times, now) for service, times in kept["restarts"].items()}
        sent, left_out = _past(kept["sent"], now), int(kept["left_out"])
        self.open, self._closed, self._restarts, self._sent, self.left_out = found, closed, restarts, sent, left_out


def _past(times: Sequence[Any], now: float) -> list[float]:
    """Moments that were kept, none of them to come. Raises one of DAMAGES."""
    if not are_seconds(*times):
        raise ValueError
    return [min(time, now) for time in times]


DAMAGES = (AttributeError, LookupError, TypeError, ValueError)
"""What is raised where something else was kept than `kept` returns."""
