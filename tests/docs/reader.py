"""A reader who does everything that a page says, in a checkout of their own, and compares what they see.

What differs from run to run (times, process ids, sizes, loads) is not compared, nor is the number of
spaces between two words. A line `...` stands for lines that the page leaves out.
"""

from __future__ import annotations

import grp
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pexpect
import pyte
from pexpect.popen_spawn import PopenSpawn
from pyte.screens import Char

from tests.conftest import ROOT, SECONDS
from tests.docs.markdown import Block

PAUSE = 0.2
"""Seconds between two lines; a person is no faster, and a service that was killed is known to be gone by then."""

ROWS, COLUMNS = 300, 118
PROMPT = re.compile(r"[\w-]*>")
STARTS_MANAGER = re.compile(
    r"(?:python3 smanager\.py|smanager)((?: (?!--check|--docs|--version)--\S+(?: [^-\s]\S*)?)*)"
)
OPENS_SESSION = re.compile(r"telnet .*|(?:python3 tshell\.py|tshell)(?: -[Hp] \S+)*")
NEEDS_MANAGER = re.compile(r"10000|tshell|^[\w-]*>", re.MULTILINE)

VARIABLE = [
    (r" \d\d:\d\d:\d\d up .*", " UPTIME"),
    (r"\b\d{4}-\d\d-\d\dT[\d:.]+Z", "INSTANT"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?([+-]\d\d:\d\d)?", "WHEN"),
    (r"\b\d+\.\d\d, \d+\.\d\d, \d+\.\d\d\b", "LOADS"),
    (r"\b\d+(\.\d+)? (s|ms|min|h|d|KiB|MiB|GiB|TiB)\b", "AMOUNT"),
    (r"\bprocessors: \d+", "processors: COUNT"),
    (r"\b\d+%", "SHARE"),
    (r"\b(10000|10001|8080|9109|4222)\b", r"PORT\1"),
    (r"(?<=127\.0\.0\.1:)\d{4,5}\b", "PORT"),
    (r'"(pid|cpu|memory|since|age|seconds)": [\d.]+', r'"\1": NUMBER'),
    (r"(?<= )\d{2,7}(?=  |\t)", "PID"),
    (r"\bsmt_\S+", "TOKEN"),
    (r"[ \t]+", " "),
]
"""Patterns of what differs from run to run, and what stands for it in the comparison."""


CERTIFY = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem 2>/dev/null"
"""Makes the files that an example names which stands before their making on the page."""


def free_port() -> int:
    """A port that is free now, and that the system gives no socket which asks for any port."""
    while True:
        with socket.socket() as bound, suppress(OSError):
            port = random.randrange(20_000, 32_000)
            bound.bind(("127.0.0.1", port))
            return port


class Reader:
    """Reads one page; raises AssertionError where the page says something else than happens."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("smanager", "examples"):
            shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("*.pyc.*"))
        (directory / "services").mkdir()
        for name in ("smanager.py", "tshell.py", "services/systemstatus.py"):
            shutil.copy(ROOT / name, directory / name)
        (directory / "srv" / "www").mkdir(parents=True)
        (directory / "run").mkdir()
        self._real = {port: str(free_port()) for port in ("10000", "10001", "8080", "9109", "4222")}
        self._real |= {"/srv/www": f"{directory}/srv/www", "/run/smanager": f"{directory}/run"}
        self._environment = self._make_environment()
        self._shell: PopenSpawn[str] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._log = directory / "manager.log"

    def _make_environment(self) -> dict[str, str]:
        commands = self.directory / "bin"
        commands.mkdir()
        for name in ("smanager", "tshell"):
            (commands / name).write_text(f'#!/bin/sh\nexec python3 {self.directory}/{name}.py "$@"\n')
            (commands / name).chmod(0o755)
        ours = ("SMANAGER_", "XDG_", "PYTHONUNBUFFERED")  # what a reader has not set
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        return kept | {
            "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.directory),
            "SMANAGER_PORT": self._real["10000"],
            "PYTHONDONTWRITEBYTECODE": "1",  # a file may be edited twice within a second
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
        }

    def close(self) -> None:
        self._stop()
        if self._shell:
            self._shell.sendeof()
            self._shell.proc.wait(SECONDS)

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        if block.file:
            path = self.directory / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._as_here(block.text))
        if block.language == "toml" and not block.file:
            (self.directory / "example.toml").write_text(self._as_here(block.text))
            if "cert.pem" in block.text:
                self._run(CERTIFY)
            shown = self._run("smanager --config example.toml --check || echo it is wrong")
            assert "it is wrong" not in shown, shown
        elif block.language == "python" and not block.file:
            (self.directory / "example.py").write_text(self._as_here(block.text))
            self._need_manager()
            assert "Traceback" not in (shown := self._run("python3 example.py")), shown
        elif block.language == "console":
            self._type(block.text)

    def _as_here(self, text: str) -> str:
        """What is written on the page, with the ports and directories of this run."""
        for on_page, here in self._real.items():
            text = re.sub(rf"(?<![\w.]){on_page}\b", here, text)
        return re.sub(r'^(group = )"\w+"', rf'\1"{grp.getgrgid(os.getgid()).gr_name}"', text, flags=re.MULTILINE)

    def _as_on_page(self, text: str) -> str:
        for on_page, here in self._real.items():
            text = re.sub(rf"{re.escape(here)}\b", on_page, text)
        text = re.sub(rf"^{re.escape(os.uname().nodename)}$", "mycomputerhostname", text, flags=re.MULTILINE)
        return text.replace(str(self.directory), "/home/you/smanager")

    # Commands.

    def _type(self, text: str) -> None:
        """Type the commands of a block, one after the other."""
        if NEEDS_MANAGER.search(text) and not STARTS_MANAGER.fullmatch(text.splitlines()[0].removeprefix("$ ")):
            self._need_manager()
        if PROMPT.match(text):
            self._session(f"telnet 127.0.0.1 {self._real['10000']}", text.splitlines(), with_greeting=False)
            return
        for step in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, expected = re.split(r"(?<!\\)\n", step, maxsplit=1)
            if match := STARTS_MANAGER.fullmatch(command):
                self._start(self._as_here(match[1]).split())
                shown = self._log.read_text()
            elif OPENS_SESSION.fullmatch(command):
                self._session(self._as_here(command), expected.splitlines(), with_greeting=True)
                continue
            else:
                shown = self._run(self._as_here(command))
            same(expected.splitlines(), self._as_on_page(shown).splitlines())

    def _run(self, command: str) -> str:
        """Run a command in the page's one shell, whose variables last; what it prints."""
        if not self._shell:
            self._shell = PopenSpawn(
                ["bash", "--norc"], timeout=SECONDS, cwd=self.directory, env=self._environment, encoding="utf-8"
            )
        end = "-- end of the command --"
        self._shell.sendline(f"{{ {command}\n}} 2>&1 </dev/null; echo '{end}'")
        self._shell.expect_exact(f"{end}\n")
        return str(self._shell.before or "")

    def _need_manager(self) -> None:
        if not self._server:
            self._start([])

    def _start(self, options: Sequence[str]) -> None:
        self._stop()
        configuration = self.directory / "smanager.toml"
        given = configuration.read_text() if configuration.exists() else ""
        port = [] if "--port" in options or "[listeners" in given else ["--port", self._real["10000"]]
        with self._log.open("w") as log:
            self._server = subprocess.Popen(
                ["python3", "smanager.py", *port, *options],
                cwd=self.directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        deadline = time.monotonic() + SECONDS
        while not re.search("^listening on ", self._log.read_text(), re.MULTILINE):
            assert self._server.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.01)

    def _stop(self) -> None:
        if self._server:
            self._server.terminate()
            self._server.wait(SECONDS)

    # Sessions.

    def open_telnet(self, columns: int = COLUMNS) -> Window:
        """A telnet session with the page's manager, at its first prompt."""
        self._need_manager()
        window = Window(f"telnet 127.0.0.1 {self._real['10000']}", self.directory, self._environment, columns)
        window.wait_for_prompt()
        return window

    def _session(self, command: str, expected: list[str], *, with_greeting: bool) -> None:
        """Open a session, type what follows its prompts, and compare the whole screen in the end."""
        window = Window(command, self.directory, self._environment)
        try:
            window.wait_for_prompt()
            greeting = window.lines()[:-1]
            for line in expected:
                if prompt := PROMPT.match(line):
                    window.enter(line[prompt.end() :])
            shown = [self._as_on_page(line) for line in window.lines()]
            if expected[-1] in (">quit", ">exit"):  # what is shown after that is the client's
                expected.append("...")
            elif PROMPT.fullmatch(shown[-1]):
                shown.pop()
            same(expected, shown if with_greeting else shown[len(greeting) :])
        finally:
            window.close()


class Window:
    """A terminal with a client in it."""

    def __init__(self, command: str, directory: Path, environment: dict[str, str], columns: int = COLUMNS) -> None:
        self._client: pexpect.spawn[bytes] = pexpect.spawn(
            command, cwd=str(directory), env=environment, dimensions=(ROWS, columns), timeout=SECONDS
        )
        self._screen = pyte.Screen(columns, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self.ended = False

    def lines(self) -> list[str]:
        """What the terminal shows."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip("\n").split("\n")

    def rows(self) -> list[list[Char]]:
        """What the terminal shows, with colours."""
        rows = [[self._screen.buffer[y][x] for x in range(self._screen.columns)] for y in range(ROWS)]
        return rows[: len(self.lines())]

    def enter(self, line: str) -> None:
        """Type a line, and wait until its command has ended."""
        time.sleep(PAUSE)
        row = self._screen.cursor.y
        self._client.send(line + "\r")
        self.wait_for_prompt(below=row)

    def wait_for_prompt(self, below: int = -1) -> None:
        def at_prompt() -> bool:
            cursor = self._screen.cursor
            row = self._screen.buffer[cursor.y]
            before = "".join(row[x].data for x in range(cursor.x))
            return cursor.y > below and PROMPT.fullmatch(before) is not None

        self._wait(at_prompt)

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not self.ended and not condition():
            assert time.monotonic() < deadline, "waited too long; the terminal shows:\n" + "\n".join(self.lines())
            try:
                self._stream.feed(self._client.read_nonblocking(65536, timeout=0.1))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                self.ended = True

    def close(self) -> None:
        self._client.close(force=True)


# Comparing.


def plain(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, stand_in in VARIABLE:
        line = re.sub(pattern, stand_in, line)
    return line.rstrip()


def same(expected: Sequence[str], shown: Sequence[str]) -> None:
    """Assert that this is shown, where `...` is any number of lines."""
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else re.escape(plain(line)) + r"\n" for line in expected)
    text = "".join(plain(line) + "\n" for line in shown)
    assert re.fullmatch(pattern, text), "shown instead:\n" + "\n".join(shown)
