"""The services files of a directory, and how a change to one is noticed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def fingerprint(path: Path) -> list[object]:
    """Times and sizes of a services file, or of all files in a package; they differ once it has changed."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    prints: list[object] = []
    for file in files:
        with suppress(FileNotFoundError):
            status = file.stat()
            prints.append([str(file), status.st_mtime_ns, status.st_size])  # a list, as JSON returns it
    return prints


def services_files(directory: Path) -> list[Path]:
    """The files and packages in a directory that may hold services. Raises OSError if it cannot be read."""
    return sorted(
        path
        for path in directory.iterdir()
        if not path.name.startswith(("_", "."))
        and (path.suffix == ".py" or (os.access(path, os.X_OK) and (path / "__init__.py").is_file()))
    )
