"""Small real values for tests: a run played against an invented receiver, fact by fact as a ledger holds it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from harness.model.answer import Answer, Evidence, Kind, Level, Reading, Source
from harness.model.factor import KIND_STAGES, Factor
from harness.model.problem import Budget
from harness.model.record import Attempt, Happening, RunFacts, RunRecord, TrialRecord
from harness.model.reply import Reply, Step
from harness.model.seed import Seed, Segment
from harness.model.trial import Ask, Phase, State
from harness.model.variant import Rung, variant_id

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CS01 = "5.7.1 [CS01] Message rejected due to local policy."
OK = Reply(250, "2.0.0 Ok: queued as 4F1", Step.CONTENT)
REFUSED = Reply(554, CS01, Step.CONTENT)
DOMAINS = ("icloud.com", "me.com", "mac.com", "privaterelay.appleid.com")

Receiver = Callable[[frozenset[str], str], Reply]


def factor(name: str, *, needs: Sequence[str] = (), title: str = "") -> Factor:
    """Make a factor from its id alone; a link stands in the group of its host."""
    kind, _, what = name.partition(":")
    groups = (f"host:{what.split('/')[2]}",) if kind == "link" else ()
    words = title or (f"link to {what.removeprefix('https://')}" if kind == "link" else name.replace(":", " "))
    return Factor(name, kind, KIND_STAGES[kind], frozenset(needs), groups, words)


def factors(*names: str) -> tuple[Factor, ...]:
    return tuple(factor(name) for name in names)


def seeds(many: int = 8, domains: Sequence[str] = DOMAINS) -> tuple[Seed, ...]:
    return tuple(
        Seed(f"seed-{place + 1:02}@seeds.example", domains[place % len(domains)], {"first_name": f"Name {place + 1}"})
        for place in range(many)
    )


def ladder(parts: Sequence[Factor]) -> tuple[Rung, ...]:
    """Lay out the rungs: the control, then one factor more each."""
    everything = frozenset(part.id for part in parts)
    held: frozenset[str] = frozenset()
    rungs = [Rung("control", None, KIND_STAGES["subject"].CONTROL, "", held)]
    for part in parts:
        parent = variant_id(held, everything)
        held |= {part.id}
        rungs.append(Rung(variant_id(held, everything), parent, part.stage, f"+{part.id}", held))
    return tuple(rungs)


def run_record(parts: Sequence[Factor], **changes: object) -> RunRecord:
    segment = Segment("apple-small", "deliverability@shop.example", seeds())
    record = RunRecord(
        id="r20261120-090000",
        campaign="spring-sale",
        segment=segment,
        relay="sandbox",
        strategy="ladder",
        state="finished",
        started=START,
        ended=START + timedelta(minutes=20),
        factors=tuple(parts),
        ladder=ladder(parts),
        values={},
        wears={},
        budget=Budget(),
        shuffle_key="key",
        transactional=False,
        answers="session",
        settle=900.0,
        relay_facts={"name": "sandbox", "kind": "sandbox", "host": "127.0.0.1", "answers": "session"},
        digests={"campaign": "a" * 64, "segment": "b" * 64, "values": "c" * 64},
        envelope_sender="bounces@mail.shop.example",
        sender="Shop <news@shop.example>",
        version="0.1.0",
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def attempt(reply: Reply | None, at: datetime = START, number: int = 1, state: State = State.ANSWERED) -> Attempt:
    answered = at + timedelta(seconds=1) if reply else None
    return Attempt(
        number, state, at, at, answered, reply, None if reply else "connection lost", "4F1" if reply else None
    )


def trial(ask: Ask, *attempts: Attempt, number: int = 0, domain: str = "icloud.com", **changes: object) -> TrialRecord:
    token = hashlib.sha256(f"{number}".encode()).hexdigest()[:16]
    at = attempts[0].begun if attempts and attempts[0].begun else START
    record = TrialRecord(
        token=token,
        number=number,
        ask=ask,
        variant=variant_id(ask.factors, frozenset()),
        repetition=0,
        sha256=hashlib.sha256(token.encode()).hexdigest(),
        size=2048,
        message_id=f"{token}@mail.shop.example",
        envelope_sender=f"bounces+{token}@mail.shop.example",
        recipient=ask.seed,
        domain=domain,
        planned=at,
        attempts=tuple(attempts),
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def answer(kind: Kind, reading: Reading, source: Source = Source.DSN, **changes: object) -> Answer:
    made = Answer(kind, source, reading, time=START + timedelta(minutes=1), from_receiver=True)
    return replace(made, **changes)  # type: ignore[arg-type]


def reading(
    cause: str = "content_policy",
    evidence: Evidence = Evidence.STRONG,
    *,
    tag: str | None = "CS01",
    code: int = 554,
    permanent: bool | None = True,
    level: Level = Level.MESSAGE,
) -> Reading:
    return Reading(code, "5.7.1", tag, f"{code} 5.7.1 [{tag}] words", cause, level, evidence, permanent, "test")


class Play:
    """Plays a run: each message is answered by the receiver, and the facts are kept."""

    def __init__(self, parts: Sequence[Factor], receiver: Receiver, **changes: object) -> None:
        self.run = run_record(parts, **changes)
        self.everything = frozenset(part.id for part in parts)
        self._receiver = receiver
        self._trials: list[TrialRecord] = []
        self._happenings: list[Happening] = []
        self._at = START

    def send(
        self,
        held: frozenset[str],
        phase: Phase,
        *,
        to: Sequence[Seed] | None = None,
        arm: str = "",
        subject: tuple[str, ...] = (),
        block: int = 0,
        why: str = "",
    ) -> None:
        """Send one variant to seeds (all of the segment by default), ten seconds apart."""
        for seed in to if to is not None else self.run.segment.seeds:
            self._at += timedelta(seconds=10)
            ask = Ask(held, seed.address, phase, arm=arm, subject=subject, block=block, why=why)
            self._trials.append(
                trial(
                    ask,
                    attempt(self._receiver(held, seed.address), self._at),
                    number=len(self._trials),
                    domain=seed.domain,
                    variant=variant_id(held, self.everything),
                    repetition=sum(one.ask.factors == held and one.ask.seed == seed.address for one in self._trials),
                )
            )

    def prove(self, suspect: str, held: frozenset[str]) -> None:
        """Send child and parent interleaved to every seed."""
        for block, seed in enumerate(self.run.segment.seeds):
            for arm, variant in (("child", held), (f"parent:{suspect}", held - {suspect})):
                why = f"prove {suspect}: {'with' if arm == 'child' else 'without'} it"
                self.send(variant, Phase.PROOF, to=[seed], arm=arm, subject=(suspect,), block=block, why=why)

    def happen(self, kind: str, text: str, ticks: int = 0) -> None:
        self._at += timedelta(seconds=30 * ticks)
        self._happenings.append(Happening(self._at, kind, text, ticks))

    def facts(self, findings: Sequence[Mapping[str, str]] = ()) -> RunFacts:
        return RunFacts(self.run, tuple(self._trials), tuple(self._happenings), (), tuple(findings))


def refuses(*parts: str) -> Receiver:
    """A receiver that refuses what holds all these factors."""
    return lambda held, seed: REFUSED if frozenset(parts) <= held else OK
