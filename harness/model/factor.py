"""Factors: single things of a campaign that are in their plain or their production state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The order in which factors come back (DESIGN section 4)."""

    CONTROL = "control"
    COPY = "copy"
    LINK = "link"
    PERSONALIZED = "personalized"
    PRODUCTION = "production"
    SENDER = "sender"

    @property
    def rank(self) -> int:
        """Position in the ladder, 0 for the control."""
        return list(Stage).index(self)


KIND_STAGES = {
    "subject": Stage.COPY,
    "preheader": Stage.COPY,
    "from-name": Stage.COPY,
    "text": Stage.COPY,
    "html": Stage.COPY,
    "link": Stage.LINK,
    "section": Stage.PERSONALIZED,
    "merge": Stage.PERSONALIZED,
    "redirect": Stage.PRODUCTION,
    "image": Stage.PRODUCTION,
    "pixel": Stage.PRODUCTION,
    "attachment": Stage.PRODUCTION,
    "header": Stage.PRODUCTION,
    "style": Stage.PRODUCTION,
    "from": Stage.SENDER,
    "reply-to": Stage.SENDER,
    "envelope-sender": Stage.SENDER,
    "message-id": Stage.SENDER,
    "swap": Stage.SENDER,
}


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing of the campaign, named by kind and by what it is (`link:https://shop.example/sale`).

    `needs` holds the ids of all factors in which it stands, transitively: a set that holds this
    one without them is no variant. `groups` are ids that switch several factors as one
    (`host:shop.example`). `stage` is the ladder stage in which it comes back, never before a need's.
    `title` says it in words ("link to shop.example/sale"), `plain` and `production` what the two states are.
    """

    id: str
    kind: str
    stage: Stage
    needs: frozenset[str] = frozenset()
    groups: tuple[str, ...] = ()
    title: str = ""
    plain: str = ""
    production: str = ""


def close(factors: frozenset[str], by_id: dict[str, Factor]) -> frozenset[str]:
    """Add to a set all that its members need (`needs` is transitive already)."""
    whole = set(factors)
    for name in factors:
        whole |= by_id[name].needs
    return frozenset(whole)
