"""The completion scripts, in the shells that they are for."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Server
from tests.tshell.conftest import run_on


def words_in_bash(program: str, line: str, directory: Path) -> str:
    script = (
        f"source <({sys.executable} {ROOT / 'tshell.py'} --complete bash)\n"
        f"COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}; _tshell {shlex.quote(program)}\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    return in_shell("bash", script, directory)


def words_in_zsh(program: str, line: str, directory: Path) -> str:
    words = shlex.split(line) + [""] * line.endswith(" ")
    script = (
        'compdef() { }; compadd() { shift; print -rl -- "$@" }\n'
        f"source <({sys.executable} {ROOT / 'tshell.py'} --complete zsh)\n"
        f"words=({shlex.join(words)}) CURRENT={len(words)} PREFIX={shlex.quote(words[-1])}; _tshell\n"
    )
    return in_shell("zsh", script, directory)


def words_in_fish(program: str, line: str, directory: Path) -> str:
    script = (
        f"{sys.executable} {ROOT / 'tshell.py'} --complete fish | source\ncomplete -C {shlex.quote('echo; ' + line)}"
    )
    return in_shell("fish", script, directory)


def in_shell(shell: str, script: str, directory: Path) -> str:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    environment = {**os.environ, "HOME": str(directory)}
    result = subprocess.run(
        [shell, "-c", script], capture_output=True, text=True, timeout=20, check=False, cwd=directory, env=environment
    )
    assert result.stderr == ""
    return result.stdout


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A directory with only a copy of the client, and a file that a pattern could match."""
    directory = tmp_path / "copied"
    directory.mkdir()
    program = directory / "tshell.py"
    program.write_text(f"#!{sys.executable}\n" + (ROOT / "tshell.py").read_text())
    program.chmod(0o755)
    (directory / "one.txt").touch()
    return directory


@pytest.mark.parametrize("words_in", [words_in_bash, words_in_zsh, words_in_fish])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("~/tshell.py -p {} systemstatus up", "uptime\n"),
        ("./tshell.py --json -H 127.0.0.1 --port {} -- systemstatus up", "uptime\n"),
        ("./tshell.py -p{} sys", "systemstatus\n"),
        ("./tshell.py --js", "--json\n"),
        ("./tshell.py --word", ""),
        ("./tshell.py -p ", ""),
        ("./tshell.py -p {} systemstatus choose ", "*.txt\na b\n"),
    ],
)
def test_shells_complete_from_the_server(
    server: Server, copied: Path, words_in: Callable[[str, str, Path], str], line: str, expected: str
) -> None:
    completions = words_in(line.split()[0], line.format(server.port), copied)
    if words_in is words_in_bash:  # the other shells quote on their own
        expected = expected.replace(" ", "\\ ").replace("*", "\\*")
    assert completions.strip() == expected.strip()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_can_parse_its_completion_script(server: Server, shell: str) -> None:
    script = run_on(server, "--complete", shell).stdout
    assert "--words" in script
    if shutil.which(shell):
        check = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, timeout=20, check=False)
        assert (check.returncode, check.stderr) == (0, "")
