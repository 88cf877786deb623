"""Errors and exit statuses in words."""

from __future__ import annotations

import errno
import os

import pytest

from smanager.system.errors import exit_reason, in_words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOENT, os.strerror(errno.ENOENT), "/none"), "no such file or directory"),
        (OSError("AF_UNIX path too long"), "af_unix path too long"),
    ],
)
def test_a_system_calls_error_in_words(error: OSError, words: str) -> None:
    assert in_words(error) == words


@pytest.mark.parametrize(
    ("status", "words"), [(3, "exit status 3"), (-9, "killed by SIGKILL"), (-200, "killed by signal 200")]
)
def test_an_exit_status_in_words(status: int, words: str) -> None:
    assert exit_reason(status) == words
