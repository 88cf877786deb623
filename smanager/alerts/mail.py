"""Delivers a note by mail."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from smanager.alerts.attempts import DeliveryError
from smanager.alerts.blocking import TimedConnection, trusting, within
from smanager.alerts.message import Note
from smanager.alerts.secret import Vault

STARTTLS, TLS, NONE = "starttls", "tls", "none"


async def send(given: Mapping[str, Any], note: Note, seconds: float, vault: Vault) -> None:
    """Send a note. Raises DeliveryError and SecretError."""
    user, password = vault.filled(given["user"]), vault.filled(given["password"])
    if not (user + password).isascii():  # smtplib sends no others
        raise DeliveryError("user and password should have only ASCII characters", is_final=True)
    host, port = given["server"]
    mail = _mail(given["sender"], given["to"], note)

    def work(connection: TimedConnection) -> None:
        try:
            with MailClient(connection, host, port, given["tls"], given["ca"]) as client:
                if user:
                    client.login(user, password)
                if refused := client.send_message(mail, given["sender"], given["to"]):
                    raise DeliveryError(f"{host} takes no mail for {', '.join(sorted(refused))}", is_final=True)
        except smtplib.SMTPException as error:
            raise _in_words(host, error) from None

    await within(seconds, host, work)


def _mail(sender: str, to: list[str], note: Note) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, ", ".join(to)
    mail["Subject"] = " ".join(note.summary.split())
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid("smanager", domain=sender.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: so that no robot answers
    mail.set_content(note.text)
    return mail


class MailClient(smtplib.SMTP):
    """Connects by way of a `TimedConnection`, and in the way that is asked for: nothing is sent without TLS instead."""

    def __init__(self, connection: TimedConnection, host: str, port: int, tls: str, ca: str | None) -> None:
        """Raises SMTPException and OSError."""
        self._connection = connection
        self._context = None if tls == NONE else trusting(ca)
        self._begins_with_tls = tls == TLS
        super().__init__(host, port)
        if tls == STARTTLS:
            self.starttls(context=self._context)

    def _get_socket(self, host: str, port: int, timeout: object) -> socket.socket:  # which SMTP_SSL replaces, too
        connected = self._connection.open(host, port)
        if self._context and self._begins_with_tls:
            return self._context.wrap_socket(connected, server_hostname=host)
        return connected


def _in_words(host: str, error: smtplib.SMTPException) -> DeliveryError:
    """What was wrong, without what the server said: that may repeat what was sent."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return DeliveryError(f"{host} does not take the user and password", is_final=True)
        case smtplib.SMTPNotSupportedError():
            return DeliveryError(f"{host} does not offer what is needed: STARTTLS, or a login", is_final=True)
        case smtplib.SMTPRecipientsRefused():
            codes = [code for code, _ in error.recipients.values()]
            return DeliveryError(f"{host} takes no mail for any of the addresses", is_final=min(codes) >= 500)
        case smtplib.SMTPServerDisconnected():
            return DeliveryError(f"{host} has closed the connection")
        case smtplib.SMTPResponseException():
            return DeliveryError(f"{host} answered {error.smtp_code}", is_final=error.smtp_code >= 500)
    return DeliveryError(f"{host}: {type(error).__name__}")
