from __future__ import annotations

import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from smanager.server.tls import RECORD, TlsCodec


class Client:
    """The other side, as a codec too."""

    def __init__(self, certificate: Path) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=certificate)
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def shake_hands(self, codec: TlsCodec) -> None:
        for _ in range(3):
            with suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            codec.receive(self.outgoing.read())
            self.incoming.write(codec.take_output())

    def read(self, codec: TlsCodec) -> bytes:
        self.incoming.write(codec.take_output())
        pieces = []
        with suppress(ssl.SSLWantReadError):
            while piece := self.tls.read(RECORD):
                pieces.append(piece)
        return b"".join(pieces)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost"
    command += " -addext keyUsage=critical,digitalSignature,keyCertSign"  # without it Python 3.13 trusts none
    subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    return directory / "cert.pem"


@pytest.fixture
def codec(certificate: Path) -> TlsCodec:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return TlsCodec(context)


@pytest.fixture
def client(certificate: Path, codec: TlsCodec) -> Client:
    client = Client(certificate)
    client.shake_hands(codec)
    assert codec.is_open
    return client


@pytest.mark.parametrize("size", [1, RECORD, 5 * RECORD + 1])
def test_text_of_any_length_goes_both_ways(client: Client, codec: TlsCodec, size: int) -> None:
    client.tls.write(b"x" * size)
    assert codec.receive(client.outgoing.read()) == b"x" * size
    codec.send(b"y" * size)
    assert client.read(codec) == b"y" * size


def test_text_arrives_in_pieces_of_one_byte(client: Client, codec: TlsCodec) -> None:
    client.tls.write(b"status\n")
    pieces = [codec.receive(bytes([byte])) for byte in client.outgoing.read()]
    assert b"".join(pieces) == b"status\n"


def test_a_client_that_has_ended_its_side_is_still_answered(client: Client, codec: TlsCodec) -> None:
    client.tls.write(b"status\n")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert codec.receive(client.outgoing.read()) == b"status\n"
    assert codec.at_end
    codec.send(b"running\n")
    assert client.read(codec) == b"running\n"
    codec.close()
    with pytest.raises(ssl.SSLZeroReturnError):
        client.read(codec)


def test_what_is_not_tls_is_an_error(codec: TlsCodec) -> None:
    with pytest.raises(ssl.SSLError):
        codec.receive(b"status\n" * 10)


def test_a_client_without_a_certificate_has_none(client: Client, codec: TlsCodec) -> None:
    assert codec.certificate == {}
