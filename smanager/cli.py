"""The command line: wires the rooms together, and holds no logic of its own."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence

from smanager import config
from smanager.catalogue import Catalogue
from smanager.commands import CommandError
from smanager.config import Config, ConfigError
from smanager.logs import log_to_stderr
from smanager.manager import Manager
from smanager.server.listener import Listener
from smanager.shells import pages
from smanager.shells.root import BUILT_INS, Shells


def main(arguments: Sequence[str] | None = None) -> int:
    """Run SManager as its command line says; returns the exit status."""
    replace_closed_streams()
    try:
        options = config.read(arguments)
        log = log_to_stderr(options.verbose)
        if options.check:
            return asyncio.run(check(new_manager(options)))
        if options.console:
            from smanager.server import console  # readline only where somebody types

            return console.run(new_manager(options), log)
        return asyncio.run(serve(options, log.say))
    except (ConfigError, CommandError) as error:
        print(f"smanager: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while it checks; at any other time that is told to the manager
        return 128 + signal.SIGINT


def replace_closed_streams() -> None:
    """Put the null device where a standard stream was closed at the start (`2>&-`): else the next socket takes its
    number, and all that is printed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))  # gets the lowest number that is free


def new_manager(options: Config) -> Manager:
    return Manager(Catalogue(options.services, BUILT_INS))


async def serve(options: Config, say: Callable[[str], None]) -> int:
    """Listen, and keep the services up, until a signal or `kill` ends it."""
    manager = new_manager(options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, manager.end.set)
    listener = Listener(Shells(manager), options.most_sessions)
    try:
        addresses = await listener.open(options.host, options.port)
    except OSError as error:
        raise ConfigError(f"cannot listen on {options.host}:{options.port}: {why_not_listening(error)}") from None
    try:
        await manager.start()
        if not manager.end.is_set():
            await listener.serve()
            say(f"listening on {', '.join(addresses)}")
        await manager.end.wait()
        say("stopping")
        await listener.close("SManager is stopping")
    finally:
        await manager.stop()
    return 0


def why_not_listening(error: OSError) -> str:
    """What is wrong with an address, and what would be right."""
    remedies = {
        errno.EADDRINUSE: "is another SManager running? try another --port",
        errno.EADDRNOTAVAIL: "--host should be an address of this machine",
        errno.EACCES: "a port below 1024 needs root; try another --port",
    }
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    return "; ".join(filter(None, [reason, remedies.get(error.errno or 0)]))


async def check(manager: Manager) -> int:
    """Describe all services, and what is wrong with them; returns 1 where anything is."""
    await manager.check()
    for service in manager.catalogue.services.values():
        print(pages.service_help(service), end="")
    problems = [f"{file.path}: {problem}" for file, problem in manager.catalogue.problems()]
    print("\n".join(problems) or "no problems found")
    return 1 if problems else 0
