"""The console as a script uses it: commands come through a pipe, and no terminal is involved."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, SECONDS, SEED_SERVICE, wait_for, write_service
from tests.live.clients import smanager


@pytest.mark.parametrize(
    "stdin", ["help -s\nsystemstatus uptime\nhostname", "help -s; systemstatus uptime; hostname\n"]
)
def test_the_console_reads_a_pipe_as_a_script(services: Path, stdin: str) -> None:
    result = smanager("--console", "--services", services, stdin=stdin)
    assert result.stdout.splitlines()[0] == "TOP: hostname"
    assert result.stdout.splitlines()[3:] == [
        " 12:20:43 up 12 days, 14:36,  6 users,  load average: 0.28, 0.39, 0.46",
        "mycomputerhostname",
    ]
    assert (result.returncode, result.stderr) == (0, "")


def test_a_pipe_to_the_console_carries_requests_side_by_side(services: Path) -> None:
    write_service(services, SEED_SERVICE + "    def cmd_wait(self):\n        import time; time.sleep(0.5)\n")
    requests = [{"jsonrpc": "2.0", "id": name, "method": name} for name in ("systemstatus.wait", "hostname")]
    result = smanager("--console", "--services", services, stdin="\n".join([*map(json.dumps, requests), "hostname"]))
    *soon, late = result.stdout.splitlines()
    answer = {"jsonrpc": "2.0", "id": "hostname", "result": "mycomputerhostname"}
    assert sorted(soon) == ["mycomputerhostname", json.dumps(answer)]
    assert json.loads(late)["id"] == "systemstatus.wait"


def test_the_console_ends_with_the_last_commands_status(services: Path) -> None:
    result = smanager("--console", "--services", services, stdin="nonsense\n")
    assert (result.returncode, result.stdout[:4]) == (2, "*** ")


def test_the_console_opens_no_socket_and_leaves_no_process(services: Path) -> None:
    with subprocess.Popen(
        [sys.executable, str(ROOT / "smanager.py"), "--console", "--services", str(services)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("hostname\n")
        process.stdin.flush()
        assert process.stdout.readline() == "mycomputerhostname\n"
        inodes = {str(path.readlink()) for path in Path(f"/proc/{process.pid}/fd").iterdir()}
        listening = [line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
        assert not any(f"socket:[{inode}]" in inodes for inode in listening)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    wait_for(lambda: str(services) not in subprocess.getoutput("ps -eo args"), "the host to end")


@pytest.mark.parametrize("line", ["systemstatus uptime", "help"])
def test_the_console_ends_where_its_output_cannot_be_written(services: Path, line: str) -> None:
    command = f"yes '{line}' | {sys.executable} {ROOT / 'smanager.py'} --console --services {services}"
    full = subprocess.run(["sh", "-c", f"{command} >/dev/full"], capture_output=True, timeout=SECONDS, check=False)
    assert (full.returncode, full.stderr) == (1, b"smanager: cannot write the output: no space left on device\n")
    closed = subprocess.run(["sh", "-c", f"{command} | head -1"], capture_output=True, timeout=SECONDS, check=False)
    assert (closed.returncode, closed.stdout.count(b"\n"), closed.stderr) == (0, 1, b"")


def test_a_console_without_stderr_answers(services: Path) -> None:
    script = f"echo hostname | {sys.executable} {ROOT / 'smanager.py'} --console --services {services} 2>&-"
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert result.stdout == "mycomputerhostname\n"


def test_the_marks_that_editors_leave_in_a_script_change_nothing_on_the_console(services: Path) -> None:
    script = b'\xef\xbb\xbf# a comment\r\nhostname\rhostname\r\n{\n  "method": 1\n}\nhostname'
    command = [sys.executable, str(ROOT / "smanager.py"), "--console", "--services", str(services)]
    result = subprocess.run(command, input=script, capture_output=True, timeout=SECONDS, check=True)
    first, second, error, third = result.stdout.splitlines()
    assert {first, second, third} == {b"mycomputerhostname"}
    assert b"a request should be one line" in error
