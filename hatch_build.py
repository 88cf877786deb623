"""A hook of the build: makes the manual pages, which the wheel installs into share/man."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualPages(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        pages = Path(self.root, "build", "man")
        subprocess.run([sys.executable, "-m", "docs.man", str(pages)], cwd=self.root, check=True)
        for page in pages.iterdir():
            build_data["shared_data"][str(page)] = f"share/man/man{page.suffix[1:]}/{page.name}"
