"""Origins: the text for people and journal, and what failures and sessions are counted by."""

from __future__ import annotations

import pytest

from smanager.access.origin import CONSOLE, MANAGER, RELOAD, SHUTDOWN, SIGHUP, Origin, OriginKind


def tcp(host: str) -> Origin:
    return Origin(OriginKind.TCP, host, 40000)


@pytest.mark.parametrize(
    ("origin", "text", "network"),
    [
        (tcp("192.0.2.1"), "192.0.2.1:40000", "192.0.2.1"),
        (tcp("2001:db8:1:2:3::4"), "[2001:db8:1:2:3::4]:40000", "2001:db8:1:2::/64"),
        (tcp("fe80::1%eth0"), "[fe80::1%eth0]:40000", "fe80::/64"),
        (tcp("::ffff:192.0.2.1"), "[::ffff:192.0.2.1]:40000", "192.0.2.1"),  # a socket for both families
        (tcp("::1"), "[::1]:40000", "::/64"),
        (Origin(OriginKind.TCP), "a TCP connection", "a TCP connection"),  # the client was gone at once
        (
            Origin(OriginKind.UNIX, user="anna", process=4242),
            "a unix socket, user anna, process 4242",
            "a unix socket, user anna",
        ),
        (Origin(OriginKind.UNIX), "a unix socket", "a unix socket"),  # the system tells no peer
        (CONSOLE, "the console", "the console"),
        (MANAGER, "the manager", "the manager"),
        (SHUTDOWN, "the manager's end", "the manager's end"),
        (RELOAD, "a reload", "a reload"),
        (SIGHUP, "SIGHUP", "SIGHUP"),
    ],
)
def test_text_and_network(origin: Origin, text: str, network: str) -> None:
    assert (str(origin), origin.network) == (text, network)


def test_one_client_has_a_whole_ipv6_network_and_one_ipv4_address() -> None:
    assert tcp("2001:db8::1").network == tcp("2001:db8::ffff:ffff:ffff:ffff").network
    assert tcp("2001:db8::1").network != tcp("2001:db8:0:1::1").network
    assert tcp("192.0.2.1").network != tcp("192.0.2.2").network
