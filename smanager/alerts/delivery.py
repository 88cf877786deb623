"""Delivers a note in the way that an alert's table says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smanager.alerts.attempts import DeliveryError
from smanager.alerts.message import Note
from smanager.alerts.secret import SecretError, Vault


async def deliver(given: Mapping[str, Any], note: Note) -> None:
    """Deliver a note once, as an alert's checked table says. Raises DeliveryError."""
    vault = Vault()
    try:
        if given["command"]:
            from smanager.alerts.command import run

            await run(given["command"], note, given["timeout"])
        elif given["webhook"]:
            from smanager.alerts.webhook import post

            await post(given["webhook"], note, given["timeout"], vault)
        else:
            from smanager.alerts.mail import send

            await send(given["mail"], note, given["timeout"], vault)
    except SecretError as error:
        raise DeliveryError(str(error), is_final=True) from None
    except DeliveryError as error:
        raise DeliveryError(vault.masked(str(error)), error.is_final, error.wait) from None
