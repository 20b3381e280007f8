"""Runs, trials and answers for tests that need a ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from harness.edge.ledger import Ledger
from harness.model.answer import Answer, Evidence, Kind, Level, Reading, Source
from harness.model.factor import Factor, Stage
from harness.model.problem import Budget, Together
from harness.model.record import RunRecord, TrialRecord
from harness.model.reply import Step
from harness.model.seed import Mailbox, Seed, Segment
from harness.model.trial import Ask, Phase
from harness.model.variant import Message, Rung

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOST = "link:https://go.partner.example/a"
BODY = b"From: Shop <news@shop.example>\r\nTo: seed-01@seeds.example\r\nSubject: A note\r\n\r\nHello\r\n"


def at(seconds: float = 0) -> datetime:
    return START + timedelta(seconds=seconds)


def a_run(name: str = "r1", kind: str = "smtp", relay: str = "esp") -> RunRecord:
    seeds = (
        Seed("seed-01@seeds.example", "icloud.com", {"first_name": "Ana", "items": [{"name": "Zelt", "n": 2}]}),
        Seed(
            "seed-02@seeds.example",
            "privaterelay.appleid.com",
            {"first_name": "Bö"},
            Mailbox("imap.example", "seed-02", "${SEED_PASSWORD}"),
        ),
    )
    return RunRecord(
        id=name,
        campaign="spring-sale",
        segment=Segment("apple-small", "owner@shop.example", seeds),
        relay=relay,
        strategy="adaptive",
        state="running",
        started=START,
        ended=None,
        factors=(
            Factor("html", "html", Stage.COPY, title="HTML part"),
            Factor(HOST, "link", Stage.LINK, frozenset({"html"}), ("host:go.partner.example",)),
        ),
        ladder=(
            Rung("control", None, Stage.CONTROL, "", frozenset()),
            Rung("production", "control", Stage.LINK, f"+{HOST}", frozenset({"html", HOST})),
        ),
        values={"seed-01@seeds.example": {"merge:first_name": "Ana"}},
        wears={"seed-01@seeds.example": ("html", HOST)},
        budget=Budget(sends=60, refusal_price=20.0),
        shuffle_key="k1",
        transactional=False,
        answers="session",
        settle=0.0,
        relay_facts={"kind": kind, "host": "127.0.0.1"},
        digests={"campaign": "0" * 64},
        envelope_sender="bounces@mail.shop.example",
        sender="Shop <news@shop.example>",
        weights={HOST: 2.0},
        together=(Together(("html", HOST), 60.0),),
        options={"exact": False},
        version="0.1.0",
    )


def an_ask(seed: str = "seed-01@seeds.example", factors: frozenset[str] = frozenset({"html", HOST})) -> Ask:
    return Ask(factors, seed, Phase.PROOF, None, "child", (HOST,), 3, "does it follow the link?")


def a_message(token: str, recipient: str = "seed-01@seeds.example", content: bytes = BODY) -> Message:
    return Message(f"bounces+{token}@mail.shop.example", recipient, f"{token}@shop.example", content)


def planned(
    ledger: Ledger, token: str, run: str = "r1", recipient: str = "seed-01@seeds.example", content: bytes = BODY
) -> TrialRecord:
    message = a_message(token, recipient, content)
    return ledger.plan(run, an_ask(recipient), "production", message, token, "icloud.com", at(1))


def an_answer(token: str | None = None) -> Answer:
    text = "554 5.7.1 [CS01] Message rejected due to local policy \udcff"
    reading = Reading(554, "5.7.1", "CS01", text, "content_policy", Level.MESSAGE, Evidence.STRONG, True, "apple-cs01")
    return Answer(
        Kind.BOUNCE, Source.DSN, reading, "seed-01@seeds.example", step=Step.CONTENT, time=at(60), trial=token
    )
