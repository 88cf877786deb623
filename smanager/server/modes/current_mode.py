"""A person's mode as it is now: it changes when the client hands line editing over, or takes it back."""

from __future__ import annotations

from smanager.server.modes.character_mode import CharacterMode
from smanager.server.modes.line_mode import LineMode
from smanager.server.modes.person import Person
from smanager.server.session import Session
from smanager.server.telnet import TelnetCodec


class CurrentMode:
    """Chooses a person's mode, and is the output of the session's commands, whichever mode is on."""

    __slots__ = ("_codec", "_session", "mode")

    mode: Person

    def __init__(self, session: Session, codec: TelnetCodec) -> None:
        self._session = session
        self._codec = codec
        self.choose()

    def choose(self) -> Person:
        """Begin the mode that fits the telnet options as they are now."""
        kind = CharacterMode if self._codec.echoes else LineMode
        self.mode = self._session.mode = kind(self._session, self._codec, self.choose)
        return self.mode

    @property
    def columns(self) -> int:
        return self.mode.columns

    def write(self, text: str) -> None:
        self.mode.write(text)

    def progress(self, text: str) -> None:
        self.mode.progress(text)

    def redraw(self, text: str) -> None:
        self.mode.redraw(text)
