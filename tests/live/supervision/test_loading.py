"""Services files that come, change, break and go, and what `restart` makes of them."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SEED_SERVICE, Server, wait_for, write_service


def test_restart_runs_edited_code_and_sees_new_and_removed_files(server: Server, services: Path) -> None:
    with server.connect() as connection:
        write_service(services, SEED_SERVICE.replace("12 days", "13 days"))
        added = write_service(services, "from smanager import SService\nclass Extra(SService): pass", "extra.py")
        connection.sendall(b"restart\nsystemstatus uptime\nservices\n")
        answer = connection.recv(1000)
        while answer.count(b"\n") < 5:
            answer += connection.recv(1000)
        restarted = answer.splitlines()[:3]
        assert sorted(restarted[:2]) == [b"extra: running", b"systemstatus: running"]
        assert restarted[2].startswith(b" 12:20:43 up 13 days")
        added.unlink()
        connection.sendall(b"restart\n")
        assert connection.recv(1000) == b"systemstatus: running\n"


def test_files_that_do_not_import_are_named_and_the_rest_work(start: Callable[..., Server], services: Path) -> None:
    write_service(services, "x = 1\ny = = 2\n", "unparsable.py")
    write_service(services, "import missing_module\n", "unimportable.py")
    write_service(services, "import os\nos._exit(7)\n", "deadly.py")
    write_service(services, "", "json.py")
    write_service(services, SEED_SERVICE, "twin.py")
    server = start("--services", services)
    page = server.ask("help")
    assert "    unparsable.py: not loaded: line 2: SyntaxError: invalid syntax\n" in page
    assert "    unimportable.py: not loaded: line 1: ModuleNotFoundError: No module named 'missing_module'\n" in page
    assert "    deadly.py: not loaded: its host died while it was imported: exit status 7\n" in page
    assert "    json.py: not loaded: a module named json already exists; rename the file\n" in page
    assert re.search(
        r"    twin.py: not loaded: line 5: the name systemstatus is used in .*systemstatus\.py, line 5", page
    )
    assert server.ask("hostname") == "mycomputerhostname\n"
    server.wait_for_log(r"unparsable\.py: line 2: SyntaxError")


def test_a_file_that_worked_is_tried_again_when_it_does_not_load_any_more(server: Server, services: Path) -> None:
    pid = server.children()[0]
    write_service(services, "oops = = 1\n")
    os.kill(pid, signal.SIGKILL)
    server.wait_for_log(r"systemstatus: line 1: SyntaxError: invalid syntax; started again in ")
    assert "systemstatus  backoff (line 1: SyntaxError: invalid syntax; " in server.ask("services")
    write_service(services, SEED_SERVICE)
    wait_for(lambda: server.ask("hostname") == "mycomputerhostname\n", "the service to be back")


HOSTILE = """
from smanager import SService


class Hostile(SService):
    def cmd_ok(self): return "ok"
"""


@pytest.fixture
def hostile(start: Callable[..., Server], services: Path) -> Server:
    write_service(services, HOSTILE, "hostile.py")
    return start("--services", services)


def test_a_restart_without_its_directory_changes_nothing(hostile: Server, services: Path) -> None:
    shutil.move(services, services.with_name("elsewhere"))
    assert hostile.ask("restart").startswith("*** restart: cannot read the services directory ")
    assert hostile.ask("hostname; hostile ok") == "mycomputerhostname\nok\n"


def test_a_file_that_was_mended_is_restarted_by_its_name(hostile: Server, services: Path) -> None:
    text = (services / "hostile.py").read_text()
    write_service(services, "oops = = 1\n", "hostile.py")
    *_, problem, error = hostile.ask("restart hostile").splitlines()
    assert problem == f"{services / 'hostile.py'}: line 1: SyntaxError: invalid syntax"
    assert error == "*** restart: not everything is running; the lines above say why"
    write_service(services, text, "hostile.py")
    assert "hostile: running\n" in hostile.ask("restart hostile")
