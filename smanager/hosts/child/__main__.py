"""What a host's process runs: `python3 smanager/hosts/child DESCRIPTOR NAME`, started by the manager only.

NAME is for whoever lists the processes.
"""

import sys
from pathlib import Path

# Python has put this folder first, where `frames` would hide a service's own module of that name; the
# package is found from the folder that holds it, which need not be installed.
sys.path[0] = str(Path(__file__).resolve().parents[3])

from smanager.hosts.child.process import main  # noqa: E402  (found only now)

main(int(sys.argv[1]))
