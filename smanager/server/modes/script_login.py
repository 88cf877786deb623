"""The login of a script or a program, by the first line that it sends.

A script sends `auth TOKEN`, and gets no answer if the token is valid. A program calls the method `auth`, with a `token`
or with a `user` and a `password`. On a unix socket, the accounts in `relays` may claim by `as NAME` to act for another,
whom the audit journal then names.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

from smanager.access.callers import Caller
from smanager.access.origin import OriginKind
from smanager.access.secrets import SECRET_LIMIT
from smanager.access.users import NAME_LIMIT
from smanager.server.modes.early import LOGIN_SECONDS, MOST_TRIES, Login
from smanager.server.modes.script import QUIET_UNTERMINATED
from smanager.server.newlines import Newlines
from smanager.server.rpc.errors import NOT_LOGGED_IN, RequestError
from smanager.server.rpc.requests import BEFORE_A_REQUEST, decoded, failure, is_request, request_of, response
from smanager.server.session import Session
from smanager.terminal.text import visible

LINE_LIMIT = 4 * SECRET_LIMIT  # bytes of the line by which a client logs in

AUTH, AS, METHOD = b"auth ", b"as ", b'"auth"'
_BEFORE_A_LINE = BEFORE_A_REQUEST.encode()
LOGIN_WORDS = ("auth", "as")
"""Names that no service can have: the words by which a script logs in."""


def is_login(data: bytes, is_all: bool = False) -> bool:
    """Whether a client's first bytes are a login, or may become one unless they are all."""
    line, newline, _ = data.lstrip(_BEFORE_A_LINE).partition(b"\n")
    if line.startswith((AUTH, AS)):
        return True
    if data and not newline and not is_all and any(word.startswith(line) for word in (AUTH, AS)):
        return True
    if line.startswith(b"{") and METHOD in line:
        with suppress(RequestError):
            return request_of(decoded(line.decode(errors="replace"))).method == "auth"
    return False


class ScriptLogin(Login):
    """Takes logins, one a line, until another line comes."""

    def __init__(self, session: Session, go_on: Callable[[bytes], None]) -> None:
        """`go_on` is called once the session has its caller and the client has sent more; it gets these bytes."""
        super().__init__(session)
        self._go_on = go_on
        self._data = b""
        self._newlines = Newlines()
        self._at_end = False
        self._connection.set_timer(LOGIN_SECONDS, self._connection.finish)

    def receive(self, data: bytes) -> None:
        self._data += self._newlines.unified(data)
        if self._session.caller and b"\n" not in self._data:
            self._connection.set_timer(QUIET_UNTERMINATED, self.end_of_input)  # it may be a command's beginning
        self._work()

    def end_of_input(self) -> None:
        self._at_end = True
        self._work()

    def _work(self) -> None:
        while self._checking is None and not self._connection.finishing:
            if self._session.caller and self._data and not is_login(self._data, self._at_end):
                self._connection.clear_timer()
                self._go_on(self._data)
                return
            line, newline, rest = self._data.partition(b"\n")
            if len(line) > LINE_LIMIT:
                self._end("log in first with a line: auth TOKEN")
            elif newline or (self._at_end and line):
                self._data = rest
                self._take(line.decode("utf-8", "surrogateescape").lstrip(BEFORE_A_REQUEST))
            else:
                if self._at_end:
                    self._connection.finish()
                break
        self._connection.hold(self._checking is not None and len(self._data) > LINE_LIMIT)

    def _take(self, line: str) -> None:
        caller = self._session.caller
        if line.startswith("auth "):
            self._check(self._check_token(line[5:].strip()))
        elif is_request(line):
            self._check(self._answer(line))
        elif line.startswith("as ") and caller and self._session.peer.kind is OriginKind.UNIX:
            self._claim(caller, "_".join(visible(line[3:]).split())[:NAME_LIMIT])  # one word wherever it is shown
        else:
            self._end("log in first with a line: auth TOKEN")

    def _claim(self, caller: Caller, behalf: str) -> None:
        """Note for whom the client claims to act, if its account may claim that; if not, go on without the claim."""
        if caller.origin.user in self._session.settings.relays:
            self._session.admit(caller._replace(behalf=behalf))
        else:
            self._session.disbelieve(caller, behalf)

    def _end(self, message: str) -> None:
        self._connection.send(f"*** {message}\n".encode())
        self._connection.finish()

    async def _check_token(self, token: str) -> None:
        caller = await self._session.by_token(token)
        if caller is None:
            self._end("this token is not valid")
        self._done(caller)

    async def _answer(self, line: str) -> None:
        caller = None
        try:
            request = request_of(decoded(line))
            if request.method != "auth":
                raise RequestError(NOT_LOGGED_IN, "log in first with the method auth", identity=request.identity)
            if not (caller := await self._caller_of(request.params)):
                raise RequestError(NOT_LOGGED_IN, "the login is not valid", identity=request.identity)
        except RequestError as error:
            self._reply(failure(error, error.identity))
            self._tries += 1
            if self._tries >= MOST_TRIES:
                self._connection.finish()
        else:
            self._connection.clear_timer()  # a program may stay silent after its login
            self._reply(response(request, None))
        self._done(caller)

    async def _caller_of(self, params: object) -> Caller | None:
        match params:
            case {"token": str(token)} | [str(token)]:
                return await self._session.by_token(token)
            case {"user": str(user), "password": str(password)}:
                return await self._session.by_password(user, password)
        return None

    def _reply(self, answer: object) -> None:
        if answer is not None:
            self._connection.send(json.dumps(answer).encode() + b"\n")

    def _done(self, caller: Caller | None) -> None:
        self._checking = None
        if caller and not self._connection.finishing:
            before = self._session.caller
            self._session.admit(caller._replace(behalf=before.behalf) if before else caller)
        self._work()
