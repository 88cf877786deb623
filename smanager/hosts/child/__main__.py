"""What a host runs: `python3 smanager/hosts/child DESCRIPTOR NAME LIMIT`.

NAME identifies the host in process lists. LIMIT is the soft limit on open files for what the host runs.
"""

import resource
import sys
from pathlib import Path

# Python has put this folder first, where `limits` would hide a service's own module of that name. The folder that
# holds the package takes its place, so that the package need not be installed.
sys.path[0] = str(Path(__file__).resolve().parents[3])

# Before the imports, as if the process had been started so; the manager has raised its own limit.
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[3]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

from smanager.hosts.child.process import main  # noqa: E402  (importable only now)

main(int(sys.argv[1]))
