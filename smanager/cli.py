"""The command line: wires the rooms together, and holds no logic of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence

from smanager import config
from smanager.catalogue import Catalogue
from smanager.commands import CommandError
from smanager.config import Config, ConfigError
from smanager.logs import LogQueue
from smanager.manager import Manager
from smanager.server.listener import Listener
from smanager.shells import pages
from smanager.shells.root import BUILT_INS, Shells


def main(arguments: Sequence[str] | None = None) -> int:
    """Run SManager as its command line says; returns the exit status."""
    try:
        options = config.read(arguments)
        log_to_stderr(options.verbose)
        if options.check:
            return asyncio.run(check(new_manager(options)))
        if options.console:
            from smanager.server import console  # readline only where somebody types

            return console.run(new_manager(options))
        return asyncio.run(serve(options))
    except (ConfigError, CommandError) as error:
        print(f"smanager: {error}", file=sys.stderr)
        return 1


def new_manager(options: Config) -> Manager:
    return Manager(Catalogue(options.services, BUILT_INS))


async def serve(options: Config) -> int:
    """Listen, and keep the services up, until a signal or `kill` ends it."""
    manager = new_manager(options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, manager.end.set)
    listener = Listener(Shells(manager), options.most_sessions)
    try:
        addresses = await listener.open(options.host, options.port)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise ConfigError(
            f"cannot listen on {options.host}:{options.port}: {reason}; is another SManager running? try another --port"
        ) from None
    await manager.start()
    await listener.serve()
    sys.stderr.write(f"listening on {', '.join(addresses)}\n")  # in one piece: the log is written meanwhile
    sys.stderr.flush()
    await manager.end.wait()
    await listener.close("SManager is stopping")
    await manager.stop()
    return 0


async def check(manager: Manager) -> int:
    """Describe all services, and what is wrong with them; returns 1 where anything is."""
    await manager.check()
    for service in manager.catalogue.services.values():
        print(pages.service_help(service), end="")
    problems = [f"{file.path}: {problem}" for file, problem in manager.catalogue.problems()]
    print("\n".join(problems) or "no problems found")
    return 1 if problems else 0


def log_to_stderr(verbose: bool) -> None:
    """Log to stderr from a thread of its own: a terminal or pipe that stalls may not stall the manager."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[LogQueue(handler)])
    logging.raiseExceptions = False  # where stderr is closed or full there is nobody to tell
    logging.getLogger("asyncio").setLevel(logging.WARNING)
