"""Keeps snapshots of a command's output or of a file: taken now, at a given time, or at an interval.

The manager's owner chooses what may be captured: a caller who could name any command could run any program. Two
variables in the manager's environment configure the service: SCRAPMAN_SOURCE lists the command lines and file paths
that callers may choose from, separated by semicolons, the default first; SCRAPMAN_DIR is the snapshots' directory.
"""

from __future__ import annotations

import heapq
import os
import re
import select
import shlex
import tempfile
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen, TimeoutExpired

from smanager import SService

DEFAULT_SOURCES = ["uptime", "df -h", "/etc/hosts"]
KEPT_SNAPSHOTS = 100  # at most 100 MiB with the next limit: a forgotten capture must not fill the disk
SNAPSHOT_BYTES = 1024 * 1024  # ample for a log, harmless in memory
CAPTURE_SECONDS = 5  # before a hanging command is killed; also how long `run` may continue after `stop`
REAP_SECONDS = 1  # a killed command that waits for a dead disk does not end: abandon it
SHORTEST_INTERVAL = 1.0  # seconds; each snapshot costs a process
DAY = 24 * 60 * 60.0  # seconds; a longer time is a typing error
PLANNED_CAPTURES = 100  # more than this comes from a script in a loop


class ScrapMan(SService):
    """Takes snapshots of a command's output or of a file"""

    def __init__(self) -> None:
        sources = os.environ.get("SCRAPMAN_SOURCE", "").split(";")
        self._sources = [source.strip() for source in sources if source.strip()] or DEFAULT_SOURCES
        self._directory = Path(os.environ.get("SCRAPMAN_DIR") or Path(tempfile.gettempdir(), "captures"))
        self._heartbeat = "no capture yet"
        self._changed = threading.Condition()  # guards the rest, which commands change while `run` waits
        self._source = self._sources[0]
        self._interval = 60.0
        self._next_periodic = inf  # on the monotonic clock; inf while not capturing
        self._planned: list[tuple[float, str]] = []  # a heap of (when, source)
        self._stopped = False

    def run(self) -> None:
        while source := self._wait_until_due():
            try:
                outcome = f"wrote {self._take(source)[0]}"
            except Exception as error:  # the next snapshot may succeed, so no error ends the loop
                outcome = f"failed: {error}"
                print(outcome)  # to the manager's log
            self._heartbeat = f"{datetime.now():%Y-%m-%d %H:%M:%S} {outcome}"

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def toplevel_cmd_captest(self, *source: str) -> str:
        """Takes a snapshot of a source now and shows it"""
        path, content = self._take(self._chosen(source))
        return f"wrote {path}\n{content.decode(errors='replace')}"

    def toplevel_cmd_capture_at(self, when: str, *source: str) -> str:
        """Takes a snapshot of a source at HH:MM[:SS] or in +SECONDS"""
        delay = seconds_until(when, datetime.now())
        chosen = self._chosen(source)
        with self._changed:
            if len(self._planned) >= PLANNED_CAPTURES:
                raise RuntimeError(f"{PLANNED_CAPTURES} snapshots are planned already; wait until one is taken")
            heapq.heappush(self._planned, (time.monotonic() + delay, chosen))
            self._changed.notify_all()
        return f"capturing {chosen} at {datetime.now() + timedelta(seconds=delay):%Y-%m-%d %H:%M:%S}"

    def toplevel_cmd_scrapfreq(self, seconds: str = "") -> str:
        """Shows or sets the seconds between snapshots"""
        with self._changed:
            if seconds:
                self._interval = seconds_of(seconds, SHORTEST_INTERVAL)
                if self._next_periodic != inf:
                    self._next_periodic = time.monotonic() + self._interval
                    self._changed.notify_all()
            return f"every {self._interval:g} s"

    def toplevel_cmd_startcap(self, *source: str) -> str:
        """Starts taking snapshots of a source at the interval"""
        with self._changed:
            self._source = self._chosen(source)
            self._next_periodic = time.monotonic()
            self._changed.notify_all()
            return f"capturing {self._source} every {self._interval:g} s into {self._directory}"

    def toplevel_cmd_stopcap(self) -> str:
        """Stops taking snapshots at the interval"""
        with self._changed:
            self._next_periodic = inf
        return "stopped capturing"

    def cmd_get_heartbeat(self) -> str:
        """Returns the time and the outcome of the last snapshot"""
        return self._heartbeat

    def _wait_until_due(self) -> str | None:
        """Wait until a snapshot is due; return its source, or None when the service stops."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                next_planned = self._planned[0][0] if self._planned else inf
                if next_planned <= now:
                    return heapq.heappop(self._planned)[1]
                if self._next_periodic <= now:
                    self._next_periodic = now + self._interval
                    return self._source
                due = min(next_planned, self._next_periodic)
                self._changed.wait(min(due - now, threading.TIMEOUT_MAX))
        return None

    def _chosen(self, words: tuple[str, ...]) -> str:
        source = " ".join(words) or self._source
        if source not in self._sources:
            raise ValueError(f"{source!r} is not a source; the sources are: {'; '.join(self._sources)}")
        return source

    def _take(self, source: str) -> tuple[Path, bytes]:
        """Write a snapshot of the source, and remove the oldest beyond the limit; return its path and content."""
        content = content_of(source)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # every time: systems clean /tmp
        label = re.sub(r"\W+", "-", source).strip("-")[:100]  # file systems allow names of 255 bytes
        path = self._directory / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{label}.capture"
        partial = path.with_suffix(".partial")  # no reader sees half a snapshot
        partial.write_bytes(content)
        partial.rename(path)
        ours = (entry for entry in self._directory.iterdir() if entry.suffix in (".capture", ".partial"))
        for oldest in sorted(ours)[:-KEPT_SNAPSHOTS]:  # names begin with the time
            oldest.unlink(missing_ok=True)
        return path, content


def content_of(source: str) -> bytes:
    """Return the beginning of a source: the content of a file that is not executable, else a command's output."""
    path = Path(source)
    if path.is_absolute() and path.is_file() and not os.access(path, os.X_OK):
        with path.open("rb") as file:
            return file.read(SNAPSHOT_BYTES)
    return output_of(source)


def output_of(command: str) -> bytes:
    """Return what a command prints, errors included. Raises TimeoutError if it does not end in CAPTURE_SECONDS."""
    deadline = time.monotonic() + CAPTURE_SECONDS
    process = Popen(shlex.split(command), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    assert process.stdout is not None  # for the type checker
    output = b""
    try:
        while len(output) < SNAPSHOT_BYTES:
            if not select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"{command} did not end within {CAPTURE_SECONDS} s")
            chunk = os.read(process.stdout.fileno(), SNAPSHOT_BYTES - len(output))
            if not chunk:
                break
            output += chunk
        return output
    finally:
        process.kill()
        process.stdout.close()
        with suppress(TimeoutExpired):
            process.wait(REAP_SECONDS)


def seconds_of(text: str, least: float = 0.0) -> float:
    """Read a number of seconds. Raises ValueError if it is not one from `least` to DAY."""
    with suppress(ValueError):
        if least <= (seconds := float(text)) <= DAY:
            return seconds
    raise ValueError(f"seconds should be a number from {least:g} to {DAY:g}, not {text!r}")


def seconds_until(when: str, now: datetime) -> float:
    """Return the seconds from `now`, in local time, until the next HH:MM[:SS], or for +SECONDS. Raises ValueError."""
    if when.startswith("+"):
        return seconds_of(when[1:])
    try:
        clock = datetime.strptime(when, "%H:%M:%S" if when.count(":") == 2 else "%H:%M")
    except ValueError:
        raise ValueError(f"when should be HH:MM, HH:MM:SS or +SECONDS, not {when!r}") from None
    due = now.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=0)
    if due <= now:
        due += timedelta(days=1)
    return due.timestamp() - now.timestamp()  # not `due - now`: the clocks may change in between
