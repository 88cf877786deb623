"""The prompt of a fleet, `tshell --fleet`, with real boxes: as a person uses it in a terminal, and as a script does."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from smanager.fleet.fleet import Fleet, FleetError
from tests.conftest import ROOT, as_text, run_program, wait_for
from tests.live.clients import needs
from tests.live.fleet.boxes import NAMES, Boxes, five_boxes
from tests.live.server.window import Window

TSHELL = [sys.executable, str(ROOT / "tshell.py")]


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boxes]:
    with five_boxes(tmp_path_factory.mktemp("prompt")) as boxes:
        yield boxes


@pytest.fixture(autouse=True)
def known(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of nodes is kept beside the hub."""
    monkeypatch.setenv("XDG_STATE_HOME", str(boxes.directory / "state"))


def hub_file(boxes: Boxes, user: str = "alice") -> str:
    return str(boxes.hub.directory / f"{user}.toml")


def typed(boxes: Boxes, *words: str, user: str = "alice", lines: str = "") -> tuple[int, list[str], list[str]]:
    """The status of a command line, and the lines of its output and of its errors, in order."""
    done = as_text(run_program(ROOT / "tshell.py", "--fleet", hub_file(boxes, user), *words, given=lines.encode()))
    return done.returncode, sorted(done.stdout.splitlines()), sorted(done.stderr.splitlines())


def test_a_script_gets_each_line_with_its_node(boxes: Boxes) -> None:
    assert typed(boxes, "on", "box[12]", "box", "lines", "2") == (
        0,
        ["box1: 0", "box1: 1", "box2: 0", "box2: 1"],
        [],
    )


def test_a_script_has_to_agree_before_several_nodes_change(boxes: Boxes) -> None:
    status, output, errors = typed(boxes, "on", "all", "box", "work", "unasked")
    assert (status, output) == (2, [])
    assert errors == ["*** 'box work unasked' may change something on 5 nodes; say --yes if you mean it"]
    assert boxes.counts("work unasked") == [0] * 5
    status, output, errors = typed(boxes, "on", "all", "-l", "site=here", "--yes", "box", "work", "agreed")
    assert (status, output, errors) == (0, [f"{name}: worked agreed" for name in NAMES[:4]], [])
    assert boxes.counts("work agreed") == [1, 1, 1, 1, 0]


def test_options_and_nodes_stand_in_any_order_before_a_command(boxes: Boxes) -> None:
    assert typed(boxes, "on", "--yes", "-l", "site=there", "all", "box", "work", "before") == (
        0,
        ["far: worked before"],
        [],
    )
    status, _, errors = typed(boxes, "on", "--pause", "1e30", "all", "status")
    assert (status, len(errors)) == (2, 1)
    assert errors[0].startswith("*** --pause is 1e30, and should be a time span")


def test_one_node_may_change_without_a_question(boxes: Boxes) -> None:
    assert typed(boxes, "on box1 box work 'one  mark'") == (0, ["box1: worked one  mark"], [])


def test_json_is_an_object_for_each_node(boxes: Boxes) -> None:
    status, output, _ = typed(boxes, "on", "box1,far", "--json", "box", "lines", "2")
    assert status == 0
    assert [json.loads(line) for line in output] == [
        {"node": "box1", "status": 0, "answer": [0, 1]},
        {"node": "far", "status": 0, "answer": [0, 1]},
    ]


def test_the_status_is_the_worst(boxes: Boxes) -> None:
    assert typed(boxes, "on", "box1,box2", "box", "nonsense")[0] == 2
    assert typed(boxes, "on", "box1,box2", "--yes", "box", "work", "m", user="bob")[0] == 2  # who knows of no `work`


def test_a_rolling_change_stops_at_failures(boxes: Boxes) -> None:
    words = ["on", "all", "--yes", "--batch", "2", "--stop-after", "2", "box", "nonsense"]
    status, _, errors = typed(boxes, *words)
    assert status == 2
    assert errors[0] == "*** stopped after 2 failures: 3 of 5 nodes were not asked"
    assert len(errors) == 3


def test_who_is_late_is_named(boxes: Boxes) -> None:
    status, _, errors = typed(boxes, "on", "box1,box2", "--yes", "--deadline", "0.5", "box", "wait", "late")
    assert (status, errors) == (3, [f"box{number}: *** not done within 0.5 s" for number in (1, 2)])
    boxes.wait_for_notes("end late", (1, 1, 0, 0, 0))  # what was given up is ended there


def test_nodes_are_listed_with_how_they_are(boxes: Boxes) -> None:
    status, output, errors = typed(boxes, "nodes", "far")
    assert (status, errors) == (0, [])
    assert output[0] == "NAME\tLABELS\tVERSION\tSINCE\tSTATE"
    name, labels, _, _, state = output[1].split("\t")
    assert (name, labels, state) == ("far", "site=there", "2 running")


def test_status_is_one_table(boxes: Boxes) -> None:
    _, output, _ = typed(boxes, "status", "@box*", "box")
    assert [line.split("\t")[:3] for line in output] == [
        ["NODE", "SERVICE", "STATE"],
        *([name, "box", "running"] for name in NAMES[:4]),
    ]


def test_the_nodes_of_a_table_may_come_last(boxes: Boxes) -> None:
    _, output, _ = typed(boxes, "status", "box", "@far", "--json")
    assert [json.loads(line)["node"] for line in output] == ["far"]
    assert typed(boxes, "status", "box", "--jsn")[0] == 2


def test_what_is_wrong_is_grouped_by_its_cause(boxes: Boxes) -> None:
    assert typed(boxes, "why") == (0, ["5 nodes: all services are well"], [])


def test_logs_and_events_come_from_all(boxes: Boxes) -> None:
    _, output, _ = typed(boxes, "events", "@box1", "box")
    assert all(line.startswith("box1: ") for line in output)
    assert any("running" in line for line in output)
    assert typed(boxes, "events", "box", "-n", "1", "@box[12]")[1] == typed(boxes, "events @box[12] box -n 1")[1]
    assert typed(boxes, "logs", "@box1", "nonesuch")[0] != 0


def test_lines_of_a_script_run_one_after_the_other(boxes: Boxes) -> None:
    status, output, errors = typed(boxes, lines="on box1 box lines 1\nnonsense\non far box lines 1\n")
    assert (status, output) == (2, ["box1: 0", "far: 0"])
    assert errors == ["*** unknown command nonsense; `on NODES nonsense` runs it on nodes"]


def test_a_hub_that_is_not_there_is_one_line(boxes: Boxes, tmp_path: Path) -> None:
    missing = tmp_path / "nobody.toml"
    done = subprocess.run([*TSHELL, "--fleet", str(missing), "nodes"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert done.stderr.startswith(f"tshell: {missing}: no such file or directory; it should be a file that")


def test_tshell_alone_says_what_a_fleet_needs(tmp_path: Path) -> None:
    alone = tmp_path / "tshell.py"
    alone.write_bytes((ROOT / "tshell.py").read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(alone), "--fleet", "alice.toml", "nodes"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.stderr == "tshell: --fleet needs the package: pip install 'smanager-shell[fleet]'\n"


def test_a_program_asks_as_simply(boxes: Boxes) -> None:
    with Fleet(hub_file(boxes)) as fleet:
        assert [node.name for node in fleet.nodes()] == sorted(NAMES)
        assert fleet.on("box*").call("box.work", "program") == dict.fromkeys(NAMES[:4], "worked program")
        items = [heard for heard in fleet.on(site="there").stream("box.lines", count=2) if heard.kind == "item"]
        assert [(heard.node, heard.value) for heard in items] == [("far", 0), ("far", 1)]
        with pytest.raises(FleetError) as caught:
            fleet.on("box1").call("box.nonsense")
        assert caught.value.problems.keys() == {"box1"}


def test_a_box_asks_the_others_as_its_user(boxes: Boxes) -> None:
    box = boxes["box1"].server
    assert box.ask("fleet on all status\n").startswith("*** fleet on: this box has no user of the hub")
    settings = (box.directory / "smanager.toml").read_text()
    try:
        (box.directory / "smanager.toml").write_text(f'{settings}\nuser = "{hub_file(boxes)}"\n')
        box.ask("reload\n")
        boxes["box1"].host()
        wait_for(boxes["box1"].is_connected, "the box's connection")
        assert "far\t" in box.ask("fleet nodes\n")
        assert sorted(box.ask("fleet on --label site=here all box lines 1\n").splitlines()) == [
            f"{name}: 0" for name in NAMES[:4]
        ]
        assert "say --yes" in box.ask("fleet on all box work relayed\n")
    finally:
        (box.directory / "smanager.toml").write_text(settings)
        box.ask("reload\n")
        wait_for(boxes["box1"].is_connected, "the box's connection")


@pytest.fixture
def terminal(boxes: Boxes) -> Iterator[Window]:
    needs("tmux", "tmux")
    with tempfile.TemporaryDirectory() as directory:  # not pytest's, whose paths are too long for a socket
        window = Window([*TSHELL, "--fleet", hub_file(boxes)], Path(directory, "tmux"))
        try:
            yield window
        finally:
            window.close()


def shown(terminal: Window, row: str) -> None:
    """Wait until a row of the screen is this."""
    wait_for(
        lambda: row in terminal.rows(), lambda: "\n".join([f"the screen should have {row}, and is", *terminal.rows()])
    )


def test_a_person_asks_and_agrees(boxes: Boxes, terminal: Window) -> None:
    terminal.shows("help shows what can be done; exit or Ctrl-D leaves.", "localhost>")
    terminal.enter("on all box lines 1")
    shown(terminal, "5 nodes: 0")
    terminal.enter("on box1,box2 box work person")
    shown(terminal, "box work person on 2 nodes? [y/N]")
    terminal.enter("n")
    terminal.enter("on box1,box2 --batch 1 box work person")
    terminal.enter("y")
    shown(terminal, "[####################] 2/2")
    assert {"box1: worked person", "box2: worked person"} <= {*terminal.rows()}
    assert boxes.counts("work person") == [1, 1, 0, 0, 0]
    terminal.enter("on all --yes box wait long")
    boxes.wait_for_notes("begin long")
    terminal.press("C-c")
    boxes.wait_for_notes("end long")
    shown(terminal, "^C*** ended, also on the nodes")


def test_a_person_enters_a_node_as_if_connected_there(boxes: Boxes, terminal: Window) -> None:
    shown(terminal, "localhost>")
    terminal.enter("on box1 box lines 1")  # so that the box is known
    shown(terminal, "box1: 0")
    terminal.type("enter bo\t")
    terminal.enter("1")
    shown(terminal, "box1>")
    terminal.type("bo\t")
    terminal.enter("")
    shown(terminal, "box1 box>")
    terminal.type("wor\t")
    terminal.enter("inside")
    shown(terminal, "worked inside")
    terminal.enter("wait never")
    boxes.wait_for_notes("begin never", (1, 0, 0, 0, 0))
    terminal.press("C-c")
    boxes.wait_for_notes("end never", (1, 0, 0, 0, 0))
    terminal.enter("help work")
    shown(terminal, "usage: box work mark")
    terminal.press("C-d")
    terminal.enter("status")
    wait_for(lambda: any(row.startswith("fleet  running  ") for row in terminal.rows()), "a table for this window")
    terminal.press("C-d")
    shown(terminal, "localhost>")


def test_a_script_ends_at_exit_and_has_its_worst_status(boxes: Boxes) -> None:
    assert typed(boxes, lines="\nnosuch\nexit\non box1 box lines 1\n") == (
        2,
        [],
        ["*** unknown command nosuch; `on NODES nosuch` runs it on nodes"],
    )


def test_a_pattern_after_an_option_is_heeded(boxes: Boxes) -> None:
    status, output, _ = typed(boxes, "nodes", "--json", "box[12]")
    assert (status, [json.loads(line)["name"] for line in output]) == (0, ["box1", "box2"])


def test_enter_takes_one_node(boxes: Boxes) -> None:
    assert typed(boxes, "enter", "box*")[::2] == (
        2,
        ["*** usage: enter NODE; box* means 4 nodes, and should mean one"],
    )


def test_a_person_gives_up_a_line_and_a_change(boxes: Boxes, terminal: Window) -> None:
    shown(terminal, "localhost>")
    terminal.type("on box1 box wo")
    shown(terminal, "localhost> on box1 box wo")
    terminal.press("C-c")
    shown(terminal, "localhost>")  # what is typed before that, the terminal drops with the line
    terminal.enter("nosuch")
    shown(terminal, "*** unknown command nosuch; `on NODES nosuch` runs it on nodes")
    terminal.enter("on box1,box2 box work unsaid")
    shown(terminal, "box work unsaid on 2 nodes? [y/N]")
    terminal.press("C-d")
    terminal.enter("nosuch2")
    shown(terminal, "*** unknown command nosuch2; `on NODES nosuch2` runs it on nodes")
    assert boxes.counts("work unsaid") == [0] * 5
