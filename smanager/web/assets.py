"""The files of the page, read once: nothing else is ever looked up by the path of a request."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

DIRECTORY = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """A file of the page."""

    body: bytes
    headers: Mapping[str, str]
    tag: str  # changes with the body


def assets() -> dict[str, Asset]:
    """The page's files by the paths that browsers ask for."""
    found = {}
    for path in sorted(DIRECTORY.iterdir()):
        if kind := TYPES.get(path.suffix):
            body = path.read_bytes()
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            headers = {"Content-Type": kind, "ETag": tag, "Cache-Control": "no-cache"}
            found["/" if path.name == "index.html" else f"/{path.name}"] = Asset(body, headers, tag)
    return found
