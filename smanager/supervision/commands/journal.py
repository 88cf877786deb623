"""The command that shows the audit journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from smanager.access.journal import last_entries
from smanager.commands.record import CommandError
from smanager.service import ADMIN, command
from smanager.supervision.commands.logs import MOST_LINES, SHOWN_LINES
from smanager.supervision.commands.own import FOR_LOOKING, OwnCommands
from smanager.supervision.commands.since import moment
from smanager.system.errors import in_words


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A line of the journal."""

    when: str
    event: str
    user: str | None
    from_: str | None
    facts: dict[str, Any]  # everything else


class JournalCommands(OwnCommands):
    """The audit journal"""

    heading = FOR_LOOKING

    @command(role=ADMIN, short={"count": "n"}, kept=False, read_only=True)
    def cmd_audit(
        self, *, since: str | None = None, user: str | None = None, count: int = SHOWN_LINES
    ) -> AsyncGenerator[JournalEntry, None]:
        """show who did what

        Shows the last lines of the audit journal, those of rotated files too; a command's line has its outcome.

        Args:
            since: a time span such as 10m, or a moment such as 13:45 or 2026-11-25T13:45
            user: only what this user did
            count: the number of lines, at most 1000
        """
        start = 0.0 if since is None else moment(self.command.name, since)
        if not self.manager.audit.files:
            raise CommandError("audit: no journal is written; the setting `audit` turns it on")
        return self._entries(start, user, min(count, MOST_LINES))

    async def _entries(self, start: float, user: str | None, count: int) -> AsyncGenerator[JournalEntry, None]:
        def is_wanted(entry: dict[str, Any]) -> bool:
            return user is None or entry.get("user") == user

        try:
            entries = await asyncio.to_thread(last_entries, self.manager.audit.files, count, start, is_wanted)
        except OSError as error:
            raise CommandError(f"audit: the journal cannot be read: {in_words(error)}") from None
        for entry in entries:
            own = {name: entry.pop(name, None) for name in ("when", "event", "user", "from")}
            yield JournalEntry(own["when"], own["event"], own["user"] or None, own["from"], entry)
