"""Rules about replies: ordered, first match wins.

A rule says which words, code or enhanced status it claims and what class that is. Words are compared
word by word: case, punctuation and addresses don't count, `*` ends a phrase inside a word, ` ... `
lets other words stand between. There are no regular expressions, so no text can make one run away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.model.answer import Evidence, Level
from harness.model.reply import Step

GAPS = re.compile(r"[\W_]+")
_TOKEN = re.compile(r"[^\s<>()\[\],;:\"]+")
_KEPT = 8000  # characters of a reply that rules look at; the record keeps all
GAP = " ... "


@dataclass(frozen=True, slots=True)
class Cause:
    """A class of replies: whom it is about, what it may prove, what an Apple sender should know and do."""

    name: str
    level: Level
    permanence: str  # permanent | temporary | by_reply_code | by_action | none
    retry: str
    evidence: Evidence
    suppress_recipient: bool
    meaning: str
    apple: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Tag:
    """A provider's bracket tag, with the other readings that are in dispute and why one was taken."""

    name: str
    cause: str
    alternatives: tuple[str, ...]
    evidence: Evidence
    confidence: str
    codes_seen: tuple[int, ...]
    stage: Step | None
    resolution: str
    provider: str = "apple"
    sources: tuple[str, ...] = ()

    @property
    def disputed(self) -> bool:
        """Sources differ on what it means."""
        return bool(self.alternatives)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the catalogue. Every condition that is given must hold; `says` needs any one phrase."""

    id: str
    cause: str
    says: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()  # prefixes: "55" claims 550 to 559
    enhanced: tuple[str, ...] = ()  # "5.7.1", or "x.7.1" for any class, or "5.7." for all that begin so
    tagged: bool = False  # needs a bracket tag that the catalogue doesn't know
    samples: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    origin: str = ""

    def claims(self, words: str, code: int | None, enhanced: str | None, tagged: bool) -> bool:
        """Tell whether this rule decides; `words` comes from `words_of`."""
        if self.tagged and not tagged:
            return False
        if self.codes and not str(code or "").startswith(self.codes):
            return False
        if self.enhanced and not _is_one_of(enhanced, self.enhanced):
            return False
        if self.says and not any(_stands_in(words, phrase) for phrase in self.says):
            return False
        if self.also and not any(_stands_in(words, phrase) for phrase in self.also):
            return False
        return not any(_stands_in(words, phrase) for phrase in self.unless)


@dataclass(frozen=True, slots=True)
class Rules:
    """Classes, tags and ordered rules; a value, so that a workspace can put its own first."""

    causes: Mapping[str, Cause]
    tags: Mapping[str, Tag]
    rules: tuple[Rule, ...]
    sources: tuple[str, ...] = ()

    def with_first(self, other: Rules) -> Rules:
        """Put another file's rules and tags before these."""
        return replace(
            self,
            causes={**self.causes, **other.causes},
            tags={**self.tags, **other.tags},
            rules=other.rules + self.rules,
            sources=other.sources + self.sources,
        )

    def first(self, words: str, code: int | None, enhanced: str | None, tagged: bool = False) -> Rule | None:
        """Find the rule that decides, None if no rule knows the reply."""
        for rule in self.rules:
            if rule.claims(words, code, enhanced, tagged):
                return rule
        return None


def words_of(text: str) -> str:
    """Fold a text to lower-case words with single blanks around them; addresses become one blank."""
    text = text[:_KEPT]
    if "@" in text:
        text = _TOKEN.sub(lambda match: " " if "@" in match[0] else match[0], text)
    return GAPS.sub(" ", f" {text} ".lower())


def fold_phrase(text: str) -> str:
    """Prepare a phrase for `_stands_in`: folded like a reply, `*` at an end opens that end."""
    pieces = []
    for piece in text.split(GAP):
        folded = GAPS.sub(" ", f" {piece.lower()} ")
        if piece.endswith("*"):
            folded = folded.rstrip()
        if piece.startswith("*"):
            folded = folded.lstrip()
        pieces.append(folded)
    return GAP.join(pieces)


def _stands_in(words: str, phrase: str) -> bool:
    if GAP not in phrase:
        return phrase in words
    at = 0
    for piece in phrase.split(GAP):
        at = words.find(piece, at)
        if at < 0:
            return False
        at += len(piece) - 1  # the blank that ends one piece may begin the next
    return True


def _is_one_of(enhanced: str | None, wanted: Iterable[str]) -> bool:
    if enhanced is None:
        return False
    for one in wanted:
        mine = "x" + enhanced[1:] if one.startswith("x") else enhanced
        if mine == one or (one.endswith(".") and mine.startswith(one)):
            return True
    return False
