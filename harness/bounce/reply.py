"""Replies as words: code, enhanced status, bracket tag and class of whatever text a server gave.

Texts come bare, as Postfix, Exim or Exchange quote them, as a DSN's diagnostic or as a program printed
them. This module doesn't know where they came from; `dsn` and `events` do.
"""

from __future__ import annotations

import re

from harness.bounce.rule import Rule, Rules, Tag, words_of
from harness.bounce.rules import RULES
from harness.model.answer import Answer, Evidence, Kind, Level, Reading, Source
from harness.model.reply import Reply

# Reply codes are three digits (RFC 5321 section 4.2), an enhanced status follows at once (RFC 2034).
_CODE = re.compile(r"(?<![\w.@/+=-])([245]\d\d)(?:[-:, #(']{1,4}([245]\.\d{1,3}\.\d{1,3})(?![\d.]|\w))?(?![\w.%]|-\d)")
_ENHANCED = re.compile(r"(?<![\w./-])(?<!\d:)([245]\.\d{1,3}\.\d{1,3})(?![\d]|\.\d|\w)")
TAG = re.compile(r"\[([A-Z]{2,4}-?\d{1,4})\]")
_NO_TAG = re.compile(r"(?:AS|RFC|UTF|ISO|IPV|MX|NS)-?\d")
# Words after which three digits are a reply code, where no enhanced status vouches for it.
_ANNOUNCES = re.compile(
    r"(?:^|[:;(<>#\"'=,|]|(?:code|error|status|reply|replied|response|responded|said|smtp|was|with|returned|failed|esmtp|b'))[\s#]*$",
    re.IGNORECASE,
)
# A relay that refuses a later command because of an earlier answer quotes that answer.
_NESTED = ("need mail command", "mail from error", "remote server returned", "upstream error")
_NESTED_REPLY = re.compile(r"(?:error:|->|reply:|said:|response:) ?'?([245]\d\d[ -].*)", re.DOTALL | re.IGNORECASE)
# What a relay puts around the words: it would be read as part of them.
_FRAME = re.compile(r"\(in reply to [A-Za-z -]{2,30}\)|^host [^ ]{1,300} (?:said: )?|\bhost [^ ]{1,300} said: ")


def fold(text: str) -> str:
    """Return a text on one line, with single blanks."""
    return " ".join(text.split())


def find_code(text: str) -> int | None:
    """Find the reply code in a folded text, None if no number can safely be taken for one."""
    first: int | None = None
    for match in _CODE.finditer(text):
        if match[2]:
            return int(match[1])
        if first is None and _ANNOUNCES.search(text[max(0, match.start() - 12) : match.start()]):
            first = int(match[1])
    return first


def find_enhanced(text: str, code: int | None = None) -> str | None:
    """Find the enhanced status in a folded text: the one that fits the code, else the first."""
    found = [match[2] for match in _CODE.finditer(text) if match[2]] + _ENHANCED.findall(text)
    digit = str(code)[0] if code else "45"  # a version number looks like a 2.x.x
    for one in found:
        if one[0] in digit:
            return str(one)
    return found[0] if found else None


def find_tag(text: str, rules: Rules = RULES) -> str | None:
    """Find a provider's bracket tag, a known one first; addresses and hosts in brackets are none."""
    if "[" not in text:
        return None
    tags = [tag for tag in TAG.findall(text) if not _NO_TAG.match(tag)]
    for tag in tags:
        if tag in rules.tags:
            return str(tag)
    return tags[0] if tags else None


def read_reply(text: str, *, code: int | None = None, enhanced: str | None = None, rules: Rules = RULES) -> Reading:
    """Read any string as a server's reply: never fails, and keeps the text whole.

    `code` and `enhanced` are what the source says in fields of their own; they win over the text's.
    """
    text = fold(text)
    code = code if code is not None else find_code(text)
    enhanced = enhanced or find_enhanced(text, code)
    tag = find_tag(text, rules)
    decisive = _decisive(text)
    inner = find_code(decisive) if decisive is not text else code
    inner_enhanced = find_enhanced(decisive, inner) if decisive is not text else enhanced
    ours = rules.tags.get(tag) if tag else None
    rule = None if ours else _rule(decisive, inner, inner_enhanced, tag, rules)
    cause = rules.causes[ours.cause if ours else rule.cause if rule else "unknown"]
    return Reading(
        code=code,
        enhanced=enhanced,
        tag=tag,
        text=text,
        cause=cause.name,
        level=cause.level,
        evidence=ours.evidence if ours else cause.evidence,
        permanent=_permanent(inner, inner_enhanced, cause.permanence),
        rule=_name(ours, rule),
    )


def _decisive(text: str) -> str:
    """Return the reply that the words go back to: a quoted inner one, or the text itself."""
    low = text.lower()
    if any(phrase in low for phrase in _NESTED):
        inner = _NESTED_REPLY.search(text)
        if inner:
            return inner[1]
    return text


def _rule(text: str, code: int | None, enhanced: str | None, tag: str | None, rules: Rules) -> Rule | None:
    if "host " in text or "(in reply" in text:
        text = _FRAME.sub(" ", text)
    if code is not None:  # continuation lines repeat the code inside the sentence
        text = text.replace(f"{code}-{enhanced} ", " ").replace(f"{code} {enhanced} ", " ").replace(f"{code}-", " ")
    return rules.first(words_of(text), code, enhanced, tag is not None)


def _name(tag: Tag | None, rule: Rule | None) -> str:
    if tag:
        return f"tag-{tag.name}"
    return rule.id if rule else "none"


def _permanent(code: int | None, enhanced: str | None, permanence: str) -> bool | None:
    """Tell whether this delivery attempt failed for good; None where nothing failed, or nobody says."""
    digit = str(code)[0] if code else enhanced[0] if enhanced else ""
    if permanence == "none" or digit == "2":
        return None
    if digit:
        return digit == "5"
    return {"permanent": True, "temporary": False}.get(permanence)


def answer_of_reply(reply: Reply, *, recipient: str | None = None, rules: Rules = RULES) -> Answer:
    """Turn a relay's session reply into the record that DSNs and events become, too."""
    reading = read_reply(reply.text, code=reply.code, rules=rules)
    return Answer(kind=kind_of(reading), source=Source.SESSION, reading=reading, recipient=recipient, step=reply.step)


def kind_of(reading: Reading) -> Kind:
    """Name what a reading is of its message, going by the server's words alone."""
    if reading.cause == "accepted":
        return Kind.DELIVERED
    if reading.permanent is False:
        return Kind.DEFERRED
    return Kind.BOUNCE if reading.permanent or reading.cause != "unknown" else Kind.OTHER


NO_READING = Reading(None, None, None, "", "unknown", Level.NONE, Evidence.NONE, None, "none")
