"""Clean: make text from outside harmless to show.

Replies, bounce bodies, templates and merge values come from others. A terminal obeys escape sequences, a reader is
misled by bidirectional overrides, and five megabytes help nobody: all of that is taken out before anything is shown.
HTML escaping is apart from this: the page's templates do it for every value.
"""

from __future__ import annotations

import re
import unicodedata

SHOWN = 2_000  # characters of one piece of text
# CSI and OSC sequences (ECMA-48), and any other escape with its one following character.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]?|\x9b[0-?]*[ -/]*[@-~]?"
)
# Cc control, Cf format (bidi overrides and isolates, zero width, tags), Cs lone surrogates, Zl/Zp separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ASCII = str.maketrans({"…": "...", "·": "-", "–": "-", "—": "-", "×": "x", "→": "->", "≤": "<=", "“": '"', "”": '"'})


def clean(text: str, limit: int = SHOWN) -> str:
    """Return text on one line without escapes, controls and invisible marks, cut to a length that is said."""
    whole = len(text)
    kept = _ESCAPES.sub("", text[: limit * 4])
    visible = "".join(_visible(character) for character in kept)
    folded = " ".join(visible.split())
    if len(folded) > limit or whole > limit * 4:
        return f"{folded[:limit]}… ({whole:,} characters)"
    return folded


def clean_lines(text: str, lines: int = 40, limit: int = 400) -> tuple[str, ...]:
    """Return at most so many lines, each cleaned, and a last one that says how many are left out."""
    several = text[: lines * limit * 2].splitlines()
    kept = [clean_keeping_spaces(line, limit) for line in several[:lines]]
    left = text.count("\n") + 1 - lines
    return (*kept, f"… ({left:,} more lines)") if left > 0 else tuple(kept)


def clean_keeping_spaces(line: str, limit: int = 400) -> str:
    """Clean one line of source, whose leading and inner spaces mean something."""
    kept = _ESCAPES.sub("", line[: limit * 4].replace("\t", "    "))
    visible = "".join(character if character == " " else _visible(character) for character in kept)
    return visible if len(visible) <= limit else f"{visible[:limit]}… ({len(line):,} characters)"


def ascii_only(text: str) -> str:
    """Write text for a terminal that knows ASCII only."""
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in _INVISIBLE else character
