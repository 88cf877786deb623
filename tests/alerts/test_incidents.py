"""Whole histories of events, and what is told of them: each step says when it comes, and what is then to be told."""

from __future__ import annotations

import json
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.alerts.incidents import DAMAGES, FORGET_SECONDS, HOUR, MOST_INCIDENTS, Incidents, Message, Told
from smanager.alerts.rules import CALM, AlertEvent

QUIET, DAY = 300.0, 24 * HOUR
BEGIN = 1_000_000.0

TABLE = {"on": ["failed", "hung", "recovered"], "services": ["*"], "quiet": QUIET, "repeat": DAY, "most_per_hour": 20}


def in_short(message: Message) -> str:
    subject = f"{message.service} {message.about}".strip()
    return f"{'over: ' if message.is_over else ''}{subject} {message.kind} {message.count}"


class Clock:
    """An alert's incidents, and all that is told of them, at once, while time passes."""

    def __init__(self, *on: str, **table: Any) -> None:
        self.table = {**TABLE, **({"on": list(on)} if on else {}), **table}
        self.incidents = Incidents(self.table)
        self.now = BEGIN
        self.told: list[str] = []
        self.messages: list[Message] = []
        self.works = True
        self.well: set[str] = set()

    def event(self, kind: str, service: str = "web", about: str = "", over: bool | None = None, text: str = "") -> None:
        self.incidents.take(AlertEvent(self.now, service, kind, text or kind, about, over), self.now)
        (self.well.add if kind in CALM else self.well.discard)(service)
        self.tell()

    def tell(self) -> None:
        while told := self.incidents.next(self.now):
            if self.works:
                self.take(told)
            else:
                self.incidents.gave_up(told, self.now)

    def take(self, told: Told) -> None:
        self.messages.append(told.message)
        self.told.append(in_short(told.message))
        self.incidents.delivered(told, self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass, and look whenever the incidents ask for that."""
        end = self.now + seconds
        while (at := self.incidents.next_look(self.now)) <= end:
            assert at > self.now, "a look that finds nothing asks for another one at once"
            self.now = at
            self.tell()
        self.now = end

    def flap(self, times: int = 1, kind: str = "failed", each: float = 1.0) -> None:
        for _ in range(times):
            for one in (kind, "backoff", "restarted", "running"):
                self.event(one)
            self.wait(each)

    def read(self) -> list[str]:
        told, self.told = self.told, []
        return told

    def restart(self) -> None:
        """The service of alerts is started anew, with what it has kept."""
        kept = json.loads(json.dumps(self.incidents.kept()))
        self.incidents = Incidents(self.table)
        self.incidents.restore(kept, self.now)
        for service in self.well:
            self.incidents.calmed(service, self.now)


def test_a_failure_is_told_once_and_its_end_once_the_service_has_been_well_for_a_while() -> None:
    clock = Clock()
    clock.event("failed")
    assert clock.read() == ["web failed 1"]
    clock.wait(3000)
    clock.event("starting")
    clock.event("running")
    clock.wait(QUIET - 1)
    assert clock.read() == []
    clock.wait(1)
    assert clock.read() == ["over: web recovered 1"]
    assert not clock.incidents.open
    assert clock.incidents.next_look(clock.now) == inf


def test_a_service_that_flaps_is_one_message_and_one_more_with_the_count() -> None:
    clock = Clock()
    clock.flap(100, "hung", each=60)
    assert clock.read() == ["web hung 1"]
    clock.wait(QUIET)
    assert clock.read() == ["over: web recovered 100"]


def test_what_is_worse_is_told_too() -> None:
    clock = Clock()
    clock.flap(3, "hung")
    clock.event("hung")
    clock.event("failed")
    assert clock.read() == ["web hung 1", "web failed 1"]
    clock.event("stopped")
    clock.wait(QUIET)
    assert clock.read() == ["over: web recovered 5"]
    assert clock.messages[-1].state == "stopped"


def test_without_recovered_the_end_is_not_told_and_the_next_begin_is() -> None:
    clock = Clock("failed")
    clock.flap()
    clock.wait(QUIET)
    clock.flap()
    assert clock.read() == ["web failed 1", "web failed 1"]


def test_services_are_told_of_one_by_one_and_only_those_that_are_meant() -> None:
    clock = Clock(services=["web*"])
    for service in ("web1", "db", "web2"):
        clock.event("failed", service)
    assert clock.read() == ["web1 failed 1", "web2 failed 1"]


def test_what_goes_on_is_told_again_after_repeat_with_its_count() -> None:
    clock = Clock(repeat=HOUR)
    clock.flap(10, "hung", each=200)
    clock.event("failed")
    clock.wait(2 * HOUR)
    assert clock.read() == ["web hung 1", "web failed 1", "web failed 1", "web failed 1"]


OFTEN = "restarted more than 3 times in 10m"


def test_restarts_count_in_their_span() -> None:
    clock = Clock(OFTEN, "recovered")
    clock.flap(3)
    clock.wait(600)
    clock.flap(3)
    assert clock.read() == []
    clock.flap(2)
    assert clock.read() == [f"web {OFTEN} 4"]
    clock.wait(598)
    assert clock.read() == []
    clock.wait(1)
    assert clock.read() == ["over: web recovered 5"]


def test_slow_restarts_are_one_incident_as_long_as_they_come_more_often_than_the_span() -> None:
    clock = Clock(OFTEN, "recovered")
    clock.flap(50, each=150)
    assert clock.read() == [f"web {OFTEN} 4"]


def test_a_restart_is_told_with_why_the_last_life_ended() -> None:
    clock = Clock("restarted")
    clock.event("backoff", text="exit status 3; started again at once")
    clock.event("restarted", text="started again")
    assert clock.messages[0].text == "exit status 3; started again at once"


def test_what_happens_in_a_moment_is_counted_and_the_count_told_when_it_is_quiet() -> None:
    clock = Clock("login blocked")
    for _ in range(31):
        clock.event("login blocked", "", about="address 10.0.0.1")
        clock.wait(10)
    clock.event("login blocked", "", about="address 10.0.0.2")
    assert clock.read() == ["address 10.0.0.1 login blocked 1", "address 10.0.0.2 login blocked 1"]
    clock.wait(QUIET)
    assert clock.read() == ["over: address 10.0.0.1 login blocked 31"]


def test_what_lasts_is_over_when_that_is_reported_and_it_stays_so() -> None:
    clock = Clock("schedule failed", "recovered")
    clock.event("schedule failed", "schedules", "nightly", over=False)
    clock.event("schedule failed", "schedules", "other", over=False)
    clock.event("schedule failed", "schedules", "unheard of", over=True)
    clock.wait(DAY - 1)
    clock.event("schedule failed", "schedules", "nightly", over=False)
    clock.wait(1)
    assert clock.read()[2:] == ["schedules nightly schedule failed 2", "schedules other schedule failed 1"]
    clock.event("schedule failed", "schedules", "nightly", over=True)
    clock.wait(QUIET)
    assert clock.read() == ["over: schedules nightly recovered 2"]


def test_what_nobody_ends_is_forgotten_after_a_week() -> None:
    clock = Clock("reported *", "recovered", repeat=30 * DAY)
    clock.event("queue full", "orders", over=False)
    clock.wait(FORGET_SECONDS)
    assert clock.read() == ["orders queue full 1"]
    assert not clock.incidents.open


@pytest.mark.parametrize("period", [1, 60, 299, 300, 301, 330, 400, 599, 601, 900, 1199, 1201, 1490])
@pytest.mark.parametrize("kind", ["failed", "hung", "login blocked"])
def test_what_flaps_at_whatever_rate_is_not_told_again_and_again(period: float, kind: str) -> None:
    clock = Clock(kind, "recovered", quiet=QUIET)
    end = BEGIN + min(DAY / 2, 6000 * period)  # the shortest lasts for 20 times as long as it has to be quiet
    while clock.now < end:
        clock.event(kind)
        if kind != "login blocked":
            clock.event("running")
        clock.wait(period)
        if int(clock.now) % 7 == 0:
            clock.restart()
    assert 1 <= len(clock.told) <= 8, clock.told
    clock.wait(2 * HOUR)
    assert clock.told[-1].startswith("over: ")
    assert not clock.incidents.open


def test_what_fails_long_after_it_has_recovered_is_as_new() -> None:
    clock = Clock()
    for _ in range(3):
        clock.flap()
        clock.wait(QUIET)
        clock.wait(5 * QUIET)
    assert clock.read() == ["web failed 1", "over: web recovered 1"] * 3


def test_more_messages_than_an_hour_may_have_wait_and_what_is_over_by_then_is_only_counted() -> None:
    clock = Clock(most_per_hour=3)
    for number in range(5):
        clock.event("failed", f"web{number}")
    assert clock.read() == ["web0 failed 1", "web1 failed 1", "web2 failed 1"]
    clock.event("running", "web3")
    clock.event("running", "web0")
    clock.wait(QUIET)
    assert clock.read() == ["over: web0 recovered 1"]
    clock.wait(HOUR - QUIET)
    assert clock.read() == ["web4 failed 1"]
    assert clock.messages[-1].left_out == 1
    assert clock.incidents.left_out == 0


def test_the_last_message_for_now_says_how_many_wait() -> None:
    clock = Clock(most_per_hour=2)
    for number in range(5):
        clock.incidents.take(AlertEvent(clock.now, f"web{number}", "failed", ""), clock.now)
    clock.tell()
    assert [(message.is_last, message.waiting) for message in clock.messages] == [(False, 0), (True, 3)]


def test_messages_of_earlier_hours_make_none_the_last() -> None:
    clock = Clock(most_per_hour=3)
    for number in range(5):
        clock.event("failed", f"web{number}")
        clock.wait(HOUR)
    clock.incidents.take(AlertEvent(clock.now, "db", "failed", ""), clock.now)
    clock.event("failed", "mail")
    assert len(clock.messages) == 7
    assert not any(message.is_last or message.waiting for message in clock.messages)


def test_a_receiver_that_takes_no_message_is_not_sent_all_that_are_open() -> None:
    clock = Clock(most_per_hour=3)
    clock.works = False
    for number in range(100):
        clock.event("failed", f"web{number}")
    assert sum(incident.waits_until > clock.now for incident in clock.incidents.open.values()) == 3
    clock.works = True
    clock.wait(HOUR)
    assert len(clock.read()) == 3


def test_a_message_that_was_given_up_is_told_later_if_it_goes_on_and_forgotten_if_not() -> None:
    clock = Clock()
    clock.works = False
    clock.event("failed", "web")
    clock.event("failed", "db")
    clock.event("running", "db")
    clock.wait(QUIET)
    clock.works = True
    clock.wait(HOUR)
    assert clock.read() == ["web failed 1"]
    assert clock.messages[-1].left_out == 1


def test_what_waits_to_be_delivered_is_told_as_it_is_by_then() -> None:
    clock = Clock()
    clock.incidents.take(AlertEvent(clock.now, "web", "failed", "first"), clock.now)
    told = clock.incidents.next(clock.now)
    clock.incidents.take(AlertEvent(clock.now + 1, "web", "failed", "second"), clock.now + 1)
    assert told
    renewed = clock.incidents.renewed(told)
    assert renewed
    assert (renewed.message.count, renewed.message.text) == (2, "second")


def test_that_all_is_well_is_not_told_once_it_no_longer_is_and_what_follows_is_news() -> None:
    clock = Clock()
    clock.flap()
    clock.now += QUIET
    told = clock.incidents.next(clock.now)
    assert told
    assert told.message.is_over
    assert clock.incidents.renewed(told) == told
    clock.incidents.take(AlertEvent(clock.now, "web", "failed", "again"), clock.now)
    assert clock.incidents.renewed(told) is None
    clock.incidents.delivered(told, clock.now)  # as it was on its way
    clock.tell()
    assert clock.read() == ["web failed 1", "web failed 2"]


def test_a_restart_of_the_alerts_forgets_nothing_and_tells_nothing_twice() -> None:
    clock = Clock("failed", OFTEN, "recovered", most_per_hour=2)
    for service in ("web", "db", "late"):
        clock.event("failed", service)
    clock.flap(3)
    clock.restart()
    clock.flap(1)
    clock.restart()
    assert clock.read() == ["web failed 1", "db failed 1"]
    clock.wait(HOUR)
    assert clock.read() == ["over: web recovered 9", "late failed 1"]


def test_a_service_that_came_back_unseen_has_recovered() -> None:
    clock = Clock()
    clock.event("failed")
    clock.restart()
    clock.incidents.calmed("web", clock.now)
    clock.wait(QUIET)
    assert clock.read() == ["web failed 1", "over: web recovered 1"]


def test_what_the_end_of_the_manager_stopped_has_not_recovered() -> None:
    clock = Clock()
    clock.event("failed")
    clock.event("stopped", text="stopped by the shutdown")
    clock.now += HOUR
    clock.well.clear()
    clock.restart()
    clock.incidents.take(AlertEvent(BEGIN, "web", "stopped", "stopped by the shutdown"), clock.now, clock.now - BEGIN)
    clock.tell()
    clock.event("starting")
    clock.event("failed")
    clock.wait(QUIET)
    assert clock.read() == ["web failed 1"]


def test_restarts_that_nobody_saw_count_when_they_were() -> None:
    clock = Clock(OFTEN)
    for number in range(8):
        at = clock.now - 1000 * number
        clock.incidents.take(AlertEvent(at, "web", "restarted", ""), clock.now, clock.now - at)
    clock.tell()
    assert clock.read() == []


def test_a_clock_that_was_set_back_between_two_lives_holds_up_nothing() -> None:
    clock = Clock()
    clock.flap()
    clock.now -= DAY
    clock.restart()
    clock.wait(QUIET)
    assert clock.read() == ["web failed 1", "over: web recovered 1"]


def test_what_an_alert_is_no_longer_about_is_forgotten() -> None:
    clock = Clock()
    clock.event("failed")
    clock.event("hung", "db")
    clock.table = {**clock.table, "on": ["failed"], "services": ["db"]}
    clock.restart()
    assert not clock.incidents.open


KEPT = {"incidents": [], "restarts": {}, "sent": [], "left_out": 0}
INCIDENT = {"since": 1, "when": 1, "counts": {"failed": 1}}


@pytest.mark.parametrize(
    "damage",
    [
        {"incidents": 5},
        {"incidents": [["web"]]},
        {"incidents": [["web", "", "", 5]]},
        {"incidents": [["web", "", "", {"since": 1}]]},
        {"incidents": [["web", "", "", {**INCIDENT, "odd": 1}]]},
        {"incidents": [["web", "", "", {**INCIDENT, "since": "x"}]]},
        {"incidents": [["web", "", "", {**INCIDENT, "calm_since": 1e300}]]},
        {"incidents": [["web", "", "", {**INCIDENT, "counts": {"failed": "x"}}]]},
        {"incidents": [["web", "", "", {**INCIDENT, "told": []}]]},
        {"incidents": [["web", "", "", {**INCIDENT, "text": 5}]]},
        {"incidents": [["web", "", "", {**INCIDENT, "told_at": "x"}]]},
        {"restarts": []},
        {"restarts": {"web": ["x"]}},
        {"sent": None},
        {"left_out": "x"},
    ],
)
def test_what_was_kept_may_be_damaged(damage: dict[str, Any]) -> None:
    incidents = Incidents(TABLE)
    with pytest.raises(DAMAGES):
        incidents.restore({**KEPT, **damage}, BEGIN)
    assert not incidents.open


def test_there_is_an_end_to_what_is_remembered() -> None:
    clock = Clock("reported *", "restarted more than 1000 times in 1d")
    for number in range(MOST_INCIDENTS + 5):
        clock.incidents.take(AlertEvent(BEGIN, "web", "odd", "", str(number)), BEGIN)
        clock.incidents.take(AlertEvent(BEGIN, f"web{number}", "backoff", ""), BEGIN)
        clock.incidents.take(AlertEvent(BEGIN, f"web{number}", "restarted", ""), BEGIN)
    assert (len(clock.incidents.open), clock.incidents.left_out) == (MOST_INCIDENTS, 5)
    assert len(json.dumps(clock.incidents.kept())) < 1_000_000


steps = st.lists(
    st.tuples(
        st.sampled_from(["failed", "hung", "backoff", "restarted", "running", "stopped", "odd"]),
        st.sampled_from(["web", "db"]),
        st.sampled_from([0.0, 1.0, 100.0, QUIET, HOUR]),
        st.sampled_from([None, True, False]),
        st.booleans(),
    ),
    max_size=40,
)


@given(steps)
def test_whatever_happens_there_are_few_messages_and_each_end_has_a_begin(steps: list[Any]) -> None:
    clock = Clock("failed", "hung", OFTEN, "reported odd", "recovered", most_per_hour=5, repeat=DAY)
    for kind, service, pause, over, works in steps:
        clock.works = works
        clock.event(kind, service, over=over if kind == "odd" else None)
        clock.wait(pause)
    clock.works = True
    for service in ("web", "db"):
        clock.event("running", service)
    clock.wait(FORGET_SECONDS + HOUR)
    assert not clock.incidents.open
    begun: set[str] = set()
    for message in clock.messages:
        if message.is_over:
            assert message.service in begun
        begun.add(message.service)
    begins = [message for message in clock.messages if not message.is_over]
    assert len(begins) <= 5 * (2 + sum(pause for _, _, pause, _, _ in steps) / HOUR) + 14  # the week after
