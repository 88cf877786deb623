"""The manual pages: complete, and without a complaint of the programs that show them."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import tshell
from docs.man import pages, write
from smanager.config import options as command_line
from smanager.config.completion import all_parsers, options
from smanager.config.file import TABLES

NAMES = ["smanager.1", "tshell.1", "smanager.toml.5"]


def plain(name: str) -> str:
    return re.sub(r"\\f.|\\&", "", pages()[name]).replace("\\-", "-").replace("\\e", "\\")


def test_every_option_and_every_subcommand_is_in_the_managers_page() -> None:
    page = plain("smanager.1")
    for parser in all_parsers(command_line.parser()):
        assert parser.prog in page
        assert parser.description, parser.prog
        for action in options(parser):
            assert all(option in page for option in action.option_strings)


def test_every_option_is_in_the_clients_page() -> None:
    page = plain("tshell.1")
    for action in options(tshell.parser()):
        assert all(option in page for option in action.option_strings)
    assert "--words" not in page


def test_every_key_is_in_the_configurations_page() -> None:
    page = plain("smanager.toml.5")
    for keys in TABLES.values():
        for name, key in keys.items():
            assert f"\n.B {name}\n{key.meaning}" in page


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "command", [["groff", "-man", "-Tutf8", "-ww", "-z"], ["mandoc", "-Tlint", "-Wwarning"]], ids=["groff", "mandoc"]
)
def test_the_programs_that_show_a_page_have_no_complaint(name: str, command: list[str], tmp_path: Path) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    (page,) = [path for path in write(tmp_path) if path.name == name]
    result = subprocess.run([*command, str(page)], capture_output=True, text=True, timeout=20, check=False)
    complaints = [line for line in (result.stdout + result.stderr).splitlines() if "missing date" not in line]
    assert complaints == []


def test_an_installed_wheel_brings_the_pages() -> None:
    try:
        files = importlib.metadata.files("smanager-shell") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("nothing is installed: the tests run from the checkout")
    assert {file.name for file in files} >= set(NAMES)
