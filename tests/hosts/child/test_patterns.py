"""Patterns: found wherever a line matches, and ended when a search would take longer than anybody waits."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smanager.hosts.child import matcher, patterns
from smanager.hosts.child.matcher import is_simple
from smanager.hosts.child.patterns import PatternError, PatternProcess, SimplePattern, pattern_for
from tests.conftest import SECONDS


def found(pattern: SimplePattern, text: str) -> bool:
    """Whether a pattern is found in a text, in whichever way."""
    if pattern.search(text):
        return True
    if pattern.searching:
        assert select.select(list(pattern.searching), [], [], SECONDS)[0]
        return pattern.result()
    return False


@pytest.fixture
def process() -> Iterator[Callable[[str], PatternProcess]]:
    made: list[PatternProcess] = []

    def make(pattern: str) -> PatternProcess:
        made.append(PatternProcess(pattern))
        return made[-1]

    yield make
    for pattern in made:
        pattern.end()


@pytest.mark.parametrize("pattern", ["listening on", "^ready$", r"port \d\d\d\d", "up|ready", "[abc] is .", ""])
def test_nothing_repeated_or_grouped_is_simple(pattern: str) -> None:
    assert is_simple(pattern)
    assert type(pattern_for(pattern)) is SimplePattern


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "a*a*a*a*b", "(a|a)(a|a)", "x?x?x", "a{1,30}{1,30}b", r"(.)\1", "(?i)ready", "." * 201]
)
def test_anything_else_is_not(pattern: str) -> None:
    assert not is_simple(pattern)


@pytest.mark.parametrize("make", [SimplePattern, PatternProcess])
def test_a_line_is_found_however_it_is_cut(make: Callable[[str], SimplePattern]) -> None:
    pattern = make("^now ready$")
    assert not found(pattern, "starting\nnow re")
    assert found(pattern, "ady")
    assert found(pattern, "\nmore")
    assert not found(pattern, " now ready\n")
    assert not found(pattern, "\udcff\ud800 \N{SNOWMAN}\n")
    pattern.end()


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have searches take too long after a twentieth of the time."""
    program = tmp_path / "matcher.py"
    program.write_text(Path(matcher.__file__).read_text().replace("MATCH_SECONDS = 1.0", "MATCH_SECONDS = 0.05"))
    monkeypatch.setattr(matcher, "__file__", str(program))
    monkeypatch.setattr(patterns, "MATCH_SECONDS", 0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("written", ["^(a+)+$", "^(a|a)*$", "^(a?){40}a{40}$", r"(x+x+)+y"])
def test_a_search_that_takes_too_long_ends_with_a_sentence(
    process: Callable[[str], PatternProcess], written: str
) -> None:
    pattern = process(written)
    with pytest.raises(PatternError, match=r"the pattern '.*' takes more than 0.05 s of CPU time"):
        found(pattern, "a" * 60 + "x" * 60 + "!")


def test_time_in_which_nothing_is_searched_does_not_count(process: Callable[[str], PatternProcess]) -> None:
    pattern = process("rea+dy")
    os.kill(pattern._process.pid, signal.SIGSTOP)
    assert not pattern.search("ready")
    assert not select.select(list(pattern.searching), [], [], 0.1)[0]
    os.kill(pattern._process.pid, signal.SIGCONT)
    assert select.select(list(pattern.searching), [], [], SECONDS)[0]
    assert pattern.result()


def test_a_killed_process_is_told(process: Callable[[str], PatternProcess]) -> None:
    pattern = process("rea+dy")
    assert found(pattern, "ready")
    os.kill(pattern._process.pid, signal.SIGKILL)
    with pytest.raises(PatternError, match=r"searches for 'rea\+dy' has ended: killed by SIGKILL"):
        found(pattern, "ready")
