"""Help, usage and the reference never fail, whatever a signature says, and say the same in each process."""

from __future__ import annotations

import json
import subprocess
import sys
from string import ascii_lowercase
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st

from smanager.commands.arguments import bind
from smanager.commands.record import Command
from smanager.commands.signatures import describe
from smanager.commands.words import quoted, usage
from smanager.hosts.child.loader import described
from smanager.service import SService
from smanager.shells.pages import command_help
from smanager.shells.reference import _command as reference
from tests.conftest import ROOT
from tests.shells.defaults import DEFAULTS, Defaults


def test_a_default_of_any_kind_is_a_stable_word_and_drops_no_command() -> None:
    data, problems = described(Defaults)
    assert problems == []
    command, _ = (Command.from_data(one) for one in json.loads(json.dumps(data["commands"])))
    assert {parameter.name: parameter.default for parameter in command.parameters} == DEFAULTS
    assert '  j  any value, default {"a": [1]}\n' in command_help("defaults all", command)
    assert reference("defaults ", command)


def test_the_reference_is_the_same_in_each_process() -> None:
    code = (
        "from smanager.commands.signatures import describe\n"
        "from smanager.shells.reference import _command\n"
        "from tests.shells.defaults import Defaults\n"
        "print(_command('', describe(Defaults, 'cmd_all')))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] != b""


words = st.text(max_size=8) | st.sampled_from(
    ["a b", "100%", "%(prog)s", "{x}", "[y]", "", "c`d", "|", "a\nb", "-x", "--"]
)


@given(st.lists(words, min_size=1, max_size=5, unique=True))
def test_choices_of_any_kind_are_shown_in_one_line_and_can_be_typed(choices: list[str]) -> None:
    def cmd_take(self: object, choice: Any, *, mode: Any = None) -> None: ...

    annotation = Literal[tuple(choices)]  # type: ignore[valid-type]
    cmd_take.__annotations__ = {"choice": annotation, "mode": annotation}
    command = describe(type("Taking", (SService,), {"cmd_take": cmd_take}), "cmd_take")
    shown = usage("taking take", command.parameters)
    assert len(shown.splitlines()) == 1
    assert command_help("taking take", command)
    assert reference("taking ", command)
    for choice in filter(str.isprintable, choices):
        positions, _ = bind(command, "take", f"-- {quoted(choice)}")
        assert positions == [choice]


option_names = st.builds(str.__add__, st.sampled_from(ascii_lowercase), st.text(ascii_lowercase + "_", max_size=40))


@given(st.dictionaries(option_names, st.booleans(), min_size=10, max_size=40))
def test_many_long_options_are_shown_and_can_be_typed(options: dict[str, bool]) -> None:
    parameters = ", ".join(f"{name}_x: bool = {default}" for name, default in options.items())
    names: dict[str, Any] = {}
    exec(f"def cmd_take(self, *, {parameters}): ...", names)  # as authors write them
    command = describe(type("Taking", (SService,), {"cmd_take": names["cmd_take"]}), "cmd_take")
    assert command_help("taking take", command)
    typed = " ".join(f"--{name}_x --no-{name.replace('_', '-')}-x" for name in options)
    assert bind(command, "take", typed).options == {f"{name}_x": False for name in options}
