"""The certificates of a hub, as Python's ssl takes them."""

from __future__ import annotations

import asyncio
import ssl
import stat
from pathlib import Path

import pytest

from smanager.fleet import authority
from smanager.fleet.authority import alternative_names, make_certificates
from smanager.fleet.hub import HubError
from tests.conftest import SECONDS


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("authority")
    make_certificates(directory, ["hub.example", "localhost", "127.0.0.1", "2001:db8::1"])
    return directory


def handshake(directory: Path, name: str) -> None:
    """Raises ssl.SSLError."""

    async def shake() -> None:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(directory / "server.pem", directory / "server.key")
        client = ssl.create_default_context(cafile=directory / "ca.pem")
        client.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does
        listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server)
        async with listening, asyncio.timeout(SECONDS):
            port = listening.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
            writer.close()

    asyncio.run(shake())


@pytest.mark.parametrize("name", ["hub.example", "localhost", "127.0.0.1", "2001:db8::1"])
def test_a_member_trusts_the_hub_under_each_of_its_names(directory: Path, name: str) -> None:
    handshake(directory, name)


@pytest.mark.parametrize("name", ["other.example", "127.0.0.2"])
def test_a_member_trusts_it_under_no_other_name(directory: Path, name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(directory, name)


def test_keys_are_for_their_owner_only(directory: Path) -> None:
    assert {stat.S_IMODE((directory / name).stat().st_mode) for name in ("ca.key", "server.key")} == {0o600}
    assert sorted(path.name for path in directory.iterdir()) == ["ca.key", "ca.pem", "server.key", "server.pem"]


def test_addresses_are_told_from_names() -> None:
    assert alternative_names(["hub.example", "192.0.2.1", "::1"]) == "DNS:hub.example,IP:192.0.2.1,IP:::1"


def test_a_missing_openssl_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HubError, match=r"^certificates need the program openssl: install it, or "):
        make_certificates(tmp_path, ["hub"])


def test_what_openssl_refuses_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"^openssl x509: .+") as caught:
        make_certificates(tmp_path, ["a,b"])
    assert "\n" not in str(caught.value)
    assert authority.CERTIFICATE not in [path.name for path in tmp_path.iterdir()]
