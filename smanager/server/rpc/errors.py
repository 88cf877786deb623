"""What a program's request may be refused for, by the codes of JSON-RPC 2.0 (its section 5.1)."""

from __future__ import annotations

from smanager.commands.arguments import Arguments, accept
from smanager.commands.record import Command, CommandError, Status

PARSE_ERROR, INVALID_REQUEST = -32700, -32600
METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32601, -32602, -32603
FAILED, TOO_MUCH_OUTPUT, NOT_LOGGED_IN = -32000, -32001, -32002  # of the range that the specification leaves to servers
CANCELLED = -32800  # the Language Server Protocol's RequestCancelled


class RequestError(Exception):
    """A request that gets an error instead of a result."""

    def __init__(self, code: int, message: str, data: object = None, identity: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data
        self.identity = identity
        """The request's id, where it could be read and nothing more."""


def accepted(command: Command, name: str, params: object) -> Arguments:
    """A request's params as a command's arguments. Raises RequestError where they are wrong."""
    try:
        return accept(command, name, params)
    except CommandError as error:
        if error.status is not Status.UNUSABLE:
            raise
        raise RequestError(INVALID_PARAMS, str(error)) from None
