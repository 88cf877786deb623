"""What is counted of commands and of the event loop."""

from __future__ import annotations

import asyncio
import time

import pytest

from smanager.supervision import tally as tally_module
from smanager.supervision.tally import BUCKETS, MOST_COMMANDS, OTHERS, Durations, LoopLag, Tally


@pytest.mark.parametrize(
    ("seconds", "place"),
    [(0.0, 0), (BUCKETS[0], 0), (0.0011, 1), (BUCKETS[-1], len(BUCKETS) - 1), (BUCKETS[-1] + 1, len(BUCKETS))],
)
def test_a_duration_counts_in_the_class_that_it_is_not_longer_than(seconds: float, place: int) -> None:
    durations = Durations()
    durations.add(seconds)
    assert (durations.counts.index(1), sum(durations.counts), durations.seconds) == (place, 1, seconds)


def test_commands_are_counted_by_their_service_and_name() -> None:
    tally = Tally()
    tally.add("web", "visitors", has_failed=False, seconds=1.0)
    tally.add("web", "visitors", has_failed=True, seconds=2.0)
    tally.add("", "status", has_failed=False, seconds=0.5)
    (name, visitors), *others = tally.of("web").items()
    assert (name, others, visitors.done, visitors.failed, visitors.seconds) == ("visitors", [], 1, 1, 3.0)
    assert (list(tally.of("")), list(tally.of("other"))) == (["status"], [])


def test_further_commands_are_counted_as_one() -> None:
    tally = Tally()
    for number in range(MOST_COMMANDS + 100):
        tally.add("web", f"c{number}", has_failed=True, seconds=1.0)
    tally.add("web", "c0", has_failed=False, seconds=1.0)
    assert (len(tally.of("web")), tally.of("web")["c0"].done) == (MOST_COMMANDS, 1)
    assert (list(tally.of("")), tally.of("")[OTHERS].failed) == ([OTHERS], 100)


def test_lateness_is_measured_while_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "LAG_SECONDS", 0.01)
    monkeypatch.setattr(tally_module, "LAG_WANTED_SECONDS", 0.1)

    async def measure() -> None:
        lag = LoopLag()
        durations = lag.durations()
        await asyncio.sleep(0)
        time.sleep(0.05)  # nothing else runs in the loop meanwhile
        await asyncio.sleep(0.02)
        assert durations.seconds >= 0.03
        assert lag.durations() is durations
        await asyncio.sleep(0.2)
        count = sum(durations.counts)
        await asyncio.sleep(0.05)
        assert sum(durations.counts) == count
        lag.durations()
        await asyncio.sleep(0.05)
        assert sum(durations.counts) > count

    asyncio.run(measure())
