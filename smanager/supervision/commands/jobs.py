"""Commands about the commands that run."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from smanager.service import VIEW, command
from smanager.supervision.commands.own import OwnCommands


@dataclass(frozen=True, slots=True)
class JobFacts:
    id: int
    command: str
    from_: str
    since: float  # seconds


class JobCommands(OwnCommands):
    """Commands that run"""

    @command(role=VIEW)
    def cmd_jobs(self) -> list[JobFacts]:
        """list the commands that run

        For each: its number, for `cancel`, who gave it, and for how long it has been running.
        """
        return [
            JobFacts(job.number, job.running.caption, str(job.caller), round(monotonic() - job.since, 3))
            for job in self.manager.jobs.shown_to(self.caller)
        ]

    @command()
    def cmd_cancel(self, job: int) -> None:
        """end a command that runs

        Args:
            job: its number; `jobs` lists them
        """
        self.manager.jobs.cancel(job, self.caller)
