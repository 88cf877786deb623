"""Generators side by side in one thread: each gets what it waits for, and none waits for another's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextvars import ContextVar
from time import monotonic

import pytest

from smanager.hosts.child.scheduler import ScheduledTask, Scheduler, Steps, WaitFor
from tests.conftest import SECONDS, wait_for

speaker: ContextVar[str] = ContextVar("speaker", default="none")


@pytest.fixture(scope="module")
def scheduler() -> Scheduler:
    return Scheduler()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_task_is_sent_its_readable_descriptors(scheduler: Scheduler, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    told = []

    def wait() -> Steps:
        told.append((yield WaitFor([reader])))
        told.append((yield WaitFor(until=0.0)))

    waiting = ScheduledTask(wait())
    scheduler.wake(waiting)
    os.write(writer, b"x")
    waiting.result(SECONDS)
    assert told == [{reader}, set()]


def test_a_moment_comes_though_nothing_is_readable(scheduler: Scheduler, pipe: tuple[int, int]) -> None:
    moment = monotonic() + 0.05
    came = []

    def wait() -> Steps:
        assert (yield WaitFor(pipe[:1], until=moment)) == set()
        came.append(monotonic())

    waiting = ScheduledTask(wait())
    scheduler.wake(waiting)
    waiting.result(SECONDS)
    assert came[0] >= moment


def test_a_woken_task_takes_a_step_and_the_others_keep_waiting(scheduler: Scheduler, pipe: tuple[int, int]) -> None:
    looks: list[str] = []

    def wait(name: str) -> Steps:
        looks.append(name)
        yield WaitFor(pipe[:1] if name == "other" else ())
        looks.append(name)

    other, woken = ScheduledTask(wait("other")), ScheduledTask(wait("woken"))
    for task in (other, woken):
        scheduler.wake(task)
    wait_for(lambda: looks == ["other", "woken"], "both to begin")
    scheduler.wake(woken)
    woken.result(SECONDS)
    assert looks == ["other", "woken", "woken"]
    assert not other.cancel()
    os.write(pipe[1], b"x")
    other.result(SECONDS)
    scheduler.wake(other)  # which has ended: nothing happens


def test_an_error_ends_only_its_own_task(scheduler: Scheduler) -> None:
    def fail() -> Steps:
        yield WaitFor(until=0.0)
        raise ValueError("as told")

    failing = ScheduledTask(fail())
    scheduler.wake(failing)
    with pytest.raises(ValueError, match="as told"):
        failing.result(SECONDS)
    test_a_generator_that_waits_for_nothing_ends_at_once(scheduler)


def test_a_generator_that_waits_for_nothing_ends_at_once(scheduler: Scheduler) -> None:
    def end() -> Steps:
        yield from ()

    ending = ScheduledTask(end())
    scheduler.wake(ending)
    ending.result(SECONDS)


def test_each_task_runs_in_the_context_in_which_it_was_made(scheduler: Scheduler) -> None:
    heard = []

    def listen() -> Steps:
        yield WaitFor(until=0.0)
        heard.append(speaker.get())

    token = speaker.set("a service")
    listening = ScheduledTask(listen())
    speaker.reset(token)
    scheduler.wake(listening)
    listening.result(SECONDS)
    assert heard == ["a service"]
