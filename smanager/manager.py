"""Keeps the services up: starts a host for each services file, again when it dies, and stops it when asked."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from smanager.catalogue import Catalogue, Service, ServicesFile
from smanager.commands import Command, CommandError
from smanager.hosts.handle import Call, Host
from smanager.logs import SERVICES
from smanager.states import Event, State
from smanager.text import visible

LOAD_SECONDS = 30.0
"""How long a services file may take to import; a large library on a small box takes ten."""

READY_SECONDS = 5.0
"""How long `start` and `restart` wait for services to be ready before they go on without."""

ORDER_SECONDS = 2.0
"""How long a file waits for those before it, so that of two services with one name the first file's is kept."""

STOP_SECONDS = 6.0
"""How long a host may take to end; it gives its services one second less."""

STABLE_SECONDS = 10.0
"""A host that has lived this long is started again at once when it dies."""

LONGEST_BACKOFF = 30.0
"""Seconds; each early death in a row doubles the wait before the next attempt up to this."""

COMPLETION_SECONDS = 1.0
"""How long a service may think about a Tab."""

log = logging.getLogger("smanager")
printed = logging.getLogger(SERVICES)


class UnusableFileError(Exception):
    """A services file that cannot be loaded; its arguments say why."""


class Manager:
    """Starts, keeps, calls, restarts and stops what the catalogue lists. No service code runs in it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.end = asyncio.Event()
        """Set when somebody wants the whole server to end."""
        self._changing = asyncio.Lock()  # one start, stop or restart at a time: each is made of many steps

    async def start(self) -> None:
        """Find and start all services; returns when they are ready, or after READY_SECONDS."""
        async with self._changing:
            self.catalogue.list_files(self.catalogue.find_files())
            await self._bring_up(self.catalogue.files.values())

    async def stop(self) -> None:
        """Stop all services, side by side."""
        async with self._changing:
            await asyncio.gather(*map(self._take_down, self.catalogue.files.values()))

    async def restart(self, files: Sequence[ServicesFile] = ()) -> None:
        """Restart the hosts of files, or all: then files that are new, or gone, are seen as well.

        Raises CommandError where a services directory cannot be read.
        """
        async with self._changing:
            if self.end.is_set():
                return
            if not files:
                found = self.catalogue.find_files()  # first: where that fails, everything goes on as it was
                await asyncio.gather(*map(self._take_down, self.catalogue.files.values()))
                self.catalogue.list_files(found)
                files = list(found.values())
            else:
                await asyncio.gather(*map(self._take_down, files))
            await self._bring_up(files)

    async def check(self) -> None:
        """Import and describe every services file, and start nothing."""
        self.catalogue.list_files(self.catalogue.find_files())
        await asyncio.gather(*map(self._try, self.catalogue.files.values()))

    def call(
        self,
        service: Service,
        command: Command,
        arguments: Sequence[str],
        caption: str,
        write: Callable[[str], object],
    ) -> Call:
        """Run a command in its service's host. Raises CommandError where the service is not running."""
        host = service.file.host
        if service.state is not State.RUNNING or host is None:
            raise CommandError(f"{caption}: {service.name} is {service.condition}")
        if host.gone:  # a moment ago
            raise CommandError(f"{caption}: {service.name} is about to be started again")
        return host.call(service.name, command.method, arguments, caption, write)

    async def complete(
        self, service: Service, command: Command, text: str, line: str, begin: int, end: int
    ) -> list[str]:
        """Ask the service's own completer for words; none where it takes too long."""
        host = service.file.host
        if service.state is State.RUNNING and host is not None and not host.gone:
            with suppress(TimeoutError):
                asking = host.complete(service.name, command.name, text, line, begin, end)
                return await asyncio.wait_for(asking, COMPLETION_SECONDS)
            log.warning("%s: no completions for %s within %g s", service.name, command.name, COMPLETION_SECONDS)
        return []

    async def _bring_up(self, files: Iterable[ServicesFile]) -> None:
        """Have files kept up from here on; returns when they are ready, READY_SECONDS are over, or the end comes."""
        waiting = []
        for file in files:
            for event in (file.unwanted, file.loaded, file.ready):
                event.clear()
            file.keeper = asyncio.create_task(self._keep_safely(file), name=f"keep {file.path.name}")
            waiting.append(file.ready.wait())
        first: list[asyncio.Future[Any]] = [asyncio.gather(*waiting), asyncio.ensure_future(self.end.wait())]
        await asyncio.wait(first, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for future in first:
            future.cancel()

    async def _take_down(self, file: ServicesFile) -> None:
        if file.keeper is None:
            return
        file.unwanted.set()
        file.take(Event.STOP)
        if file.host:
            file.host.stop()
        done, _ = await asyncio.wait([file.keeper], timeout=STOP_SECONDS)
        if not done and file.host:
            log.warning("%s: did not stop within %g s and is killed", file.caption, STOP_SECONDS)
            file.host.kill()
            await file.keeper
        file.take(Event.ENDED)
        file.keeper = None

    async def _keep_safely(self, file: ServicesFile) -> None:
        try:
            await self._keep(file)
        except UnusableFileError as error:
            file.is_unusable(error.args)
            self._publish(file)
        except Exception as error:
            log.exception("%s: a mistake in SManager; it is given up until `restart`", file.path)
            file.is_unusable([f"SManager made a mistake with it: {error}"])
            self.catalogue.publish()
            if file.host:
                file.host.kill()
        finally:
            file.loaded.set()
            file.ready.set()

    async def _keep(self, file: ServicesFile) -> None:
        """A file's life: a host for it, and another one whenever one dies, until nobody wants it.

        Raises UnusableFileError where the first host cannot even load it; what worked once is tried again and again.
        """
        loop = asyncio.get_running_loop()
        early_deaths = 0
        while not file.unwanted.is_set():
            begun = loop.time()
            try:
                reason = await self._run(file)
                if not file.services:
                    return
            except UnusableFileError as error:
                if not file.services or not early_deaths:
                    raise
                reason = "; ".join(error.args)
            except OSError as error:
                reason = f"no process can be started for it: {error}"
            file.ready.set()
            if file.unwanted.is_set():
                return
            file.take(Event.DIED, reason)
            early_deaths = 1 if loop.time() - begun > STABLE_SECONDS else early_deaths + 1
            delay = backoff(early_deaths)
            when = f"in {delay:.1f} s" if delay else "now"
            log.warning("%s: %s; it is started again %s", file.caption, reason, when)
            with suppress(TimeoutError):
                await asyncio.wait_for(file.unwanted.wait(), delay)
                return

    async def _run(self, file: ServicesFile) -> str:
        """One host's life, from its start to its end; returns how it ended.

        Raises OSError where no process is to be had, and UnusableFileError where the file cannot be loaded.
        """
        file.begin()
        host = await self._load(file)
        if file.unwanted.is_set() or not file.services:
            return await self._dismiss(host)
        for service in file.services:
            host.start(service.name)
        return f"its host died: {await host.exited}"

    async def _load(self, file: ServicesFile) -> Host:
        """Start a host for the file, and take in what is in it; raises as `_run` does."""
        host = file.host = Host(file.path, lambda name, line: self._log_line(file, name, line), self._started)
        await host.spawn()
        await asyncio.wait(
            [asyncio.ensure_future(event) for event in (host.loaded, host.exited)],
            timeout=LOAD_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        await self._wait_for_earlier(file)
        if not file.unwanted.is_set():
            try:
                self.catalogue.adopt(file, loaded(host))
            except UnusableFileError:
                await self._dismiss(host)
                raise
            self._publish(file)
        file.loaded.set()
        return host

    def _publish(self, file: ServicesFile) -> None:
        self.catalogue.publish()
        for problem in file.problems:
            log.warning("%s: %s", file.path, problem)

    async def _wait_for_earlier(self, file: ServicesFile) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ORDER_SECONDS):
                for earlier in self.catalogue.files.values():
                    if earlier is file:
                        return
                    await earlier.loaded.wait()

    async def _dismiss(self, host: Host) -> str:
        """End a host that has nothing to run."""
        host.stop()
        done, _ = await asyncio.wait([host.exited], timeout=STOP_SECONDS)
        if not done:
            host.kill()
        return await host.exited

    async def _try(self, file: ServicesFile) -> None:
        try:
            await self._dismiss(await self._load(file))
        except UnusableFileError as error:
            file.is_unusable(error.args)
        except OSError as error:
            file.is_unusable([f"no process can be started for it: {error}"])
        finally:
            file.loaded.set()

    def _started(self, name: str, error: str | None) -> None:
        service = self.catalogue.services.get(name)
        if service is None or service.state is not State.STARTING:
            return
        if error is None:
            service.take(Event.READY)
        else:
            service.take(Event.REFUSED, f"its start raised {error}")
            log.error("%s: %s", name, service.condition)
        service.file.check_ready()

    def _log_line(self, file: ServicesFile, name: str | None, line: str) -> None:
        printed.info("%s: %s", name or file.caption, visible(line))


def loaded(host: Host) -> dict[str, Any]:
    """What a host has found in its file. Raises UnusableFileError, with all that is wrong, where that is of no use."""
    if host.exited.done() and not host.loaded.done():
        raise UnusableFileError(f"its host died while it was imported: {host.exited.result()}")
    if not host.loaded.done():
        raise UnusableFileError(f"it did not import within {LOAD_SECONDS:g} s")
    report = host.loaded.result()
    if report["problems"] and not report["services"]:
        raise UnusableFileError(*map(str, report["problems"]))
    return report


def backoff(early_deaths: int) -> float:
    """Seconds to wait after so many early deaths in a row: none at first, then doubling, with some jitter."""
    if early_deaths <= 1:
        return 0.0
    return min(LONGEST_BACKOFF, 0.25 * 2.0 ** min(early_deaths, 16)) * random.uniform(0.8, 1.0)
