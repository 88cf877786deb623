"""Services and configurations that several tests start."""

from __future__ import annotations

SLEEPER = '[services.sleeper]\nprogram = ["sleep", "3600"]\n'

CHAIN = """
[services.database]
program = ["sh", "-c", "sleep 0.3; echo up; exec sleep 3600"]
ready_when = { output = "^up$" }

[services.app]
program = ["sleep", "3600"]
needs = ["database"]

[services.web]
program = ["sleep", "3600"]
after = ["app"]
needs = ["database"]
"""

SLOW_STOP = """
[services.slow]
program = ["sh", "-c", "trap 'sleep 1; exit 0' TERM; echo up; while :; do sleep 0.05; done"]
ready_when = { output = "up" }
"""

SERVICES = """
import os, time
from smanager import SService


class Steady(SService):
    options = {"greeting": "hello"}
    def cmd_pid(self): return os.getpid()
    def cmd_greeting(self): return self.options["greeting"] + " from " + self.name


class Neighbour(SService):
    def cmd_pid(self): return os.getpid()
"""
