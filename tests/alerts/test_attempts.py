"""When a failed attempt to deliver a message is made again."""

from __future__ import annotations

import pytest

from smanager.alerts.attempts import FIRST_WAIT, LONGEST_WAIT, Attempts, DeliveryError


def test_each_attempt_waits_twice_as_long_until_the_time_is_over() -> None:
    attempts, now, waits = Attempts(100.0, 3600.0), 100.0, []
    while (wait := attempts.wait_after(DeliveryError("busy"), now)) is not None:
        waits.append(wait)
        now += wait
        attempts = attempts._replace(made=attempts.made + 1)
    assert waits[:4] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT, 8 * FIRST_WAIT]
    assert waits[-1] == LONGEST_WAIT
    assert 3600 - LONGEST_WAIT < now - 100.0 <= 3600


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (DeliveryError("never", is_final=True), None),
        (DeliveryError("later", wait=30.0), 30.0),
        (DeliveryError("much later", wait=1e9), LONGEST_WAIT),
    ],
)
def test_the_receiver_may_have_its_say(error: DeliveryError, wait: float | None) -> None:
    assert Attempts(0.0, 3600.0).wait_after(error, 0.0) == wait


def test_a_thousandth_attempt_waits_no_longer() -> None:
    assert Attempts(0.0, 1e9, made=5000).wait_after(DeliveryError("busy"), 0.0) == LONGEST_WAIT
