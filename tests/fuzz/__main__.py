"""Fuzz a target for some seconds, from what is kept of it: `python -m tests.fuzz NAME SECONDS`.

The input that makes it raise, or hang, is kept with the others.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from tempfile import TemporaryDirectory

from tests.fuzz import CORPUS, DICTIONARY

SECONDS_FOR_ONE = 10
"""An input that takes longer has found a fault."""


SEED = 1
"""The same inputs each time, as far as the time goes: what has landed once does not fail by chance."""


def main() -> str | None:
    """Returns how to see again what was found, if anything was."""
    name, seconds = sys.argv[1:]
    if not find_spec("atheris"):
        print(f"{name} is not fuzzed: atheris is not installed, which there is for few Pythons and systems")
        return None
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
        fuzzing = subprocess.run([sys.executable, "-m", "tests.fuzz.fuzzer", name, *options, scratch, corpus])
    if not fuzzing.returncode:
        return None
    found = " or ".join(path.name for path in set(corpus.iterdir()) - kept)
    return f"{name} fails again by: python -m pytest tests/fuzz -k '{found or name}'"


if __name__ == "__main__":
    sys.exit(main())
