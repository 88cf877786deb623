"""The pages as a whole: what they name exists, what exists is named, and what is generated is current."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from smanager.supervision.commands.registry import OWN_COMMANDS
from tests.conftest import ROOT, SECONDS
from tests.docs.markdown import blocks
from tests.test_rooms import ROOMS

LARGEST_README = 8192
"""Bytes; the README is the door, not the house."""

DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")
FILE = re.compile(r"`((?:smanager|tests|docs|examples|services|benchmarks)/[\w./-]*\w(?:\.\w+|/))`")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page: Path) -> str:
    """The page without its blocks."""
    text = page.read_text()
    for block in blocks(page, ROOT):
        text = text.replace(block.text, "")
    return text


def anchors(page: Path) -> set[str]:
    """What a link to a place on the page may name: its headings, as GitHub and Sphinx write them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(prose(page)):
        if not target.startswith(("http://", "https://")):
            path = (page.parent / target).resolve() if target else page
            assert path.exists(), f"{target} is not there"
            assert not anchor or anchor in anchors(path), f"{target}#{anchor} is not there"


@every_page
def test_files_that_a_page_names_exist(page: Path) -> None:
    written = {block.file for block in blocks(page, ROOT)}  # which the reader has then
    for name in FILE.findall(prose(page)):
        assert (ROOT / name).exists() or name in written, f"{name} is not there"


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= LARGEST_README


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "index.md").read_text()
    for page in DOCS.glob("*.md"):
        assert page.name == "index.md" or f"]({page.name})" in index, page.name


def test_every_option_is_described() -> None:
    command = [sys.executable, str(ROOT / "smanager.py"), "--help"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
    described = set(re.findall(r"^\| `(-[\w-]+)", (DOCS / "configuration.md").read_text(), re.MULTILINE))
    options = re.findall(r"^  (-[\w-]+)", printed, re.MULTILINE)
    assert set(options) <= described | {"-h"}


def test_every_command_of_the_manager_is_described() -> None:
    table = re.findall(r"^\| (`.+?) \| ", (DOCS / "commands.md").read_text(), re.MULTILINE)
    described = {re.split(r"\W", usage)[0] for row in table for usage in row.split("`")[1::2]}
    assert described == {*OWN_COMMANDS, "help", "exit", "quit"}


def test_the_parameters_of_the_managers_methods_are_those_that_the_page_names() -> None:
    table = re.findall(r"^\| `(\w+)` \|([^|]*)\|", (DOCS / "scripting.md").read_text(), re.MULTILINE)
    described = {name: re.findall(r"`(\w+)`", parameters) for name, parameters in table}
    assert described == {
        name: [parameter.name for parameter in own.command.parameters] for name, own in OWN_COMMANDS.items()
    }


def test_the_architecture_page_has_the_rooms_in_their_order() -> None:
    table = re.findall(r"^\| `smanager/([\w/]+?)(?:/|\.py)` \|", (DOCS / "architecture.md").read_text(), re.MULTILINE)
    assert [name.replace("/", ".") for name in table] == [room for room in ROOMS if room != "__main__"]
