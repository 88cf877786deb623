"""Decodes the characters that a terminal sends into keys: one character in, at most one key out.

No clock is needed, for an Esc always belongs to the key that follows. Since characters are taken one by one, it makes
no difference how the network has split them.
"""

from __future__ import annotations

from dataclasses import dataclass

from smanager.terminal.text import visible

SEQUENCE_LIMIT = 16
"""Characters kept of an escape sequence: the longest key below has 6, a mouse report 15."""

PASTE_LIMIT = 8192
"""Characters kept of one paste: twice the longest line, so what is cut was too long anyway."""

STRING_LIMIT = 1024
"""Characters of a terminal's string, such as a colour or a version, before an Enter ends it too: so nothing that an
honest terminal answers becomes a command (CVE-2008-2383), and a user who has typed its beginning is not locked out."""

_ESCAPE, _BELL = "\x1b", "\a"

# DCS, SOS, OSC, PM and APC begin strings, which end with ST; in an OSC, xterm takes BEL for it (ECMA-48, 5.6; ctlseqs).
_OSC, _STRINGS = "\x1b]", frozenset({"\x1bP", "\x1bX", "\x1b]", "\x1b^", "\x1b_"})
_STRING_ENDERS = frozenset({_ESCAPE, "\x03", "\x18", "\x1a"})  # also Ctrl-C, and as in every terminal CAN and SUB
_ST = "\x1b\\"

_C1 = {chr(0x40 + ord(character)): f"\x1b{character}" for character in "OPX[\\]^_"}  # the same, in one character

_MOUSE, _MOUSE_BYTES = "\x1b[M", 3  # X10's report goes on with a button, a column and a row

# CSI and SS3. The third introduces F1 to F5 of the Linux console, which break the rule that `[` ends a CSI.
_INTRODUCERS = frozenset({"\x1b[", "\x1bO", "\x1b[["})

_CONTROLS = {chr(code): f"ctrl-{chr(code + 0x40).lower()}" for code in range(0x20)} | {
    "\b": "backspace",  # PuTTY and old terminals can be set to send this
    "\x7f": "backspace",
    "\t": "tab",
    "\n": "enter",
    "\r": "enter",
}

_SEQUENCES = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[C": "right",
    "\x1b[D": "left",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1bOC": "right",
    "\x1bOD": "left",
    "\x1b[1;3C": "alt-right",
    "\x1b[1;3D": "alt-left",
    "\x1b[1;5C": "ctrl-right",
    "\x1b[1;5D": "ctrl-left",
    "\x1b[H": "home",
    "\x1b[1~": "home",
    "\x1bOH": "home",
    "\x1b[F": "end",
    "\x1b[4~": "end",
    "\x1bOF": "end",
    "\x1b[7~": "home",  # rxvt's own
    "\x1b[8~": "end",
    "\x1bOc": "ctrl-right",
    "\x1bOd": "ctrl-left",
    "\x1b[3~": "delete",
    "\x1b[200~": "paste-start",
    "\x1b[201~": "paste-end",
}

_IN_A_PASTE = {"enter": "\n", "tab": "\t"}


@dataclass(frozen=True, slots=True)
class Paste:
    """A bracketed paste, reduced to printing characters, tabs and newlines."""

    text: str


Key = str | Paste
"""A printing character, the name of another key ("enter", "ctrl-a", "alt-b", "left"), or a paste."""


class KeyDecoder:
    """Decodes characters into keys.

    Escape sequences that are unknown or too long are dropped, and so are a terminal's answers, and characters that
    a terminal would act on. A control character ends an unfinished sequence and is a key itself. Ctrl-C ends even an
    unfinished paste or answer, so that a lost end does not lock the user out.
    """

    __slots__ = ("_after_return", "_in_string", "_pasted", "_sequence")

    def __init__(self) -> None:
        self._sequence = ""
        self._in_string = 0  # characters of the terminal's string so far
        self._pasted: list[str] | None = None
        self._after_return = False

    def take(self, character: str) -> Key | None:
        """Take the next character; return the key that it completes, if any."""
        key = self._decode(character)
        if self._pasted is not None:
            return self._collect(key)
        if key == "paste-start":
            self._pasted = []
        return None if key in ("", "paste-start", "paste-end") else key

    def _decode(self, character: str) -> str:
        after_return, self._after_return = self._after_return, character == "\r"
        if after_return and character in "\n\0":  # telnet sends CR LF or CR NUL for Enter (RFC 854)
            return ""
        if self._sequence in _STRINGS and character not in _STRING_ENDERS:
            return self._continue_string(character)
        if character in _CONTROLS:
            return self._control(character)
        if character in _C1:
            self._sequence, character = _ESCAPE, _C1[character][1]
        if self._sequence:
            return self._continue_sequence(character)
        return character if visible(character) == character else ""

    def _control(self, character: str) -> str:
        begun, self._sequence = self._sequence, ""
        if character == _ESCAPE:
            self._sequence = _ESCAPE
            return ""
        key = _CONTROLS[character]
        if begun in _STRINGS and key != "ctrl-c":
            return ""
        return "alt-backspace" if begun == _ESCAPE and key == "backspace" else key

    def _continue_string(self, character: str) -> str:
        self._in_string += 1
        ends_late = self._in_string > STRING_LIMIT and _CONTROLS.get(character) == "enter"
        if ends_late or _C1.get(character) == _ST or (character == _BELL and self._sequence == _OSC):
            self._sequence = ""
        return ""

    def _continue_sequence(self, character: str) -> str:
        sequence = self._sequence + character
        if sequence in _INTRODUCERS or sequence in _STRINGS or sequence == _MOUSE:
            self._sequence = sequence
            self._in_string = 0
            return ""
        if sequence.startswith(_MOUSE):
            self._sequence = sequence if len(sequence) < len(_MOUSE) + _MOUSE_BYTES else ""
            return ""
        if self._sequence == _ESCAPE:
            self._sequence = ""
            return "" if sequence == _ST else f"alt-{character.lower()}"
        if not "@" <= character <= "~":
            self._sequence = sequence[:SEQUENCE_LIMIT]
            return ""
        self._sequence = ""
        return _SEQUENCES.get(sequence, "")

    def _collect(self, key: str) -> Key | None:
        """Add `key` to the paste; return the paste once it ends."""
        assert self._pasted is not None
        if key == "paste-end":
            text, self._pasted = "".join(self._pasted), None
            return Paste(text)
        if key == "ctrl-c":
            self._pasted = None
            return key
        character = _IN_A_PASTE.get(key, key)
        if len(character) == 1 and len(self._pasted) < PASTE_LIMIT:
            self._pasted.append(character)
        return None


def typed_in(line: str) -> str:
    """What a user has typed of a line that the terminal edited, without keys that print nothing, and its answers."""
    if _ESCAPE not in line and _C1.keys().isdisjoint(line):
        return line
    typed, decoder = "", KeyDecoder()
    for character in line:
        match decoder.take(character):
            case Paste(text):
                typed += text
            case str(key) if len(text := _IN_A_PASTE.get(key, key)) == 1:  # the names of other keys are longer
                typed += text
    return typed
