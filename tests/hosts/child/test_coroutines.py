"""Generators side by side in one thread: what they wait for comes, and nobody waits for another's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextvars import ContextVar
from time import monotonic

import pytest

from smanager.hosts.child.coroutines import Coroutine, Scheduler, Steps, Wait
from tests.conftest import SECONDS

speaker: ContextVar[str] = ContextVar("speaker", default="nobody")


@pytest.fixture(scope="module")
def scheduler() -> Scheduler:
    return Scheduler()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_what_can_be_read_is_told_to_whom_it_concerns(scheduler: Scheduler, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    told = []

    def wait() -> Steps:
        told.append((yield Wait([reader])))
        told.append((yield Wait(until=0.0)))

    waiting = Coroutine(wait())
    scheduler.begin(waiting)
    os.write(writer, b"x")
    waiting.result(SECONDS)
    assert told == [{reader}, set()]


def test_a_moment_comes_though_nothing_can_be_read(scheduler: Scheduler, pipe: tuple[int, int]) -> None:
    moment = monotonic() + 0.05
    came = []

    def wait() -> Steps:
        assert (yield Wait(pipe[:1], until=moment)) == set()
        came.append(monotonic())

    waiting = Coroutine(wait())
    scheduler.begin(waiting)
    waiting.result(SECONDS)
    assert came[0] >= moment


def test_who_is_woken_looks_around_and_the_others_wait_on(scheduler: Scheduler, pipe: tuple[int, int]) -> None:
    looks: list[str] = []

    def wait(name: str) -> Steps:
        looks.append(name)
        yield Wait(pipe[:1] if name == "other" else ())
        looks.append(name)

    other, woken = Coroutine(wait("other")), Coroutine(wait("woken"))
    for coroutine in (other, woken):
        scheduler.begin(coroutine)
    scheduler.wake(woken)
    woken.result(SECONDS)
    assert looks == ["other", "woken", "woken"]
    assert not other.cancel()
    os.write(pipe[1], b"x")
    other.result(SECONDS)
    scheduler.wake(other)  # which has ended: nothing happens


def test_an_error_is_its_own_end_only(scheduler: Scheduler) -> None:
    def fail() -> Steps:
        yield Wait(until=0.0)
        raise ValueError("as told")

    failing = Coroutine(fail())
    scheduler.begin(failing)
    with pytest.raises(ValueError, match="as told"):
        failing.result(SECONDS)
    test_a_generator_that_waits_for_nothing_ends_at_once(scheduler)


def test_a_generator_that_waits_for_nothing_ends_at_once(scheduler: Scheduler) -> None:
    def end() -> Steps:
        yield from ()

    ending = Coroutine(end())
    scheduler.begin(ending)
    ending.result(SECONDS)


def test_each_runs_in_the_context_in_which_it_was_made(scheduler: Scheduler) -> None:
    heard = []

    def listen() -> Steps:
        yield Wait(until=0.0)
        heard.append(speaker.get())

    token = speaker.set("somebody")
    listening = Coroutine(listen())
    speaker.reset(token)
    scheduler.begin(listening)
    listening.result(SECONDS)
    assert heard == ["somebody"]
