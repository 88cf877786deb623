"""The command line: wires the rooms together, and holds no logic of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from smanager.access import audit, origin
from smanager.access.audit import Audit, Need
from smanager.access.callers import Caller
from smanager.access.identities import Identities
from smanager.access.roles import Roles
from smanager.access.users import UsersError, UsersFile
from smanager.commands.record import SHELLS_OWN, CommandError
from smanager.config import options as command_line
from smanager.config.file import ConfigError, read_file
from smanager.config.listener import with_passed
from smanager.config.options import Config, default_state_directory
from smanager.logs.manager_log import log_to_stderr, write_all
from smanager.server.listeners import Listeners
from smanager.server.modes.script_login import LOGIN_WORDS
from smanager.shells import pages, reference
from smanager.shells.root import Shells
from smanager.supervision.catalogue import Catalogue
from smanager.supervision.commands.registry import ABOUT_SERVICES, OWN_COMMANDS
from smanager.supervision.dispatch import Dispatcher
from smanager.supervision.manager import Manager
from smanager.supervision.reload import IncompleteError
from smanager.supervision.reports import Notice, Tell
from smanager.supervision.storage import Storage, StorageError, UnwritableError
from smanager.system import orphans, systemd
from smanager.system.errors import in_words
from smanager.terminal.text import as_bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run SManager as its command line says; returns the exit status."""
    replace_closed_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] in (["user"], ["token"]):
            from smanager.access import administration  # which the manager itself needs not

            return administration.run(
                arguments, lambda path: read_file(path).users_file, lambda path: read_file(path).role_names
            )
        options = command_line.read(arguments)
        log = log_to_stderr(options.verbose)
        if options.check:
            return asyncio.run(check(new_manager(options, Storage(None))))
        if options.docs:
            return asyncio.run(docs(new_manager(options, Storage(None))))
        if options.console:
            from smanager.server import console  # readline only where somebody types

            manager = new_manager(options, Storage(options.state_directory))
            return console.run(manager, Dispatcher(manager, OWN_COMMANDS), log)
        return asyncio.run(serve(options, log.say))
    except (ConfigError, CommandError, StorageError, UsersError) as error:
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


def new_manager(options: Config, storage: Storage) -> Manager:
    catalogue = Catalogue(options.services, [*SHELLS_OWN, *OWN_COMMANDS, *LOGIN_WORDS])
    roles = Roles(options.services.roles, ABOUT_SERVICES)
    return Manager(catalogue, storage, options.read_services, audit_for(options, storage), roles)


def audit_for(options: Config, storage: Storage) -> Audit:
    """The audit journal, as it is configured. Raises ConfigError where it is required and cannot be written."""
    given = options.audit
    file = given.file or (storage.directory / audit.FILE if storage.directory else None)
    need = given.need or (Need.ON if file else Need.OFF)
    if need is not Need.OFF and file is None:
        raise ConfigError("there is no place for the audit journal; name an audit_file, or a --state-dir")
    try:
        return Audit(file, need, given.syslog)
    except OSError as error:
        raise ConfigError(f"{file}: the audit journal cannot be written: {in_words(error)}") from None


def storage_for(options: Config, name: str) -> Storage:
    """The state directory that was given, or the default one for a manager of that name, if it can be had.

    A port that was only picked is another one the next time: there is no state to come back to.

    Raises StorageError where the one that was given cannot be used, or another manager has it.
    """
    is_picked = any(one.tcp and one.tcp[1] == 0 for one in options.listeners)
    if options.state_directory or (is_picked and "STATE_DIRECTORY" not in os.environ):
        return Storage(options.state_directory)
    directory = default_state_directory(name)
    try:
        return Storage(directory)
    except UnwritableError as error:
        logging.getLogger("smanager").warning("%s; logs and stops are kept in memory only", error)
        return Storage(None)


async def serve(options: Config, say: Callable[[str], None]) -> int:
    """Listen, and keep the services up, until a signal or `kill` ends it."""
    passed = systemd.passed_sockets()
    listeners = Listeners(with_passed(options.listeners, passed))
    addresses = await listeners.open(passed)
    manager = new_manager(options, storage_for(options, re.sub("[:/]", "-", addresses[0]).strip("-")))
    identities = Identities(manager.roles, UsersFile(options.users_file), manager.audit)
    manager.when_reloaded = partial(renew, manager, listeners, identities)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        loop.add_signal_handler(number, manager.end.set)
    for number in (signal.SIGUSR1, signal.SIGUSR2):  # as an init does: in a container they reach nobody else
        loop.add_signal_handler(number, manager.forward, number)
    orphans.adopt(manager.pool.pids)
    watchdog = asyncio.ensure_future(systemd.feed_watchdog())
    reloads: set[asyncio.Task[None]] = set()
    loop.add_signal_handler(signal.SIGHUP, lambda: reloads.add(asyncio.create_task(reload(manager))))
    try:
        await manager.begin(Caller(origin.MANAGER))
        if not manager.end.is_set():
            await listeners.serve(Shells(Dispatcher(manager, OWN_COMMANDS)), identities)
            say(f"listening on {', '.join(addresses)}")
            systemd.notify("READY=1", f"STATUS=listening on {', '.join(addresses)}")
        await manager.end.wait()
        await asyncio.sleep(0)  # who has asked for it is answered in this turn of the loop
        say("stopping")
        systemd.notify("STOPPING=1")
        await listeners.close("SManager is stopping")
    finally:
        await manager.finish()
        watchdog.cancel()
    return 1 if manager.failed else 0


async def reload(manager: Manager) -> None:
    """Apply what has changed, as `reload` does; the log says what that was."""
    log = logging.getLogger("smanager")
    systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        await manager.reload(Caller(origin.SIGHUP), lambda report: log.info("reload: %s", report))
    except IncompleteError as error:
        log.error("reload: %s", error)
    except (ConfigError, CommandError) as error:
        log.error("reload: %s; everything is as it was", error)
    except Exception:
        log.exception("reload: internal error")
    finally:
        systemd.notify("READY=1")


def renew(manager: Manager, listeners: Listeners, identities: Identities, tell: Tell) -> list[str]:
    """What a reload does besides: certificates are read again, and who may not be here any more has to go.

    Returns what could not be done.
    """
    for session in manager.sessions.all():
        if session.caller and not identities.still_holds(session.caller):
            tell(Notice(f"end the session of {session.caller}: the user has changed"))
            session.farewell("your user has changed: log in again")
            manager.audit.kicked(session.caller, Caller(origin.RELOAD))
    manager.jobs.end_those(lambda job: not identities.still_holds(job.caller), "its user has changed")
    manager.jobs.end_those(lambda job: not job.is_shown_to(job.caller), "it is not allowed any more")
    return listeners.renew_certificates(lambda text: tell(Notice(text)))


async def check(manager: Manager) -> int:
    """Describe all services, and what is wrong with them; returns 1 where anything is."""
    await manager.check()
    problems = [f"{file.path}: {problem}" for file, problem in manager.catalogue.problems()]
    services = manager.catalogue.services.values()
    report = "".join(pages.service_help(service, service.commands) for service in services)
    write_out(f"{report}{chr(10).join(problems) or 'no problems found'}\n")
    return 1 if problems else 0


async def docs(manager: Manager) -> int:
    """Print the command reference; returns 1 where some of it is missing, for a file has problems."""
    await manager.check()
    write_out(reference.markdown(manager.catalogue))
    return 1 if any(True for _ in manager.catalogue.problems()) else 0


def write_out(text: str) -> None:
    """Print all of it. Raises CommandError where that cannot be."""
    try:
        write_all(sys.stdout.fileno(), as_bytes(text))
    except BrokenPipeError:
        pass  # a reader that has seen enough is no mistake
    except OSError as error:
        raise CommandError(f"cannot write the output: {in_words(error)}") from None
