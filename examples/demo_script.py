"""Sends a service manager one command over a plain socket: nothing to install, a few lines to copy."""

from __future__ import annotations

import os
import socket
import sys

ANSWER_SECONDS = 30  # the longest silence to wait for: a command may take its time

address = os.environ.get("SMANAGER_HOST", "127.0.0.1")
try:
    port = int(os.environ.get("SMANAGER_PORT", "10000"))
except ValueError:
    sys.exit("SMANAGER_PORT should be a port number")


def smanager_cmd(address: str, port: int, command: str) -> str:
    """Return the manager's whole answer; a line that begins with "*** " says what went wrong.

    Raises OSError if no manager answers; after `ANSWER_SECONDS` of silence, its subclass TimeoutError.
    """
    with socket.create_connection((address, port), timeout=ANSWER_SECONDS) as connection:
        connection.sendall(f"{command}\n".encode())
        connection.shutdown(socket.SHUT_WR)  # no more commands: the manager closes the connection after its answer
        with connection.makefile(encoding="utf-8", errors="replace") as answer:
            return answer.read()


if __name__ == "__main__":
    try:
        print(smanager_cmd(address, port, "help -s"), end="")
    except OSError as error:
        sys.exit(f"no answer from smanager at {address}:{port}: {error}")
