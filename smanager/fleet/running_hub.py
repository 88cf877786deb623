"""The NATS server that runs with a hub's directory: it is told of a change, and shows that it has taken that."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import time
from pathlib import Path
from typing import Any

from smanager.fleet.hub import HubError, is_news

TAKE_SECONDS = 30.0  # for a server to read its configuration again: with 10,000 nodes it takes two, on a slow machine
RETRY_SECONDS = 0.1
LOGIN_SECONDS = 5.0


def tell(pid: int, settings: Path) -> bool:
    """Have a process read its configuration again, if it is a NATS server with that one. Raises HubError."""
    try:
        if not _serves(pid, settings):  # the process ID may be another's by now
            return False
        os.kill(pid, signal.SIGHUP)
    except PermissionError:
        raise HubError(f"the hub is process {pid} of another user: as that user, `kill -HUP {pid}`") from None
    except OSError:  # it is gone
        return False
    return True


def _serves(pid: int, settings: Path) -> bool:
    process = Path(f"/proc/{pid}")
    program, *arguments = map(os.fsdecode, (process / "cmdline").read_bytes().split(b"\0"))
    if Path(program).name != "nats-server":
        return False
    start = (process / "cwd").readlink()
    named = [start / argument.rpartition("=")[2] for argument in arguments if argument]
    return any(path.exists() and path.samefile(settings) for path in named)


def lets_in(listen: str, seed: str) -> bool:
    """Whether the server at an address soon takes a login by this seed."""
    logging.getLogger("asyncio").addFilter(is_news)
    return asyncio.run(_lets_in_soon(listen, seed))


async def _lets_in_soon(listen: str, seed: str) -> bool:
    deadline = time.monotonic() + TAKE_SECONDS
    while not await _lets_in(listen, seed):
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(RETRY_SECONDS)
    return True


async def _lets_in(listen: str, seed: str) -> bool:
    import nats

    host, _, port = listen.rpartition(":")
    own = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # with no authorities, whose loading takes 25 ms
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE  # it is asked under any name, and told no secret

    async def ignore(error: Exception) -> None:
        pass

    options: dict[str, Any] = {"allow_reconnect": False, "max_reconnect_attempts": 1, "error_cb": ignore}
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            client = await nats.connect(f"tls://{own}:{port}", nkeys_seed_str=seed, tls=tls, **options)
            await client.close()
    except (nats.errors.Error, OSError):
        return False
    return True
