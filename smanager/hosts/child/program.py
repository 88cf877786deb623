"""An external program as a service: spawned, read, watched and ended in its host."""

from __future__ import annotations

import codecs
import os
import pwd
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Set
from contextlib import suppress
from functools import cache, partial
from math import inf
from signal import SIGCONT, SIGKILL
from time import monotonic
from typing import Any

from smanager.config.env_file import fingerprint, read_variables
from smanager.config.service import ProgramSettings, SignalTo, settings_of
from smanager.hosts.child import descendants
from smanager.hosts.child.probes import Watch
from smanager.hosts.child.scheduler import ScheduledTask, Scheduler, Steps, WaitFor
from smanager.hosts.child.spawn_errors import script_problem, why_not_started
from smanager.service import Finished, SService
from smanager.system import lineage, open_files
from smanager.system.accounts import group_id, user_of
from smanager.system.lineage import Process
from smanager.system.patience import Patience
from smanager.system.processes import exceeded, exit_reason, set_limits, signal_group, too_high

READ_SIZE = 16 * 1024  # bytes of output read at a time: some 200 lines, after which other programs have their turn
LAST_OUTPUT_SECONDS = 0.2  # how long the output of an ended program is still read while another process holds its pipe
POLL_SECONDS = 0.05  # between two looks at a process that cannot be waited for, as there is no pidfd_open
COMMAND_NOT_FOUND = 127  # exit status of env(1), which scripts are run by, and of shells


class Program(SService):
    """An external program"""

    calls_ready = True
    _ends_descendants = True

    def __init__(self) -> None:
        self._settings = settings_of(self._given, is_program=True)
        assert self._settings.program is not None  # is_program says so
        self._program = self._settings.program
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._kill_at = inf  # when what does not stop is killed, by the monotonic clock
        self._life: ScheduledTask | None = None
        self._watch: Watch | None = None

    def run(self) -> ScheduledTask | None:
        """Spawn the program; the future is done when it has ended. Raises Finished if it cannot be spawned."""
        if self._stopping:
            return None
        options: dict[str, Any] = {}
        try:
            with _making_scheduler:
                self._scheduler = scheduler()
            if files := self._program.env_files:
                self._tell("read", fingerprint(files))  # first, so that a change during the read is noticed later
            options = popen_options(self._program)
            options["env"].update(lineage.variables(self._mark))
            with descendants.marked(self._mark):
                process = self._process = subprocess.Popen(
                    self._program.program,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    bufsize=0,
                    start_new_session=True,
                    **self._limited(options),
                )
        except subprocess.SubprocessError:
            raise Finished(f"it cannot be started: {self._refused()}", clean=False) from None
        except OSError as error:
            reason = why_not_started(error, self._program.program, options)
            raise Finished(f"it cannot be started: {reason}", clean=False) from None
        except (RuntimeError, LookupError, ValueError) as error:
            raise Finished(f"it cannot be started: {error}", clean=False) from None
        assert process.stdout is not None  # it is a pipe
        open_files.keep_room(newest=process.stdout.fileno())
        self._tell("spawned", process.pid)
        if not self._program.is_task and (self._program.ready_when or self._program.alive_when):
            self._watch = Watch(self._program, options, self.ready, partial(self._tell, "hung"))
        self._life = ScheduledTask(self._attend(process))
        self._scheduler.wake(self._life)
        return self._life

    def _limited(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Popen's options with what limits the program between fork and exec; without it, if it can be, for speed."""
        lower, limits, nice = open_files.lowering(), self._settings.limits, self._program.nice
        if not limits and nice is None:
            return {**options, "preexec_fn": lower}
        # Popen becomes another user before it limits, but only root may raise a limit or a priority.
        user = options["user"] if (exceeded(limits) or self._raises_priority()) and os.geteuid() == 0 else None

        def limit() -> None:  # takes no lock, so that other threads do not matter
            if lower:
                lower()
            set_limits(limits)
            if nice is not None:
                os.setpriority(os.PRIO_PROCESS, 0, nice)
            if user is not None:
                os.setgroups(options["extra_groups"])
                os.setgid(options["group"])
                os.setuid(user)

        as_root = {} if user is None else dict.fromkeys(("user", "group", "extra_groups"))
        return {**options, **as_root, "preexec_fn": limit}

    def _raises_priority(self) -> bool:
        return self._program.nice is not None and self._program.nice < os.getpriority(os.PRIO_PROCESS, 0)

    def _refused(self) -> str:
        """Which of the settings the system has refused between fork and exec."""
        if self._raises_priority() and not exceeded(self._settings.limits):
            return f"only root may set nice below {os.getpriority(os.PRIO_PROCESS, 0)}"
        return too_high(self._settings.limits)

    def stop(self) -> None:
        self._kill_at = monotonic() + self._settings.stop_timeout
        self._stopping = True
        if self._life:  # else `run` has not spawned it yet, and will not
            self._scheduler.wake(self._life)

    def _attend(self, process: subprocess.Popen[bytes]) -> Steps:
        """Follow the program to its end. Raises Finished unless `stop` was called."""
        try:
            if self._watch:
                self._watch.begin()
            elif not self._program.is_task:
                self.ready()
            yield from self._follow(process)
        finally:
            if self._watch:
                self._watch.end()
            went_on = yield from self._end_rest(process)
        if not self._stopping:
            status = process.returncode
            clean = status in self._program.success_codes
            problem = self._script_problem() if status == COMMAND_NOT_FOUND else ""
            reason = "; ".join(filter(None, [exit_reason(status), problem]))
            raise Finished(reason + (in_background(went_on) if clean else ""), clean)

    def _script_problem(self) -> str:
        """What is wrong with the program if it is a script; its options, of which few ask, would take kilobytes."""
        with suppress(LookupError, ValueError):
            return script_problem(self._program.program[0], popen_options(self._program))
        return ""

    def _signal(self, number: int) -> None:
        """Send a signal to the processes that `stop_signal_to` names; SIGKILL, which none can pass on, to all."""
        if self._process is None:
            return
        if number == SIGKILL or self._program.stop_signal_to is SignalTo.GROUP:
            signal_group(self._process.pid, number)
        else:
            with suppress(PermissionError):  # it has changed its user
                self._process.send_signal(number)

    def _note_kill(self) -> None:
        self._killed = f"killed, because it did not stop within {self._settings.stop_timeout:g} s"

    def _follow(self, process: subprocess.Popen[bytes]) -> Steps:
        """Log what the process prints until it has ended; end it when `stop` is called."""
        assert process.stdout is not None  # it is a pipe
        output, end = process.stdout.fileno(), None
        os.set_blocking(output, False)
        with suppress(AttributeError, OSError):  # before Linux 5.3
            end = os.pidfd_open(process.pid)  # readable once the process has ended
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        descriptors = {output} if end is None else {output, end}
        patience: Patience | None = None  # with the program, once it has been told to stop
        until = inf
        while process.poll() is None:
            if self._stopping and patience is None:
                self._signal(self._program.stop_signal)
                signal_group(process.pid, SIGCONT)  # a stopped process would not notice
                patience = Patience(self._kill_at - monotonic())
                until = monotonic() + patience.step
            elif patience and monotonic() >= until:
                until = monotonic() + patience.step if patience.lasts() else inf
                if until == inf:
                    self._note_kill()
                    self._signal(SIGKILL)
            next_look = until if end is not None else min(until, monotonic() + POLL_SECONDS)
            searching = self._watch.searching if self._watch else set()
            ready = yield WaitFor(searching | descriptors - {output} if searching else descriptors, next_look)
            if self._watch and searching & ready:
                self._watch.searched(ready)
            if output in ready and not self._log(output, decoder):
                descriptors = descriptors - {output}
        if patience:
            self._kill_at = monotonic() + patience.left
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

    def _end_rest(self, process: subprocess.Popen[bytes]) -> Generator[WaitFor, Set[int], list[Process]]:
        """End everything else that the life has started, whatever groups it has made.

        Returns, when none is left, what went on after the program had ended.
        """
        left: list[Process] = []
        first: list[Process] | None = None

        def found(processes: list[Process]) -> None:
            nonlocal left, first
            left = processes
            first = processes if first is None else first
            if processes and self._stopping and monotonic() >= deadline:
                self._note_kill()

        deadline = self._kill_at if self._stopping else 0.0
        yield from descendants.end_life(self._mark, process.pid, self._program.stop_signal, deadline, found)
        if left:
            print(f"not ended within {lineage.KILL_SECONDS:g} s by SIGKILL: {lineage.text_of(left)}")
        # A probe's command, which may just run, is none of the program's own processes.
        return [other for other in first or [] if not (self._watch and other.group == self._watch.command_group)]


def in_background(processes: list[Process]) -> str:
    """What to tell of processes that went on when their program ended well: that is how a daemon begins."""
    if not processes:
        return ""
    remedy = "run it in the foreground, for which many programs have an option such as -f, --foreground or --nodaemon"
    return f", but it went on in the background, and was ended there: {lineage.text_of(processes)}; {remedy}"


_making_scheduler = threading.Lock()


@cache
def scheduler() -> Scheduler:
    """The one thread that follows all programs of this process."""
    return Scheduler()


def popen_options(settings: ProgramSettings) -> dict[str, Any]:
    """How Popen runs a program and its probes. Raises LookupError for a user or group, and what `environment` does."""
    user = user_of(settings.user) if settings.user else None
    known = None if isinstance(user, int) else user
    if user is not None and known is None and not settings.group:
        raise LookupError(f"there is no user with number {user}, whose group it could have; give group as well")
    group = group_id(settings.group) if settings.group else known and known.pw_gid
    return {
        "cwd": settings.directory or None,
        "env": environment(settings, known),
        "user": known.pw_uid if known else user,
        "group": group,
        "extra_groups": os.getgrouplist(known.pw_name, known.pw_gid) if known else None if user is None else [],
        "umask": -1 if settings.umask is None else settings.umask,
    }


def environment(settings: ProgramSettings, user: pwd.struct_passwd | None) -> dict[str, str]:
    """The variables of the manager, the user, the files and the settings. Raises ValueError for a file."""
    variables = dict(os.environ)
    if user:
        variables.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
    for file in settings.env_files:
        variables.update(read_variables(file))
    return {**variables, **settings.environment}
