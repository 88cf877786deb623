"""Commands for looking after services."""

from __future__ import annotations

import asyncio
import signal as signals
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from datetime import timedelta
from time import monotonic

from smanager.commands.record import CommandError, Status
from smanager.config.service import signal_number
from smanager.service import VIEW, command
from smanager.supervision.commands.own import FOR_SERVICES, OwnCommands, Services
from smanager.supervision.group import PROGRESS_SECONDS
from smanager.supervision.keeper import Keeper
from smanager.supervision.reports import Notice, ServiceReport, Tell
from smanager.supervision.running import Work
from smanager.supervision.states import State
from smanager.terminal.text import begins


class ServiceCommands(OwnCommands):
    """Looking after services"""

    heading = FOR_SERVICES

    @command()
    def cmd_start(self, services: Services) -> Work:
        """start services

        Starts the services that they need as well.

        Args:
            services: names, patterns such as web*, or all
        """
        keepers = services.keepers

        async def start(tell: Tell) -> None:
            await self.manager.start(keepers, self.caller, self.discreet(tell))
            require_running(keepers, [], tell)

        return Work(start)

    @command()
    def cmd_stop(self, services: Services) -> Work:
        """stop services

        Stops the services that need them first; `plan stop SERVICE` shows which. They stay stopped until they are
        started, also when the manager is restarted.

        Args:
            services: names, patterns such as web*, or all
        """
        keepers = services.keepers
        return Work(lambda tell: self.manager.stop(keepers, self.caller, self.discreet(tell)))

    @command(role=VIEW)
    def cmd_wait(
        self, services: Services, state: State, *, timeout: timedelta | None = None
    ) -> AsyncGenerator[ServiceReport, None]:
        """wait until services are in a state

        Args:
            services: names, patterns such as web*, or all
            state: the state
            timeout: fail after this time
        """
        return self._wait(services.keepers, state, None if timeout is None else timeout.total_seconds())

    @command()
    def cmd_signal(self, services: Services, signal: str) -> None:
        """send a signal to services

        The signal goes to a service's program, there to the processes that `stop_signal_to` names, or else to the
        process that the service lives in.

        Args:
            services: names, patterns such as web*, or all
            signal: its name, such as HUP
        """
        try:
            number = signal_number(signal)
        except ValueError as error:
            if not services.words:  # the only word is a service's name
                example = f"signal {signal} HUP"
                raise CommandError(f"signal: which signal? such as: {example}", Status.UNUSABLE) from None
            raise CommandError(f"signal: signal is {signal!r}, and should be {error}", Status.UNUSABLE) from None
        for keeper in services.keepers:
            if not keeper.send_signal(number):
                raise CommandError(f"signal: {keeper.name} is {keeper.service.condition} and has no process")

    def complete_signal(self, text: str, line: str, begidx: int, endidx: int) -> list[str]:
        if len(line[:begidx].split()) < 2 and not self.requester.here:  # the services come first
            return []
        names = [name.removeprefix("SIG") for name in signals.Signals.__members__]
        return [name for name in names if begins(name, text)]

    async def _wait(
        self, keepers: Sequence[Keeper], state: State, seconds: float | None
    ) -> AsyncGenerator[ServiceReport, None]:
        changed = asyncio.Event()
        unfollow = self.manager.events.follow(lambda event: changed.set())
        deadline = None if seconds is None else monotonic() + seconds
        try:
            while late := [keeper for keeper in keepers if keeper.state is not state]:
                for keeper in keepers:
                    if self.manager.keepers.get(keeper.name) is not keeper:
                        raise CommandError(f"{keeper.name} no longer exists")
                left = PROGRESS_SECONDS if deadline is None else min(PROGRESS_SECONDS, deadline - monotonic())
                if left <= 0:
                    conditions = [f"{keeper.name} is {self.report(keeper).condition}" for keeper in late]
                    raise CommandError(f"not {state.value} within {seconds:g} s: {'; '.join(conditions)}")
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), left)
                if not changed.is_set() and left == PROGRESS_SECONDS:
                    for keeper in late:
                        yield self.report(keeper, still=True)
                changed.clear()
        finally:
            unfollow()


def require_running(keepers: Sequence[Keeper], problems: Sequence[str], tell: Tell) -> None:
    """Report problems. Raises CommandError if there are any, or if not all services are up."""
    for problem in problems:
        tell(Notice(problem))
    if problems or not all(keeper.state.up for keeper in keepers):
        raise CommandError("not everything is running; the lines above say why")
