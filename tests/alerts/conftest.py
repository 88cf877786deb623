"""The receivers that the tests of deliveries share: each takes a while to start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alerts.receivers import HttpReceiver, MailReceiver, server_context
from tests.certificates import make_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    make_certificates(directory, clients=[])
    return directory


@pytest.fixture(scope="module")
def http_server() -> Iterator[HttpReceiver]:
    receiver = HttpReceiver()
    yield receiver
    receiver.close()


@pytest.fixture
def http(http_server: HttpReceiver) -> HttpReceiver:
    http_server.forget()
    return http_server


@pytest.fixture(scope="module")
def https(certificates: Path) -> Iterator[HttpReceiver]:
    receiver = HttpReceiver(server_context(certificates))
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def mail_server() -> Iterator[MailReceiver]:
    receiver = MailReceiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def mail_server_with_tls(certificates: Path) -> Iterator[MailReceiver]:
    receiver = MailReceiver(server_context(certificates))
    yield receiver
    receiver.close()
