"""The command line: wires the rooms together, and holds no logic of its own."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from smanager.access import audit, origin
from smanager.access.audit import Audit, Need
from smanager.access.callers import Caller
from smanager.access.identities import Identities
from smanager.access.roles import Roles
from smanager.access.users import UsersError, UsersFile
from smanager.commands.record import SHELLS_OWN, CommandError
from smanager.config import options as command_line
from smanager.config.file import ConfigError, RootSettings, read_file, refuse
from smanager.config.listener import with_passed
from smanager.config.options import Config, default_state_directory
from smanager.logs.manager_log import log_to_stderr, write_all
from smanager.server.listeners import Listeners, certificate_problems
from smanager.server.modes.script_login import LOGIN_WORDS
from smanager.server.rpc.services import ServiceAnswers
from smanager.shells import pages, reference
from smanager.shells.root import Shells
from smanager.supervision.catalogue import Catalogue
from smanager.supervision.commands.registry import OWN_COMMANDS
from smanager.supervision.manager import Manager
from smanager.supervision.patterns import patterns_without_effect
from smanager.supervision.reload import Elsewhere
from smanager.supervision.reports import ChangeReport, Notice, Tell
from smanager.supervision.storage import Storage, StorageError, UnwritableError
from smanager.system import orphans, systemd
from smanager.system.descriptors import open_standard_descriptors
from smanager.system.errors import in_words
from smanager.system.outbox import Outbox
from smanager.terminal.text import as_bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run SManager as its command line says; returns the exit status."""
    open_standard_descriptors()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] in (["user"], ["token"]):
            from smanager.access import administration  # the manager does not need it

            return administration.run(arguments, users_and_roles)
        config = command_line.read(arguments)
        log = log_to_stderr(config.options.verbose)
        if config.options.check:
            problems = [*config.services.problems, *certificate_problems(config.listeners)]
            page = partial(check_page, problems)
            return asyncio.run(describe(new_manager(config, Storage(None)), page)) or bool(problems)
        refuse(config.services.problems)
        if config.options.docs:
            return asyncio.run(describe(new_manager(config, Storage(None)), docs_page))
        if config.options.console:
            from smanager.server import console  # readline is for a person at this terminal only

            return console.run(new_manager(config, Storage(config.root.state_dir)), log)
        return asyncio.run(serve(config, log.say))
    except (ConfigError, CommandError, StorageError, UsersError) as error:
        for problem in error.problems if isinstance(error, ConfigError) else [error]:
            print(f"smanager: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # during --check or --docs; in all other modes the manager handles the signal
        return 128 + signal.SIGINT


def users_and_roles(config: Path | None) -> tuple[Path, set[str]]:
    """The users' file and the names of the roles in a configuration. Raises ConfigError."""
    file = read_file(config)
    refuse(file.problems)
    return file.settings.users_file, file.role_names


def new_manager(config: Config, storage: Storage) -> Manager:
    catalogue = Catalogue(config.services, [*SHELLS_OWN, *OWN_COMMANDS, *LOGIN_WORDS])
    roles = Roles(config.services.roles, [own.command for own in OWN_COMMANDS.values()])
    outbox = Outbox()
    audit = audit_for(config.root, storage, outbox)
    manager = Manager(catalogue, storage, config.read_services, outbox, audit, roles)
    manager.pool.answer = ServiceAnswers(Shells(manager)).begin
    return manager


def audit_for(root: RootSettings, storage: Storage, outbox: Outbox) -> Audit:
    """The audit journal, as configured. Raises ConfigError if it is required and cannot be written."""
    file = root.audit_file or (storage.directory and storage.directory / audit.FILE)
    need = root.audit or (Need.ON if file else Need.OFF)
    if need is not Need.OFF and file is None:
        raise ConfigError("the audit journal has no place; name an audit_file, or a --state-dir")
    try:
        return Audit(outbox, file, need, root.audit_syslog)
    except OSError as error:
        raise ConfigError(f"{file}: the audit journal cannot be written: {in_words(error)}") from None


def storage_for(config: Config, name: str) -> Storage:
    """The configured state directory, or the default one for a manager of this name if it can be used.

    A manager on a port that the system picked has none by default, for the next run gets another port.
    Raises StorageError if the configured directory cannot be used, or another manager uses the directory.
    """
    is_picked = any(listener.tcp and listener.tcp[1] == 0 for listener in config.listeners)
    if config.root.state_dir or (is_picked and "STATE_DIRECTORY" not in os.environ):
        return Storage(config.root.state_dir)
    try:
        return Storage(default_state_directory(name))
    except (UnwritableError, ConfigError) as error:
        logging.getLogger("smanager").warning("%s; logs and stops are kept in memory only", error)
        return Storage(None)


async def serve(config: Config, say: Callable[[str], None]) -> int:
    """Listen, and keep the services up, until a signal or `kill`; returns the exit status."""
    passed = systemd.passed_sockets()
    listeners = Listeners(with_passed(config.listeners, passed))
    addresses = await listeners.open(passed)
    manager = new_manager(config, storage_for(config, re.sub("[:/]", "-", addresses[0]).strip("-")))
    identities = Identities(manager.roles, UsersFile(config.root.users_file), manager.audit)
    manager.pool.when_grown = listeners.share_out
    manager.look_elsewhere = partial(look_elsewhere, manager, listeners, identities)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        loop.add_signal_handler(number, manager.end.set)
    for number in (signal.SIGUSR1, signal.SIGUSR2):  # as an init does: in a container only the manager gets them
        loop.add_signal_handler(number, manager.forward, number)
    orphans.adopt(manager.pool.pids)
    watchdog = asyncio.ensure_future(systemd.feed_watchdog())
    reloads: set[asyncio.Task[None]] = set()
    loop.add_signal_handler(signal.SIGHUP, lambda: reloads.add(asyncio.create_task(reload(manager))))
    try:
        await manager.begin(Caller(origin.MANAGER))
        if not manager.end.is_set():
            await listeners.serve(Shells(manager), identities)
            say(f"listening on {', '.join(addresses)}")
            gc.freeze()  # what the start has made stays: no collection need look at it
            systemd.notify("READY=1", f"STATUS=listening on {', '.join(addresses)}")
        await manager.end.wait()
        await asyncio.sleep(0)  # so that the answer to `kill` leaves first
        say("stopping")
        systemd.notify("STOPPING=1")
        await listeners.close("SManager is stopping")
        systemd.extend_timeout(manager.end_seconds)
    finally:
        await manager.finish()
        watchdog.cancel()
        # From here on asyncio closes the socket that signals wake it by. CPython would complain of a signal at that
        # moment (a child's end is one) on stderr, directly, and wait for ever where nobody reads stderr.
        signal.set_wakeup_fd(-1)
    return 1 if manager.failed else 0


async def reload(manager: Manager) -> None:
    """Apply changed files and configuration, as `reload` does, and log the report."""
    log = logging.getLogger("smanager")
    systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        for problem in await manager.reload(Caller(origin.SIGHUP), lambda report: log.info("reload: %s", report)):
            log.error("reload: %s", problem)
    except (ConfigError, CommandError) as error:
        log.error("reload: %s; everything is as it was", error)
    except Exception:
        log.exception("reload: internal error")
    finally:
        systemd.notify("READY=1")


def look_elsewhere(manager: Manager, listeners: Listeners, identities: Identities) -> Elsewhere:
    """What a reload means for listeners and callers: changed certificates, and rights that callers have lost."""
    certificates, problems = listeners.changed_certificates()
    try:
        identities.file.users()
    except UsersError as error:
        problems.append(str(error))

    def apply(tell: Tell) -> None:
        for use in certificates.values():
            use()
        for session in manager.sessions.all():
            if session.caller and not identities.still_holds(session.caller):
                tell(Notice(f"end the session of {session.caller}: the user has changed"))
                session.farewell("your user has changed: log in again")
                manager.audit.kicked(session.caller, Caller(origin.RELOAD))
        manager.jobs.end_those(lambda job: not identities.still_holds(job.caller), "its user has changed")
        manager.jobs.end_those(lambda job: not job.is_shown_to(job.caller), "it is not allowed any more")

    changes = [ChangeReport("change", f"listeners.{name}", "its certificates have changed") for name in certificates]
    return Elsewhere(changes, problems, apply)


async def describe(manager: Manager, page: Callable[[Manager], str]) -> int:
    """Print a page about all services; returns 1 if a services file has problems. Raises CommandError."""
    await manager.check()
    try:
        with suppress(BrokenPipeError):  # the reader has seen enough
            write_all(sys.stdout.fileno(), as_bytes(page(manager)))
    except OSError as error:
        raise CommandError(f"cannot write the output: {in_words(error)}") from None
    return 1 if any(True for _ in manager.catalogue.problems()) else 0


def check_page(problems_elsewhere: Sequence[str], manager: Manager) -> str:
    """The help pages of all services, then what has no effect, and the problems."""
    catalogue = manager.catalogue
    help_pages = [pages.service_help(service, service.commands) for service in catalogue.services.values()]
    problems = [f"{problem}\n" for problem in problems_elsewhere]
    problems += [f"{file.path}: {problem}\n" for file, problem in catalogue.problems()]
    warnings = [
        f"{catalogue.configuration.path}: {text}\n" for text in patterns_without_effect(catalogue, manager.roles)
    ]
    return "".join([*help_pages, *warnings, *(problems or ["no problems found\n"])])


def docs_page(manager: Manager) -> str:
    return reference.markdown([own.command for own in OWN_COMMANDS.values()], manager.catalogue)
