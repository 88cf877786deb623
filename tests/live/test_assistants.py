"""An assistant operates a box under a role: the official client of the Model Context Protocol, and a real manager."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import tshell
from smanager.access.secrets import hash_token
from smanager.access.users import Token, User, UsersFile
from tests.conftest import SECONDS, Server, configure, wait_for, write_service

mcp: Any

TOKEN = "smt_token-of-claude"

PROGRAM = (tshell.__file__,)
HASTY = ("-c", "import sys, tshell; tshell.LOOK_SECONDS = 0.1; sys.exit(tshell.main())")

CONFIGURATION = """
[listeners.locked]
tcp = "127.0.0.1:0"
login = "required"

[roles.assistant]
allow = ["box-1.*", "late.*", "status", "logs", "whoami"]
deny = ["*.explode"]
"""

BOX = """
import time
from smanager import Progress, SService, Secret, command


class Box(SService):
    name = "box-1"

    @command(role="view")
    def cmd_look(self): raise LookupError("the view role is not the assistant's")

    @command(read_only=True)
    def cmd_add(self, number: int, *, to: float = 0.5) -> float:
        "Adds numbers\\n\\nArgs:\\n    number: the first\\n    to: the second"
        return number + to

    def cmd_copy(self):
        for number in (1, 2, 3):
            yield Progress(number, 3, f"file {number}")
            time.sleep(0.2)
            yield f"copied {number}"

    async def cmd_hang(self):
        import asyncio
        yield "hanging"
        await asyncio.sleep(3600)

    def cmd_login(self, secret: Secret[str]): return "in"
    def cmd_fail(self): raise ValueError("no")
    def cmd_explode(self): return "gone"
"""

LATE = """
from smanager import SService


class Late(SService):
    def cmd_come(self): return "here"
"""


def locked(server: Server) -> int:
    """The port of the listener that wants a login; that of the server itself lets everybody do everything."""
    return int(server.wait_for_log(r"^listening on \S+, \S+:(\d+)$").group(1))


@pytest.fixture(scope="module", autouse=True)
def official_client() -> None:
    """Import it for these tests only: that takes a second, and each process that runs tests collects all of them."""
    global mcp
    mcp = pytest.importorskip(
        "mcp", reason="the official client of the Model Context Protocol is not installed: pip install mcp"
    )


@pytest.fixture(scope="module")
def manager(shared: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    files = tmp_path_factory.mktemp("users")
    with UsersFile(files / "smanager-users.json").changed() as users:
        users["claude"] = User("claude", ("assistant",), "", Token(hash_token(TOKEN), None))
    return shared(CONFIGURATION, files=files, box=BOX)


@asynccontextmanager
async def assistant(
    port: int, mode: str = "auto", token: str = TOKEN, log: str | Path = os.devnull, program: Sequence[str] = PROGRAM
) -> AsyncIterator[Any]:
    """The official client, with the program that people give it."""
    server = mcp.StdioServerParameters(
        command=sys.executable,
        args=[*program, "-p", str(port), "--mcp"],
        env={"SMANAGER_TOKEN": token, "PYTHONPATH": str(Path(tshell.__file__).parent)},
    )
    with Path(log).open("w") as errors:
        transport = mcp.stdio_client(server, errlog=errors)
        async with mcp.Client(transport, mode=mode) as client:
            yield client


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(what, SECONDS))


async def until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_for, condition, what)


def texts(result: Any) -> list[str]:
    return [content.text for content in result.content]


def journal(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (server.directory / "state" / "audit.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_tools_are_the_commands_that_the_role_allows(manager: Server, mode: str) -> None:
    async def ask() -> None:
        async with assistant(locked(manager), mode) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            commands = {f"box_1-{name}" for name in ("add", "copy", "hang", "login", "fail")}
            assert set(tools) == commands | {"status", "logs", "whoami"}
            add = tools["box_1-add"]
            assert (add.title, add.description) == ("box-1.add", "Adds numbers")
            assert add.input_schema["required"] == ["number"]
            assert add.input_schema["properties"]["to"] == {
                "type": "number",
                "default": 0.5,
                "description": "the second",
            }
            read_only = {name for name, tool in tools.items() if tool.annotations.read_only_hint}
            assert read_only == {"box_1-add", "status", "logs", "whoami"}
            assert all(tool.annotations.destructive_hint is (name not in read_only) for name, tool in tools.items())
            assert tools["box_1-login"].input_schema["properties"]["secret"]["writeOnly"]

    run(ask())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_calls_have_typed_arguments_results_and_errors(manager: Server, mode: str) -> None:
    async def ask() -> None:
        async with assistant(locked(manager), mode) as client:
            added = await client.call_tool("box_1-add", {"number": 2, "to": 1.5})
            assert (texts(added), added.structured_content, added.is_error) == (["3.5"], {"result": 3.5}, False)
            (box,) = (await client.call_tool("status")).structured_content["result"]
            assert (box["name"], box["state"]) == ("box-1", "running")
            for arguments, error in (
                ({"number": "x"}, 'box_1.add: number is "x", and should be a whole number'),
                ({}, "box_1.add: too few arguments: number missing"),
            ):
                refused = await client.call_tool("box_1-add", arguments)
                assert (refused.is_error, texts(refused)) == (True, [error])
            failed = await client.call_tool("box_1-fail")
            assert (failed.is_error, texts(failed)) == (True, ["box_1.fail: ValueError: no"])

    run(ask())


@pytest.mark.parametrize(
    "tool", ["box_1-explode", "box_1-look", "kill", "stop", "shell-execute", "rpc-discover", "x.y"]
)
def test_nothing_beyond_the_role_can_be_called(manager: Server, tool: str) -> None:
    async def ask() -> None:
        async with assistant(locked(manager)) as client:
            with pytest.raises(mcp.MCPError, match=f"unknown tool {tool}; tools/list lists the tools"):
                await client.call_tool(tool)

    run(ask())


def test_the_journal_has_calls_and_refusals_but_no_secrets(manager: Server) -> None:
    async def ask() -> None:
        async with assistant(locked(manager)) as client:
            await client.call_tool("box_1-login", {"secret": "hunter2"})
            with pytest.raises(mcp.MCPError):
                await client.call_tool("box_1-explode")

    before = len(journal(manager))
    run(ask())
    lines = [line for line in journal(manager)[before:] if line.get("user") == "claude"]
    assert any(line["event"] == "command" and line["name"] == "box_1.login" for line in lines)
    assert any(line["event"] == "refused" and line["name"] == "box_1.explode" for line in lines)
    assert "hunter2" not in json.dumps(lines)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_progress_is_told_while_a_command_runs(manager: Server, mode: str) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async def ask() -> None:
        async with assistant(locked(manager), mode) as client:
            copied = await client.call_tool("box_1-copy", progress_callback=note)
            assert copied.structured_content == {"items": ["copied 1", "copied 2", "copied 3"], "result": None}
            await until(lambda: len(told) == 3, "the client's tasks that hand the progress over")

    run(ask())
    assert told == [(1, 3, "file 1"), (2, 3, "file 2"), (3, 3, "file 3")]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_call_that_is_cancelled_ends_on_the_box_and_others_go_on(manager: Server, mode: str) -> None:
    def hangs() -> bool:
        with tshell.Client(port=manager.port) as client:
            return any(job["command"] == "box_1.hang" for job in client.call("jobs"))

    async def ask() -> None:
        async with assistant(locked(manager), mode) as client:
            call = asyncio.ensure_future(client.call_tool("box_1-hang"))
            await until(hangs, "the call")
            call.cancel()
            await until(lambda: not hangs(), "the end of the call")
            assert texts(await client.call_tool("box_1-add", {"number": 1})) == ["1.5"]

    run(ask())


def test_the_client_is_told_of_tools_that_come(manager: Server) -> None:
    async def ask() -> None:
        hasty = assistant(locked(manager), program=HASTY)
        async with hasty as client, client.listen(tools_list_changed=True) as news:
            assert "late-come" not in [tool.name for tool in (await client.list_tools()).tools]
            write_service(manager.directory / "services", LATE, "late.py")
            with tshell.Client(port=manager.port) as admin:
                admin.call("reload")
            await anext(aiter(news))
            assert "late-come" in [tool.name for tool in (await client.list_tools()).tools]

    try:
        run(ask())
    finally:
        (manager.directory / "services" / "late.py").unlink()
        with tshell.Client(port=manager.port) as admin:
            admin.call("reload")


def test_a_wrong_token_is_an_error_that_says_so(shared: Callable[..., Server]) -> None:
    manager = shared(CONFIGURATION, box=BOX)

    async def ask() -> None:
        for token, error in (
            ("smt_wrong", "says: this token is not valid"),
            ("", "requires a login; give a token in SMANAGER_TOKEN or with --token-file"),
        ):
            async with assistant(locked(manager), token=token) as client:
                with pytest.raises(mcp.MCPError, match=error):
                    await client.list_tools()
                refused = await client.call_tool("status")
                assert refused.is_error
                assert error in texts(refused)[0]

    run(ask())


def test_a_lost_manager_is_an_error_of_the_call_and_the_next_call_finds_its_successor(
    tmp_path: Path, start: Callable[..., Server], free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = (*configure(tmp_path, "", {"box": BOX}), "--port", str(free_port))
    first = start(*options)
    log = tmp_path / "log"

    async def ask() -> None:
        async with assistant(free_port, token="", log=log) as client:
            hangs = asyncio.Event()

            async def note(*_progress: object) -> None:
                hangs.set()

            hanging = asyncio.ensure_future(client.call_tool("box_1-hang", progress_callback=note))
            await hangs.wait()
            await asyncio.to_thread(first.process.kill)
            lost = await hanging
            assert (lost.is_error, texts(lost)[0]) == (True, "hanging")
            assert texts(lost)[1].startswith(f"lost SManager at 127.0.0.1:{free_port} (")
            await asyncio.to_thread(first.stop)
            refused = await client.call_tool("status")
            assert texts(refused)[0].startswith(f"no SManager answers at 127.0.0.1:{free_port} (Connection refused)")
            await asyncio.to_thread(start, *options)
            assert texts(await client.call_tool("box_1-add", {"number": 1})) == ["1.5"]

    run(ask())
    assert log.read_text().startswith("tshell: lost SManager at ")
