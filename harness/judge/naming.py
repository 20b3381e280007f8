"""Naming: factors as people call them, from their ids, groups and titles."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.factor import Factor
from harness.model.verdict import Scope, Trigger

HOST = "host:"
LONGEST = 70  # characters of a title in a sentence

# What a factor of a kind is called; {} is what its id names, and a title follows where one adds something.
NAMES = {
    "subject": "the production subject",
    "preheader": "the preheader",
    "from-name": "the From name",
    "html": "the HTML part",
    "link": "the link to {}",
    "merge": "the merge field {}",
    "section": "the section {}",
    "redirect": "the tracked redirect through {}",
    "image": "the image {}",
    "pixel": "the tracking pixel {}",
    "attachment": "the attachment {}",
    "header": "the header {}",
    "from": "the production From address",
    "reply-to": "the Reply-To address",
    "envelope-sender": "the production envelope sender",
    "message-id": "the production Message-ID form",
    "swap": "the host swap {}",
}
VERBS = {
    "subject": "Using",
    "from-name": "Using",
    "from": "Using",
    "envelope-sender": "Using",
    "message-id": "Using",
    "swap": "Making",
    "redirect": "Using",
    "merge": "Filling in",
}


class Naming:
    """Names for one campaign's factors."""

    def __init__(self, factors: Sequence[Factor]) -> None:
        self._by_id = {factor.id: factor for factor in factors}
        self._hosts: dict[str, set[str]] = {}
        for factor in factors:
            for group in factor.groups:
                if group.startswith(HOST) and factor.kind == "link":
                    self._hosts.setdefault(group, set()).add(factor.id)

    def one(self, name: str) -> str:
        """Name one factor; the only link of its host is called by the host."""
        factor = self._by_id.get(name)
        if factor is None:
            return name
        host = self._only_link_of(factor)
        if host:
            return f"the link host {host} ({_short(factor.title or 'link to ' + _subject(name))})"
        pattern = NAMES.get(factor.kind)
        if pattern is None:
            return _short(f"{factor.title} ({name})" if factor.title else name)
        return pattern.format(_short(_subject(name)))

    def joined(self, names: Sequence[str]) -> str:
        """Name a set of which all are needed."""
        return " and ".join(map(self.one, names)) + (" together" if len(names) > 1 else "")

    def several(self, names: Sequence[str]) -> str:
        """Name a list of things; all links of a host are named by the host."""
        left = list(names)
        said = []
        for group, members in self._hosts.items():
            if len(members) > 1 and members <= set(left):
                said.append(f"the link host {group.removeprefix(HOST)}")
                left = [name for name in left if name not in members]
        said += map(self.one, left)
        return ", ".join(said[:-1]) + " and " + said[-1] if len(said) > 1 else "".join(said)

    def change(self, names: Sequence[str], scope: Scope) -> tuple[str, str]:
        """Return what is changed and the verb for it: the object and start of the verdict's sentence."""
        if scope.type == "value" and scope.value is not None and len(names) == 1:
            field = (scope.field or names[0]).removeprefix("merge:")
            return f"the value '{_short(scope.value)}' into the merge field {field}", "Putting"
        factor = self._by_id.get(names[0])
        verb = "Having" if len(names) > 1 else VERBS.get(factor.kind if factor else "", "Adding")
        return self.joined(names), verb

    def whole_host(self, triggers: Sequence[Trigger]) -> str:
        """Return the host all of whose links, and nothing else, are triggers by themselves; empty if none."""
        singles = {trigger.factors[0] for trigger in triggers if len(trigger.factors) == 1}
        if len(singles) != len(triggers):
            return ""
        for group, members in self._hosts.items():
            if members == singles:
                return group.removeprefix(HOST)
        return ""

    def _only_link_of(self, factor: Factor) -> str:
        for group in factor.groups:
            if factor.kind == "link" and self._hosts.get(group) == {factor.id}:
                return group.removeprefix(HOST)
        return ""


def _subject(name: str) -> str:
    """Return what an id names, a URL without its scheme."""
    value = name.partition(":")[2]
    for scheme in ("https://", "http://"):
        value = value.removeprefix(scheme)
    return value or name


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
