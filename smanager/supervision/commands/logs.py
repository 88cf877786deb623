"""Commands that show what services printed, and what happened to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from smanager.logs.history import LINES_KEPT, Feed, LogLine, last_of
from smanager.service import VIEW, command
from smanager.supervision.commands.own import ALL_SERVICES, FOR_LOOKING, Listing, OwnCommands, Services
from smanager.supervision.commands.since import moment
from smanager.supervision.running import Endless

SHOWN_LINES = 20  # lines shown by default: they fit a small window
MOST_LINES = LINES_KEPT  # lines shown at most, all of which one service may have; its log file has more
WAITING_LINES = 1000  # lines kept for a follower who does not read as fast; the feed keeps as many in any case


@dataclass(frozen=True, slots=True)
class LinesLeftOut:
    """Lines that came faster than the follower read."""

    left_out: int

    def __str__(self) -> str:
        return f"*** {self.left_out} lines came faster than you read, and are left out"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines a caller wants."""

    count: int
    since: float
    text: str  # in one case

    def has(self, line: LogLine) -> bool:
        return self.text in line.shown.casefold()


class LogCommands(OwnCommands):
    """What services printed, and what happened to them"""

    heading = FOR_LOOKING

    @command(role=VIEW, short={"follow": "f", "count": "n"}, kept=False)
    def cmd_logs(
        self,
        services: Services = ALL_SERVICES,
        *,
        follow: bool = False,
        count: int | None = None,
        since: str | None = None,
        grep: str | None = None,
    ) -> list[LogLine] | Endless:
        """show what services printed

        Args:
            services: names, patterns such as web*, or all
            follow: go on with the lines to come, until Ctrl-C
            count: the number of lines, at most 1000; without it 20, or with since all
            since: a time span such as 10m, or a moment such as 13:45 or 2026-11-25T13:45
            grep: only lines that contain this text, in capitals or not
        """
        keepers = services.keepers
        lost = {keeper.name: self.manager.lost_lines[keeper.name] for keeper in keepers}
        remarks = [f"{lines} lines of {name} could not be written to its file" for name, lines in lost.items() if lines]
        feeds = [keeper.service.history.lines for keeper in keepers]
        wanted = self._wanted(count, since, grep)
        return self._show(feeds, services, follow, wanted, Listing([], "; ".join(remarks), "no lines"))

    @command(role=VIEW, short={"follow": "f", "count": "n"}, kept=False)
    def cmd_events(
        self,
        services: Services = ALL_SERVICES,
        *,
        follow: bool = False,
        count: int | None = None,
        since: str | None = None,
        grep: str | None = None,
    ) -> list[LogLine] | Endless:
        """show what happened to services

        Args:
            services: names, patterns such as web*, or all
            follow: go on with the events to come, until Ctrl-C
            count: the number of events, at most 1000; without it 20, or with since all
            since: a time span such as 10m, or a moment such as 13:45 or 2026-11-25T13:45
            grep: only events that contain this text, in capitals or not
        """
        wanted = self._wanted(count, since, grep)
        return self._show([self.manager.events], services, follow, wanted, Listing([], empty="no events"))

    def _wanted(self, count: int | None, since: str | None, grep: str | None) -> Wanted:
        start = 0.0 if since is None else moment(self.command.name, since)
        most = MOST_LINES if since is not None else SHOWN_LINES
        return Wanted(most if count is None else min(count, MOST_LINES), start, (grep or "").casefold())

    def _show(
        self, feeds: Sequence[Feed], services: Services, follow: bool, wanted: Wanted, shown: Listing
    ) -> list[LogLine] | Endless:
        names = {keeper.name for keeper in services.keepers} if services.words else None

        def is_meant(line: LogLine) -> bool:
            return (names is None or line.service in names) and wanted.has(line) and self.may_see_line(line)

        def last() -> list[LogLine]:
            return last_of(feeds, wanted.count, lambda line: line.when >= wanted.since and is_meant(line))

        if follow:
            return Endless(follow_feeds(feeds, last, is_meant))
        shown.extend(last())
        return shown


async def follow_feeds(
    feeds: Sequence[Feed], last: Callable[[], list[LogLine]], is_meant: Callable[[LogLine], bool]
) -> AsyncGenerator[LogLine | LinesLeftOut, None]:
    waiting: asyncio.Queue[LogLine] = asyncio.Queue(WAITING_LINES)
    left_out = 0

    def take(line: LogLine) -> None:
        nonlocal left_out
        if waiting.full():
            left_out += 1
        else:
            waiting.put_nowait(line)

    unfollow = [feed.follow(take) for feed in feeds]
    try:
        for line in last():
            yield line
        while True:
            line = await waiting.get()
            if is_meant(line):  # asked now: the caller's permissions may have changed
                yield line
            if left_out and waiting.empty():
                count, left_out = left_out, 0
                yield LinesLeftOut(count)
    finally:
        for end in unfollow:
            end()
