"""How names and values of another syntax are spelt in Jinja2."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.campaign.naming import identifier

# After a dot Jinja2 looks for an attribute of the Python object first: {{ order.items }} would be a method.
ATTRIBUTES = frozenset(name for kind in (dict, list, str, int, float, bool) for name in dir(kind))
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")


def quote(text: str) -> str:
    """Write a Jinja2 string."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def is_number(text: str) -> bool:
    """Tell a number as templates write it."""
    return _NUMBER.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Tell whether Jinja2 takes a name as it stands."""
    return identifier(text) == text


def top(name: str) -> str:
    """Write a field of the merge row, by its alias where Jinja2 can't take its name."""
    return identifier(name)


def member(base: str, parts: Sequence[str]) -> str:
    """Write a look-up inside of a value."""
    for part in parts:
        if part.isdigit() and part.isascii():
            base += f"[{part}]"
        elif part.isidentifier() and part not in ATTRIBUTES and not part.startswith("_"):
            base += f".{part}"
        else:
            base += f"[{quote(part)}]"
    return base


def optional(base: str, parts: Sequence[str], sure: bool = False) -> str:
    """Write a look-up inside of what may be missing itself; `sure` says that at least the outermost is there."""
    for part in parts:
        base = member(base if sure else f"({base}|default({{}}))", [part])
        sure = False
    return base


def path(parts: Sequence[str]) -> str:
    """Write a dotted path that begins in the merge row."""
    return member(top(parts[0]), parts[1:])


def fresh(wanted: str, source: str) -> str:
    """Return a name for a variable of the template's own that nothing in its source is called."""
    name = re.sub(r"\W+", "_", wanted).strip("_") or "item"
    name = name if is_name(name) else f"a_{name}"
    while re.search(rf"(?<!\w){name}(?!\w)", source):
        name += "_"
    return name


def singular(word: str) -> str:
    """Name one of many: receipt_details, receipt_detail."""
    for ending, one in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + one
    return f"{word}_item"
