"""What there is only so much of in a span of time."""

from __future__ import annotations

from smanager.system.moments import Ration


def test_there_are_so_many_in_each_span_and_no_more() -> None:
    ration = Ration(2, 60.0)
    assert [ration.has_room(now) for now in (5.0, 5.0, 6.0, 64.9, 65.0, 66.0, 67.0)] == [
        *(True, True, False, False),
        *(True, True, False),
    ]
