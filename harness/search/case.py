"""The case: the triggers proved so far, what to put back to plain for them, and what the search concludes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.model.verdict import Finding, Scope, VerdictKind
from harness.search.desk import Desk, Factors, Halt
from harness.search.prior import weight_of

NOISE_CEILING = 0.03  # refusals without cause that a clean verdict may still hold
UNLIKELY = 0.01


@dataclass(frozen=True, slots=True)
class Culprit:
    """A proved set, for whom it holds, and the seeds that showed it."""

    factors: tuple[str, ...]
    scope: Scope
    seeds: tuple[str, ...]


@dataclass
class Case:
    """What a search has established."""

    desk: Desk
    culprits: list[Culprit] = field(default_factory=list)
    restored: bool = False  # production without the fix was accepted
    artefacts: list[tuple[str, ...]] = field(default_factory=list)
    put_back: list[str] = field(default_factory=list)  # to plain besides the culprits, that the rest may pass
    notes: list[str] = field(default_factory=list)

    @property
    def fix(self) -> tuple[str, ...]:
        """What to put back to plain: a member of each culprit, those that take least else along first."""
        chosen = list(self.put_back)
        for culprit in self.culprits:
            gone = self.desk.everything - self.target(chosen)
            if not gone & set(culprit.factors):
                chosen.append(min(culprit.factors, key=self._cost))
        return tuple(chosen)

    def _cost(self, name: str) -> tuple[int, float, int]:
        desk = self.desk
        return len(desk.dependants[name]), -weight_of(desk.problem, desk.by_id[name]), -desk.order[name]

    def target(self, fix: Sequence[str] | None = None) -> Factors:
        """Return production without the fix."""
        return self.desk.without(self.desk.everything, self.fix if fix is None else fix)

    def explains(self, shown: Factors) -> bool:
        """Tell whether a refusal of a message that shows these factors has a known cause."""
        sets = [culprit.factors for culprit in self.culprits] + self.artefacts
        return any(frozenset(names) <= shown for names in sets)

    def others(self, names: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Return the other culprits' sets."""
        return [culprit.factors for culprit in self.culprits if culprit.factors != names]


def conclude(case: Case, halt: Halt | None = None, missing: str = "") -> Finding:
    """Put what is known into a finding; the judge weighs it again."""
    desk = case.desk
    case.notes += _stray_notes(desk)
    if halt is not None and halt.kind == Halt.SENDER and not case.culprits:
        return Finding(VerdictKind.SENDER, notes=tuple(case.notes), stopped=halt.reason)
    if case.culprits:
        return Finding(
            VerdictKind.TRIGGER,
            triggers=tuple((culprit.factors, culprit.scope) for culprit in case.culprits),
            fix=case.fix,
            missing="" if case.restored else _not_restored(halt),
            suspects=_suspects(desk) if not case.restored else (),
            notes=tuple(case.notes + _threshold_note(case) + _put_back_note(case)),
            stopped=_stop_rule(halt),
        )
    if halt is not None:
        return _cut_short(case, halt)
    if missing or not case.restored or _too_noisy(desk):
        missing = missing or "refusals came that no change explains; more messages of the control and of production"
        return _inconclusive(case, missing, "")
    if desk.strays:
        who = tuple(seed for seed in desk.seeds if seed in desk.strays)
        return Finding(VerdictKind.RECIPIENT, triggers=(((), Scope("recipients", seeds=who)),), notes=tuple(case.notes))
    return Finding(VerdictKind.NONE, notes=(*case.notes, _bound_note(desk)))


def _cut_short(case: Case, halt: Halt) -> Finding:
    desk = case.desk
    if halt.kind == Halt.SEEDS and len(desk.dead) == len(desk.seeds):
        return Finding(VerdictKind.RECIPIENT, stopped=halt.reason)
    return _inconclusive(case, halt.reason, _stop_rule(halt))


def _stop_rule(halt: Halt | None) -> str:
    """Return the reason where something must be put right first; who is out of messages may just be given more."""
    return halt.reason if halt is not None and halt.kind in (Halt.STOP, Halt.SENDER) else ""


def _not_restored(halt: Halt | None) -> str:
    missing = "production without the fix was not accepted everywhere yet"
    return f"{missing} ({halt.reason})" if halt is not None and not _stop_rule(halt) else missing


def _inconclusive(case: Case, missing: str, stopped: str) -> Finding:
    desk = case.desk
    return Finding(
        VerdictKind.INCONCLUSIVE,
        missing=missing,
        more=messages_missing(desk),
        suspects=_suspects(desk),
        notes=tuple(case.notes),
        stopped=stopped,
    )


def messages_missing(desk: Desk) -> int:
    """Estimate how many messages would decide: what is left open in bits, a proof, and one restore per domain."""
    return round(1.3 * desk.belief.entropy_bits) + 6 + max(len(desk.domains()), 1)


def _suspects(desk: Desk) -> tuple[tuple[tuple[str, ...], float], ...]:
    return tuple((names, share) for names, share in desk.belief.top[:3] if share >= 0.02)


def _too_noisy(desk: Desk) -> bool:
    """Tell whether more was refused than stray refusals would explain (binomial tail at the ceiling)."""
    seen = desk.evidence()
    refused = sum(one.rejected for one in seen)
    chance = tail = 1.0
    tail = (1 - NOISE_CEILING) ** len(seen)
    chance = tail
    for k in range(1, refused):
        chance *= (len(seen) - k + 1) / k * NOISE_CEILING / (1 - NOISE_CEILING)
        tail += chance
    return refused > 0 and 1 - tail < UNLIKELY


def _bound_note(desk: Desk) -> str:
    sent = sum(seen.accepted and seen.ask.factors == desk.everything for seen in desk.log)
    bound = 1 - 0.05 ** (1 / sent) if sent else 1.0
    return (
        f"Not refused for these seeds: {sent} production messages were accepted, so at most {bound:.0%} of such "
        "messages are refused (95 % bound). Recipients unlike these seeds may still be refused."
    )


def _stray_notes(desk: Desk) -> list[str]:
    """Name the seeds that were left out since they refuse everything; a whole domain of several by its name."""
    notes = []
    left = [seed for seed in desk.seeds if seed in desk.strays]
    for domain in dict.fromkeys(desk.seeds[seed].domain for seed in left):
        theirs = [seed for seed in left if desk.seeds[seed].domain == domain]
        every = sum(seed.domain == domain for seed in desk.problem.seeds)
        who = f"all {every} seeds at {domain} ({', '.join(theirs)})" if 1 < every == len(theirs) else ", ".join(theirs)
        notes.append(f"Left out: {who}. Even the plain control is refused there, and accepted at other seeds.")
    return notes


def _threshold_note(case: Case) -> list[str]:
    """Say so where several small sets overlap, as they do behind filters that add scores."""
    sets = [set(culprit.factors) for culprit in case.culprits]
    overlapping = [s for s in sets if any(s & other for other in sets if other is not s)]
    if len(overlapping) < 2:
        return []
    members = sorted(set().union(*overlapping))
    sizes = {len(s) for s in overlapping}
    size = str(sizes.pop()) if len(sizes) == 1 else f"{min(sizes)} to {max(sizes)}"
    return [
        f"Several sets of {size} out of {', '.join(members)} are each enough, as with a filter that adds scores: "
        "there may be more such sets; the fix is what counts."
    ]


def _put_back_note(case: Case) -> list[str]:
    if not case.put_back:
        return []
    return [
        f"{', '.join(case.put_back)} must be plain too for the rest to pass: refused when brought back to what was "
        "accepted. Which sets they belong to was not searched."
    ]
