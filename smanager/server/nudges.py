"""Signals that reach a main thread in readline or at a lock, whenever they come."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NUDGE = signal.SIGURG  # ignored by default: it hurts nobody who gets one by mistake
DELAYS = (0.02, 0.1, 0.5, 2.0)  # seconds after a signal


@contextmanager
def nudged(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Follow each signal that has a handler with ones that only interrupt the main thread.

    Python notes a signal, and runs its handler when the main thread's wait is interrupted. A signal that comes after
    readline has drawn its prompt and before it waits for a key (or just before a lock is waited for) interrupts
    nothing: Ctrl-C would do nothing until the next key. `loop` runs in another thread.
    """
    receiver, sender = socket.socketpair()
    receiver.setblocking(False)
    sender.setblocking(False)
    main = threading.main_thread().ident

    def follow() -> None:
        if set(receiver.recv(4096)) - {NUDGE}:
            for delay in DELAYS:
                loop.call_later(delay, nudge)

    def nudge() -> None:
        if main is not None and receiver.fileno() >= 0:
            signal.pthread_kill(main, NUDGE)

    def end() -> None:
        loop.remove_reader(receiver)
        receiver.close()
        sender.close()

    before = signal.signal(NUDGE, lambda number, frame: None)
    loop.call_soon_threadsafe(loop.add_reader, receiver, follow)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(NUDGE, before)
        loop.call_soon_threadsafe(end)
