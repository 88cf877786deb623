"""Values that stand elsewhere, because they are secret: `${env:NAME}` and `${file:PATH}` in a setting."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from smanager.system.errors import in_words
from smanager.system.given import secret

SECRET_LIMIT = 64 * 1024  # bytes of a file: tokens are short, keys longer

REFERENCE = re.compile(r"\$\{(env|file):([^{}\0\n]+)\}")

EXAMPLE = "text, whose secrets may be ${env:NAME} or ${file:PATH}"


class SecretError(Exception):
    """A secret cannot be used; the text says why, and does not have it."""


def with_paths(text: str, base: Path) -> str:
    """A setting whose files are named in full, from a directory. Raises ValueError if a reference has no end."""
    if "${" in REFERENCE.sub("", text):
        raise ValueError
    return REFERENCE.sub(lambda match: f"${{file:{_path(match[2], base)}}}" if match[1] == "file" else match[0], text)


def _path(written: str, base: Path) -> Path:
    try:
        return base / Path(written).expanduser()
    except RuntimeError:
        raise ValueError from None


class Vault:
    """The secrets that one delivery has used, so that no error tells them."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def filled(self, text: str) -> str:
        """A setting with its secrets. Raises SecretError."""
        return REFERENCE.sub(self._secret, text)

    def _secret(self, match: re.Match[str]) -> str:
        read: Callable[[str], str] = _variable if match[1] == "env" else _content
        text = read(match[2])
        if not text or not text.isprintable():
            raise SecretError(f"{match[0]} should be one line of text")
        self._used.add(text)
        return text

    def masked(self, text: str) -> str:
        """A text without the secrets that have been used."""
        for used in sorted(self._used, key=len, reverse=True):
            text = re.sub(re.escape(used), "***", text, flags=re.IGNORECASE)  # hosts are shown in lower case
        return text


def _variable(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise SecretError(f"the manager has no environment variable {name}") from None


def _content(path: str) -> str:
    """The line in a file that only its owner, the manager's user or root, may read."""
    try:
        return secret(path, SECRET_LIMIT).decode().strip()
    except OSError as error:
        raise SecretError(f"{path}: {in_words(error)}") from None
    except UnicodeDecodeError:
        raise SecretError(f"{path}: is not UTF-8") from None
