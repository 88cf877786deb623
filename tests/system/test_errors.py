"""Errors in words."""

from __future__ import annotations

import errno
import os

import pytest

from smanager.system.errors import in_words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOENT, os.strerror(errno.ENOENT), "/none"), "no such file or directory"),
        (OSError("AF_UNIX path too long"), "af_unix path too long"),
    ],
)
def test_a_system_calls_error_in_words(error: OSError, words: str) -> None:
    assert in_words(error) == words
