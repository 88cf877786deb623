"""The template's side: forks a host for each request of the manager.

A host is made by two forks, so that the manager, which adopts orphans, becomes its parent and learns how it ended.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from smanager.hosts.child import ending
from smanager.hosts.child.process import main
from smanager.hosts.template import REPLY_SIZE, REQUEST_SIZE
from smanager.system import lineage, open_files

PACKAGE = str(Path(__file__).resolve().parents[3])
"""The folder that holds the package, so that hosts can import it where it is not installed."""

MANAGERS_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What is meant for the manager alone, where it is sent to all: `pkill -f smanager.py`, a stop by systemd."""

IDLE_SECONDS = 3.0
"""How long the template waits for the next request: its 5 MB of memory are worth the time that it saves at a start."""

PR_SET_NAME = 15  # prctl(2); the system keeps 15 bytes


def serve(control: socket.socket) -> int:
    """Make hosts until the manager is gone or needs none; returns in each host, at its end, with its exit status."""
    with suppress(OSError):  # it leads a session already
        os.setsid()
    for number in MANAGERS_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _keep_only(control)
    _name("template")
    ending.prepare()
    gc.freeze()  # what is here stays as it is: no collection in a host need touch it, and it stays shared
    control.settimeout(IDLE_SECONDS)
    while True:
        try:
            data, descriptors, _, _ = socket.recv_fds(control, REQUEST_SIZE, 2)
        except TimeoutError:
            data = b""
        if not data:
            os._exit(0)  # at once: an interpreter that frees what is shared has each page of it copied first
        request = json.loads(data)
        lineage.bear(lineage.manager_of(request["mark"]))  # by which the manager's guard would find it
        reply = _make(descriptors, control, **request)
        if reply is None:
            main(descriptors[0])
            return 0
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(str(reply).encode())


def _make(descriptors: list[int], control: socket.socket, name: str, mark: int, limit: int) -> int | None:
    """Fork a host; returns its id or an errno below 0, and None in the host."""
    try:
        reader, writer = os.pipe()
    except OSError as error:
        return _errno(error)
    try:
        between = os.fork()
    except OSError as error:
        os.close(reader)
        os.close(writer)
        return _errno(error)
    if between == 0:
        try:
            if os.fork():
                os._exit(0)
        except OSError as error:
            os.write(writer, str(_errno(error)).encode())
            os._exit(1)
        control.close()
        os.close(reader)
        _become_host(descriptors[1], name, mark, limit)
        os.write(writer, str(os.getpid()).encode())
        os.close(writer)
        return None
    os.close(writer)
    reply = int(os.read(reader, REPLY_SIZE) or -errno.EAGAIN)
    os.close(reader)
    os.waitpid(between, 0)  # only now has the host got its new parent
    return reply


def _errno(error: OSError) -> int:
    return -(error.errno or errno.EAGAIN)


def _become_host(output: int, name: str, mark: int, limit: int) -> None:
    """Give this process what the host `name` needs: a session, a mark, a limit on open files, its own streams."""
    os.setsid()
    os.environ.update(lineage.variables(mark))
    lineage.bear(mark)
    open_files.limit_to(limit)
    for number in MANAGERS_SIGNALS:
        signal.signal(number, _ignore)  # not SIG_IGN, which what services start would inherit
    _Forks()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    _name(Path(name).name)
    sys.argv = [name]
    sys.path[0] = PACKAGE
    sys.modules["__main__"] = ModuleType("__main__")  # a service need not meet the manager's


def _keep_only(control: socket.socket) -> None:
    """Close what has been inherited, above all the sockets of systemd, and the terminal."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    number = control.fileno()
    os.closerange(3, number)
    os.closerange(number + 1, os.sysconf("SC_OPEN_MAX"))


def _name(name: str) -> None:
    """Name this process for `top` and `ps -o comm` (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_NAME, f"smanager:{name}".encode(), 0, 0, 0)


def _ignore(number: int, frame: object) -> None:
    """Do nothing."""


class _Forks:
    """Lets the manager's signals end what a service forks, as `multiprocessing` expects, from the first moment on."""

    def __init__(self) -> None:
        self._held = threading.local()
        os.register_at_fork(before=self._hold, after_in_parent=self._release, after_in_child=self._heed)

    def _hold(self) -> None:
        self._held.before = signal.pthread_sigmask(signal.SIG_BLOCK, MANAGERS_SIGNALS)

    def _release(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._held.before)

    def _heed(self) -> None:
        for number in MANAGERS_SIGNALS:
            if signal.getsignal(number) is _ignore:
                signal.signal(number, signal.SIG_DFL)
        self._release()
