"""Descriptions: what a factor is called in words, and what its two states are."""

from __future__ import annotations

from collections.abc import Mapping

from harness.campaign.layout import Findings
from harness.model.factor import KIND_STAGES, Factor, Stage

LONGEST = 120
# kind -> title, plain, production; {what} is the part of the id after the colon
_WORDS = {
    "subject": ("the subject", "a neutral subject", "the campaign's subject"),
    "preheader": ("the preheader", "no hidden text", "hidden text that the inbox shows after the subject"),
    "from-name": ("the sender's name", "the bare address", "the name before the address"),
    "text": ("block {what} of the copy", "the neutral note, or nothing", "the words of the block, in HTML and text"),
    "html": ("the HTML part and its markup", "the text part alone", "HTML beside the text part"),
    "link": ("link to {what}", "no link: the words behind it stay", "the link, wherever it stands"),
    "section": ("the section {what}", "nothing", "what the conditional or loop renders to"),
    "merge": ("the value of {what}", "one neutral value for all", "each recipient's own value"),
    "redirect": ("tracking through {what}", "the direct URL", "the tracked URL"),
    "image": ("image {what}", "its alternative text", "the image"),
    "pixel": ("pixel {what}", "nothing", "the pixel that counts opens"),
    "attachment": ("attachment {what}", "not attached", "attached"),
    "header": ("the header {what}", "no such header", "the header"),
    "style": ("style block {what}", "nothing", "the style sheet"),
    "from": ("the author's address", "the envelope sender's address", "the campaign's From address"),
    "reply-to": ("the reply address", "no Reply-To", "the campaign's Reply-To"),
    "envelope-sender": ("the envelope sender's domain", "the From address's domain", "the campaign's envelope sender"),
    "message-id": ("the Message-ID", "no Message-ID", "the harness's Message-ID"),
    "swap": ("the link host {what}", "the other host", "the campaign's own host"),
}
_ORDER = list(_WORDS)
_FIRST = ("subject", "from-name", "html", "preheader", "text")


def describe(name: str, needs: frozenset[str], found: Findings, states: Mapping[str, tuple[str, str]]) -> Factor:
    """Make a factor from its id."""
    kind, _, what = name.partition(":")
    title, plain, production = _WORDS[kind]
    if name in states:
        plain, production = states[name]
    elif kind == "text" and found.seen.get(name):
        production = "“" + " ".join(found.seen[name].split()) + "”"
    elif kind in ("image", "redirect") and found.plain.get(name):
        plain = found.plain[name] if kind == "redirect" else f"its text: {found.plain[name]}"
    elif kind == "section" and found.seen.get(name):
        production = " ".join(found.seen[name].split())
    groups = tuple(f"host:{host}" for host in found.hosts.get(name, ()) if host)
    shown = what.removeprefix("https://").removeprefix("http://") if kind == "link" else what
    return Factor(
        name,
        kind,
        stage_of(kind, needs),
        needs,
        groups,
        title.format(what=short(shown)),
        short(plain),
        short(production),
    )


def stage_of(kind: str, needs: frozenset[str]) -> Stage:
    """Return the stage in which a factor comes back: its kind's own, or the last one of its needs."""
    stages = [KIND_STAGES[kind], *(KIND_STAGES[need.partition(":")[0]] for need in needs)]
    return max(stages, key=lambda stage: stage.rank)


def order_of(name: str) -> tuple[int, int]:
    """Order kinds within a stage, and numbered ones by number."""
    kind, _, what = name.partition(":")
    number = int(what) if what.isdecimal() else 0
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST) + _ORDER.index(kind), number


def short(text: str) -> str:
    """Cut a description to what fits a table cell."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
