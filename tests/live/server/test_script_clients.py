"""Scripts' own clients: what `echo COMMAND | nc HOST PORT` prints, with each of the programs that people call nc.

All that such a client may print is the answer: no prompt, no telnet byte, no separator, and it has to end
by itself. Most of them never say that they have sent their last line, so the server ends the session.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import SECONDS, SEED_SERVICE, Server, write_service
from tests.live.clients import needs

UPTIME = " 12:20:43 up 12 days, 14:36,  6 users,  load average: 0.28, 0.39, 0.46\n"
HOSTNAME = "mycomputerhostname\n"

PROBE_SERVICE = '''
import time

from smanager import SService


NUMBERS = "".join(f"{number:9}\\n" for number in range(100_000))

class Probe(SService):
    """Answers that try a client's patience and its buffers"""

    def cmd_slow(self):
        """Answers later than the server waits for the rest of a line"""
        time.sleep(0.7)
        return "slow"

    def cmd_numbers(self, count):
        """Numbered lines of ten bytes"""
        return NUMBERS[: 10 * int(count)]  # at once: some clients wait for half a second only
'''


@dataclass(frozen=True)
class Client:
    """A program that sends its standard input to a port, and prints what comes back."""

    command: str
    package: str
    """Debian's package that it is in."""

    half_closes: bool = False
    """Whether it tells the server that its input has ended."""

    patient: bool = True
    """Whether it waits for the server, and not half a second or one only."""


CLIENTS = [
    Client("nc.openbsd {host} {port}", "netcat-openbsd"),
    Client("nc.openbsd -N {host} {port}", "netcat-openbsd", half_closes=True),
    Client("nc.openbsd -q 1 {host} {port}", "netcat-openbsd", half_closes=True),
    Client("nc.openbsd -w 2 -C {host} {port}", "netcat-openbsd"),
    Client("nc.traditional {host} {port}", "netcat-traditional"),
    Client("nc.traditional -q1 {host} {port}", "netcat-traditional", half_closes=True, patient=False),
    Client("ncat {host} {port}", "ncat", half_closes=True),
    Client("ncat -C {host} {port}", "ncat", half_closes=True),
    Client("busybox nc {host} {port}", "busybox", half_closes=True),
    Client("socat - TCP:{host}:{port}", "socat", half_closes=True, patient=False),
    Client("plink -batch -raw -P {port} {host}", "putty-tools", half_closes=True),
    Client("bash -c 'exec 3<>/dev/tcp/{host}/{port}; cat >&3; cat <&3'", "bash"),
    Client("curl --silent telnet://{host}:{port}", "curl"),
]


def all_of(clients: list[Client]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", clients, ids=lambda client: client.command)


every_client = all_of(CLIENTS)
patient_clients = all_of([client for client in CLIENTS if client.patient])
half_closing_clients = all_of([client for client in CLIENTS if client.half_closes])


def run(server: Server, client: Client, script: str) -> subprocess.CompletedProcess[bytes]:
    """Send a script through a client. Raises TimeoutExpired where the client does not end by itself."""
    command = shlex.split(client.command.format(host=server.host, port=server.port))
    needs(command[0], client.package)
    return subprocess.run(command, input=script.encode(), capture_output=True, timeout=SECONDS, check=False)


def assert_answer(server: Server, client: Client, script: str, answer: str) -> None:
    """Check that the client prints the answer, and not a byte else."""
    done = run(server, client, script)
    assert (done.returncode, done.stdout, done.stderr) == (0, answer.encode(), b"")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("scripts") / "services"
    write_service(directory, SEED_SERVICE)
    write_service(directory, PROBE_SERVICE, "probe.py")
    server = Server("--services", str(directory))
    yield server
    server.stop()


@every_client
@pytest.mark.parametrize(
    ("script", "answer"),
    [
        pytest.param("systemstatus uptime", UPTIME, id="without a newline"),
        pytest.param("systemstatus uptime\n", UPTIME, id="a line"),
        pytest.param("systemstatus uptime\r\nhostname", UPTIME + HOSTNAME, id="CRLF"),
        pytest.param("systemstatus uptime\nhostname\n", UPTIME + HOSTNAME, id="two lines"),
        pytest.param("hostname\n\nhostname\nhostname", HOSTNAME * 3, id="the last of several without a newline"),
        pytest.param("systemstatus uptime; hostname", UPTIME + HOSTNAME, id="two commands on a line"),
    ],
)
def test_a_client_prints_the_answer_alone_and_ends(server: Server, client: Client, script: str, answer: str) -> None:
    assert_answer(server, client, script, answer)


@patient_clients
def test_a_command_that_takes_longer_than_the_quiet_time_is_waited_for(server: Server, client: Client) -> None:
    assert_answer(server, client, "probe slow", "slow\n")


@every_client
@pytest.mark.parametrize("size", [300_000, 1_000_000])
def test_a_long_answer_arrives_whole(server: Server, client: Client, size: int) -> None:
    done = run(server, client, f"probe numbers {size // 10}")
    # Compared outside of `assert`, which would take minutes to tell two such answers apart.
    expected = b"".join(b"%9d\n" % number for number in range(size // 10))
    whole = done.stdout == expected
    assert whole, f"{len(done.stdout)} bytes came of {size}: {done.stdout[:60]!r} ... {done.stdout[-60:]!r}"
    assert done.returncode == 0


@every_client
def test_an_error_is_one_line_that_begins_with_stars_and_the_script_goes_on(server: Server, client: Client) -> None:
    done = run(server, client, "systemstatus nonesuch\nhostname")
    error, *others = done.stdout.decode("ascii").splitlines(keepends=True)
    assert error.startswith("*** systemstatus has no command nonesuch; ")
    assert others == [HOSTNAME]
    assert done.returncode == 0


@half_closing_clients
def test_a_client_with_nothing_to_say_ends_and_prints_nothing(server: Server, client: Client) -> None:
    assert_answer(server, client, "", "")


@pytest.mark.parametrize("newline", ["echo -n", "echo"])
def test_a_script_that_is_slow_to_begin_gets_a_clean_answer(server: Server, newline: str) -> None:
    needs("nc.openbsd", "netcat-openbsd")
    pipeline = f"(sleep 0.15; {newline} hostname) | nc.openbsd -N {server.host} {server.port}"
    done = subprocess.run(["bash", "-c", pipeline], capture_output=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout) == (0, HOSTNAME.encode())


@pytest.mark.parametrize(
    ("request_options", "protocol"),
    [
        pytest.param(["--data-binary", "\nkill\n", "http://{host}:{port}/"], "HTTP", id="HTTP"),
        pytest.param(["--insecure", "https://{host}:{port}/"], "TLS", id="TLS"),
    ],
)
def test_another_protocol_is_closed_and_logged_and_nothing_of_it_is_run(
    server: Server, request_options: list[str], protocol: str
) -> None:
    needs("curl", "curl")
    options = [option.format(host=server.host, port=server.port) for option in request_options]
    done = subprocess.run(
        ["curl", "--silent", *options], stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
    )
    assert done.returncode != 0
    assert done.stdout == b""
    server.wait_for_log(f"closed: the client speaks {protocol}")
    assert server.ask("hostname") == HOSTNAME
