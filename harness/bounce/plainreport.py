"""Reports in plain words: who didn't get the mail, and what the server said, out of a text for people.

Mail programs that write no delivery-status part still write much alike: a recipient on a line of its own,
then the reason, or the reason first; a transcript of the dialogue; then the returned message. This
reader goes by the tables of `wording`; it knows no MIME and no classes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.bounce.dsnfields import Said
from harness.bounce.wording import (
    ANSWER,
    CHATTER,
    DELAY,
    FAILURE,
    FINAL,
    FIND_ADDRESS,
    RETURNED_STARTS,
    RETURNED_WHOLE,
    SENTENCES,
    STRONG,
)

_MAX_LINES = 400
_MAX_LINE = 1200
_MAX_FOUND = 200
_DECORATION = "-=*_#~ \t>"
_SENTENCES = re.compile(r"\n|(?<=\.) ")
_REPLY = re.compile(r"[245]\d\d[ -]")
_TALKING = re.compile(r"(?:\.\.\. )?while talking to ", re.IGNORECASE)
_COMMAND_RCPT = re.compile(r"rcpt to:\s?<", re.IGNORECASE)


@dataclass(slots=True)
class Prose:
    """What a text says: the recipients with their words, the text itself and the returned message below it."""

    text: str
    returned: str
    recipients: list[Said]
    delayed: bool


@dataclass(slots=True)
class _Found:
    """A recipient while the lines are read."""

    address: str
    at: int  # line number
    words: list[str] = field(default_factory=list)
    reply: str = ""  # what the server answered in a transcript


def split_returned(text: str) -> tuple[str, str]:
    """Part a report from the message that it returns, at the first line that announces one."""
    position = 0
    for line in text.split("\n"):
        bare = line.strip(_DECORATION).lower()
        if bare and (bare.startswith(RETURNED_STARTS) or bare in RETURNED_WHOLE) and position:
            return text[:position], text[position:]
        position += len(line) + 1
    return text, ""


def says_failure(text: str) -> bool:
    """Tell whether a text speaks as reports of failure do."""
    text = text[:20000].lower().replace("\u2019", "'")
    folded = " ".join(text.split())
    return any(phrase in folded for phrase in FAILURE)


def says_delay(text: str) -> bool:
    """Tell whether a text says that delivery goes on being tried."""
    folded = " ".join(text[:20000].lower().split())
    return any(phrase in folded for phrase in DELAY) and not any(phrase in folded for phrase in FINAL)


def read_prose(text: str, not_these: frozenset[str] = frozenset()) -> Prose:
    """Read a report's text. `not_these` are addresses that it may name without their having failed."""
    report, returned = split_returned(text)
    lines = [line[:_MAX_LINE] for line in report.split("\n")[:_MAX_LINES]]
    found = _find(lines)
    wanted = [one for one in found if one.address not in not_these] or found
    if not wanted:
        wanted = _find_in_sentences(lines, not_these)
    return Prose(report, returned, [_said(one, lines, wanted) for one in _merge(wanted)], says_delay(report))


def _find(lines: list[str]) -> list[_Found]:
    """Find the lines that name a recipient, and gather what stands below each of them."""
    found: list[_Found] = []
    pending = ""  # the last answer in a transcript, until a recipient takes it
    told: _Found | None = None
    for number, line in enumerate(lines):
        bare = line.strip()
        if bare.startswith("<<< ") or bare.lower().startswith("received >>> "):
            pending = f"{pending} {bare[4:].lstrip('> ')}".strip() if pending else bare.partition(" ")[2].lstrip(">d ")
            if told and told.address and not told.reply:
                told.reply = pending
            continue
        if _TALKING.match(bare):
            pending, told = "", None
            continue
        if bare.startswith(">>> ") or bare.lower().startswith("sent <<< "):
            pending = ""
            named = FIND_ADDRESS.search(bare) if _COMMAND_RCPT.search(bare) else None
            if named:
                told = _Found(named[1].lower(), number)
                found.append(told)
            else:
                told = None if not bare.startswith(">>> ") or "@" not in bare else _told(bare, number, found)
            continue
        named = _named(bare) if "@" in bare else None
        if named:
            one = _Found(named[1].lower().strip("'."), number)
            rest = named[2].strip()
            if rest:
                one.words.append(rest)
            if bare[:1].isdigit() or "... " in bare or "..." in bare[: named.end(1) + 5]:
                one.reply = rest if _REPLY.match(rest) else pending or bare
                pending = ""
            found.append(one)
            if len(found) >= _MAX_FOUND:
                break
    return found


def _told(bare: str, number: int, found: list[_Found]) -> _Found | None:
    """Take `>>> user@host <user@host>` for a recipient, as some write it."""
    named = FIND_ADDRESS.match(bare[4:])
    if not named:
        return None
    one = _Found(named[1].lower(), number)
    found.append(one)
    return one


def _named(bare: str) -> re.Match[str] | None:
    for pattern in STRONG:
        named = pattern.match(bare)
        if named:
            return named
    return None


def _find_in_sentences(lines: list[str], not_these: frozenset[str]) -> list[_Found]:
    """Find addresses that a sentence names as undelivered; the most telling phrase wins."""
    for phrase in SENTENCES:
        for number, line in enumerate(lines):
            low = line.lower()
            at = low.find(phrase) if "@" in line else -1
            named = FIND_ADDRESS.search(line, at + len(phrase)) if at >= 0 else None
            if named and named.start() <= at + len(phrase) + 40:
                address = named[1].lower().strip("'.")
                if address not in not_these:
                    return [_Found(address, number, [line.strip()])]
    return []


def _merge(found: list[_Found]) -> list[_Found]:
    """Put together what several lines say of one recipient, in the order of first mention."""
    merged: dict[str, _Found] = {}
    for one in found:
        first = merged.setdefault(one.address, one)
        if first is not one:
            first.words += one.words
            first.reply = first.reply or one.reply
    return list(merged.values())


def _said(one: _Found, lines: list[str], all_found: list[_Found]) -> Said:
    """Choose the words about one recipient: the transcript's answer, the lines below it, or the text around."""
    following = min((other.at for other in all_found if other.at > one.at), default=len(lines))
    rest = lines[one.at + 1 : following]
    below = list(one.words)
    if not below or (rest and rest[0].strip()):  # what stands after a blank line is about all
        below += _paragraph(rest)
    words = one.reply or _own_words(" ".join(below))
    around = () if one.reply else (_above(lines, one.at), *one.words, *rest)
    return Said(recipient=one.address, diagnostic=words, extra="\n".join(around))


def _own_words(text: str) -> str:
    """Leave out what the mail program says about its queue, and what leads up to the server's answer."""
    before, _, _ = text.partition("I'm not going to try again")
    text = before if before.strip() else text
    return next(iter(answers_in(text)), text)


def _paragraph(lines: list[str]) -> list[str]:
    """Return the first paragraph, decoration left out."""
    taken: list[str] = []
    for line in lines:
        bare = line.strip()
        if not bare.strip(_DECORATION):
            if taken:
                break
            continue
        taken.append(bare)
    return taken


def _above(lines: list[str], at: int) -> str:
    """Return the paragraph before a line, where the reason stands if it comes first."""
    taken: list[str] = []
    for line in reversed(lines[:at]):
        bare = line.strip()
        if not bare.strip(_DECORATION):
            if taken:
                break
            continue
        taken.append(bare)
    return " ".join(reversed(taken))


def answers_in(text: str) -> list[str]:
    """Return the pieces of a text that may be a server's own words, the likeliest first."""
    low = text.lower()
    pieces: list[str] = []
    for phrase in ANSWER:
        at = low.find(phrase)
        if at >= 0:
            piece = text[at + len(phrase) :].strip(" :\n-")
            if piece:
                pieces.append(piece[:2000])
    return pieces


def without_chatter(text: str) -> str:
    """Leave out the sentences that mail programs always write."""
    low = text.lower()
    present = [phrase for phrase in CHATTER if phrase in low]
    if not present:
        return text
    kept = []
    for line in _SENTENCES.split(text):
        low = line.lower()
        if not any(phrase in low for phrase in present):
            kept.append(line)
    return " ".join(kept)
