"""Field names: what other systems call a field, and what a template can call it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.campaign.words import word_set

# Words that a template can't use as names.
_TAKEN = word_set(
    "and or not in is if else elif for endif endfor set none true false None True False loop self super caller block"
    " import from include extends macro call filter with recursive ignore missing context varargs kwargs"
)


def identifier(name: str) -> str:
    """Return the name by which a template asks for a field (`Client-ID` is `Client_ID`)."""
    made = re.sub(r"\W", "_", name.strip())
    if not made or made[0].isdigit() or made in _TAKEN:
        made = "_" + made
    return made


def path(name: str) -> str:
    """Return a dotted name with every part as a template can write it; numbers stay, they count list items."""
    return ".".join(
        part if part.isdecimal() and number else identifier(part) for number, part in enumerate(name.split("."))
    )


def aliased(row: Mapping[str, object]) -> dict[str, object]:
    """Give every key that a template can't write a second name that it can; a field of that name wins."""
    made: dict[str, object] = {}
    for key, value in row.items():
        made.setdefault(identifier(str(key)), _deep(value))
    for key, value in row.items():
        made[str(key)] = _deep(value)
    return made


def _deep(value: object) -> object:
    if isinstance(value, Mapping):
        return aliased(value) if any(not _easy(key) for key in value) else {k: _deep(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_deep(item) for item in value]
    return value


def _easy(key: object) -> bool:
    return isinstance(key, str) and key.isidentifier()
