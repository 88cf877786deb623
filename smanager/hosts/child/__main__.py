"""A template that is started anew: `python3 smanager/hosts/child DESCRIPTOR`, its end of the manager's socket pair."""

import socket
import sys
from pathlib import Path

# Python has put this folder first, where `limits` would hide a service's own module of that name. The folder that
# holds the package takes its place, so that the package need not be installed.
sys.path[0] = str(Path(__file__).resolve().parents[3])

from smanager.hosts.child.template import serve  # noqa: E402  (importable only now)

sys.exit(serve(socket.socket(fileno=int(sys.argv[1]))))
