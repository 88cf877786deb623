"""Fuzz targets for some seconds each, from what is kept of them: `python -m tests.fuzz SECONDS [NAME …]`.

The input that makes one raise, or hang, is kept with the others.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from tempfile import TemporaryDirectory

from smanager.system.descriptors import open_standard_descriptors
from tests.fuzz import CORPUS, DICTIONARY

SECONDS_FOR_ONE = 10
"""An input that takes longer has found a fault."""

SEED = 1
"""The same inputs each time, as far as the time goes: what has landed once does not fail by chance."""


def main() -> int:
    """Fuzz as many side by side as there are processors; returns 1 where any was found to fail."""
    open_standard_descriptors()
    seconds, *names = sys.argv[1:]
    if not find_spec("atheris"):
        print("nothing is fuzzed: atheris is not installed, which there is for few Pythons and systems")
        return 0
    names = names or sorted(path.name for path in CORPUS.iterdir())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = [finding for finding in pool.map(partial(fuzz, seconds), names) if finding]
    print(*findings, sep="\n")
    return 1 if findings else 0


def fuzz(seconds: str, name: str) -> str | None:
    """Returns how to see again what was found, if anything was."""
    corpus = CORPUS / name
    kept = set(corpus.iterdir())
    options = [
        f"-max_total_time={seconds}",
        f"-seed={SEED}",
        f"-timeout={SECONDS_FOR_ONE}",
        f"-artifact_prefix={corpus}/",
        f"-dict={DICTIONARY}",
    ]
    with TemporaryDirectory() as scratch:  # the first directory is libFuzzer's to fill
        command = [sys.executable, "-m", "tests.fuzz.fuzzer", name, *options, scratch, str(corpus)]
        fuzzing = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    print(fuzzing.stdout)
    if not fuzzing.returncode:
        return None
    found = " or ".join(path.name for path in set(corpus.iterdir()) - kept)
    return f"{name} fails again by: python -m pytest tests/fuzz -k '{found or name}'"


if __name__ == "__main__":
    sys.exit(main())
