"""Logs the heartbeat of the service scrapman, if the manager has it. For cron: `heartbeat.py [LOGFILE]`.

The exit status is 0 if scrapman answered, otherwise 1; the log says why.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

# Python finds a module beside the script; a type checker that starts in another directory does not.
from demo_script import address, port, smanager_cmd  # type: ignore[import-not-found]

DEFAULT_LOGFILE = "/tmp/useful_log.log"


def has_service(summary: str, name: str) -> bool:
    """Whether the answer to `help -s` lists a service."""
    lists = (line.split() for line in summary.splitlines())
    return any(words[:1] == ["SERVICES:"] and name in words for words in lists)


def check_heartbeat() -> tuple[bool, str]:
    """Whether scrapman answers, and the line to log."""
    try:
        if not has_service(smanager_cmd(address, port, "help -s"), "scrapman"):
            return False, "Scrapman not available"
        heartbeat = smanager_cmd(address, port, "scrapman get_heartbeat").strip()
    except OSError as error:
        return False, f"Couldn't get an answer from smanager at {address}:{port}: {error}"
    return not heartbeat.startswith("*** "), f"Scrapman heartbeat: {heartbeat}"


def main() -> int:
    logfile = Path(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_LOGFILE)
    beats, message = check_heartbeat()
    try:
        with logfile.open("a") as log:
            log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {message}\n")
    except OSError as error:
        sys.exit(f"cannot write the log: {error}")
    return 0 if beats else 1


if __name__ == "__main__":
    sys.exit(main())
