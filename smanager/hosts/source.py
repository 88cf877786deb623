"""The services files of a directory, and what tells one from what it was before."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def fingerprint(path: Path) -> list[object]:
    """Tells a services file from what it was before: its own time and size, or those of all files in a package."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    found: list[object] = []
    for file in files:
        with suppress(FileNotFoundError):
            status = file.stat()
            found.append([str(file), status.st_mtime_ns, status.st_size])  # as JSON returns it
    return found


def services_files(directory: Path) -> list[Path]:
    """The files and packages of a services directory that may hold services, by name."""
    return sorted(
        path
        for path in directory.iterdir()
        if not path.name.startswith(("_", "."))
        and (path.suffix == ".py" or (os.access(path, os.X_OK) and (path / "__init__.py").is_file()))
    )
