"""The manager's own commands: how services are named, waited for and followed."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.conftest import Server, is_in, read_until
from tests.live.clients import Program
from tests.live.samples import CHAIN, SERVICES, SLOW_STOP


def test_patterns_and_all_name_several(reloaded: Callable[..., Server]) -> None:
    server = reloaded(CHAIN)
    is_in(server, "web", "running")
    assert {line.split(":")[0] for line in server.ask("stop a*").splitlines()} == {"app"}
    assert {line.split(":")[0] for line in server.ask("start all").splitlines()} == {"app", "database", "web"}
    assert server.ask("stop nobody*").startswith("*** unknown service nobody*; known: app, database, web")
    assert server.ask("stop") == "*** stop: which service? usage: stop SERVICE ..., or all\n"


def test_wait_fails_in_time_and_says_how_things_are(reloaded: Callable[..., Server]) -> None:
    server = reloaded(steady=SERVICES)
    assert server.ask("wait steady stopped --timeout 0.1") == (
        "*** wait: not stopped within 0.1 s: steady is running\n"
    )
    assert server.ask("wait steady gone").startswith("*** wait: state: 'gone' should be one of stopped, starting, ")
    assert server.ask("wait").startswith("*** wait: too few arguments: services, state missing; usage: wait ")


def test_who_waits_is_told_how_things_are(reloaded: Callable[..., Server]) -> None:
    server = reloaded(SLOW_STOP)
    is_in(server, "slow", "running")
    assert server.ask("wait slow stopped --timeout 5.5").splitlines() == [
        "slow: still running",
        "*** wait: not stopped within 5.5 s: slow is running",
    ]


COMPLETIONS = {
    "stat": ["status"],
    "status d": ["database"],
    "logs ": ["app", "database", "web"],
    "logs -": ["--count", "--follow", "--grep", "--json", "--since", "-f", "-n"],
    "events -f -": ["--count", "--grep", "--json", "--since", "-n"],
    "wait web st": ["starting", "stopped", "stopping"],
    "wait web running --": ["--json", "--timeout"],
    "reload --d": ["--dry-run"],
    "signal web HU": ["HUP"],
    "plan ": ["restart", "stop"],
    "plan stop w": ["web"],
    "web sto": ["stop"],
    "web wait runn": ["running"],
}


def test_tab_completes_services_states_signals_and_options(reloaded: Callable[..., Server]) -> None:
    with reloaded(CHAIN).connect() as connection:
        program = Program(connection)
        found = {line: program.call(line, "shell.complete")["matches"] for line in COMPLETIONS}
    assert found == COMPLETIONS


def test_inside_a_service_its_name_is_not_needed(reloaded: Callable[..., Server]) -> None:
    server = reloaded(steady=SERVICES)
    with server.connect() as connection:
        connection.sendall(b"\xff\xfd\x01\xff\xfd\x03")
        read_until(connection, b"\r\n>")
        connection.sendall(b"steady\rstatus\rstop\r")
        shown = read_until(connection, b"steady: stopped (by ")
        assert b"neighbour" not in shown.partition(b"steady>status")[2].replace(b"-neighbour", b"")


def test_logs_are_followed_until_ctrl_c(reloaded: Callable[..., Server]) -> None:
    server = reloaded('[services.ticks]\nprogram = ["sh", "-c", "while :; do echo tick; sleep 0.05; done"]')
    is_in(server, "ticks", "running")
    with server.connect() as connection:
        connection.sendall(b"\xff\xfd\x01\xff\xfd\x03")
        read_until(connection, b"\r\n>")
        connection.sendall(b"logs -f ticks\r")
        for _ in range(5):
            read_until(connection, b" ticks: tick\r\n")
        connection.sendall(b"\x03hostname\r")
        read_until(connection, b">hostname\r\n")
    assert re.fullmatch(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ticks: tick\n){3}", server.ask("logs -n 3 ticks"))
