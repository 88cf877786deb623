"""The template: a process that has imported what hosts need, and of which each host is a copy.

Python takes 85 ms of CPU time to start as a host, a copy ten; and all copies share what they do not write to. The
manager forks the template first of all, before it has read any secret or begun any thread, so that it shares the
manager's modules too. Once it has ended, since no host was needed for a while, or been killed, the next host has
another one started anew.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from smanager.system.orphans import adopt

SPAWN_SECONDS = 10.0  # how long the template may take to make a host; on a busy box a process waits for seconds
REQUEST_SIZE = 64 * 1024  # bytes of a request, which holds a path
REPLY_SIZE = 64


class Template:
    """The manager's side: asks for hosts."""

    def __init__(self, control: socket.socket | None = None) -> None:
        """`control` leads to the process; without one, it is started when the first host is needed."""
        self._control = control
        self._turn = asyncio.Lock()

    async def spawn(self, request: Mapping[str, object], channel: int, output: int) -> int:
        """Make a host that serves the descriptor `channel` and prints to `output`; returns its process id.

        `request` is what `hosts.child.template` takes. The host is a child of this process, which adopts orphans.
        Raises OSError if the system cannot make one.
        """
        async with self._turn:
            control = self._ask(json.dumps(request).encode(), [channel, output])
            try:
                reply = await asyncio.wait_for(_reply(control), SPAWN_SECONDS)
            except TimeoutError:
                self.end()
                raise TimeoutError(f"no process for a host within {SPAWN_SECONDS:g} s") from None
            except ConnectionError:
                self.end()
                raise ConnectionResetError("the process that makes hosts has ended") from None
            except BaseException:  # an answer that comes yet must not be taken for that to the next request
                self.end()
                raise
        if reply < 0:
            raise OSError(-reply, os.strerror(-reply))
        return reply

    def _ask(self, data: bytes, descriptors: list[int]) -> socket.socket:
        """Send a request; returns the socket that the answer comes from."""
        if self._control:
            with suppress(OSError):
                socket.send_fds(self._control, [data], descriptors)
                return self._control
            self.end()  # the process has ended
        control = self._begin()
        socket.send_fds(control, [data], descriptors)
        return control

    def _begin(self) -> socket.socket:
        """Start the process anew; this blocks for a moment. Raises OSError if the system cannot."""
        adopt()
        control, theirs = pair()
        with theirs:
            program = [sys.executable, str(Path(__file__).parent / "child"), str(theirs.fileno())]
            try:
                self._process = subprocess.Popen(program, pass_fds=[theirs.fileno()], start_new_session=True)
            except OSError:
                control.close()
                raise
        self._control = control
        return control

    def end(self) -> None:
        """Let the process end; hosts stay."""
        if self._control:
            self._control.close()
        self._control = None


async def _reply(control: socket.socket) -> int:
    """The host's id, or an errno below 0. Raises ConnectionError if the process ends instead."""
    if reply := await asyncio.get_running_loop().sock_recv(control, REPLY_SIZE):
        return int(reply)
    raise ConnectionResetError


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
        ours.close()
        theirs.close()
        return Template()
    if pid:
        theirs.close()
        return Template(ours)
    ours.close()
    return theirs
