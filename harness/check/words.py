"""Words: how many a text has and how many two share, also in scripts that put no blanks between them."""

from __future__ import annotations

import re

# Thai to Burmese, Khmer, kana and Han.
_LETTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_UNSPACED = re.compile(f"[{_LETTERS}]+")
_WRAPPED = re.compile(rf"(?<=[{_LETTERS}])\s+(?=[{_LETTERS}])")


def likeness(text: str, words: str) -> float:
    """Return the share of the HTML's words that the text part has too (URLs left out)."""
    wanted = _bag(words)
    return len(wanted & _bag(text)) / len(wanted) if wanted else 1.0


def _bag(source: str) -> set[str]:
    """Collect words, and pairs of letters where words have no blanks between them, whatever the lines they stand on."""
    plain = re.sub(r"https?://[!-~]+", " ", source).lower()
    unspaced = _UNSPACED.findall(_WRAPPED.sub("", plain))
    pairs = {run[at : at + 2] for run in unspaced for at in range(len(run) - 1)}
    return pairs.union(re.findall(r"\w{3,}", _UNSPACED.sub(" ", plain)))


def count_words(words: str) -> int:
    """Count words; of scripts without blanks two letters are about one."""
    letters = sum(len(run) for run in _UNSPACED.findall(words))
    return letters // 2 + len(_UNSPACED.sub(" ", words).split())
