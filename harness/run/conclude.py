"""Conclude: what the ledger's facts mean now. A run, a resume and a report all pass through here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from harness.judge.phrase import RunWords
from harness.judge.settle import observe, settle_run
from harness.judge.weigh import weigh
from harness.model.answer import Reading
from harness.model.outcome import Settled
from harness.model.problem import Belief, Move, Pause, Problem, Stop
from harness.model.record import RunFacts
from harness.model.reply import Reply
from harness.model.trial import Observation, Outcome
from harness.model.verdict import Finding, Verdict, VerdictKind
from harness.run.frame import frame
from harness.run.going import caps_of, since_resumed
from harness.run.heard import silence_until
from harness.run.stoprule import stop_reason
from harness.search import strategy

Read = Callable[[Reply], Reading]


@dataclass(frozen=True)
class Conclusion:
    """Everything that follows from a run's facts at one moment."""

    facts: RunFacts
    settled: Mapping[str, Settled]
    observations: tuple[Observation, ...]
    move: Move
    belief: Belief
    finding: Finding

    @cached_property
    def verdict(self) -> Verdict:
        """The finding, weighed; done when somebody asks, for most steps of a run need none."""
        run = self.facts.run
        words = RunWords(run.id, run.campaign, run.segment.name, run.relay)
        rewritten = rewritten_by_relay(self.facts)
        finding = _without_rewritten(self.finding, rewritten)
        verdict = weigh(finding, run.factors, self.observations, seeds=frame(run).seeds, words=words)
        if not rewritten:
            return verdict
        factors = tuple(
            replace(one, verdict="untested", upper_bound=None) if one.id in rewritten else one
            for one in verdict.factors
        )
        note = f"The relay rewrites {', '.join(sorted(rewritten))}: untestable on this relay."
        return replace(verdict, factors=factors, notes=(*verdict.notes, note))

    @property
    def pending(self) -> tuple[str, ...]:
        """Tokens of trials whose answer may still come."""
        return tuple(token for token, said in self.settled.items() if said.outcome is Outcome.PENDING)


class Mind:
    """A strategy with the part of the run that it has seen, so that each step costs one step.

    What was seen may change (a late bounce): then a fresh strategy reads everything again.
    """

    def __init__(self) -> None:
        self._name: str | None = None
        self._seen: tuple[Observation, ...] = ()
        self._fresh()

    def _fresh(self) -> None:
        self._strategy = strategy(self._name) if self._name else None

    def next(
        self, name: str, problem: Problem, observations: tuple[Observation, ...], pauses: tuple[Pause, ...]
    ) -> tuple[Move, Belief]:
        """Return the next move and how things stand."""
        if name != self._name or self._seen != observations[: len(self._seen)]:
            self._name = name
            self._fresh()
        assert self._strategy is not None
        self._seen = observations
        return self._strategy.next(problem, observations, pauses), self._strategy.belief()


def conclude(facts: RunFacts, *, now: datetime, read: Read, mind: Mind | None = None) -> Conclusion:
    """Settle every trial and ask the strategy where it stands.

    A run that has not come to its end is inconclusive, and says what it waits for.
    """
    run = replace(facts.run, budget=caps_of(facts))
    settled = settle_run(facts, now=silence_until(facts, now), read=read)
    observations = observe(facts, settled)
    pauses = tuple(event.as_pause() for event in facts.happenings if event.kind == "pause")
    move, belief = (mind or Mind()).next(run.strategy, frame(run), observations, pauses)
    reason = stopped_by(facts, read)
    finding = move.finding if isinstance(move, Stop) else _unfinished(facts, settled, move, belief)
    if reason and finding.kind in (VerdictKind.INCONCLUSIVE, VerdictKind.NONE):
        finding = replace(
            finding,
            kind=VerdictKind.INCONCLUSIVE,
            stopped=reason,
            missing=f"a stop rule ended the run: {reason}",
        )
    return Conclusion(facts, settled, observations, move, belief, finding)


def rewritten_by_relay(facts: RunFacts) -> frozenset[str]:
    """Return the factors that copies read back from seeds' mailboxes show as changed on the way."""
    return frozenset(name for trial in facts.trials for copy in trial.arrivals for name in copy.changed_factors)


def _without_rewritten(finding: Finding, rewritten: frozenset[str]) -> Finding:
    """Accuse nothing that the receiver never saw as it was sent."""
    if not any(rewritten & set(names) for names, _ in finding.triggers):
        return finding
    missing = (
        f"the relay rewrites {', '.join(sorted(rewritten))} on the way, so this relay can't test it; use another one"
    )
    return Finding(VerdictKind.INCONCLUSIVE, missing=missing, suspects=finding.suspects)


def stopped_by(facts: RunFacts, read: Read) -> str | None:
    """Return the stop rule that holds for these facts, in words."""
    trials = since_resumed(facts)
    heard = [
        [read(attempt.reply) for attempt in trial.attempts if attempt.reply is not None]
        + [answer.reading for answer in trial.answers if answer.from_receiver is not False]
        for trial in trials
    ]
    return stop_reason(trials, heard)


def _unfinished(facts: RunFacts, settled: Mapping[str, Settled], move: Move, belief: Belief) -> Finding:
    """Say what a run that goes on still lacks."""
    pending = sum(said.outcome is Outcome.PENDING for said in settled.values())
    waits = [event.text for event in facts.happenings if event.kind == "wait"]
    if facts.run.state == "waiting" and waits:
        missing = f"the run waits: {waits[-1]}; `harness run --resume {facts.run.id}` goes on then"
    elif pending:
        missing = f"{pending} answer{'s' * (pending != 1)} may still come; `harness collect {facts.run.id}` reads them"
    elif isinstance(move, Pause):
        missing = f"the run pauses: {move.why}"
    else:
        missing = f"the run has not come to its end; `harness run --resume {facts.run.id}` goes on"
    return Finding(VerdictKind.INCONCLUSIVE, missing=missing, suspects=belief.top[:3])
