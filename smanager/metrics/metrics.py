"""The service that shows metrics; it is loaded where there is a table `[metrics]`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Any

from smanager import CallerError, ManagerError, SService, command
from smanager.metrics.exposition import CLASSIC, OPEN_METRICS, Family, classic, openmetrics, wants_openmetrics
from smanager.metrics.families import ProcessFigures, families_of
from smanager.metrics.server import MetricsPage, MetricsServer
from smanager.service import VIEW, Finished, ManagerClient
from smanager.system.atomic import replacing
from smanager.system.errors import in_words
from smanager.system.processes import open_descriptors, usage

WRITE_SECONDS = 15.0  # from one file to the next: as often as Prometheus reads what node_exporter has read, or oftener
ANSWER_SECONDS = 5.0  # in which the manager has to answer; Prometheus waits for a scrape for ten
FRESH_SECONDS = 1.0  # in which all readers are shown the same: however many there are, the manager is asked once


class Metrics(SService):
    """Shows what is counted and measured, for Prometheus"""

    def start(self) -> None:
        self._ended = threading.Event()
        self._latest = LatestFigures(self.manager)
        self._server: MetricsServer | None = None
        if listen := self.options.get("listen"):
            try:
                self._server = MetricsServer(tuple(listen), {"/metrics": self._page, "/healthz": self._health})
            except OSError as error:  # the configuration is wrong, and not the program
                raise Finished(str(error), clean=False) from None
            exposed = ", and other machines may read it without a login" if self.options["exposed"] else ""
            print(f"serves {self._server.url}/metrics{exposed}")

    def run(self) -> None:
        if self._server:
            threading.Thread(target=self._server.serve, name="http", daemon=True).start()
        if file := self.options.get("file"):
            written = WrittenFile(Path(file))
            while True:
                written.write(classic(self._latest.families()))
                if self._ended.wait(WRITE_SECONDS):
                    break
            written.remove()

    def stop(self) -> None:
        self._ended.set()
        if self._server:
            self._server.end()

    @command(role=VIEW, default=True)
    async def cmd_show(self) -> str:
        """Shows all metrics of which the caller may know, as OpenMetrics"""
        assert self.caller
        try:
            figures = await figures_of(self.manager.as_caller(self.caller))
        except ManagerError as error:
            raise CallerError(str(error)) from None
        return openmetrics(families_of(figures, process_figures))

    def _page(self, accept: str) -> MetricsPage:
        families = self._latest.families()
        if wants_openmetrics(accept):
            return MetricsPage(openmetrics(families), OPEN_METRICS)
        return MetricsPage(classic(families), CLASSIC)

    def _health(self, accept: str) -> MetricsPage:
        if self._latest.is_up():
            return MetricsPage("ok\n")
        return MetricsPage("the manager does not answer\n", status=HTTPStatus.SERVICE_UNAVAILABLE)


class LatestFigures:
    """The latest figures, which the manager is asked for when they are wanted, and no more often than need be."""

    def __init__(self, manager: ManagerClient) -> None:
        self._manager = manager
        self._lock = threading.Lock()
        self._figures: list[Mapping[str, Any]] | None = None
        self._fresh_until = 0.0
        self._problem = LastingProblem()

    def is_up(self) -> bool:
        """Whether the manager answers."""
        return self._take() is not None

    def families(self) -> list[Family]:
        return families_of(self._take(), process_figures)

    def _take(self) -> list[Mapping[str, Any]] | None:
        with self._lock:
            if monotonic() >= self._fresh_until:
                self._figures = self._ask()
                self._fresh_until = monotonic() + FRESH_SECONDS
            return self._figures

    def _ask(self) -> list[Mapping[str, Any]] | None:
        try:
            figures = asyncio.run(figures_of(self._manager))
        except ManagerError as error:
            self._problem.tell(str(error))
            return None
        self._problem.tell("")
        return figures


async def figures_of(manager: ManagerClient) -> list[Mapping[str, Any]]:
    """All figures. Raises ManagerError."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            figures = [one async for one in manager.stream_async("figures")]
    except TimeoutError:
        raise ManagerError(f"the manager has not answered within {ANSWER_SECONDS:g} s") from None
    if not figures:
        raise ManagerError("the manager has not answered before the service was to end")
    return figures


def process_figures(pid: int) -> ProcessFigures | None:
    used = usage(pid)
    return ProcessFigures(used.cpu, used.memory, open_descriptors(pid)) if used else None


class WrittenFile:
    """The file for node_exporter, whose user is another one, and may read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._problem = LastingProblem()

    def write(self, text: str) -> None:
        """Replace the file."""
        problem = ""
        try:
            with replacing(self._path, mode=0o644) as file:
                file.write(text)
        except OSError as error:
            problem = f"{self._path} cannot be written: {in_words(error)}"
        self._problem.tell(problem)

    def remove(self) -> None:
        """Leave no file that would tell forever how things were."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


class LastingProblem:
    """A problem that may last, and is printed once then."""

    def __init__(self) -> None:
        self._text = ""

    def tell(self, text: str) -> None:
        """What the problem is now; empty if there is none."""
        if text and text != self._text:
            print(text)
        self._text = text
