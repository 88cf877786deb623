"""What a docstring says: the text of each parameter, and the rest."""

from __future__ import annotations

import inspect
import re

_GOOGLE = re.compile(r"^(?:Args|Arguments|Parameters):\n((?:[ \t]+.*\n?|\n)*)", re.MULTILINE)
_NUMPY = re.compile(r"^Parameters\n-{3,}\n((?:(?!\S.*\n-{3,}).*\n)*)", re.MULTILINE)
_ENTRY_NAMES = r"^(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*"
_GOOGLE_ENTRY = re.compile(_ENTRY_NAMES + r"(?:\(.*?\))?:\s*(.*)$")
_NUMPY_ENTRY = re.compile(_ENTRY_NAMES + r"(?::.*)?$")


def without_parameters(doc: str) -> str:
    """A docstring without its section on parameters: help shows them from the record."""
    return re.sub(r"\n{3,}", "\n\n", _NUMPY.sub("", _GOOGLE.sub("", doc + "\n"))).strip()


def parameter_docs(doc: str) -> dict[str, str]:
    """A docstring's text on each parameter as one line, from Google's or NumPy's style."""
    texts: dict[str, list[str]] = {}
    section = _GOOGLE.search(doc + "\n") or _NUMPY.search(doc + "\n")
    if not section:
        return {}
    entry_pattern = _GOOGLE_ENTRY if section.re is _GOOGLE else _NUMPY_ENTRY
    current: list[str] = []
    for line in inspect.cleandoc("\n" + section.group(1)).splitlines():
        if entry := entry_pattern.match(line):
            current = [*entry.groups()[1:]]
            texts |= dict.fromkeys(re.findall(r"\w+", entry[1]), current)
        else:
            current.append(line.strip())
    return {name: " ".join(" ".join(pieces).split()) for name, pieces in texts.items()}
