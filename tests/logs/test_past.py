"""What happened to services, as the next manager finds it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from smanager.logs import past
from smanager.logs.history import EVENTS_KEPT, LIVES_KEPT, EventLine, LifeRecord
from smanager.logs.past import FILE, SERVICES_KEPT, UNKNOWN_END, Past


def write(directory: Path | None, record: Callable[[Past], object]) -> Past:
    """What a manager remembers that has recorded something, and has ended."""

    async def live() -> Past:
        lived = Past(directory)
        record(lived)
        await lived.close()
        return lived

    return asyncio.run(live())


def begin(lived: Past, service: str = "web", when: float = 1.0) -> LifeRecord:
    life = LifeRecord(when, "anna")
    lived.lives_of(service).append(life)
    lived.add(EventLine(when, service, "started by anna"), life)
    return life


def end(lived: Past, life: LifeRecord, service: str = "web") -> None:
    life.ready_after, life.ended_after, life.end, life.decision = 0.5, 2.0, "exit status 1", "given up"
    lived.add(EventLine(life.when + 2.0, service, "exit status 1; given up"), life)


def texts(lived: Past) -> list[str]:
    return [event.text for event in lived.events.last(EVENTS_KEPT)]


def test_the_next_manager_knows_events_and_lives_with_who_and_when(tmp_path: Path) -> None:
    before = write(tmp_path, lambda lived: end(lived, begin(lived)))
    after = Past(tmp_path)
    assert after.events.last(9) == before.events.last(9)
    assert [*after.lives_of("web")] == [LifeRecord(1.0, "anna", 0.5, 2.0, "exit status 1", "given up")]
    assert not after.lives_of("other")
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_all_facts_of_an_event_are_known_to_the_next_manager_and_the_managers_own_belong_to_no_service(
    tmp_path: Path,
) -> None:
    events = [
        EventLine(1.0, "web", "3 wait", "queue full", "orders", False),
        EventLine(2.0, "", "no logins", "login blocked", "address 192.0.2.1"),
    ]
    write(tmp_path, lambda lived: list(map(lived.add, events)))
    assert Past(tmp_path).events.last(9) == events
    assert [event.services for event in events] == [("web",), ()]


def test_a_life_whose_end_no_manager_saw_says_so(tmp_path: Path) -> None:
    write(tmp_path, begin)
    (life,) = Past(tmp_path).lives_of("web")
    assert (life.end, life.ended_after) == (UNKNOWN_END, None)


def test_without_a_directory_nothing_is_written() -> None:
    assert texts(write(None, begin)) == ["started by anna"]


@pytest.mark.parametrize(
    "damage",
    [
        b'{"when": 3, "serv',
        b"\0\0\0\n",
        b"[1]\n",
        b"{}\n3\n",
        b'{"life": {}}\n',
        b"[" * 5000 + b"\n",
        b'{"when": "x", "service": "web", "text": "ended"}\n',
        b'{"when": 1e300, "service": "web", "text": "ended"}\n',
        b'{"when": 3, "service": "web", "text": 5}\n',
        b'{"when": 3, "service": "web", "text": "x", "kind": 5}\n',
        b'{"when": 3, "service": "web", "text": "x", "over": "yes"}\n',
        b'{"when": 3, "service": ["web"], "text": "ended"}\n',
        b'{"service": "web", "life": {"when": 9, "asked_by": "ann", "end": 5}}\n',
        b'{"service": "web", "life": {"when": 9, "asked_by": "ann", "ended_after": "soon"}}\n',
    ],
)
def test_damaged_lines_cost_nothing_but_themselves(tmp_path: Path, damage: bytes) -> None:
    write(tmp_path, begin)
    with (tmp_path / FILE).open("ab") as file:
        file.write(damage)
    write(tmp_path, lambda lived: begin(lived, when=5.0))
    lived = Past(tmp_path)
    assert len(lived.lives_of("web")) == len(texts(lived)) == 2


def test_the_file_is_replaced_by_what_is_remembered_before_it_grows_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "FILE_LIMIT", 2000)

    async def live() -> None:
        lived = Past(tmp_path)
        begin(lived, "quiet")
        for number in range(500):
            end(lived, begin(lived, when=float(number + 2)))
            await lived.close()  # each is written by itself
        largest = max(2000, 2 * len("".join(lived._everything())))
        assert (tmp_path / FILE).stat().st_size < largest + 500

    asyncio.run(live())
    lived = Past(tmp_path)
    assert len(lived.lives_of("web")) == LIVES_KEPT
    assert len(lived.lives_of("quiet")) == 1, "a service that crashes pushes no other out"
    assert len(texts(lived)) == EVENTS_KEPT


def test_a_file_that_was_deleted_or_cannot_be_written_has_everything_again_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"

    async def live() -> None:
        lived = Past(state)  # a directory that does not exist
        for when in (1.0, 2.0):
            begin(lived, when=when)
            await lived.close()
        state.mkdir()
        begin(lived, when=3.0)
        await lived.close()
        (state / FILE).unlink()
        lived.write_again()
        await lived.close()

    with caplog.at_level(logging.ERROR, "smanager"):
        asyncio.run(live())
    assert len(caplog.records) == 1, "the problem is told once"
    assert len(texts(Past(state))) == 3


def test_what_is_planted_in_its_place_is_neither_followed_nor_waited_for(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("")
    (tmp_path / FILE).symlink_to(tmp_path / "target")
    write(tmp_path, begin)
    assert (tmp_path / "target").read_text() == ""
    assert texts(Past(tmp_path)) == ["started by anna"]


def test_the_services_remembered_are_bounded() -> None:
    lived = Past(None)
    for number in range(SERVICES_KEPT + 5):
        lived.lives_of(f"web{number}").append(LifeRecord(1.0, "anna"))
    assert not lived.lives_of("web0")
    assert lived.lives_of("web900")
