"""The command line: wires the rooms together, and holds no logic of its own."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
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
from smanager.config.listener import ListenerSettings
from smanager.config.options import Config
from smanager.config.place import earlier_directories, own_listener
from smanager.fleet.hub import HubError
from smanager.hosts.template import Template, fork
from smanager.logs.history import Happening
from smanager.logs.manager_log import log_to_stderr, write_all
from smanager.server.listeners import Listeners, problems_of
from smanager.server.modes.script_login import LOGIN_WORDS
from smanager.server.renewal import look_elsewhere
from smanager.server.rpc.services import ServiceAnswers
from smanager.shells import pages, reference
from smanager.shells.root import Shells
from smanager.supervision.catalogue import Catalogue
from smanager.supervision.commands.registry import OWN_COMMANDS
from smanager.supervision.manager import Manager
from smanager.supervision.patterns import patterns_without_effect
from smanager.supervision.storage import RunningError, Storage, StorageError, UnwritableError, carry_over
from smanager.system import orphans, systemd
from smanager.system.descriptors import open_standard_descriptors
from smanager.system.errors import in_words
from smanager.system.outbox import Outbox
from smanager.terminal.text import as_bytes

log = logging.getLogger("smanager")

SETTLED_SECONDS = 1.0  # from the first answers to when the start's rubbish is thrown away, for which none should wait


def main(arguments: Sequence[str] | None = None) -> int:
    """Run SManager as its command line says; returns the exit status."""
    open_standard_descriptors()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] in (["user"], ["token"]):
            from smanager.access import administration  # the manager does not need it

            return administration.run(arguments, users_and_roles)
        if arguments[:1] == ["fleet"]:
            from smanager.fleet import administration as hub  # nor this

            if hub.is_about_hub(arguments[1:]):
                return hub.run(arguments)
        options = command_line.parsed(arguments)
        if options.words:
            return attach(options)
        template = fork()  # before anything that a service must not find in its memory
        if not isinstance(template, Template):
            from smanager.hosts.child.template import serve as make_hosts  # not for the manager

            return make_hosts(template)
        config = command_line.config_of(options)
        lines = log_to_stderr(options.verbose)
        if options.check:
            problems = [*config.services.problems, *problems_of(config.services.listeners)]
            page = partial(check_page, problems)
            return asyncio.run(describe(new_manager(config, Storage(None), template), page)) or bool(problems)
        refuse(config.services.problems)
        if options.docs:
            return asyncio.run(describe(new_manager(config, Storage(None), template), docs_page))
        manager = new_manager(config, storage_for(config), template)
        identities = identities_for(config, manager)
        manager.pool.answer = ServiceAnswers(Shells(manager), identities).begin
        if options.console:
            from smanager.server import console  # readline is for a person at this terminal only

            return console.run(manager, lines, partial(listen_for_own_user, manager, identities))
        return asyncio.run(serve(config, manager, identities, lines.say))
    except (ConfigError, CommandError, HubError, StorageError, UsersError) as error:
        for problem in error.problems if isinstance(error, ConfigError) else [error]:
            print(f"smanager: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # during --check or --docs; in all other modes the manager handles the signal
        return 128 + signal.SIGINT


def attach(options: argparse.Namespace) -> int:
    """Open the shell of the manager that runs, or run one command of it; returns the exit status."""
    import tshell  # the manager does not need them
    from smanager.server.attach import RunningManager

    words = options.words[1:] if options.words[0] == "attach" else options.words
    client = RunningManager(*command_line.whereabouts(options), to_type(options))
    return tshell.main([*(["--json"] if options.json else []), "--", *words], client, "smanager")


def to_type(options: argparse.Namespace, *words: str) -> str:
    """What to type to run this program again with the same configuration and other words."""
    started = {"smanager.py": ["python3", sys.argv[0]], "__main__.py": ["python3", "-m", "smanager"]}
    given = [*(("--config", options.config),), *(("--services", one) for one in options.services or ())]
    given.append(("--state-dir", options.state_dir))
    program = started.get(Path(sys.argv[0]).name, ["smanager"])
    return shlex.join([*program, *(str(word) for pair in given if pair[1] for word in pair), *words])


def users_and_roles(config: Path | None) -> tuple[Path, set[str]]:
    """The users' file and the names of the roles in a configuration. Raises ConfigError."""
    file = read_file(config)
    refuse(file.problems)
    return file.settings.users_file, file.role_names


def new_manager(config: Config, storage: Storage, template: Template) -> Manager:
    catalogue = Catalogue(config.services, [*SHELLS_OWN, *OWN_COMMANDS, *LOGIN_WORDS])
    roles = Roles(config.services.roles, [own.command for own in OWN_COMMANDS.values()])
    outbox = Outbox()
    audit = audit_for(config.root, storage, outbox)
    manager = Manager(catalogue, storage, config.read_services, outbox, audit, roles)
    manager.pool.template = template
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


def carry_over_earlier(listeners: Iterable[ListenerSettings], directory: Path) -> None:
    """Move here what a manager of an earlier version kept in a directory named after its address."""
    for earlier in earlier_directories(listeners):
        try:
            if carry_over(earlier, directory):
                log.info("the state directory %s is %s from now on", earlier, directory)
        except OSError as error:
            log.warning("the state directory %s cannot be moved to %s: %s", earlier, directory, in_words(error))


def storage_for(config: Config) -> Storage:
    """Lock the configuration, and take the configured state directory, or else the one in the configuration's place.

    Raises StorageError if another manager has either, or the configured directory cannot be used.
    """
    options, place = config.options, config.place
    try:
        directory = place.directory()
        storage = Storage(config.state_dir or directory, directory)
        if storage.directory == directory:
            carry_over_earlier(config.services.listeners, directory)
        return storage
    except RunningError as error:
        attach = to_type(options, "attach")
        raise StorageError(f"a manager of {place.shown} runs already, {error}; `{attach}` opens its shell") from None
    except (UnwritableError, ConfigError) as error:
        if config.state_dir:
            return Storage(config.state_dir)
        log.warning("%s; logs and stops are kept in memory only", error)
        return Storage(None)


async def serve(config: Config, manager: Manager, identities: Identities, say: Callable[[str], None]) -> int:
    """Listen, and keep the services up, until a signal or `kill`; returns the exit status."""
    listeners = Listeners([*config.services.listeners, *own_listener(manager.directory)], systemd.passed_sockets())
    await listeners.open()
    manager.pool.when_grown = listeners.share_out
    manager.look_elsewhere = partial(look_elsewhere, manager, listeners, identities)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        loop.add_signal_handler(number, manager.end.set)
    for number in (signal.SIGUSR1, signal.SIGUSR2):  # as an init does: in a container only the manager gets them
        loop.add_signal_handler(number, manager.forward, number)
    loop.add_signal_handler(signal.SIGCHLD, orphans.reap_soon, loop, manager.pool.pids)
    watchdog = asyncio.ensure_future(systemd.feed_watchdog())
    reloads: set[asyncio.Task[None]] = set()
    loop.add_signal_handler(signal.SIGHUP, lambda: reloads.add(asyncio.create_task(reload(manager))))
    try:
        await manager.begin(Caller(origin.MANAGER))
        if not manager.end.is_set():
            listeners.serve(Shells(manager), identities)
            say(f"listening on {listeners.addresses}")
            loop.call_later(SETTLED_SECONDS, settle)
            systemd.notify("READY=1", f"STATUS=listening on {listeners.addresses}")
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


async def listen_for_own_user(manager: Manager, identities: Identities) -> Listeners:
    """Listen for `smanager attach` alone."""
    listeners = Listeners(own_listener(manager.directory))
    await listeners.open()
    manager.pool.when_grown = listeners.share_out
    listeners.serve(Shells(manager), identities)
    return listeners


def identities_for(config: Config, manager: Manager) -> Identities:
    def blocked(key: str, text: str) -> None:
        manager.happened(Happening.reported("login blocked", text, key, None))

    return Identities(manager.roles, UsersFile(config.root.users_file), manager.audit, blocked)


def settle() -> None:
    """Throw away what the start has left, and let no collection look again at what it has made, which stays."""
    gc.collect()
    gc.freeze()


async def reload(manager: Manager) -> None:
    """Apply changed files and configuration, as `reload` does, and log the report."""
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
