"""What a host runs: `python3 smanager/hosts/child DESCRIPTOR NAME`; NAME identifies the host in process lists."""

import sys
from pathlib import Path

# Python has put this folder first, where `limits` would hide a service's own module of that name. The folder that
# holds the package takes its place, so that the package need not be installed.
sys.path[0] = str(Path(__file__).resolve().parents[3])

from smanager.hosts.child.process import main  # noqa: E402  (importable only now)

main(int(sys.argv[1]))
