"""The client as a library: `smanager_cmd`, calls and streams, and what it loads and limits."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tshell
from tests.conftest import SECONDS, Server, wait_for
from tests.tshell.conftest import Stub


def test_smanager_cmd_returns_text_with_a_status(stub: Stub) -> None:
    reply = tshell.smanager_cmd("127.0.0.1", stub.port, "hostname")
    assert (reply, reply.status) == ("box\n", 0)
    assert isinstance(reply, str)
    assert tshell.smanager_cmd("127.0.0.1", stub.port, "partly").status == 1


def test_an_error_answer_without_an_id_fails_the_call(stub: Stub) -> None:
    with tshell.Client("127.0.0.1", stub.port) as client:
        with pytest.raises(tshell.CallError, match="not JSON: Infinity"):
            client.execute("null")
        assert client.execute("hostname") == "box\n"


def test_smanager_cmd_raises_connectionerror_without_a_server(free_port: int) -> None:
    with pytest.raises(ConnectionError, match=f"no SManager answers at 127.0.0.1:{free_port} "):
        tshell.smanager_cmd("127.0.0.1", free_port, "hostname")


def test_a_reply_beyond_the_limit_is_refused(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tshell, "REPLY_LIMIT", 1000)
    with pytest.raises(ConnectionError, match="longer than 1000 bytes"):
        tshell.smanager_cmd("127.0.0.1", stub.port, "big")


def test_keepalive_detects_a_vanished_server() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        tshell.Client("127.0.0.1", listener.getsockname()[1]).connect() as server,
    ):
        assert server.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert server.gettimeout() is None


def test_the_client_stands_alone_and_starts_without_asyncio(tmp_path: Path, stub: Stub) -> None:
    alone = tmp_path / "tshell.py"
    alone.write_bytes(Path(tshell.__file__).read_bytes())
    unwanted = ("asyncio", "pathlib", "smanager", "ssl", "typing")
    code = f"import sys, tshell; print([m for m in {unwanted} if m in sys.modules])"
    command = [sys.executable, "-S", "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, cwd="/", check=True)
    assert done.stdout == b"[]\n"


def test_a_token_is_not_sent_in_the_clear_to_another_machine(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tshell, "is_loopback", lambda address: False)
    with pytest.raises(ConnectionError, match=r"a token would be readable on its way to 127.0.0.1:.*; use --tls"):
        tshell.Client(port=stub.port, token="smt_x").call("hostname")
    assert tshell.Client(port=stub.port).execute("hostname") == "box\n"


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("fd00::2", False),
    ],
)
def test_loopback_addresses_are_recognized(address: str, is_loopback: bool) -> None:
    assert tshell.is_loopback(address) is is_loopback


def test_smanager_cmd_asks_a_real_server(server: Server) -> None:
    reply = tshell.smanager_cmd(server.host, server.port, "help -s")
    assert (reply.splitlines()[1], reply.status) == ("SERVICES: scrapman systemstatus", 0)


def test_a_client_calls_methods_and_iterates_their_items(server: Server) -> None:
    with tshell.Client(server.host, server.port) as client:
        assert client.call("hostname") == "mycomputerhostname"
        assert client.call("systemstatus.args", "a", "b") == "a|b"
        assert client.execute("hostname") == "mycomputerhostname\n"
        assert "systemstatus" in [service["name"] for service in client.call("status")]
        counted = client.stream("systemstatus.count", upto=3)
        assert list(counted) == [0, 1, 2]
        for number in client.stream("systemstatus.count", upto=1_000_000):
            if number == 5:
                break  # leaving the stream ends it
        assert client.call("hostname") == "mycomputerhostname"
        with pytest.raises(tshell.CallError, match="ValueError: no") as caught:
            client.call("systemstatus.fail")
        assert (caught.value.code, caught.value.data) == (-32000, {"type": "ValueError", "message": "no"})
        with pytest.raises(TypeError, match="all by position or all by name"):
            client.call("systemstatus.count", 1, upto=2)


def test_a_client_may_wait_before_its_first_call(server: Server) -> None:
    with tshell.Client(server.host, server.port) as client:
        time.sleep(1)  # longer than the server waits before it takes a silent client for a person
        assert client.call("hostname") == "mycomputerhostname"


def test_a_clients_calls_and_streams_may_overlap(server: Server) -> None:
    with tshell.Client(server.host, server.port) as client:
        for number in client.stream("systemstatus.count", upto=3):
            assert client.call("systemstatus.args", str(number)) == str(number)
        one, other = (client.stream("systemstatus.count", upto=1000) for _ in range(2))
        assert all(first == second for first, second in zip(one, other, strict=True))
        late = client.stream("systemstatus.count", upto=1000)
        assert client.call("hostname") == "mycomputerhostname"
        assert list(late) == list(range(1000))
        assert list(late) == []
        twice = client.stream("systemstatus.count", upto=4)
        assert list(zip(twice, twice, strict=True)) == [(0, 1), (2, 3)]
        one = client.stream("systemstatus.count", upto=1_000_000)
        one.close()
        assert (list(one), client.call("hostname")) == ([], "mycomputerhostname")


def test_a_stream_that_is_left_ends_its_method_without_another_call(server: Server) -> None:
    with tshell.Client(server.host, server.port) as client:
        for line in client.stream("systemstatus.lines", upto=100_000_000, length=4000):
            if int(line) == 5:
                break
            time.sleep(0.1)  # lets the server fill all buffers
        wait_for(lambda: server.ask("jobs") == "", "the end of the method")


def test_the_number_of_unread_items_is_limited(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tshell.UNREAD_LIMIT", 10)
    with tshell.Client(server.host, server.port) as client:
        stream = client.stream("systemstatus.lines", upto=5000, length=2000)  # more than all buffers hold
        with pytest.raises(tshell.CallError, match="10 items of other streams are unread; read or close those first"):
            client.call("systemstatus.wait")
        assert list(map(int, stream)) == list(range(5000))
        assert client.call("hostname") == "mycomputerhostname"
        wait_for(lambda: client.call("jobs") == [], lambda: f"the end of {client.call('jobs')}")


def test_values_outside_json_are_refused_before_sending(server: Server) -> None:
    with tshell.Client(server.host, server.port) as client:
        with pytest.raises(ValueError, match="not JSON compliant"):
            client.call("systemstatus.echo", float("nan"))
        assert client.call("systemstatus.echo", 0.5) == 0.5
