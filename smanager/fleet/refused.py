"""Users without a role here who ask all the same: the box tells of each, and not of each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

REPORT_SECONDS = 3600.0  # from one report of a user to the next: of a flood of requests, one line an hour is enough
MOST_REPORTED = 64  # users in that time: whoever owns the hub can make up as many as they like
SHOWN = 60  # characters of the command's name, which the user has chosen


class LastReport(NamedTuple):
    """When a user was reported last, and how many requests were refused since."""

    when: float
    refused_since: int


class RefusedUsers:
    """The users who were refused, and of whom it is time to tell again."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is monotonic."""
        self._clock = clock
        self._reports: dict[str, LastReport] = {}

    def report_on(self, user: str, method: str) -> str:
        """What is to be told of a request that is refused; empty if the user was told of a short time ago."""
        now = self._clock()
        if last := self._reports.get(user):
            if last.when > now - REPORT_SECONDS:
                self._reports[user] = last._replace(refused_since=last.refused_since + 1)
                return ""
        elif not self._has_room(now):
            return ""
        self._reports[user] = LastReport(now, 0)
        more = f"; {last.refused_since} requests before were refused as well" if last and last.refused_since else ""
        return f"{user} asked for {method[:SHOWN]!r}, and has no role here{more}"

    def _has_room(self, now: float) -> bool:
        """Whether one more user can be told of, once those of long ago are forgotten."""
        if len(self._reports) >= MOST_REPORTED:
            self._reports = {user: last for user, last in self._reports.items() if last.when > now - REPORT_SECONDS}
        return len(self._reports) < MOST_REPORTED
