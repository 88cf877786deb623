"""The console on a terminal, with the stdlib's readline."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.conftest import ROOT, SEED_SERVICE, write_service
from tests.terminals import Terminal

SLOW = '''
    from typing import Literal

    def cmd_wait(self):
        """Waits for long"""
        import time
        time.sleep(3600)

    def cmd_speak(self):
        import threading
        threading.Timer(0.3, print, ["spoken later"]).start()

    def cmd_nap(self):
        import time
        time.sleep(0.3)

    def cmd_say(self, words: Literal["two words", "two worlds", "bad\\x1b[2J"], *, loud: bool = False):
        return f"said {words}"

    def cmd_far(self):
        from smanager import Progress
        yield Progress(1, 2)
        yield "arrived"
'''


@pytest.fixture
def console(services: Path) -> Iterator[pexpect.spawn[str]]:
    write_service(services, SEED_SERVICE + SLOW)
    child = Terminal(ROOT / "smanager.py", "--console", "--services", str(services), dimensions=(40, 100))
    child.expect_exact("-systemstatus\r\n" + "-" * 50)
    child.expect(">")
    yield child
    child.close(force=True)


def test_commands_help_and_entering_a_service(console: pexpect.spawn[str]) -> None:
    console.sendline("hostname")
    console.expect_exact("mycomputerhostname\r\n" + "-" * 50)
    console.sendline("systemstatus")
    console.expect_exact("systemstatus>")
    console.sendline("uptime")
    console.expect_exact("load average: 0.28, 0.39, 0.46")
    console.expect_exact("systemstatus>")  # a Ctrl-D means something to readline only, and not to the terminal before
    console.sendeof()
    console.expect_exact("\r\n")
    console.sendline("help -s")
    console.expect_exact("SERVICES: systemstatus\r\n")


def test_tab_completes_as_over_telnet(console: pexpect.spawn[str]) -> None:
    console.send("sys\tup\t\r")
    console.expect_exact("load average: 0.28, 0.39, 0.46")


def test_tab_quotes_words_and_lists_them(console: pexpect.spawn[str]) -> None:
    console.send("systemstatus say tw\t")
    console.expect_exact("\b\b'two wor")
    console.send("\t")
    console.expect_exact("two words   two worlds\r\n>systemstatus say 'two wor")
    console.send("d\t--l\t\r")
    console.expect_exact("said two words\r\n")
    console.send("systemstatus say b\t")
    console.expect_exact("\x07")
    console.send("\x03?systemst\tsay\r")
    console.expect_exact("usage: systemstatus say")


def test_ctrl_c_drops_a_line_and_cancels_a_command(console: pexpect.spawn[str]) -> None:
    console.send("nonsense\x03")
    console.expect_exact("^C")
    console.sendline("systemstatus wait")
    console.expect_exact("systemstatus wait\r\n")
    console.send("\x03")
    console.expect_exact("*** systemstatus wait: cancelled")
    console.sendline("hostname")
    console.expect_exact("mycomputerhostname")


def test_log_lines_go_above_the_line_being_typed(console: pexpect.spawn[str]) -> None:
    console.sendline("systemstatus speak")
    console.expect_exact("-" * 50)
    console.send("host")
    console.expect_exact("systemstatus: spoken later\r\n>host")
    console.send("name\r")
    console.expect_exact("mycomputerhostname")


@pytest.mark.parametrize("way_out", ["quit\r", "exit\r", "\x04", "kill\r"])
def test_every_way_out_ends_with_status_0(console: pexpect.spawn[str], way_out: str) -> None:
    console.send(way_out)
    console.expect(pexpect.EOF)
    console.close()
    assert console.exitstatus == 0


def test_progress_is_shown_in_place_and_goes(console: pexpect.spawn[str]) -> None:
    console.sendline("systemstatus far")
    console.expect_exact("\r[##########..........]  50% 1/2  ")
    console.expect_exact("\r\x1b[Karrived\r\n")


def test_the_end_of_what_goes_on_by_itself_is_announced_above_the_line_being_typed(
    console: pexpect.spawn[str],
) -> None:
    console.sendline("systemstatus nap &")
    console.expect(r"systemstatus nap: begun as job \d+\r\n")
    console.send("host")
    console.expect_exact("systemstatus nap: done\r\n>host")
    console.send("name\r")
    console.expect_exact("mycomputerhostname")


def test_a_request_of_a_program_is_answered_between_lines(console: pexpect.spawn[str]) -> None:
    console.sendline('{"jsonrpc": "2.0", "id": 1, "method": "hostname"}')
    console.expect_exact('{"jsonrpc": "2.0", "id": 1, "result": "mycomputerhostname"}\r\n')
    console.sendline("hostname")
    console.expect_exact("mycomputerhostname\r\n" + "-" * 50)


def test_ctrl_c_gives_up_a_question(console: pexpect.spawn[str], services: Path) -> None:
    other = "from smanager import SService\nclass Other(SService):\n    def cmd_hi(self): return 'hi there'\n"
    write_service(services, other, "other.py")
    console.sendline("reload")
    console.expect_exact("other: running")
    console.sendline("restart")
    console.expect_exact("restart 2 services? [y/N] ")
    console.sendintr()
    console.expect_exact("^C\r\n")
    console.sendline("other hi")
    console.expect_exact("\nhi there")


def test_ctrl_c_is_noticed_as_soon_as_the_prompt_is_there(console: pexpect.spawn[str]) -> None:
    console.delaybeforesend = None
    for _ in range(50):
        console.sendintr()
        console.expect_exact("^C\r\n>")


def test_ctrl_c_twice_ends_nothing(console: pexpect.spawn[str]) -> None:
    console.sendline("systemstatus wait")
    console.expect_exact("systemstatus wait\r\n")
    console.send("\x03\x03\x03\x03")
    console.expect_exact("*** systemstatus wait: cancelled")
    for _ in range(20):
        console.kill(signal.SIGINT)
    console.sendline("hostname")
    console.expect_exact("mycomputerhostname")
