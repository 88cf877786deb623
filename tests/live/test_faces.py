"""Every command, the manager's own and a service's, in every face: each face has it or none has, as the roles say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE
from smanager.access.roles import Role
from smanager.cli import new_manager
from smanager.commands.record import Command, CommandError
from smanager.config import options as config
from smanager.hosts.template import Template
from smanager.server.rpc.errors import METHOD_NOT_FOUND, RequestError
from smanager.server.rpc.methods import Methods
from smanager.shells.output import PlainOutput
from smanager.shells.printer import Printer
from smanager.shells.root import RootShell, Shells
from smanager.supervision.commands.own import Requester
from smanager.supervision.commands.registry import OWN_COMMANDS
from smanager.supervision.storage import Storage
from tests.conftest import write_service

BOX = '''
from smanager import SService, command


class Box(SService):
    """A box"""

    def cmd_open(self, lid: str = "top", *, wide: bool = False):
        """Opens the box"""

    @command(role="view")
    def cmd_look(self):
        """Looks into the box"""

    @command(role="admin", aliases=["burn"])
    def cmd_destroy(self):
        """Destroys the box"""

    @command(role="keeper")
    def toplevel_cmd_label(self, *words: str):
        """Labels the box"""
'''

ROLES = {
    "keeper": Role("keeper", ("box.look", "stat*")),
    "boxer": Role("boxer", ("box.*", "restart box", "logs *"), ("box.open",)),
    "killer": Role("killer", ("kill",)),
}

CALLERS = [(), ("view",), ("operate",), ("admin",), ("keeper",), ("boxer",), ("killer", "view")]


class Text(PlainOutput):
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str, /) -> None:
        self.text += text


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shells]:
    """The shells of a manager that has found its services and started none."""
    services = tmp_path_factory.mktemp("faces") / "services"
    write_service(services, BOX, "box.py")

    async def checked() -> Shells:
        manager = new_manager(
            config.config_of(config.parsed(["--services", str(services), "--port", "0"])), Storage(None), Template()
        )
        manager.roles.renew(ROLES)
        await manager.check()
        return Shells(manager)

    with asyncio.Runner() as runner:
        made = runner.run(checked())
        yield made
        runner.run(made.manager.finish())


def every_command(shells: Shells) -> dict[str, Command]:
    """By the name that programs use."""
    commands = {name: own.command for name, own in OWN_COMMANDS.items()}
    for service in shells.manager.catalogue.services.values():
        commands |= {f"{service.name}.{command.name}": command for command in service.commands.values()}
        commands |= {command.name: command for command in service.commands.values() if command.toplevel}
    return commands


def caller_with(shells: Shells, roles: tuple[str, ...]) -> Caller:
    return Caller(CONSOLE, permissions=shells.manager.roles.permissions(roles))


def root_of(shells: Shells, caller: Caller) -> tuple[RootShell, Text]:
    async def run_line(line: str) -> str:
        return line

    output = Text()
    return shells.root(Printer(output), Requester(caller, run_line, abbreviates=True)), output


def faces(shells: Shells, caller: Caller, name: str) -> dict[str, bool]:
    """Whether each face has a command, by the name that programs use."""
    root, output = root_of(shells, caller)
    typed = name.replace(".", " ")
    service, _, command = name.rpartition(".")
    root.onecmd("help")
    page = output.text
    output.text = ""
    try:
        root.onecmd(f"{service} help" if service else "help -s")
        listing = output.text
    except CommandError:
        listing = ""
    document = asyncio.run(discovered(shells, caller))
    return {
        "line": hasattr(root.child(service) if service in root.service_shells else root, f"do_{command}"),
        "help of the command": not refused(lambda: root.onecmd(f"help {typed}")),
        "list": f"    {command}: " in page if not service else f"{command}: " in listing,
        "names": (command in listing.split()) if not service else f"{command}: " in listing,
        "Tab": command in asyncio.run(root.completions(f"{typed[:-1]}"))[1],
        "JSON-RPC": asyncio.run(answered(shells, caller, name)) != METHOD_NOT_FOUND,
        "rpc.discover": name in document,
    }


def refused(run: Callable[[], object]) -> bool:
    """Whether help is refused as for an unknown command."""
    try:
        run()
    except CommandError as error:
        return any(text in str(error) for text in ("has no command", "no help on", "unknown service"))
    return False


async def discovered(shells: Shells, caller: Caller) -> dict[str, Any]:
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    Methods(shells, caller).begin("rpc.discover", None, lambda name, params: None, answer.set_result)
    return {method["name"]: method for method in (await answer)["methods"]}


async def answered(shells: Shells, caller: Caller, name: str) -> object:
    """The error code of a request with parameters that no method has."""
    results: list[object] = []
    Methods(shells, caller).begin(name, {"nonsense": 1}, lambda name, params: None, results.append)
    assert isinstance(results[0], RequestError)
    return results[0].code


@pytest.mark.parametrize("roles", CALLERS)
def test_each_command_is_in_every_face_or_in_none(shells: Shells, roles: tuple[str, ...]) -> None:
    caller = caller_with(shells, roles)
    for name, command in every_command(shells).items():
        service = name.rpartition(".")[0] or ("box" if command.toplevel else "")
        permissions = caller.permissions
        expected = permissions.allow_command(service, command) if service else permissions.show(command)
        assert set(faces(shells, caller, name).values()) == {expected}, (name, roles, faces(shells, caller, name))


def test_the_roles_say_who_may_run_what(shells: Shells) -> None:
    def allowed(*roles: str) -> set[str]:
        document = asyncio.run(discovered(shells, caller_with(shells, roles)))
        return {name for name in document if not name.startswith(("shell.", "rpc."))}

    looking = {"plan", "watch", "services", "status", "why", "wait", "logs", "events", "top", "jobs", "whoami"}
    looking |= {"runs", "output", "rerun", "figures"}
    operating = {"restart", "start", "stop", "signal", "cancel", "who", "broadcast", "box.open"}
    assert allowed() == {"whoami"}
    assert allowed("view") == looking | {"box.look"}
    assert allowed("operate") == looking | operating | {"box.look"}
    assert allowed("admin") == set(every_command(shells))
    assert allowed("keeper") == {"whoami", "box.look", "status", "label", "box.label"}
    assert allowed("boxer") == {"whoami", "restart", "logs"}
    assert allowed("killer") == {"whoami", "kill"}


def test_every_schema_describes_each_parameter(shells: Shells) -> None:
    document = asyncio.run(discovered(shells, caller_with(shells, ("admin",))))
    for name, command in every_command(shells).items():
        described = {parameter["name"]: parameter for parameter in document[name]["params"]}
        assert list(described) == [parameter.name for parameter in command.parameters]
        assert json.dumps(described)
    own = {name for name in document if name in OWN_COMMANDS}
    assert all(parameter["description"] for name in own for parameter in document[name]["params"])
    of_any_type = {"rerun"}
    assert all(document[name]["result"]["schema"] for name in own - of_any_type), "an annotation that says nothing"
