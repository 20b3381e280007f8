"""Told: the one value that every format is written from, so that all formats say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.model.outcome import Settled, Tallies, VariantTally
from harness.model.record import RunFacts
from harness.model.variant import CONTROL, PRODUCTION
from harness.model.verdict import Verdict
from harness.report.clean import clean


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a tag or a class of reply is said to mean, by whom, and how sure that is."""

    says: str
    source: str = ""
    confidence: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """Two messages side by side: the proof line, and for each part of the message the lines that differ.

    A part is (name, lines before, lines after); `parent` and `child` name the variants.
    """

    parent: str
    child: str
    proof: str
    parts: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
    seed: str = ""


@dataclass(frozen=True, slots=True)
class Thought:
    """One choice of the search: after which message, why the next was sent, and what was likeliest then."""

    number: int
    why: str
    likeliest: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A rendered thumbnail of one message, as PNG."""

    caption: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """A run as it is told: its facts, what they mean, and what stands beside them.

    `meanings` are by tag and by class; `pictures` may be empty, and `picture_note` says why.
    """

    facts: RunFacts
    settled: Mapping[str, Settled]
    tallies: Tallies
    verdict: Verdict
    meanings: Mapping[str, Meaning]
    differences: tuple[Difference, ...] = ()
    thoughts: tuple[Thought, ...] = ()
    pictures: tuple[Picture, ...] = ()
    picture_note: str = ""

    def titles(self) -> Mapping[str, str]:
        """Return each factor's words, cleaned; the id where it has none."""
        return {factor.id: clean(factor.title or factor.id, 120) for factor in self.facts.run.factors}

    def notes(self) -> tuple[str, ...]:
        """Return what else must be said with the verdict: its own notes, and answers that came after the end."""
        ended = self.facts.run.ended
        late = sum(
            bool(ended and one.time and one.time > ended) for trial in self.facts.trials for one in trial.answers
        )
        said = f"{late} answer{'s' * (late != 1)} came after the run had ended, and count here."
        return (*self.verdict.notes, said) if late else self.verdict.notes

    def in_words(self, variant: VariantTally) -> str:
        """Say what a variant is: its single change from its parent, or what it is as a whole."""
        if variant.id == CONTROL:
            return "control: a neutral note from the same sender"
        if variant.id == PRODUCTION:
            return "production: everything"
        steps = {rung.variant for rung in self.facts.run.ladder} if self.facts.run.strategy == "ladder" else ()
        change = self._change(variant.change)
        if not change:
            return f"{len(variant.factors)} of {len(self.facts.run.factors)} changes at once"
        if variant.id in steps or variant.parent is None:
            return change
        return f"{change}, {'from' if change.startswith('-') else 'on'} {variant.parent}"

    def _change(self, change: str) -> str:
        """Say a change in the factors' words, `+link:…` as `+ link to …`; empty where it only counts factors."""
        titles = self.titles()
        if change[1:] in titles:
            return f"{change[0]} {titles[change[1:]]}"
        parts = change.split(" ")
        said = [f"{part[0]} {titles[part[1:]]}" for part in parts if part[1:] in titles]
        return ", ".join(said) if len(said) == len(parts) else ""


def tell(
    facts: RunFacts,
    settled: Mapping[str, Settled],
    tallies: Tallies,
    verdict: Verdict,
    *,
    meanings: Mapping[str, Meaning] | None = None,
    differences: Sequence[Difference] = (),
    thoughts: Sequence[Thought] = (),
    pictures: Sequence[Picture] = (),
    picture_note: str = "",
) -> Told:
    """Bring together what a report says of a run."""
    return Told(
        facts,
        settled,
        tallies,
        verdict,
        meanings or {},
        tuple(differences),
        tuple(thoughts),
        tuple(pictures),
        picture_note,
    )


def acceptance(answers: str, settle: float) -> str:
    """Say what `accepted` means on this relay: only ever what was seen."""
    if answers == "session":
        return "accepted: the relay passed on Apple's own 250; no mailbox was looked into"
    return f"accepted: the relay queued it and no bounce came within {_span(settle)}; delivered: seen or confirmed"


def _span(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
