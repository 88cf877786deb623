"""Names of all kinds as callers of all kinds give them: by hand, in quotes, from Tab, by tshell, in JSON-RPC."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Callable

import pytest

from smanager.server.editor.insertion import insertion
from tests.conftest import ROOT, Server, as_text, run_program
from tests.live.clients import Program, request, responses

NAMES = """
from smanager import SService, command

class Über(SService):
    def cmd_größe(self, maß="1"): return f"größe {maß}"
    def cmd_plain(self, *words): return "|".join(words)
    def complete_plain(self, text, line, begidx, endidx):  # as for the stdlib's `cmd`
        if text.startswith("?"): return [f"{text} {line!r} {begidx} {endidx}"]
        return [word + " " for word in ("alpha", "alpine", "beta") if word.startswith(text)]
    def toplevel_cmd_äußern(self): return "geäußert"
    @command(aliases=["日本"])
    def cmd_sharp(self): return "sharp"

setattr(Über, "cmd_c#", Über.cmd_sharp)

class Sharp(SService):
    name = "c#"
    def cmd_run(self): return "ran"

class Hash(SService):
    name = "#hash"
    def cmd_run(self): return "hashed"

class Dashed(SService):
    name = "dash-é"
    def cmd_run(self): return "dashed"
"""


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    return shared(names=NAMES)


CALLS = [
    (["über", "größe", "2"], "größe 2\n"),
    (["über", "plain", "a b"], "a b\n"),
    (["über", "c#"], "sharp\n"),
    (["über", "日本"], "sharp\n"),
    (["äußern"], "geäußert\n"),
    (["c#", "run"], "ran\n"),
    (["#hash", "run"], "hashed\n"),
    (["dash_é", "run"], "dashed\n"),
]


@pytest.mark.parametrize(("words", "output"), CALLS)
def test_a_name_in_quotes_is_the_name(server: Server, words: list[str], output: str) -> None:
    assert server.ask(shlex.join(words)) == output
    assert server.ask(" ".join(f'"{word}"' for word in words)) == output
    assert server.ask("  " + "   ".join(f"'{word[0]}'{shlex.quote(word[1:])}" for word in words)) == output
    assert server.ask(unicodedata.normalize("NFD", shlex.join(words))) == output


@pytest.mark.parametrize(("words", "output"), CALLS)
def test_tshell_gives_words_as_they_are(server: Server, words: list[str], output: str) -> None:
    run = as_text(run_program(ROOT / "tshell.py", "-p", str(server.port), *words))
    assert (run.stdout, run.stderr) == (output, "")


def test_programs_give_names_as_they_are(server: Server) -> None:
    for method, result in [
        ("über.größe", "größe 1"), ("über.c#", "sharp"), ("c#.run", "ran"), ("#hash.run", "hashed"),
        ("äußern", "geäußert"), ("dash-é.run", "dashed"),
    ]:  # fmt: skip
        for form in ("NFC", "NFD"):
            (answer,) = responses(server, request(unicodedata.normalize(form, method)))
            assert answer["result"] == result


@pytest.mark.parametrize(
    ("typed", "output"),
    [
        ("üb", None),
        ("über grö", "größe 1\n"),
        ("'über' grö", "größe 1\n"),
        ("'über' 'grö", "größe 1\n"),
        ("c", None),
        ("c# ru", "ran\n"),
        ("'c#' ru", "ran\n"),
        ("'#h", None),
        ("äu", "geäußert\n"),
        ("help üb", None),
        ("help 'über' grö", None),
    ],
)
def test_what_tab_inserts_can_be_run(server: Server, typed: str, output: str | None) -> None:
    with server.connect() as connection:
        program = Program(connection)
        program.send(request("shell.complete", {"line": typed}))
        found = program.answer()["result"]
    words = [word for word in found["matches"] if word not in ("cancel", "clear", "console")]
    line = typed[: found["start"]] + insertion(typed, words)
    answer = server.ask(line)
    assert answer == output if output else not answer.startswith("***")


@pytest.mark.parametrize(
    ("typed", "matches"),
    [
        ("über plain al", ["alpha", "alpine"]),
        ("über plain alph", ["alpha"]),
        ("  'über'   plain x 'be", ["beta"]),
        ("über  plain  a ?", ["? 'plain  a ?' 9 10"]),
        ("  über plain ?x", ["?x 'plain ?x' 6 8"]),
    ],
)
def test_a_completer_is_asked_and_understood_as_the_stdlib_does(server: Server, typed: str, matches: list[str]) -> None:
    with server.connect() as connection:
        program = Program(connection)
        program.send(request("shell.complete", {"line": typed}))
        assert program.answer()["result"]["matches"] == matches


@pytest.mark.parametrize("line", ["'über größe", 'über "größe', "don't"])
def test_an_open_quotation_is_said(server: Server, line: str) -> None:
    assert server.ask(line).startswith("*** no closing quotation in: ")


def test_an_unknown_name_in_quotes_is_shown_as_it_is(server: Server) -> None:
    assert server.ask("'no such' x").startswith("*** unknown command: no such; ")
    assert server.ask("'über'grö x").startswith("*** unknown command: übergrö; ")
    assert server.ask("über 'größ'").startswith("*** über has no command größ; did you mean: größe? ")
