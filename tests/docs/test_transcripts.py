"""Every transcript, program and configuration on the pages, done as a reader does them."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.markdown import RUN, blocks
from tests.docs.reader import Reader

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CANNOT_BE_RUN = ("needs ", "takes ", "changes ", "ends ")
"""How a reason begins for which a block is not run."""

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def needs(program: str, package: str) -> None:
    """Skip a test whose program is missing; fail it in CI, where every one is installed."""
    if shutil.which(program) is None and not Path(sys.executable).with_name(program).exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {program}; it is in Debian's package {package}")


@pytest.mark.soak  # a page is right on each Python or on none
@every_page
def test_what_the_page_shows_happens(page: Path, tmp_path: Path) -> None:
    to_run = [block for block in blocks(page, ROOT) if (block.language in RUN or block.file) and not block.not_run]
    if not to_run:
        return
    needs("telnet", "inetutils-telnet")
    needs("nc.openbsd", "netcat-openbsd")
    needs("openssl", "openssl")
    if page.name == "fleet.md":
        needs("nats-server", "nats-server")
    reader, wrong = Reader(tmp_path), []
    try:
        for block in to_run:
            try:
                reader.follow(block)
            except Exception as error:  # whose page is told of all its blocks at once
                error.add_note(f"at {block.where}:\n{block.text}")
                wrong.append(error)
    finally:
        reader.close()
    if wrong:
        raise ExceptionGroup(str(page.relative_to(ROOT)), wrong)


@every_page
def test_what_is_not_run_says_why_and_no_other_block_hides_a_transcript(page: Path) -> None:
    for block in blocks(page, ROOT):
        assert block.language, f"{block.where}: the block names no language"
        if block.not_run:
            assert block.not_run.startswith(CANNOT_BE_RUN), block.where
        elif block.language not in RUN:
            assert not re.search(r"^(\$ |>\w)", block.text, re.MULTILINE), block.where
