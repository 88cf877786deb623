"""People's own clients in a real terminal: telnet with the server's line editor, and raw connections line by line.

The terminal is tmux's: keys go in as a person types them, and what is checked is what a person would see.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests.conftest import SECONDS, SEED_SERVICE, Server, wait_for, write_service
from tests.live.clients import needs
from tests.live.server.window import BANNER, DEBIAN_PACKAGES, SEPARATOR, Window, opened

PATIENCE_SERVICE = '''
import time
from pathlib import Path

from smanager import SService

RUNNING, KEY = (Path(__file__).with_name(name) for name in ("running", "key"))


class Patience(SService):
    """Commands that end when they are told to"""

    def cmd_hush(self):
        """Prints nothing for an hour"""
        RUNNING.touch()
        time.sleep(3600)

    def cmd_door(self):
        """Waits for a key"""
        RUNNING.touch()
        while not KEY.exists():
            time.sleep(0.01)
        return "open"
'''

HOSTNAME = ["mycomputerhostname", SEPARATOR]
UPTIME = [" 12:20:43 up 12 days, 14:36,  6 users,  load average: 0.28, 0.39, 0.46", SEPARATOR]
BYE = "bye; if your client stays, press Enter"

INETUTILS = "telnet {host} {port}"
BUSYBOX = "busybox telnet {host} {port}"
PLINK = "plink -telnet -P {port} {host}"


telnet_clients = pytest.mark.parametrize("client", [INETUTILS, BUSYBOX, PLINK])
on_a_dumb_terminal = pytest.mark.parametrize("client", ["env TERM=dumb telnet {host} {port}"])
raw_clients = pytest.mark.parametrize(
    "client",
    [
        "nc.openbsd {host} {port}",
        "nc.traditional {host} {port}",
        "ncat {host} {port}",
        "busybox nc {host} {port}",
        "socat - TCP:{host}:{port}",
    ],
)


@pytest.fixture(scope="module")
def patient_services(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("people") / "services"
    write_service(directory, SEED_SERVICE)
    write_service(directory, PATIENCE_SERVICE, "patience.py")
    return directory


@pytest.fixture
def copied(tmp_path: Path, patient_services: Path) -> Path:
    """The services of another configuration, for a manager of its own."""
    return Path(shutil.copytree(patient_services, tmp_path / "services"))


@pytest.fixture(scope="module")
def server(patient_services: Path) -> Iterator[Server]:
    server = Server("--services", str(patient_services))
    yield server
    server.stop()


@pytest.fixture
def window(client: str, server: Server) -> Iterator[Window]:
    """The client that a test is parametrized with."""
    with opened(client, server) as window:
        yield window


@pytest.fixture
def running(patient_services: Path) -> Path:
    """A file that is there when one of the patience service's commands has begun."""
    path = patient_services / "running"
    path.unlink(missing_ok=True)
    return path


# Telnet: the server edits the line.


@telnet_clients
def test_tab_completes_one_match_and_lists_several(window: Window) -> None:
    window.type("sys")
    window.press("Tab")
    window.shows(">systemstatus")
    window.press("Tab")
    window.shows(
        ">systemstatus",
        "audit      figures    logs       rerun      start      wait",
        "broadcast  help       output     restart    status     watch",
        "cancel     hostname   plan       runs       stop       who",
        "events     jobs       quit       services   top        whoami",
        "exit       kick       reload     signal     uptime     why",
        ">systemstatus",
    )
    window.type("up")
    window.press("Tab")
    window.shows(">systemstatus uptime")
    window.press("Enter")
    window.shows(">systemstatus uptime", *UPTIME, ">")


@telnet_clients
def test_each_line_of_a_page_starts_in_the_first_column(window: Window, server: Server) -> None:
    window.enter("help")
    window.shows(">help", *server.ask("help").splitlines(), SEPARATOR, ">")


@telnet_clients
def test_history_is_walked_and_searched(window: Window) -> None:
    window.enter("hostname")
    window.enter("systemstatus uptime")
    window.shows(">systemstatus uptime", *UPTIME, ">")
    window.press("Up", "Up")
    window.shows(*UPTIME, ">hostname")
    window.press("Enter")
    window.shows(*UPTIME, ">hostname", *HOSTNAME, ">")
    window.press("C-r")
    window.type("upt")
    window.shows("(reverse-i-search)'upt': systemstatus uptime")
    window.press("Enter")
    window.shows(*HOSTNAME, ">systemstatus uptime", *UPTIME, ">")


@telnet_clients
def test_ctrl_c_drops_a_line_and_cancels_a_silent_command(window: Window, running: Path) -> None:
    window.type("host")
    window.shows(">host")  # before the terminal throws away, upon Ctrl-C, what it has not shown yet
    window.press("C-c")
    window.shows(">host^C", ">")
    window.enter("patience hush")
    wait_for(running.exists, "the command to begin")
    window.press("C-c")
    window.shows(
        ">patience hush",
        "*** patience hush: cancelled, but it still runs; `jobs` lists it until it ends",
        SEPARATOR,
        ">",
    )


@telnet_clients
def test_ctrl_d_goes_up_and_out(window: Window) -> None:
    window.enter("systemstatus")
    window.shows("systemstatus>")
    window.press("C-d")
    window.shows("systemstatus>", ">")
    window.press("C-d")
    wait_for(window.ended, "the end of the session")


@telnet_clients
def test_wide_and_accented_characters_are_typed_and_erased(window: Window) -> None:
    window.type("hosté日本")
    window.shows(">hosté日本")
    window.press("BSpace", "BSpace", "BSpace")
    window.shows(">host")
    window.enter("name")
    window.shows(">hostname", *HOSTNAME, ">")


CANCELLED = "*** patience hush: cancelled, but it still runs; `jobs` lists it until it ends"


def wrapped(line: str, columns: int) -> list[str]:
    return [line[begin : begin + columns] for begin in range(0, len(line), columns)]


@telnet_clients
def test_a_long_line_wraps_and_can_be_edited_above_its_last_row(window: Window) -> None:
    line = "0123456789" * 20
    window.type(line)
    window.shows(SEPARATOR, *wrapped(">" + line, Window.COLUMNS))
    window.press("C-a")
    window.type("first")
    window.shows(SEPARATOR, *wrapped(">first" + line, Window.COLUMNS))


@pytest.mark.parametrize("client", [INETUTILS, PLINK])  # busybox tells nobody of a new size
@pytest.mark.parametrize("columns", [60, 120])
def test_a_long_line_wraps_right_after_a_resize(window: Window, columns: int) -> None:
    line = "0123456789" * 20
    window.type(line)
    window.shows(SEPARATOR, *wrapped(">" + line, Window.COLUMNS))
    window.resize(columns)
    window.type("last")  # shown when the client has also passed on the new size
    window.shows(SEPARATOR, *wrapped(f">{line}last", columns))
    window.press("C-a")
    window.type("first")
    window.shows(SEPARATOR, *wrapped(f">first{line}last", columns))


@telnet_clients
def test_what_is_typed_while_a_command_runs_is_run_after_it(
    window: Window, patient_services: Path, running: Path
) -> None:
    key = patient_services / "key"
    key.unlink(missing_ok=True)
    window.type("patience door\rhostname\rsys\t")  # at one go: it is there before the door is opened
    wait_for(running.exists, "the command to begin")
    key.touch()
    window.shows(">patience door", "open", SEPARATOR, ">hostname", *HOSTNAME, ">systemstatus")


@telnet_clients
def test_who_is_typing_when_the_server_stops_is_told(start: Callable[..., Server], copied: Path, client: str) -> None:
    server = start("--services", copied)
    with opened(client, server) as window:
        window.type("half a li")
        window.shows(">half a li")
        server.stop()
        wait_for(window.ended, "the end of the session")
        rows = window.rows()
    after = rows[rows.index("SManager is stopping") + 1 :]
    assert not any(row.startswith(">") for row in after), "a prompt where nothing can be typed any more"


def test_a_program_converses_over_telnet_as_a_person_does(server: Server) -> None:
    needs("telnet", DEBIAN_PACKAGES["telnet"])
    client = pexpect.spawn("telnet", [server.host, str(server.port)], timeout=SECONDS, encoding="utf-8")
    try:
        client.expect_exact("\r\n>")
        client.sendline("hostname")
        client.expect_exact("\r\nmycomputerhostname\r\n" + SEPARATOR + "\r\n>")
        client.sendline("quit")
        client.expect(pexpect.EOF)
    finally:
        client.close(force=True)


# Line mode: the client, or the terminal it runs in, edits the line.


@raw_clients
def test_a_person_on_a_raw_connection_has_a_plain_and_usable_session(window: Window) -> None:
    assert window.rows() == [*BANNER, ">"]
    window.enter("systemstatus uptime")
    window.shows(">systemstatus uptime", *UPTIME, ">")
    window.enter("systemstatus")
    window.shows(">systemstatus", "systemstatus>")
    window.enter("hostname")
    window.shows("systemstatus>hostname", *HOSTNAME, "systemstatus>")
    window.enter("exit")
    window.shows("systemstatus>exit", ">")
    window.enter("quit")
    wait_for(lambda: BYE in window.rows(), "the farewell")

    def ended_by_enter() -> bool:
        window.press("Enter")  # nc.openbsd and ncat see a close only when they next send something
        return window.ended()

    wait_for(ended_by_enter, "the client's end")


def test_a_person_on_a_raw_connection_is_told_when_the_server_stops(start: Callable[..., Server], copied: Path) -> None:
    server = start("--services", copied)
    with opened("nc.openbsd {host} {port}", server) as window:
        server.stop()
        window.shows("SManager is stopping", BYE)


@pytest.mark.parametrize("client", ["ncat {host} {port}", "busybox nc {host} {port}", "socat - TCP:{host}:{port}"])
def test_ctrl_d_ends_a_raw_session_whose_client_passes_it_on(window: Window) -> None:
    window.press("C-d")
    wait_for(window.ended, "the client's end")


@on_a_dumb_terminal
def test_a_telnet_client_on_a_dumb_terminal_edits_its_own_lines(window: Window) -> None:
    window.enter("sys\tup")
    window.shows(">sys    up", *UPTIME, ">")  # the Tab is one, and completes nothing


@on_a_dumb_terminal
def test_ctrl_c_in_a_telnet_client_that_edits_its_own_lines_does_not_mute_it(window: Window, running: Path) -> None:
    """It sends IP and DO TIMING-MARK, and throws away all output until that is answered, each time."""
    window.type("host")
    window.shows(">host")  # before the terminal throws away, upon Ctrl-C, what it has not shown yet
    window.press("C-c")
    window.shows(">host^C", ">")
    window.enter("patience hush")
    wait_for(running.exists, "the command to begin: upon Ctrl-C the terminal drops a line that was not read yet")
    window.press("C-c")
    window.shows("^C", CANCELLED, SEPARATOR, ">")
    window.enter("hostname")
    window.shows(*HOSTNAME, ">")


@pytest.mark.parametrize("client", [INETUTILS])
def test_a_client_that_takes_its_echo_back_is_not_echoed_as_well(window: Window) -> None:
    window.press("C-]")
    window.shows("telnet>")
    window.enter("mode line")
    window.enter("hostname")
    window.shows(*HOSTNAME, ">")
    assert [row.lstrip(">") for row in window.rows()].count("hostname") == 1
