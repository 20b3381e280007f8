"""Small true values for the tests of this folder."""

from dataclasses import replace
from datetime import UTC, datetime

from harness.model.answer import Answer, Evidence, Kind, Level, Reading, Source
from harness.model.record import Attempt, TrialRecord
from harness.model.trial import Ask, Phase, State

KEY = b"the key of this workspace, 32 b."
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
READING = Reading(554, "5.7.1", "CS01", "554 5.7.1 [CS01] rejected", "content_policy", Level.MESSAGE,
                  Evidence.STRONG, True, "apple")  # fmt: skip


def an_answer(**fields: object) -> Answer:
    return replace(Answer(Kind.BOUNCE, Source.DSN, READING), **fields)  # type: ignore[arg-type]


def a_trial(token: str, **fields: object) -> TrialRecord:
    trial = TrialRecord(
        token=token,
        number=0,
        ask=Ask(frozenset(), "seed-01@seeds.example", Phase.CONTROL),
        variant="control",
        repetition=0,
        sha256="0" * 64,
        size=1000,
        message_id=f"<{token}@mail.shop.example>",
        envelope_sender=f"bounces+{token}@mail.shop.example",
        recipient="seed-01@seeds.example",
        domain="icloud.com",
        planned=NOON,
    )
    return replace(trial, **fields)  # type: ignore[arg-type]


def an_attempt(queue_id: str | None = None) -> Attempt:
    return Attempt(1, State.ANSWERED, NOON, NOON, NOON, None, None, queue_id)
