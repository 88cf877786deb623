"""The manager's own commands about who is connected."""

from __future__ import annotations

from time import monotonic
from typing import Any

from smanager.access.callers import Caller
from smanager.commands.record import CommandError, Status, split_words
from smanager.logs.history import duration_text
from smanager.shells.arguments import is_number
from smanager.shells.base import Shell
from smanager.supervision.manager import Manager
from smanager.supervision.sessions import Present

MESSAGE_LIMIT = 1000
"""Characters of a broadcast."""


class People(Shell):
    """What shows the sessions, speaks to them and ends them."""

    def do_whoami(self, arg: str) -> None:
        """say who you are here, and your roles"""
        self.no_words("whoami", arg)
        found = whoami(self.caller)
        user = found["user"] or "nobody in particular"
        proof = f", by {found['proof']}" if found["proof"] else ""
        proof += f", for {found['for']}" if found["for"] else ""
        roles = ", ".join(found["roles"]) or "none"
        self.results.page(f"{user} from {found['from']}{proof}; roles: {roles}\n", found)

    def do_who(self, arg: str) -> None:
        """list the sessions

        Each with its number, for `kick`, with who is there, from where, for how long, and what runs.
        """
        self.no_words("who", arg)
        found = sessions(self.manager, self.caller)
        rows = [
            {
                "ID": one["id"],
                "USER": one["user"] or "-",
                "FROM": one["from"],
                "SINCE": duration_text(one["since"]),
                "KIND": one["kind"],
                "DOING": one["doing"] or "-",
            }
            for one in found
        ]
        self.results.table(rows, found)

    def do_kick(self, arg: str) -> None:
        """end a session

        `kick ID`; `who` lists them.
        """
        words = split_words(arg)
        if len(words) != 1 or not is_number(words[0]):
            raise CommandError("kick: which session? usage: kick ID", Status.UNUSABLE)
        kick(self.manager, int(words[0]), self.caller)

    def do_broadcast(self, arg: str) -> None:
        """show people a message

        `broadcast TEXT` is shown to everybody at a prompt, above the line that is being typed.
        """
        text = arg.strip()
        if not text:
            raise CommandError("broadcast: what? usage: broadcast TEXT", Status.UNUSABLE)
        is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
        broadcast(self.manager, text[1:-1] if is_quoted else text, self.caller)


def whoami(caller: Caller) -> dict[str, Any]:
    """A caller, for programs."""
    return {
        "user": caller.user or None,
        "from": str(caller.origin),
        "proof": caller.proof or None,
        "for": caller.behalf or None,
        "roles": list(caller.permissions.roles),
    }


def sessions(manager: Manager, caller: Caller) -> list[dict[str, Any]]:
    """The sessions, for programs: for how many seconds they are there, and what runs, as far as the caller may know."""
    shown = {job.caption for job in manager.jobs.shown_to(caller)}
    return [_session(present, shown) for present in manager.sessions.all()]


def _session(present: Present, shown: set[str]) -> dict[str, Any]:
    who, doing = present.caller, present.doing
    user = f"{who.user} for {who.behalf}" if who and who.behalf else who.user if who else ""
    return {
        "id": present.number,
        "user": user or None,
        "from": str(present.peer),
        "since": round(monotonic() - present.since, 3),
        "kind": present.kind if who else "not logged in",
        "doing": (doing if doing in shown or not doing else "a command") or None,
    }


def kick(manager: Manager, number: int, caller: Caller) -> None:
    """End a session. Raises CommandError where none has this number."""
    if (found := manager.sessions.find(number)) is None:
        known = ", ".join(str(present.number) for present in manager.sessions.all()) or "none"
        raise CommandError(f"kick: there is no session {number}; there are: {known}")
    manager.audit.kicked(found.caller or Caller(found.peer), caller)
    found.farewell(f"your session was ended by {caller.user or caller.origin}")


def broadcast(manager: Manager, text: str, caller: Caller) -> None:
    """Show all people a message, as one line."""
    line = " ".join(text[:MESSAGE_LIMIT].split())
    for present in manager.sessions.all():
        if present.caller:
            present.tell(f"[{caller.user or caller.origin}] {line}\n")
