"""The catalogue for people: what a reading means to an Apple sender, and the page docs/replies.md.

Everything comes from the rule file. `python -m harness.bounce.catalogue` prints the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from harness.bounce.rule import Cause, Rule, Rules, Tag
from harness.bounce.rules import RULES
from harness.model.answer import Evidence, Level, Reading

LEVELS = {
    Level.MESSAGE: "about the message itself",
    Level.MESSAGE_OR_SENDER: "about the message or its sender",
    Level.AMBIGUOUS: "does not say whom it is about",
    Level.SENDER: "about the sender",
    Level.INFRASTRUCTURE: "about the sending machines or the route",
    Level.RECIPIENT: "about the recipient",
    Level.TRANSPORT: "about the transport",
    Level.NONE: "no refusal",
}
EVIDENCE = {
    Evidence.STRONG: "a refusal counts as evidence about the message",
    Evidence.CONDITIONAL: "a refusal counts only while the control, interleaved with it, is accepted",
    Evidence.NONE: "a refusal says nothing about the message and is left out of the count",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a reading means: in words, for an Apple sender, and what to do about it."""

    title: str
    meaning: str
    apple: str
    advice: str
    evidence: str
    dispute: str
    sources: tuple[str, ...]


def explain(reading: Reading, rules: Rules = RULES) -> Explanation:
    """Explain a reading by its class, its tag and the rule that decided."""
    cause = rules.causes[reading.cause]
    tag = rules.tags.get(reading.rule.removeprefix("tag-"))
    rule = next((rule for rule in rules.rules if rule.id == reading.rule), None)
    sources = tag.sources if tag else rule.sources if rule else ()
    return Explanation(
        title=f"{cause.name} [{tag.name}]" if tag else cause.name,
        meaning=cause.meaning,
        apple=cause.apple,
        advice=cause.advice,
        evidence=EVIDENCE[reading.evidence],
        dispute=_dispute(tag),
        sources=sources or (_origin(reading, rule),),
    )


def _origin(reading: Reading, rule: Rule | None) -> str:
    if rule:
        return f"rule {rule.id} of {rule.origin}"
    return "the provider's own word" if reading.rule.startswith("event-") else "no rule knows these words"


def _dispute(tag: Tag | None) -> str:
    if tag is None or not tag.disputed:
        return ""
    return f"Disputed ({tag.confidence} confidence); also read as {', '.join(tag.alternatives)}. {tag.resolution}"


def page(rules: Rules = RULES) -> str:
    """Write docs/replies.md: classes, Apple's tags, Apple's replies without one, and the order of the rules."""
    parts = [_HEAD, "## Apple's tags\n", *_tags(rules), "## Classes\n", *_classes(rules.causes.values())]
    parts += [
        "## Tags of other providers\n",
        *_other_tags(rules),
        "## Rules, in their order\n",
        _ORDER,
        *_rules(rules.rules),
    ]
    return "\n".join(parts) + "\n"


_HEAD = """# What Apple's mail hosts answer, and what it means

This page is made from `harness/bounce/rules.yaml` by `python -m harness.bounce.catalogue > docs/replies.md`; change
the rules, not the page. A reply is read in this order: a quoted inner reply first; then a known tag in square
brackets; an unknown tag with words of policy (kept word for word, `other_policy`); phrases; the enhanced status; the
reply code. The first rule that fits decides, and every answer says which one it was.

A class has a level: whom the refusal is about. It also says what a refusal may prove. A tag is only a prior:
whatever it is, a refused control means that the sender or its machines are to blame.
"""
_ORDER = """A workspace may have a `rules.yaml` of its own, in the same form; its rules and tags go first.
"""


def _tags(rules: Rules) -> Iterable[str]:
    for tag in rules.tags.values():
        if tag.provider != "apple":
            continue
        cause = rules.causes[tag.cause]
        yield f"### {tag.name}: `{tag.cause}`\n"
        yield f"{cause.apple} {cause.advice}\n"
        yield f"- Level: {cause.level.value}, {LEVELS[cause.level]}; {EVIDENCE[tag.evidence]}."
        codes = ", ".join(str(code) for code in tag.codes_seen) or "none"
        yield f"- Seen with the codes {codes}{f', at {tag.stage.value}' if tag.stage else ''}."
        if tag.disputed:
            yield f"- **Disputed.** Other sources read it as {', '.join(f'`{name}`' for name in tag.alternatives)}."
        yield f"- Confidence {tag.confidence}: {tag.resolution}"
        yield f"- Sources: {'; '.join(tag.sources)}.\n"


def _classes(causes: Iterable[Cause]) -> Iterable[str]:
    yield "| Class | Level | Lasts | Again | Counts as evidence | Meaning | For an Apple sender | What to do |"
    yield "|---|---|---|---|---|---|---|---|"
    for cause in causes:
        cells = (
            *(f"`{cause.name}`", cause.level.value, cause.permanence.replace("_", " "), cause.retry.replace("_", " ")),
            *(cause.evidence.value, cause.meaning, cause.apple, cause.advice),
        )
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
    yield ""


def _other_tags(rules: Rules) -> Iterable[str]:
    yield "| Tag | Provider | Class | Also read as | Meaning |"
    yield "|---|---|---|---|---|"
    for tag in rules.tags.values():
        if tag.provider != "apple":
            yield f"| {tag.name} | {tag.provider} | `{tag.cause}` | {', '.join(tag.alternatives)} | {tag.resolution} |"
    yield ""


def _rules(rules: Iterable[Rule]) -> Iterable[str]:
    yield "| Rule | Class | A reply that it claims |"
    yield "|---|---|---|"
    for rule in rules:
        sample = rule.samples[0].replace("|", "/").replace("`", "'")
        yield f"| {rule.id} | `{rule.cause}` | `{sample}` |"


if __name__ == "__main__":
    sys.stdout.write(page())
