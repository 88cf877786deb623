"""What a manager never imports where its configuration has no use for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROGRAM = """
import sys
from smanager.cli import main

main(["--check", "--config", "smanager.toml", "--services", "services"])
parts = ("alert", "metric", "schedule", "smanager.web", "smanager.config.web")
libraries = ("http.client", "http.server", "smtplib", "zoneinfo")
print([name for name in sys.modules if name in libraries or any(part in name for part in parts)])
"""


@pytest.mark.parametrize("text", ["", "[alerts]\n[schedules]\n"])
def test_nothing_is_imported_for_alerts_metrics_schedules_and_the_page_where_there_are_none(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "smanager.toml").write_text(text)
    (tmp_path / "services").mkdir()
    command = [sys.executable, "-c", PROGRAM]
    result = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stdout == "no problems found\n[]\n", result.stderr
