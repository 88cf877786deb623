"""What Tab offers for a path, looked up in the host, because the paths are the service's."""

from __future__ import annotations

import os
from pathlib import Path


def matching(text: str, *ignored: object) -> list[str]:
    """The paths that begin with `text`, directories with a trailing slash; hidden ones only after a typed dot."""
    directory, _, begun = text.rpartition("/")
    place = Path(f"{directory}/" if "/" in text else ".").expanduser()
    prefix = text[: len(text) - len(begun)]
    try:
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError:
        return []
    return [
        f"{prefix}{entry.name}{'/' * entry.is_dir()}"
        for entry in entries
        if entry.name.startswith(begun) and (begun or not entry.name.startswith("."))
    ]
