"""What the first modes of a session share: they find out who and what the client is, and run no commands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from smanager.server.session import Session

LOGIN_SECONDS = 60.0  # how long a client may take to log in

MOST_TRIES = 3
"""Wrong passwords and tokens until the session ends."""

log = logging.getLogger("smanager")


class EarlyMode:
    """A mode before the session has a caller and an interpreter."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._connection = session.connection

    def idle(self) -> None:
        """Do nothing: nothing ran."""

    def farewell(self, message: str) -> None:
        """Say nothing: a client that has been told nothing expects nothing."""


class Login(EarlyMode):
    """A mode that checks one proof at a time."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._tries = 0
        self._checking: asyncio.Task[None] | None = None

    def _check(self, work: Coroutine[Any, Any, None]) -> None:
        self._checking = asyncio.ensure_future(work)
        self._checking.add_done_callback(self._end_if_failed)

    def _end_if_failed(self, check: asyncio.Task[None]) -> None:
        """End the session after an internal error, or its client would wait for ever."""
        if not check.cancelled() and (error := check.exception()):
            log.error("internal error in a login", exc_info=error)
            self._connection.finish()
