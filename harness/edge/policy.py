"""The sandbox's policy: whether a received message is refused, and in which words. Pure: no clock, no connection.

Randomness is keyed by the policy's key, what the message says, its recipient and how often that came before, so that
the same run gets the same answers again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.edge.received import Received

# Apple's words as senders report them. {tag}, {recipient}, {sender} and {domain} are filled in.
WORDS: Mapping[str, str] = {
    "content": "554 5.7.1 [{tag}] Message rejected due to local policy. "
    "Please visit https://support.apple.com/en-us/HT204137",
    "spam": "550 5.7.1 message content rejected due to spam",
    "behaviour": "554 5.7.1 [HM08] Message rejected due to local policy. "
    "Please visit https://support.apple.com/en-us/HT204137",
    "reputation": "550 5.7.1 [HCM2] Your mail from 127.0.0.1 was rejected. https://support.apple.com/en-us/HT204137",
    "blocklist": "550 5.7.0 Blocked - see https://support.proofpoint.com/dnsbl-lookup.cgi?ip=127.0.0.1",
    "domain-blocklist": "550 5.7.1 Your email was rejected due to having a domain present in the Spamhaus DBL "
    "-- see https://www.spamhaus.org/dbl/",
    "authentication": "554 5.7.1 [HME1] This message was blocked for failing both SPF and DKIM authentication checks. "
    "See https://support.apple.com/en-us/HT204137 for mailing best practices",
    "dmarc": "554 5.7.1 Your message was rejected due to {domain}'s DMARC policy. "
    "See https://support.apple.com/en-us/HT204137 for info",
    "rate": "421 4.7.1 Messages to {recipient} deferred due to excessive volume. "
    "Try again later - https://support.apple.com/en-us/HT204137",
    "busy": "451 4.7.1 Service unavailable - try again later",
    "temporary": "451 [BS02] Temporary server error. Please try again later.",
    "unknown-user": "550 5.1.1 <{recipient}>: user does not exist",
    "inactive-user": "550 5.1.6 recipient no longer on server: {recipient}",
    "full": "552 5.2.2 <{recipient}>: user is over quota",
    "full-for-now": "450 4.2.2 user is overquota",
    "private-relay": "550 5.1.1 <{sender}>: unauthorized sender",
}
DEFAULT_TAG = "CS01"


@dataclass(frozen=True, slots=True)
class Parcel:
    """What the sandbox knows of a message: the decoded content and its envelope."""

    view: Received
    sender: str
    recipient: str
    domain: str  # the Apple domain that the recipient counts under


@dataclass(frozen=True, slots=True)
class HeaderTest:
    """A header field is there, and one of its values holds a text."""

    name: str
    contains: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a message must show: every key, any one of a key's values, and all nested conditions."""

    tests: tuple[tuple[str, tuple[str, ...]], ...] = ()
    headers: tuple[HeaderTest, ...] = ()
    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    unless: Condition | None = None

    def holds(self, parcel: Parcel) -> bool:
        """Tell whether a message shows all of it."""
        return (
            all(any(TESTS[kind](parcel, wanted) for wanted in values) for kind, values in self.tests)
            and all(_has_header(parcel, test) for test in self.headers)
            and all(condition.holds(parcel) for condition in self.all)
            and (not self.any or any(condition.holds(parcel) for condition in self.any))
            and not (self.unless is not None and self.unless.holds(parcel))
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason for a refusal: a condition, or points that add up to a threshold."""

    name: str
    reply: str = WORDS["content"]
    tag: str = DEFAULT_TAG
    when: Condition | None = None
    scores: tuple[tuple[Condition, float], ...] = ()
    threshold: float = 0.0
    fire: float = 1.0

    def holds(self, parcel: Parcel) -> bool:
        """Tell whether the rule speaks of this message."""
        if self.when is not None and not self.when.holds(parcel):
            return False
        if not self.scores:
            return True
        return sum(points for condition, points in self.scores if condition.holds(parcel)) >= self.threshold


@dataclass(frozen=True, slots=True)
class Block:
    """Everything is refused from the N-th message on, as after a loss of reputation."""

    message: int
    reply: str = WORDS["behaviour"]


@dataclass(frozen=True, slots=True)
class Noise:
    """A refusal that has no cause in the message."""

    probability: float
    reply: str = WORDS["content"]
    tag: str = DEFAULT_TAG


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many messages in so many seconds; what is above is deferred, and the connection closed."""

    messages: int
    seconds: float
    reply: str = WORDS["rate"]


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules of one sandbox. Recipients map an address to the words that RCPT is answered with."""

    key: str = "sandbox"
    rules: tuple[Rule, ...] = ()
    block: Block | None = None
    noise: Noise | None = None
    rate: Rate | None = None
    recipients: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Judge:
    """A policy with what it has seen so far."""

    policy: Policy
    messages: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def at_recipient(self, sender: str, recipient: str) -> str | None:
        """Return the refusal of a recipient; None if the mailbox takes mail."""
        words = self.policy.recipients.get(recipient.casefold())
        return None if words is None else fill(words, sender, recipient)

    def at_end(self, parcel: Parcel) -> tuple[str, str] | None:
        """Return the refusal of a message and the name of the rule; None if it is accepted."""
        self.messages += 1
        policy, block, noise = self.policy, self.policy.block, self.policy.noise
        if block is not None and self.messages >= block.message:
            return fill(block.reply, parcel.sender, parcel.recipient), "block"
        chance = self._chance(parcel) if noise or any(rule.fire < 1 for rule in policy.rules) else _certain
        for rule in policy.rules:
            if rule.holds(parcel) and chance(rule.name) < rule.fire:
                return fill(rule.reply, parcel.sender, parcel.recipient, rule.tag), rule.name
        if noise is not None and chance("\0noise") < noise.probability:
            return fill(noise.reply, parcel.sender, parcel.recipient, noise.tag), "noise"
        return None

    def _chance(self, parcel: Parcel) -> Callable[[str], float]:
        what = f"{parcel.recipient.casefold()}\0{parcel.view.essence}"
        self.seen[what] += 1
        base = f"{self.policy.key}\0{what}\0{self.seen[what]}\0"

        def draw(name: str) -> float:
            return int.from_bytes(hashlib.sha256((base + name).encode()).digest()[:8], "big") / 2**64

        return draw


def _certain(name: str) -> float:
    return 0.0


def fill(words: str, sender: str, recipient: str, tag: str = DEFAULT_TAG) -> str:
    """Put address, domain and tag into a reply; nothing of them can add a line."""
    values = {"tag": tag, "recipient": recipient, "sender": sender, "domain": sender.rpartition("@")[2]}
    for name, value in values.items():
        words = words.replace("{" + name + "}", "".join(c if c.isprintable() else "?" for c in value))
    return words


def matches(wanted: str, text: str) -> bool:
    """Tell whether a text holds the wanted one, in any case; with `*` in it, it must match from end to end."""
    wanted, text = wanted.casefold(), text.casefold()
    if "*" not in wanted:
        return wanted in text
    first, *middle, last = wanted.split("*")
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    position, end = len(first), len(text) - len(last)
    for piece in middle:
        position = text.find(piece, position, end)
        if position < 0:
            return False
        position += len(piece)
    return True


def _is_host(wanted: str, host: str) -> bool:
    wanted = wanted.lower().rstrip(".")
    return matches(wanted, host) if "*" in wanted else host == wanted or host.endswith("." + wanted)


def _is_word(wanted: str, text: str) -> bool:
    """Find a text that stands by itself: "Bo" is in "Hi Bo," and not in "Boots"."""
    wanted = " ".join(wanted.casefold().split())
    start = text.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if not (start and text[start - 1].isalnum() and wanted[0].isalnum()) and not (
            end < len(text) and text[end].isalnum() and wanted[-1].isalnum()
        ):
            return True
        start = text.find(wanted, start + 1)
    return False


def _has_header(parcel: Parcel, test: HeaderTest) -> bool:
    return any(matches(test.contains, value) for value in parcel.view.header(test.name))


def _said(parcel: Parcel, wanted: str) -> bool:
    folded = " ".join(wanted.split())
    return any(matches(folded, text) for text in parcel.view.texts)


# One row a key of the policy file; each value alone is enough.
TESTS: Mapping[str, Callable[[Parcel, str], bool]] = {
    "link_host": lambda parcel, wanted: any(_is_host(wanted, host) for host in parcel.view.link_hosts),
    "url": lambda parcel, wanted: any(matches(wanted, url) for url in (*parcel.view.links, *parcel.view.images)),
    "image": lambda parcel, wanted: any(matches(wanted, url) for url in parcel.view.images),
    "attachment": lambda parcel, wanted: any(matches(wanted, name) for name in parcel.view.attachments),
    "subject": lambda parcel, wanted: matches(wanted, parcel.view.subject),
    "text": _said,
    "value": lambda parcel, wanted: any(_is_word(wanted, text) for text in parcel.view.texts),
    "html": lambda parcel, wanted: matches(wanted, parcel.view.source),
    "recipient": lambda parcel, wanted: matches(wanted, parcel.recipient),
    "recipient_domain": lambda parcel, wanted: wanted.casefold() == parcel.domain.casefold(),
    "envelope_sender": lambda parcel, wanted: matches(wanted, parcel.sender),
}
