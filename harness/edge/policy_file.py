"""The sandbox's policy file: YAML, checked whole, with the line and the nearest known key in every error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from harness.edge.policy import DEFAULT_TAG, WORDS, Block, Condition, HeaderTest, Noise, Policy, Rate, Rule
from harness.edge.schema import Duration, Strict, check
from harness.edge.yamlfile import Document, Place, nearest, parse_yaml, read_yaml


def _listed(value: object) -> object:
    return [value] if isinstance(value, (str, int, float)) and not isinstance(value, bool) else value


def _worded(value: object) -> object:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Wanted = Annotated[str, BeforeValidator(_worded), Field(min_length=1, max_length=2000)]
Values = Annotated[list[Wanted], BeforeValidator(_listed), Field(min_length=1, max_length=1000)]
Probability = Annotated[float, Field(ge=0, le=1)]
Tag = Annotated[str, Field(pattern=r"^[A-Z]{2,4}[0-9]{1,3}$")]


class HeaderFile(Strict):
    """`header:` of a condition."""

    name: Annotated[str, Field(pattern=r"^[!-9;-~]{1,76}$")]
    contains: Annotated[str, Field(max_length=2000)] = ""


class ConditionFile(Strict):
    """A condition: every key must hold, any one of a key's values is enough."""

    link_host: Values | None = None
    url: Values | None = None
    image: Values | None = None
    attachment: Values | None = None
    subject: Values | None = None
    text: Values | None = None
    value: Values | None = None
    html: Values | None = None
    recipient: Values | None = None
    recipient_domain: Values | None = None
    envelope_sender: Values | None = None
    header: HeaderFile | None = None
    all: Annotated[list[ConditionFile], Field(min_length=1)] | None = None
    any: Annotated[list[ConditionFile], Field(min_length=1)] | None = None
    unless: ConditionFile | None = None


class ScoreFile(Strict):
    """One line of a scoring rule."""

    when: ConditionFile
    points: float


class RuleFile(Strict):
    """One rule."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    when: ConditionFile | None = None
    scores: Annotated[list[ScoreFile], Field(min_length=1)] | None = None
    threshold: float | None = None
    reply: str = "content"
    tag: Tag = DEFAULT_TAG
    fire: Probability = 1.0


class BlockFile(Strict):
    """`block:` refuses everything from a message on."""

    from_message: Annotated[int, Field(ge=1)]
    reply: str = "behaviour"


class NoiseFile(Strict):
    """`noise:` refuses without cause."""

    probability: Probability
    reply: str = "content"
    tag: Tag = DEFAULT_TAG


class RateFile(Strict):
    """`rate:` defers what comes too fast."""

    messages: Annotated[int, Field(ge=1)]
    per: Duration
    reply: str = "rate"


class RecipientFile(Strict):
    """One mailbox that takes no mail."""

    address: Annotated[str, Field(min_length=3, max_length=320)]
    is_: Annotated[Literal["unknown", "inactive", "full", "full-for-now", "refused"], Field(alias="is")]
    reply: str | None = None


class PolicyFile(Strict):
    """The whole file."""

    key: str = "sandbox"
    rules: Annotated[list[RuleFile], Field(default_factory=list)]
    block: BlockFile | None = None
    noise: NoiseFile | None = None
    rate: RateFile | None = None
    recipients: Annotated[list[RecipientFile], Field(default_factory=list)]


_MAILBOX_WORDS = {
    "unknown": "unknown-user",
    "inactive": "inactive-user",
    "full": "full",
    "full-for-now": "full-for-now",
    "refused": "private-relay",
}


def load_policy(path: Path, name: str | None = None) -> Policy:
    """Read a policy file.

    Raises:
        ConfigError: it names file, line, key, what was expected and the nearest known key.
    """
    return policy_of(read_yaml(path, name))


def parse_policy(text: str, name: str = "policy") -> Policy:
    """Read a policy from text; errors as in `load_policy`."""
    return policy_of(parse_yaml(text.encode(), name))


def policy_of(document: Document) -> Policy:
    """Check a parsed document and build its policy."""
    file = check(document, PolicyFile)
    names: set[str] = set()
    for i, rule in enumerate(file.rules):
        if rule.name in names:
            raise document.error(("rules", i, "name"), f"a rule is called {rule.name!r} already; name each once")
        names.add(rule.name)
    block, noise, rate = file.block, file.noise, file.rate
    return Policy(
        key=file.key,
        rules=tuple(_rule(rule, ("rules", i), document) for i, rule in enumerate(file.rules)),
        block=Block(block.from_message, _reply(block.reply, ("block", "reply"), document)) if block else None,
        noise=Noise(noise.probability, _reply(noise.reply, ("noise", "reply"), document), noise.tag) if noise else None,
        rate=Rate(rate.messages, rate.per, _reply(rate.reply, ("rate", "reply"), document)) if rate else None,
        recipients={
            entry.address.casefold(): _reply(
                entry.reply or _MAILBOX_WORDS[entry.is_], ("recipients", i, "reply"), document
            )
            for i, entry in enumerate(file.recipients)
        },
    )


def _rule(file: RuleFile, place: Place, document: Document) -> Rule:
    if (file.scores is None) != (file.threshold is None):
        raise document.error(place, f"rule {file.name!r}: scores and threshold go together; one of them is missing")
    if file.when is None and file.scores is None:
        raise document.error(
            place,
            f"rule {file.name!r} has no condition; give 'when', or 'scores' with a 'threshold' (when: {{}} is all)",
        )
    return Rule(
        name=file.name,
        reply=_reply(file.reply, (*place, "reply"), document),
        tag=file.tag,
        when=_condition(file.when) if file.when else None,
        scores=tuple((_condition(score.when), score.points) for score in file.scores or ()),
        threshold=file.threshold or 0.0,
        fire=file.fire,
    )


_PLAIN_KEYS = tuple(name for name in ConditionFile.model_fields if name not in ("header", "all", "any", "unless"))


def _condition(file: ConditionFile) -> Condition:
    tests = [(key, getattr(file, key)) for key in _PLAIN_KEYS]
    return Condition(
        tests=tuple((key, tuple(values)) for key, values in tests if values),
        headers=(HeaderTest(file.header.name, file.header.contains),) if file.header else (),
        all=tuple(_condition(part) for part in file.all or ()),
        any=tuple(_condition(part) for part in file.any or ()),
        unless=_condition(file.unless) if file.unless else None,
    )


def _reply(text: str, place: Place, document: Document) -> str:
    """Return the words of a reply: a name of the list, or a line of one's own with a code of 4xx or 5xx."""
    if text in WORDS:
        return WORDS[text]
    if re.fullmatch(r"[45]\d\d [ -~]{1,480}", text):
        return text
    if text[:1].isdigit():
        raise document.error(
            place, f"{text!r} is no refusal; write one printable line such as '554 5.7.1 [CS01] Message rejected'"
        )
    raise document.error(place, f"no reply is called {text!r}{nearest(text, list(WORDS))}; or write '554 5.7.1 …'")
