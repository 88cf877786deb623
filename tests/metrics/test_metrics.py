"""How the service of metrics asks the manager, and how it writes its file."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from smanager.metrics import metrics
from smanager.metrics.metrics import LatestFigures, WrittenFile
from smanager.service import ManagerClient, ManagerError
from tests.metrics.test_families import MANAGER


class Asked(ManagerClient):
    """A manager that answers after a while, or refuses."""

    def __init__(self, seconds: float = 0.0, refuses: bool = False, answers: Sequence[object] = (MANAGER,)) -> None:
        self.questions = 0
        self._seconds = seconds
        self._refuses = refuses
        self._answers = answers

    async def stream_async(self, method: str, /, *arguments: object, **options: object) -> AsyncIterator[object]:
        self.questions += 1
        await asyncio.sleep(self._seconds)
        if self._refuses:
            raise ManagerError("no")
        for answer in self._answers:
            yield answer


def test_many_readers_ask_once() -> None:
    manager = Asked(0.05)
    latest = LatestFigures(manager)
    readers = [threading.Thread(target=latest.is_up) for _ in range(10)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert (latest.is_up(), manager.questions) == (True, 1)


def test_each_moment_has_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FRESH_SECONDS", 0.0)
    manager = Asked()
    latest = LatestFigures(manager)
    assert (latest.is_up(), latest.is_up(), manager.questions) == (True, True, 2)


@pytest.mark.parametrize(
    ("manager", "why"),
    [
        (Asked(seconds=1000.0), "the manager has not answered within 0.1 s"),
        (Asked(refuses=True), "no"),
        (Asked(answers=()), "the manager has not answered before the service was to end"),
    ],
)
def test_a_manager_that_does_not_answer_is_not_up_and_the_log_says_why_once(
    manager: Asked, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(metrics, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(metrics, "ANSWER_SECONDS", 0.1)
    latest = LatestFigures(manager)
    assert not latest.is_up()
    assert [(family.name, family.samples[0].value) for family in latest.families()] == [("smanager_up", 0)]
    assert (manager.questions, capsys.readouterr().out) == (2, f"{why}\n")


def test_a_file_is_written_whole_and_a_problem_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "made later" / "a.prom"
    file = WrittenFile(path)
    file.write("1\n")
    file.write("2\n")
    problem = f"{path} cannot be written: no such file or directory\n"
    assert capsys.readouterr().out == problem
    path.parent.mkdir()
    file.write("ü\n")
    assert path.read_text(encoding="utf-8") == "ü\n"
    assert [one.name for one in path.parent.iterdir()] == ["a.prom"]
    file.remove()
    path.parent.rmdir()
    file.write("3\n")
    assert capsys.readouterr().out == problem
    file.remove()
