"""How fast SManager is: `python3 benchmarks/run.py` prints a table of it beside two reference servers.

All servers run on loopback on this machine, take turns, and are compared as ratios within this run: a busy
or slow machine changes the figures far more than the ratios. Linux only, for the figures from /proc.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, only its own directory is there

from benchmarks import measures, report
from benchmarks.servers import BenchmarkError


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure SManager beside two bare servers, in about 2 minutes.")
    parser.add_argument("--quick", action="store_true", help="short rounds: a look, not a result")
    parser.add_argument("--json", action="store_true", help="every round's figures, as JSON")
    arguments = parser.parse_args()

    machine = report.machine()
    rows: list[report.Row] = []
    status = 0
    for measure in measures.MEASURES:
        title = measure.__name__.replace("_", " ")
        print(f"measuring: {title}", file=sys.stderr)
        try:
            rows += measure(measures.QUICK if arguments.quick else measures.FULL)
        except (BenchmarkError, OSError) as error:
            print(f"{title}: not measured: {error}", file=sys.stderr)
            status = 1

    if arguments.json:
        print(json.dumps({"machine": machine, "rows": report.as_json(rows)}, indent=2))
    else:
        print(report.markdown(rows), f"\nMeasured on {machine}.", sep="\n")
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell reports a program that Ctrl-C ended; the servers have been stopped
