"""An external program as a service: spawned, read, watched and ended in its host."""

from __future__ import annotations

import codecs
import os
import pwd
import shlex
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache, partial
from math import inf
from pathlib import Path
from signal import SIGCONT, SIGKILL, Signals
from time import monotonic
from typing import Any

from smanager.config.service import ProgramSettings, settings_of
from smanager.hosts.child.probes import Watch
from smanager.hosts.child.scheduler import ScheduledTask, Scheduler, Steps, WaitFor
from smanager.service import Finished, SService
from smanager.system.processes import exit_reason, set_limits, signal_group, too_high

READ_SIZE = 16 * 1024  # bytes of output read at a time: some 200 lines, after which other programs have their turn
LAST_OUTPUT_SECONDS = 0.2  # how long the output of an ended program is still read while another process holds its pipe
POLL_SECONDS = 0.05  # between two looks at what cannot be waited for: a group, or a process without pidfd_open
KILL_SECONDS = 5.0  # for a killed group to disappear; one that waits for a dead disk never does, and is left


class Program(SService):
    """An external program"""

    calls_ready = True

    def __init__(self) -> None:
        self._settings = settings_of(self._given, is_program=True)
        assert self._settings.program is not None  # is_program says so
        self._program = self._settings.program
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._life: ScheduledTask | None = None
        self._watch: Watch | None = None

    def run(self) -> ScheduledTask | None:
        """Spawn the program; the future is done when it has ended. Raises Finished if it cannot be spawned."""
        if self._stopping:
            return None
        try:
            with _making_scheduler:
                self._scheduler = scheduler()
            options = popen_options(self._program)
            process = self._process = subprocess.Popen(
                self._program.program,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
                # Takes no lock between fork and exec, so that the other threads do not matter.
                preexec_fn=partial(set_limits, self._settings.limits) if self._settings.limits else None,
                **options,
            )
        except subprocess.SubprocessError:
            raise Finished(f"it cannot be started: {too_high(self._settings.limits)}", clean=False) from None
        except (OSError, RuntimeError, LookupError, ValueError) as error:
            raise Finished(f"it cannot be started: {type(error).__name__}: {error}", clean=False) from None
        self._tell("spawned", process.pid)
        if self._program.ready_when or self._program.alive_when:
            self._watch = Watch(self._program, options, self.ready, partial(self._tell, "hung"))
        self._life = ScheduledTask(self._attend(process))
        self._scheduler.wake(self._life)
        return self._life

    def stop(self) -> None:
        self._stopping = True
        if self._life:  # else `run` has not spawned it yet, and will not
            self._scheduler.wake(self._life)

    def _attend(self, process: subprocess.Popen[bytes]) -> Steps:
        """Follow the program to its end. Raises Finished unless `stop` was called."""
        try:
            self._watch.begin() if self._watch else self.ready()
            yield from self._follow(process)
        finally:
            if self._watch:
                self._watch.end()
            yield from self._end_group(process)
        if not self._stopping:
            status = process.returncode
            raise Finished(exit_reason(status), clean=status in self._program.success_codes)

    def _signal(self, number: int) -> None:
        if self._process:
            signal_group(self._process.pid, number)

    def _follow(self, process: subprocess.Popen[bytes]) -> Steps:
        """Log what the process prints until it has ended; end it when `stop` is called."""
        assert process.stdout is not None  # it is a pipe
        output, end = process.stdout.fileno(), None
        os.set_blocking(output, False)
        with suppress(AttributeError, OSError):  # before Linux 5.3
            end = os.pidfd_open(process.pid)  # readable once the process has ended
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        descriptors = {output} if end is None else {output, end}
        told, deadline = False, inf
        while process.poll() is None:
            if self._stopping and not told:
                self._signal(Signals[self._program.stop_signal])
                self._signal(SIGCONT)  # a stopped process would not notice
                told, deadline = True, monotonic() + self._settings.stop_timeout
            elif monotonic() >= deadline:
                self._signal(SIGKILL)
                deadline = inf
            next_look = deadline if end is not None else min(deadline, monotonic() + POLL_SECONDS)
            searching = self._watch.searching if self._watch else set()
            ready = yield WaitFor(searching | descriptors - {output} if searching else descriptors, next_look)
            if self._watch and searching & ready:
                self._watch.searched(ready)
            if output in ready and not self._log(output, decoder):
                descriptors = descriptors - {output}
        last = monotonic() + LAST_OUTPUT_SECONDS
        while output in descriptors and monotonic() < last and (yield WaitFor({output}, last)):
            if not self._log(output, decoder):
                break
        process.stdout.close()
        if end is not None:
            os.close(end)

    def _log(self, output: int, decoder: codecs.IncrementalDecoder) -> bool:
        """Log what can be read now; False at the end of the output."""
        data = os.read(output, READ_SIZE)
        text = decoder.decode(data, final=not data)
        sys.stdout.write(text)
        if self._watch:
            self._watch.printed(text)
        return bool(data)

    def _end_group(self, process: subprocess.Popen[bytes]) -> Steps:
        """End everything that the program has started, and return when its group is empty."""
        deadline, killed = monotonic(), False
        if self._stopping:
            deadline += self._settings.stop_timeout
            self._signal(Signals[self._program.stop_signal])  # it may have ended just before it was told to
        while signal_group(process.pid, 0):
            if not killed and monotonic() >= deadline:
                self._signal(SIGKILL)
                killed = True
            elif monotonic() >= deadline + KILL_SECONDS:
                print(f"process group {process.pid} is still there {KILL_SECONDS:g} s after it was killed")
                return
            yield WaitFor(until=monotonic() + POLL_SECONDS)


_making_scheduler = threading.Lock()


@cache
def scheduler() -> Scheduler:
    """The one thread that follows all programs of this process."""
    return Scheduler()


def popen_options(settings: ProgramSettings) -> dict[str, Any]:
    """How Popen runs a program and its probes. Raises LookupError for an unknown user, and what `environment` does."""
    try:
        user = pwd.getpwnam(settings.user) if settings.user else None
    except KeyError:
        raise LookupError(f"there is no user {settings.user}") from None
    return {
        "cwd": settings.directory or None,
        "env": environment(settings, user),
        "user": user.pw_uid if user else None,
        "group": settings.group or (user.pw_gid if user else None),
        "extra_groups": os.getgrouplist(settings.user, user.pw_gid) if user else None,
        "umask": -1 if settings.umask is None else settings.umask,
    }


def environment(settings: ProgramSettings, user: pwd.struct_passwd | None) -> dict[str, str]:
    """The variables of the manager, the user, the files and the settings. Raises OSError and ValueError for a file."""
    variables = dict(os.environ)
    if user:
        variables.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
    for file in settings.env_files:
        for number, line in enumerate(Path(file).read_text().splitlines(), start=1):
            try:
                words = shlex.split(line, comments=True)
            except ValueError as error:
                raise ValueError(f"{file}, line {number}: {str(error).lower()}") from None
            if not words:
                continue
            if words[0] == "export":
                del words[0]
            name, equals, value = " ".join(words).partition("=")
            if not equals or not name:
                raise ValueError(f"{file}, line {number}: {line!r} should be NAME=VALUE")
            variables[name] = value
    return {**variables, **settings.environment}
