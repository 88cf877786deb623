"""Delivers a note to a command: as JSON on its standard input, and in its environment."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress

from smanager.alerts.attempts import DeliveryError
from smanager.alerts.message import Note
from smanager.system.errors import in_words
from smanager.system.processes import exit_reason, signal_group


async def run(arguments: Sequence[str], note: Note, seconds: float) -> None:
    """Run a command, without a shell, in a process group that is killed after some seconds. Raises DeliveryError.

    What it prints is in the service's log.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, **note.as_variables()},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = in_words(error) if isinstance(error, OSError) else str(error)
        raise DeliveryError(f"{arguments[0]}: {reason}", is_final=True) from None
    try:
        async with asyncio.timeout(seconds):
            await _give(process, note.as_json())
            status = await process.wait()
    except TimeoutError:
        raise DeliveryError(f"{arguments[0]}: killed, because it did not end within {seconds:g} s") from None
    finally:  # also what it has left, and all of it if the service is told to stop
        signal_group(process.pid, signal.SIGKILL)
        await process.wait()
    if status:
        raise DeliveryError(f"{arguments[0]}: {exit_reason(status)}")


async def _give(process: Process, text: str) -> None:
    assert process.stdin
    with suppress(ConnectionError):  # a command need not read
        process.stdin.write(text.encode())
        await process.stdin.drain()
    process.stdin.close()
