"""What a program gets that was started with its standard streams closed."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import pytest

PROGRAM = """
import os, socket, subprocess, sys
sys.path.insert(0, {root!r})
from smanager.system.descriptors import open_standard_descriptors
open_standard_descriptors()
number = socket.socket().fileno()
print("printed", file=sys.stdout)
print("complained", file=sys.stderr, flush=True)
child = subprocess.run([sys.executable, "-c", "import os; [os.fstat(number) for number in range(3)]"])
os._exit(int(number < 3 or child.returncode != 0 or sys.stdin.read() != ""))
"""

CLOSINGS = [closing for closing in product(("", "<&-"), ("", ">&-"), ("", "2>&-")) if any(closing)]


@pytest.mark.parametrize("closing", [" ".join(filter(None, closing)) for closing in CLOSINGS])
def test_no_file_or_socket_gets_the_number_of_a_closed_stream(pytestconfig: pytest.Config, closing: str) -> None:
    program = PROGRAM.format(root=str(pytestconfig.rootpath))
    shell = ["sh", "-c", f'exec "$0" -c "$1" {closing}', sys.executable, program]
    assert subprocess.run(shell, stdin=subprocess.DEVNULL, check=False).returncode == 0
