"""Which of several texts decides: the diagnostic field, the words around it, the status field.

A report says the same thing up to four times, more or less exactly. The server's own words count most; the
relay's prose is asked only where they say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from harness.bounce.dsnfields import Said
from harness.bounce.plainreport import answers_in, without_chatter
from harness.bounce.reply import find_code, find_enhanced, fold, read_reply
from harness.bounce.rule import Rules
from harness.model.answer import Reading

# Readings by number alone, or by words so general that any other words are better.
_WEAK = ("status-", "code-")
_GENERAL = frozenset(("none", "policy", "greylisting", "too-many-errors", "system-fault", "expired"))
_LONGEST = 3000
_NUMBERS = 600  # reply codes stand at the beginning of what a server says


@dataclass(frozen=True, slots=True)
class Judged:
    """A reading, the words that were looked at, and whether the receiver wrote them."""

    reading: Reading
    words: str
    from_receiver: bool | None


@dataclass(frozen=True, slots=True)
class Around:
    """What a report's text for people says of a recipient, and the whole of it where it is about him alone."""

    told: Said
    whole: str = ""


def judge_words(said: Said, around: Callable[[Said], Around], rules: Rules) -> Judged:
    """Read what a report says about a recipient; `around` fetches the text for people, if it is needed."""
    diagnostic = fold(said.diagnostic)
    code = find_code(diagnostic)
    enhanced = _better(find_enhanced(said.status), find_enhanced(diagnostic, code), code)
    reading = read_reply(diagnostic, code=code, enhanced=enhanced, rules=rules)
    words = diagnostic
    if _says_too_little(reading):
        text = around(said)
        reading, words = _helped(reading, text, said, rules)
        if reading.cause == "unknown_user":
            reading = _above_knows_better(reading, text.told, rules)
    if said.action in ("delivered", "relayed", "expanded") and reading.cause == "unknown":
        reading = _as(reading, "accepted", rules)
    elif reading.cause == "unknown" and said.action == "delayed":
        reading = _as(reading, "temporary_other", rules)
    return Judged(reading, words, _from_receiver(reading, words))


def _says_too_little(reading: Reading) -> bool:
    """Tell whether to look further: no code, or no words but a number; "later" isn't a reason for a 5xx."""
    if reading.code is None or _strength(reading) == 0 or reading.rule.startswith(_WEAK):
        return True
    return reading.rule == "greylisting" and reading.permanent is True


def _helped(reading: Reading, around: Around, said: Said, rules: Rules) -> tuple[Reading, str]:
    """Look for a better reading in the other texts; numbers are taken from the first text that has them."""
    code, enhanced = reading.code, reading.enhanced
    best, best_words = reading, reading.text
    seen: set[str] = set()
    for near, text in _candidates(said, around):
        if not near and _strength(best) == 2:
            break  # the text at large is asked for a reason, not for numbers alone
        folded = fold(text[:_LONGEST])
        if not folded or folded in seen:
            continue
        seen.add(folded)
        its_code = find_code(folded[:_NUMBERS])
        if code is None and its_code is not None and _fits(its_code, said):
            code = its_code
            enhanced = _better(find_enhanced(said.status), find_enhanced(folded, code), code) or enhanced
        enhanced = enhanced or find_enhanced(folded[:_NUMBERS], code)
        if _strength(best) < 2:
            other = read_reply(folded, code=code, enhanced=enhanced, rules=rules)
            if _strength(other) > _strength(best) or not best_words:
                best, best_words = other, folded
        if code is not None and _strength(best) == 2:
            break
    tag = best.tag or reading.tag
    return replace(best, code=code, enhanced=enhanced, tag=tag, text=best_words), f"{reading.text} {best_words}"


def _candidates(said: Said, around: Around) -> Iterator[tuple[bool, str]]:
    """Yield the texts that may say it, the closest to the recipient first, with whether they are about him."""
    told, whole = around.told, around.whole
    if told is not said:
        yield True, told.diagnostic
    for piece in answers_in(told.extra):
        yield True, piece
    yield True, without_chatter(told.extra.partition("\n")[0])
    if told is not said:
        yield True, said.extra
    yield True, without_chatter(told.extra)
    if whole:
        for piece in answers_in(whole):
            yield False, piece
        yield False, without_chatter(whole)


def _above_knows_better(reading: Reading, told: Said, rules: Rules) -> Reading:
    """Prefer the sentence above a recipient to a bare "user unknown": some systems say there what it really is."""
    above = read_reply(without_chatter(told.extra.partition("\n")[0]), code=reading.code, rules=rules)
    if _strength(above) == 2 and above.level is reading.level:
        return replace(above, enhanced=reading.enhanced, text=f"{above.text} {reading.text}")
    return reading


def _fits(code: int, said: Said) -> bool:
    """Tell whether a code may be this recipient's: a success code in a failure's text is somebody else's."""
    return (code // 100 == 2) == (said.action in ("delivered", "relayed", "expanded"))


def _strength(reading: Reading) -> int:
    """2: telling words or a tag; 1: general words or a number; 0: nothing."""
    if reading.cause == "unknown":
        return 0
    return 1 if reading.rule.startswith(_WEAK) or reading.rule in _GENERAL else 2


def _better(field: str | None, told: str | None, code: int | None) -> str | None:
    """Choose between the status field and the status in the words.

    Relays write a vague field (x.0.0, or 4.4.7 when the queue gave up) beside the server's exact words,
    and Postfix turns the class of a greeting's refusal into 4.
    """
    if not field or not told:
        return field or told
    if told.endswith(".0.0"):
        return field
    vague = field.endswith(".0.0") or field[1:] == ".4.7"
    contradicted = code is not None and field[0] != str(code)[0] == told[0]
    return told if vague or contradicted else field


def _as(reading: Reading, name: str, rules: Rules) -> Reading:
    cause = rules.causes[name]
    permanent = None if cause.permanence == "none" else False
    return replace(reading, cause=name, level=cause.level, evidence=cause.evidence, permanent=permanent)


def _from_receiver(reading: Reading, words: str) -> bool:
    """Tell whether the receiver answered: a reply code that no relay wrote on its own behalf."""
    if reading.code is None:
        return False
    low = words.lower()
    return not any(
        phrase in low for phrase in ("connection timed out", "connection refused", "host not found", "message expired")
    )
