"""Sets of words, written as one string where a table of quotes would hide them."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """Split a string into a set."""
    return frozenset(text.split())
