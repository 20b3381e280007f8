"""Expand: from a campaign and a segment to factors, ladder and the bytes of every variant.

Nothing is declared: the campaign is rendered for every persona, its factors are found at their places, and a variant is
what stands between them with each place in one of its two states.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from harness.campaign.describe import describe, order_of
from harness.campaign.folder import FolderShop
from harness.campaign.imported import MessageShop
from harness.campaign.layout import Findings
from harness.campaign.needs import Nesting
from harness.campaign.rendering import Persona
from harness.campaign.wire import Piece, Run, put, trace
from harness.errors import ConfigError
from harness.model.campaign import Campaign
from harness.model.factor import Factor, Stage
from harness.model.seed import Seed, Segment
from harness.model.variant import Identity, Message, Rung, variant_id

ASKABLE = ("from", "reply-to", "envelope-sender", "message-id")
_ADDRESS = re.compile(r"[^\s<>,;:\"\x00-\x20\x7f]+@[^\s<>,;:\"@\x00-\x20\x7f]+")


class Shop(Protocol):
    """What makes a campaign's pieces: from templates, or from a message that was imported."""

    notes: list[str]
    found: Findings
    states: dict[str, tuple[str, str]]
    extra_needs: list[tuple[str, str]]

    def pieces(self, persona: Persona) -> tuple[Piece, ...]:
        """Make one persona's message."""
        ...

    def values(self, persona: Persona) -> Mapping[str, str]:
        """List what the merge factors show in it."""
        ...

    def is_given(self, name: str) -> bool:
        """Tell whether anybody brings a value for a merge factor; true for other factors."""
        ...


class Expansion:
    """A campaign laid out: its factors, its ladder, and its messages."""

    def __init__(self, campaign: Campaign, segment: Segment, asked: Sequence[str] = ()):
        self._campaign = campaign
        asked = tuple(dict.fromkeys(asked))
        personas = [Persona(seed.address, seed.merge) for seed in segment.seeds]
        personas += [Persona(profile.name, profile.merge) for profile in campaign.profiles]
        shop: Shop = (FolderShop if campaign.message is None else MessageShop)(campaign, personas, asked)
        nesting = Nesting()
        self._pieces: dict[str, tuple[Piece, ...]] = {}
        self._wears: dict[str, frozenset[str]] = {}
        self._values: dict[str, Mapping[str, str]] = {}
        for persona in personas:
            self._pieces[persona.name] = shop.pieces(persona)
            self._wears[persona.name] = nesting.add(self._pieces[persona.name])
            self._values[persona.name] = shop.values(persona)
        self._envelope_asked = "envelope-sender" in asked
        for inner, outer in shop.extra_needs:
            nesting.need(inner, outer)
        needs = nesting.needs()
        for name in asked:
            if name not in needs and name != "envelope-sender":
                raise ConfigError(f"{name!r} was asked for, but the campaign {campaign.name} has nothing of it")
        if self._envelope_asked:
            needs["envelope-sender"] = frozenset()
        idle = nesting.idle()
        made = [describe(name, needs[name], shop.found, shop.states) for name in needs if name not in idle]
        notes = [
            f"{name} changes nothing: its plain value is everybody's own"
            for name in sorted(idle)
            if shop.is_given(name)
        ]
        self.factors: tuple[Factor, ...] = _ladder_order(made)
        self.notes: tuple[str, ...] = (*shop.notes, *notes)
        self._by_id = {factor.id: factor for factor in self.factors}
        self.groups: Mapping[str, tuple[str, ...]] = _groups(self.factors)

    def ladder(self) -> tuple[Rung, ...]:
        """Lay out the ladder: the control, then one factor more on each rung, production on top."""
        everything = frozenset(self._by_id)
        rungs = [Rung(variant_id(frozenset(), everything), None, Stage.CONTROL, "", frozenset())]
        shown: frozenset[str] = frozenset()
        for factor in self.factors:
            shown |= {factor.id}
            rungs.append(Rung(variant_id(shown, everything), rungs[-1].variant, factor.stage, f"+{factor.id}", shown))
        return tuple(rungs)

    def values(self, persona: str) -> Mapping[str, str]:
        """Return what each merge factor shows for a seed or profile."""
        return self._values[self._known(persona)]

    def wears(self, persona: str) -> frozenset[str]:
        """Return the factors that exist in a seed's or profile's message."""
        worn = self._wears[self._known(persona)] & self._by_id.keys()
        return worn | {"envelope-sender"} if self._envelope_asked else worn

    def message(self, factors: frozenset[str], seed: Seed, identity: Identity, persona: str | None = None) -> Message:
        """Build the final bytes of a variant for a seed.

        `persona` names another seed or a profile whose merge values the message wears.

        Raises:
            ConfigError: a factor is unknown, or stands without one that it needs.
        """
        envelope, message_id, slots = self._identify(factors, identity)
        out: list[bytes] = []
        put(self._pieces[self._known(persona or seed.address)], factors, slots, out)
        return Message(envelope, identity.recipient, message_id, b"".join(out))

    def trace(
        self, factors: frozenset[str], seed: Seed, identity: Identity, persona: str | None = None
    ) -> tuple[Run, ...]:
        """Return a message's bytes as runs, each with the factors in whose places it stands.

        Joined, the runs are the content of `message`. The runs that don't stand in a factor's places are the same
        with and without it: that is what makes two variants one change apart.
        """
        _, _, slots = self._identify(factors, identity)
        return tuple(trace(self._pieces[self._known(persona or seed.address)], factors, slots))

    def _identify(self, factors: frozenset[str], identity: Identity) -> tuple[str, str, dict[str, bytes]]:
        """Check what is asked for; return envelope sender, Message-ID and what the identity fills in."""
        self._check(factors)
        if not _ADDRESS.fullmatch(identity.recipient):
            raise ConfigError(f"{identity.recipient!r} is not one plain address; nothing is sent to it")
        envelope = self._envelope(factors, identity.token)
        message_id = f"{identity.token}@{_author_domain(self._campaign)}"
        slots = {
            "To": identity.recipient.encode("utf-8"),
            "Date": identity.date.encode("ascii"),
            "Message-ID": f"<{message_id}>".encode("ascii"),
            "token": identity.token.encode("ascii"),
        }
        return envelope, message_id, slots

    def _check(self, factors: frozenset[str]) -> None:
        for name in factors:
            factor = self._by_id.get(name)
            if factor is None:
                raise ConfigError(
                    f"the campaign {self._campaign.name} has no factor {name!r}; `harness plan` lists them"
                )
            if not factor.needs <= factors:
                missing = ", ".join(sorted(factor.needs - factors)[:3])
                raise ConfigError(f"{name} stands in {missing}: a variant with it holds that too")

    def _known(self, persona: str) -> str:
        if persona not in self._pieces:
            raise ConfigError(
                f"no seed or profile is called {persona!r} (there are {', '.join(list(self._pieces)[:8])})"
            )
        return persona

    def _envelope(self, factors: frozenset[str], token: str) -> str:
        local, _, domain = self._campaign.envelope_sender.rpartition("@")
        if self._envelope_asked and "envelope-sender" not in factors:
            domain = _author_domain(self._campaign)
        return f"{local}+{token}@{domain}"


def expand(campaign: Campaign, segment: Segment, asked: Sequence[str] = ()) -> Expansion:
    """Find a campaign's factors and lay out its variants for the seeds of a segment.

    `asked` names factors of the sender stage to look at too: from, reply-to, envelope-sender, message-id, swap:old>new.

    Raises:
        ConfigError: a template, a merge value or a setting is wrong; the sentence says which and where.
    """
    for name in asked:
        if name not in ASKABLE and not re.fullmatch(r"swap:[^\s>]+>[A-Za-z0-9.-]+", name):
            raise ConfigError(
                f"{name!r} can't be asked for; choose from {', '.join(ASKABLE)} or swap:old.host>new.host"
            )
    return Expansion(campaign, segment, asked)


def _ladder_order(made: Sequence[Factor]) -> tuple[Factor, ...]:
    """Order factors by stage, kind and reading order, each after what it needs."""
    waiting = sorted(made, key=lambda factor: (factor.stage.rank, order_of(factor.id)))
    done: dict[str, Factor] = {}

    by_id = {factor.id: factor for factor in waiting}
    position = {factor.id: number for number, factor in enumerate(waiting)}
    for factor in waiting:
        for need in sorted(factor.needs, key=lambda name: (len(by_id[name].needs), position[name])):
            done.setdefault(need, by_id[need])
        done.setdefault(factor.id, factor)
    return tuple(done.values())


def _groups(factors: Sequence[Factor]) -> dict[str, tuple[str, ...]]:
    members: dict[str, list[str]] = {}
    for factor in factors:
        for group in factor.groups:
            members.setdefault(group, []).append(factor.id)
    return {group: tuple(names) for group, names in members.items()}


def _author_domain(campaign: Campaign) -> str:
    """Return the domain of the From address, or the envelope's where From has a template tag in it."""
    domain = campaign.sender.rpartition("@")[2].strip(" >\t")
    return domain if re.fullmatch(r"[A-Za-z0-9.-]+", domain) else campaign.envelope_sender.rpartition("@")[2]
