"""Measures SManager's speed: `python3 benchmarks/run.py` prints a table with reference servers beside it.

SManager runs as it ships: with a state directory, and so with the audit journal.

All servers run on this machine's loopback interface and take turns. Compare the ratios within a run: a busy or slow
machine changes the figures far more than the ratios. Linux only, because of /proc.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script's path has only its own directory

from benchmarks import measures, report
from benchmarks.servers import BenchmarkError
from smanager.system.descriptors import open_standard_descriptors


def main() -> int:
    open_standard_descriptors()
    parser = argparse.ArgumentParser(description="Measure SManager beside bare servers, in about 8 minutes.")
    parser.add_argument("--quick", action="store_true", help="short rounds: for a first look, not for results")
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
        sys.exit(130)  # the status that shells give to Ctrl-C; the servers have been stopped
