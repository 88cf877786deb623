"""How Sphinx makes the pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from smanager import __version__

project = "SManager"
author = "the SManager developers"
project_copyright = "2026, the SManager developers"
release = __version__

extensions = ["myst_parser"]
html_theme = "furo"
html_title = "SManager"
myst_heading_anchors = 3
exclude_patterns = ["_build"]

CONTENTS = {
    "index": {
        "Learn and use": [
            *("tutorial", "services", "programs", "schedules", "alerts", "metrics", "web"),
            *("fleet", "scripting", "assistants", "network", "operations"),
        ],
        "Reference": ["commands", "configuration", "security"],
        "Inside": ["architecture", "performance", "developing"],
    },
    "commands": {"": ["reference/commands"]},
    "configuration": {"": ["reference/configuration"]},
}
"""What stands below a page. It is added here, so that the pages themselves are plain Markdown."""


def add_contents(app: Any, page: str, source: list[str]) -> None:
    for caption, pages in CONTENTS.get(page, {}).items():
        lines = ["```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else []), "", *pages, "```"]
        source[0] += "\n" + "\n".join(lines) + "\n"


def setup(app: Any) -> None:
    app.connect("source-read", add_contents)
