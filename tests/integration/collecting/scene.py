"""A run that was sent, as the ledger has it, and the bounces that its messages come back with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from harness.edge.ledger import Ledger
from harness.model.record import RunRecord, TrialRecord
from harness.model.reply import Reply, Step
from harness.model.seed import Seed, Segment
from harness.model.trial import Ask, Phase, State
from harness.model.variant import Message, variant_id
from harness.run.token import make_token
from tests.builders import factors, run_record

LINK = "link:https://go.partner.example/a"
QUEUED = Reply(250, "2.0.0 Ok: queued", Step.CONTENT)
CONTENT = (
    b"From: Shop <news@shop.example>\r\nTo: %s\r\nSubject: Forty off\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\n"
    b"Message-ID: <%s@mail.shop.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
    b"See https://go.partner.example/a\r\n"
)


def now() -> datetime:
    return datetime.now(UTC)


def a_run(ledger: Ledger, run_id: str = "r7q2", seeds: tuple[Seed, ...] | None = None, **changes: object) -> RunRecord:
    run = run_record(factors(LINK), id=run_id, relay="esp", answers="bounces", settle=3600.0,
                     started=now() - timedelta(minutes=5))  # fmt: skip
    if seeds is not None:
        run = replace(run, segment=Segment("apple-small", "owner@shop.example", seeds))
    run = replace(run, **changes)  # type: ignore[arg-type]
    ledger.create_run(run)
    return run


def sent(
    ledger: Ledger,
    run: RunRecord,
    seed: int = 0,
    held: frozenset[str] = frozenset({LINK}),
    queue_id: str | None = None,
    ask: Ask | None = None,
    reply: Reply | None = QUEUED,
) -> TrialRecord:
    """Plan, send and record one trial; the relay took it for later, or the connection was lost (no reply)."""
    address = run.segment.seeds[seed].address
    token = make_token(ledger.signing_key(), run.id, ledger.next_number(run.id))
    content = CONTENT % (address.encode(), token.encode())
    message = Message(f"bounces+{token}@mail.shop.example", address, f"<{token}@mail.shop.example>", content)
    ask = ask or Ask(held, address, Phase.SEARCH)
    ledger.plan(run.id, ask, variant_id(held, frozenset({LINK})), message, token, "icloud.com", now())
    ledger.begin(token, now())
    ledger.content(token, now())
    if reply is None:
        ledger.fail(token, State.UNKNOWN, "the connection was lost", "", now())
    else:
        ledger.record(token, reply, queue_id, "", now())
    return next(trial for trial in ledger.facts(run.id).trials if trial.token == token)


def bounce(token: str, recipients: tuple[str, ...] = ("seed-01@seeds.example",), verp: bool = True,
           words: str = "554 5.7.1 [CS01] Message rejected due to local policy.") -> bytes:  # fmt: skip
    """A delivery status notification as Postfix writes it (RFC 3464)."""
    to = f"bounces+{token}@mail.shop.example" if verp else "bounces@mail.shop.example"
    fields = "\r\n".join(
        f"Final-Recipient: rfc822; {one}\r\nAction: failed\r\nStatus: 5.7.1\r\nRemote-MTA: dns; mx01.mail.icloud.com\r\n"
        f"Diagnostic-Code: smtp; {words}\r\n"
        for one in recipients
    )
    return (
        f"Return-Path: <>\r\nDelivered-To: {to}\r\nFrom: MAILER-DAEMON@mail.shop.example\r\nTo: {to}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"\r\n\r\n'
        "--b1\r\nContent-Type: text/plain\r\n\r\nYour message could not be delivered.\r\n"
        "--b1\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.shop.example\r\n"
        f"Arrival-Date: Fri, 20 Nov 2026 12:00:00 +0000\r\n\r\n{fields}\r\n"
        "--b1\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: Forty off\r\n\r\n--b1--\r\n"
    ).encode()
