"""Completion of the manager's command line, in the shells themselves."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, SECONDS, run_program


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts as the program prints them, in a file for each shell."""
    directory = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "fish", "zsh"):
        printed = run_program(ROOT / "smanager.py", "--complete", shell)
        assert printed.returncode == 0, printed.stderr
        (directory / shell).write_bytes(printed.stdout)
    return directory


def run(shell: str, script: str, directory: Path) -> list[str]:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    result = subprocess.run(
        [shell, "-c", script], capture_output=True, text=True, timeout=SECONDS, check=False, cwd=directory
    )
    assert result.stderr == ""
    return result.stdout.split()


def in_bash(line: str, scripts: Path) -> list[str]:
    words = line.split(" ")
    commands = (
        "source ./bash\n"
        f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}\n"
        f"_smanager smanager {shlex.quote(words[-1])} {shlex.quote(words[-2])}\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    return run("bash", commands, scripts)


CASES = [
    ("smanager us", ["user"]),
    ("smanager --co", ["--config", "--console", "--complete"]),
    ("smanager --complete ", ["bash", "zsh", "fish"]),
    ("smanager --complete z", ["zsh"]),
    ("smanager --config ", []),  # the shell's own completion of files takes over
    ("smanager user ", ["add", "passwd", "roles", "remove", "list", "--help"]),
    ("smanager user re", ["remove"]),
    ("smanager user add anna --ro", ["--roles"]),
    ("smanager user --config x add anna --no", ["--no-password"]),
    ("smanager token ", ["add", "list", "revoke", "--help"]),
    ("smanager token add user --e", ["--expires"]),
    ("smanager token revoke user --e", []),
    ("smanager fleet ", ["init", "add-node", "add-user", "add-site", "remove", "list", "reload", "--help"]),
    ("smanager fleet add-node kiosk7 --l", ["--label"]),
    ("smanager fleet add-user alice --hub ", []),
    ("smanager att", ["attach"]),
]


@pytest.mark.parametrize(("line", "words"), CASES)
def test_bash_completes(line: str, words: list[str], scripts: Path) -> None:
    assert in_bash(line, scripts) == words


def test_bash_takes_the_script_as_its_completion(scripts: Path) -> None:
    registered = run("bash", "source <(cat bash); complete -p smanager", scripts)
    assert registered[-3:] == ["-F", "_smanager", "smanager"]


@pytest.mark.parametrize(("line", "words"), [("smanager tok", ["token"]), ("smanager user re", ["remove"])])
def test_fish_completes(line: str, words: list[str], scripts: Path) -> None:
    script = f"cat fish | source\ncomplete -C {shlex.quote(line)} | string split -f1 \\t"
    assert run("fish", script, scripts) == words


def test_zsh_runs_the_script(scripts: Path) -> None:
    script = "autoload -U compinit && compinit -u -D; source <(cat zsh); echo $_comps[smanager]"
    assert "_smanager" in " ".join(run("zsh", script, scripts))
