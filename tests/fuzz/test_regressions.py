"""What a fuzzer has found, and what it goes on from, passes on every Python, without a fuzzer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import CORPUS, target


@pytest.mark.parametrize("kept", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_kept_passes(kept: Path) -> None:
    target(kept.parent.name)(kept.read_bytes())
