"""Headers of requests, as `http.client` reads them."""

from __future__ import annotations

from email.message import Message


def headers(**given: str | list[str]) -> Message:
    """Headers with dashes for the underscores of these names; a list is a header that comes several times."""
    made = Message()
    for name, values in given.items():
        for value in [values] if isinstance(values, str) else values:
            made[name.replace("_", "-")] = value
    return made
