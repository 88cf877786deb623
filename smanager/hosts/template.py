"""The template: a process that has imported what hosts need, and of which each host is a copy.

Python takes 60 ms of CPU time to start and to import that, a fork one or two; and all copies share what they do not
write to. The manager forks the template first of all, before it has read any secret or begun any thread, so that it
shares the manager's modules too. Once it has ended, since no host was needed for a while, or been killed, the next host
has another one started anew.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from smanager.system.orphans import adopt

SPAWN_SECONDS = 10.0  # how long the template may take to make a host; on a busy box a process waits for seconds
ATTEMPTS = 2  # templates that are asked for a host: the one at hand may have ended
REQUEST_SIZE = 64 * 1024  # bytes of a request, which holds a path
REPLY_SIZE = 64


class Template:
    """The manager's side: asks for hosts."""

    def __init__(self, control: socket.socket | None = None, pid: int = 0) -> None:
        """`control` leads to the process `pid`; without one, it is started when the first host is needed."""
        self._control = control
        self._pid = pid
        self._turn = asyncio.Lock()

    async def spawn(self, request: Mapping[str, object], channel: int, output: int) -> int:
        """Make a host that serves the descriptor `channel` and prints to `output`; returns its process id.

        `request` is what `hosts.child.template` takes. The host is a child of this process, which adopts orphans.
        Raises OSError if the system cannot make one.
        """
        data = json.dumps(request).encode()
        async with self._turn:
            for _ in range(ATTEMPTS):
                if reply := await self._ask(data, [channel, output]):
                    if reply < 0:
                        raise OSError(-reply, os.strerror(-reply))
                    return reply
                self._give_up()
        raise TimeoutError(f"no process for a host within {SPAWN_SECONDS:g} s")

    async def _ask(self, data: bytes, descriptors: list[int]) -> int:
        """The host's id, or an errno below 0; 0 if the template does not answer."""
        control = self._control or self._begin()
        with suppress(OSError, TimeoutError):
            socket.send_fds(control, [data], descriptors)
            receiving = asyncio.get_running_loop().sock_recv(control, REPLY_SIZE)
            return int(await asyncio.wait_for(receiving, SPAWN_SECONDS) or 0)
        return 0

    def _begin(self) -> socket.socket:
        """Start the process anew; this blocks for a moment. Raises OSError if the system cannot."""
        adopt()
        self._control, theirs = pair()
        with theirs:
            program = [sys.executable, str(Path(__file__).parent / "child"), str(theirs.fileno())]
            self._process = subprocess.Popen(program, pass_fds=[theirs.fileno()], start_new_session=True)
        self._pid = self._process.pid
        return self._control

    def _give_up(self) -> None:
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        self.end()

    def end(self) -> None:
        """Let the process end; hosts stay."""
        if self._control:
            self._control.close()
        self._control, self._pid = None, 0


def pair() -> tuple[socket.socket, socket.socket]:
    """The manager's end and the template's. A message is a request or a reply; at the end of one end, both are over."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


def fork() -> Template | socket.socket:
    """Fork; returns a Template in this process, and its end of the socket pair in the new one."""
    adopt()
    ours, theirs = pair()
    gc.freeze()  # no collection here or there need touch what is there already, so it stays shared
    try:
        pid = os.fork()
    except OSError:  # the first host will ask for a process again, and say why there is none
        return Template()
    if pid:
        theirs.close()
        return Template(ours, pid)
    ours.close()
    return theirs
