"""What failures cost, by a clock that is handed in."""

from __future__ import annotations

from smanager.access.throttle import (
    BLOCK_SECONDS,
    FIRST_DELAY,
    FORGET_SECONDS,
    LONGEST_DELAY,
    MOST_FAILURES,
    MOST_KEYS,
    Throttle,
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_failures_cost_more_each_time_and_then_block_for_a_while() -> None:
    throttle = Throttle(clock := Clock())
    keys = ["address 192.0.2.1", "user anna"]
    delays = []
    for _ in range(MOST_FAILURES - 1):
        assert throttle.failed(keys) == []
        delays.append(throttle.delay(keys))
    assert delays[:4] == [0.5, 1, 2, 4]
    assert max(delays) == LONGEST_DELAY
    assert throttle.failed(keys) == keys
    assert throttle.blocked(["user anna"]) == BLOCK_SECONDS
    assert throttle.blocked(["address 192.0.2.2", "user bob"]) == 0
    clock.now += BLOCK_SECONDS
    assert throttle.blocked(keys) == 0


def test_failures_are_remembered_for_so_many_only() -> None:
    throttle = Throttle(Clock())
    for number in range(MOST_KEYS + 10):
        throttle.failed([f"user {number}"])
    assert throttle.delay(["user 0"]) == LONGEST_DELAY  # it is not known any more
    assert len(throttle._records) == MOST_KEYS


def test_old_failures_do_not_count() -> None:
    throttle = Throttle(clock := Clock())
    for _ in range(MOST_FAILURES - 1):
        throttle.failed(["user anna"])
    clock.now += FORGET_SECONDS + 1
    assert throttle.failed(["user anna"]) == []
    assert throttle.delay(["user anna"]) == FIRST_DELAY


def test_a_success_forgets_the_failures_of_its_keys_only() -> None:
    throttle = Throttle(Clock())
    for _ in range(3):
        throttle.failed(["address 192.0.2.1", "user anna"])
    throttle.succeeded(["user anna"])
    throttle.failed(["user anna"])
    assert throttle.delay(["user anna"]) == FIRST_DELAY
    assert throttle.delay(["address 192.0.2.1"]) == FIRST_DELAY * 4


def test_a_block_begins_the_count_anew() -> None:
    throttle = Throttle(clock := Clock())
    for _ in range(MOST_FAILURES):
        throttle.failed(["user anna"])
    assert throttle.delay(["user anna"]) == LONGEST_DELAY
    clock.now += BLOCK_SECONDS
    assert [throttle.failed(["user anna"]) for _ in range(MOST_FAILURES)] == [[]] * (MOST_FAILURES - 1) + [
        ["user anna"]
    ]
