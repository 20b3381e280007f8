"""Rules about replies: ordered, first match wins.

A rule says which words, code or enhanced status it claims and what class that is. Words are compared
word by word: case, punctuation and addresses don't count, `*` ends a phrase inside a word, ` ... `
lets other words stand between. There are no regular expressions, so no text can make one run away.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.model.answer import Evidence, Level
from harness.model.reply import Step

GAPS = re.compile(r"[\W_]+")
_AN_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,64}@[^\s<>()\[\],;:\"]{1,255}")
# A word of a phrase with blanks on both sides.
_WHOLE = re.compile(r"(?<= )[^ ]+(?= )")
_BLANKED = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
_START = 3
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

    def fits(self, code: int | None, enhanced: str | None, tagged: bool) -> bool:
        """Tell whether the conditions beside the words hold."""
        if self.tagged and not tagged:
            return False
        if self.codes and not str(code or "").startswith(self.codes):
            return False
        return not self.enhanced or _is_one_of(enhanced, self.enhanced)


@dataclass(frozen=True, slots=True)
class Rules:
    """Classes, tags and ordered rules; a value, so that a workspace can put its own first."""

    causes: Mapping[str, Cause]
    tags: Mapping[str, Tag]
    rules: tuple[Rule, ...]
    sources: tuple[str, ...] = ()
    _index: _Index = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", _Index.of(self.rules))

    def with_first(self, other: Rules) -> Rules:
        """Put another file's rules and tags before these."""
        return Rules(
            causes={**self.causes, **other.causes},
            tags={**self.tags, **other.tags},
            rules=other.rules + self.rules,
            sources=other.sources + self.sources,
        )

    def first(self, words: str, code: int | None, enhanced: str | None, tagged: bool = False) -> Rule | None:
        """Find the rule that decides, None if no rule knows the reply; `words` comes from `words_of`."""
        heard = self._index.heard(words)
        for rank in sorted(self._index.wordless.union(heard)):
            rule = self.rules[rank]
            said = heard.get(rank, 0)
            if said & _UNLESS or (rule.says and not said & _SAYS) or (rule.also and not said & _ALSO):
                continue
            if rule.fits(code, enhanced, tagged):
                return rule
        return None


_SAYS, _ALSO, _UNLESS = 1, 2, 4
_Entry = tuple[str, int, int]  # a phrase, the rank of its rule, and which of its lists it stands in


@dataclass(frozen=True, slots=True)
class _Index:
    """Phrases by a word of theirs, so that a reply is compared with the few that share a word with it."""

    by_word: Mapping[str, tuple[_Entry, ...]]  # by the word that the fewest phrases have
    by_start: Mapping[str, tuple[_Entry, ...]]  # open-ended words, by their first letters
    anywhere: tuple[_Entry, ...]  # phrases without a whole word, as in scripts that put no blanks between words
    anywhere_ascii: tuple[_Entry, ...]
    wordless: frozenset[int]  # rules that need no words

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> _Index:
        """Index the phrases of ordered rules."""
        ranked = list(enumerate(rules))
        entries = [
            (phrase, rank, bit)
            for rank, rule in ranked
            for bit, phrases in ((_SAYS, rule.says), (_ALSO, rule.also), (_UNLESS, rule.unless))
            for phrase in phrases
        ]
        common = Counter(word for phrase, _, _ in entries for word in _whole_words(phrase))
        by_word: dict[str, list[_Entry]] = {}
        by_start: dict[str, list[_Entry]] = {}
        anywhere: list[_Entry] = []
        for entry in entries:
            whole = _whole_words(entry[0])
            if whole:
                by_word.setdefault(min(whole, key=lambda word: (common[word], -len(word))), []).append(entry)
            elif entry[0].startswith(" ") and len(entry[0]) > _START:
                by_start.setdefault(entry[0][1 : _START + 1], []).append(entry)
            else:
                anywhere.append(entry)
        wordless = frozenset(rank for rank, rule in ranked if not rule.says)
        return cls(
            {word: tuple(found) for word, found in by_word.items()},
            {start: tuple(found) for start, found in by_start.items()},
            tuple(anywhere),
            tuple(entry for entry in anywhere if entry[0].isascii()),
            wordless,
        )

    def heard(self, words: str) -> dict[int, int]:
        """Return which lists of which rules have a phrase in these words."""
        found: dict[int, int] = {}
        groups = [self.anywhere_ascii if words.isascii() else self.anywhere]
        by_word, by_start = self.by_word, self.by_start
        for word in set(words.split()):
            if word in by_word:
                groups.append(by_word[word])
            if word[:_START] in by_start:
                groups.append(by_start[word[:_START]])
        for group in groups:
            for phrase, rank, bit in group:
                if phrase in words or (GAP in phrase and _stands_in(words, phrase)):
                    found[rank] = found.get(rank, 0) | bit
        return found


def _whole_words(phrase: str) -> list[str]:
    return [word for piece in phrase.split(GAP) for word in _WHOLE.findall(piece)]


def words_of(text: str) -> str:
    """Fold a text to lower-case words with single blanks around them; addresses become one blank."""
    text = text[:_KEPT]
    if "@" in text:
        text = _AN_ADDRESS.sub(" ", text)
    if text.isascii():  # the same as below, several times faster
        return f" {' '.join(text.translate(_BLANKED).split())} "
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
    """Tell whether the pieces of a phrase with gaps follow each other."""
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
