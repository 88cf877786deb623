"""Hosts are copies of a template: what it takes along, what it does not, and what happens when it is gone."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

from tests.conftest import SECONDS, Server, is_in, wait_for

LISTENER = """
import multiprocessing, sys, time
from smanager import SService

def sleep():
    time.sleep(3600)

class Listener(SService):
    def stop(self):
        print("stopped in order")

    def cmd_main(self):
        return f"{sys.modules['__main__'].__dict__.get('__file__')} {sys.argv}"

    def cmd_terminate(self):
        child = multiprocessing.get_context("fork").Process(target=sleep)
        child.start()
        child.terminate()
        child.join()
        return str(child.exitcode)
"""


def test_hosts_are_made_when_the_template_is_gone(kept: Callable[..., Server]) -> None:
    server = kept(listener=LISTENER)
    os.kill(server.templates()[0], signal.SIGKILL)
    has_another_host(server)  # by a template that is started anew
    wait_for(lambda: not server.templates(), "the end of a template that nothing needs")
    has_another_host(server)


def has_another_host(server: Server) -> None:
    """Kill the one that there is, and wait for the next."""
    os.kill(server.children()[0], signal.SIGKILL)
    wait_for(lambda: server.ask("listener main").startswith("None"), "the service to be back")


def test_a_host_holds_nothing_that_the_manager_has_read(kept: Callable[..., Server]) -> None:
    secret = "hunter" + "2" * 3
    program = f'[services.other]\nprogram = ["sleep", "60"]\nenvironment = {{ KEY = "{secret}" }}\n'
    server = kept(program, listener=LISTENER)
    is_in(server, "other", "running")
    host = json.loads(server.ask("status --json listener"))[0]["pid"]
    assert holds(server.process.pid, secret)
    assert not holds(host, secret)
    assert re.fullmatch(r"None \['\S*/listener.py'\]\n", server.ask("listener main"))


def holds(pid: int, text: str) -> bool:
    """Whether a text is somewhere in a process's memory."""
    areas = re.findall(r"^(\w+)-(\w+) rw", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for first, last in areas:
            memory.seek(int(first, 16))
            if text.encode() in memory.read(int(last, 16) - int(first, 16)):
                return True
    return False


def test_a_signal_to_all_processes_stops_services_in_order(kept: Callable[..., Server]) -> None:
    server = kept(listener=LISTENER)
    is_in(server, "listener", "running")
    for pid in [*server.children(), *server.templates(), server.process.pid]:
        os.kill(pid, signal.SIGTERM)
    server.wait_for_log("listener: stopped in order")
    assert server.process.wait(SECONDS) == 0


def test_what_a_service_has_forked_hears_signals(kept: Callable[..., Server]) -> None:
    assert kept(listener=LISTENER).ask("listener terminate") == f"{-signal.SIGTERM}\n"
