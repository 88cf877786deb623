"""Atheris on a target, whose process it ends: `python -m tests.fuzz.fuzzer NAME`, and libFuzzer's arguments."""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped]  # its stubs would be one more package

from tests.fuzz import target

if __name__ == "__main__":
    with atheris.instrument_imports(include=["smanager"]):
        fuzzed = target(sys.argv.pop(1))
    atheris.Setup(sys.argv, fuzzed)
    atheris.Fuzz()
