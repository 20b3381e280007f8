"""Delivery through real Postfix and the scripted MX: every misbehaviour has its outcome, every protection holds."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from harness.edge.relay import Connection, DeliveryError, Handover
from harness.errors import ConfigError, RelayError
from harness.model.relay import Answers, Relay, Tls
from harness.model.reply import Step
from harness.model.variant import Message
from tests.mailstack.fixture import stack
from tests.mailstack.stack import MailStack

__all__ = ["stack"]
pytestmark = pytest.mark.stack

T = TypeVar("T")
SERIAL = itertools.count(1)
CS01 = "[CS01] Message rejected due to local policy"


class Marks:
    """A journal that remembers its marks, and may do something at one."""

    def __init__(self, at_content: Callable[[], None] | None = None) -> None:
        self.marks: list[str] = []
        self._at_content = at_content

    def begin(self) -> None:
        self.marks.append("begin")

    def announce(self) -> None:
        pass

    async def content(self) -> None:
        self.marks.append("content")
        if self._at_content:
            self._at_content()


def relay_of(stack: MailStack, port: str = "mx", **changes: Any) -> Relay:
    given = Relay("test", "smtp", port=stack.info["ports"][port], tls=Tls.NONE, timeout=3.0, content_timeout=3.0)
    return replace(given, **changes)


def secured(stack: MailStack, port: str, **changes: Any) -> Relay:
    tls = Tls.STARTTLS if port == "submission" else Tls.IMPLICIT
    login = {"username": "harness", "password": "smtp-secret", "ca_file": stack.info["ca"], "tls": tls}
    return relay_of(stack, port, **(login | changes))


def message(word: str = "good", content: bytes | None = None, **changes: str) -> Message:
    token = f"t{next(SERIAL):06d}"
    to = f"{word}-{token}@icloud.test"
    body = (
        content
        or (
            f"From: Shop <news@shop.test>\r\nTo: {to}\r\nSubject: A note\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\n"
            f"Message-ID: <{token}@shop.test>\r\n\r\nHello\r\n.dots\r\n..\r\n.\r\nend\r\n"
        ).encode()
    )
    given = Message(f"bounce+{token}@bounce.test", to, f"{token}@shop.test", body)
    return replace(given, **changes)


def rows(stack: MailStack, sent: Message) -> list[dict[str, Any]]:
    return [row for row in stack.mx_rows() if row["mail_from"] == sent.envelope_sender]


def run(work: Awaitable[T]) -> T:
    async def main() -> T:
        return await work

    return asyncio.run(main())


async def deliver(relay: Relay, *messages: Message, journal: Marks | None = None) -> list[Handover | DeliveryError]:
    connection = Connection(relay)
    found: list[Handover | DeliveryError] = []
    try:
        for one in messages:
            try:
                found.append(await connection.deliver(one, journal=journal or Marks(), envelope_id="env+1"))
            except DeliveryError as failure:
                found.append(failure)
    finally:
        await connection.close()
    return found


# What the client must make of each misbehaviour, and what the MX itself says that it did.
ANSWERED = [
    ("good", 250, Step.CONTENT, "accepted"),
    ("nouser", 550, Step.RCPT, "rcpt-refused"),
    ("full", 552, Step.RCPT, "rcpt-refused"),
    ("grey", 451, Step.RCPT, "rcpt-refused"),
    ("rcpt421", 421, Step.RCPT, "rcpt-refused"),
    ("data451", 451, Step.CONTENT, "deferred"),
    ("data421", 421, Step.CONTENT, "deferred"),
    ("data554", 554, Step.CONTENT, "rejected"),
    ("rset", 554, Step.CONTENT, "rejected"),
    ("multiline", 554, Step.CONTENT, "rejected"),
    ("slow", 250, Step.CONTENT, "accepted"),
]
SILENT = [
    ("drop354", {False, True}, "dropped"),  # the close races with our bytes; either is honest
    ("dropmid", {True}, "dropped"),
    ("dropdot", {True}, "accepted-then-dropped"),
    ("hangdot", {True}, "accepted"),
]


@pytest.mark.parametrize(("word", "code", "step", "truth"), ANSWERED, ids=[row[0] for row in ANSWERED])
def test_every_answer_is_kept_with_its_step(stack: MailStack, word: str, code: int, step: Step, truth: str) -> None:
    sent, marks = message(word), Marks()
    (found,) = run(deliver(relay_of(stack), sent, journal=marks))
    assert isinstance(found, Handover)
    assert (found.reply.code, found.reply.step) == (code, step)
    assert marks.marks == (["begin", "content"] if step is Step.CONTENT else ["begin"])
    (row,) = rows(stack, sent)
    assert row["verdict"].startswith(truth)
    if row["sha256"]:
        assert row["sha256"] == sent.sha256  # the bytes went as they were


@pytest.mark.parametrize(("word", "after", "truth"), SILENT, ids=[row[0] for row in SILENT])
def test_silence_is_an_error_that_tells_whether_the_bytes_left(
    stack: MailStack, word: str, after: set[bool], truth: str
) -> None:
    sent, again = message(word, content=message().content * 200), message()
    lost, good = run(deliver(relay_of(stack, content_timeout=1.0), sent, again))
    assert isinstance(lost, DeliveryError)
    assert lost.after_content in after
    assert ("unknown" in str(lost)) == lost.after_content
    assert isinstance(good, Handover)
    assert good.reply.code == 250  # and it is not the lost one's late reply:
    assert [row["verdict"] for row in rows(stack, again)] == ["accepted"]
    assert [row["verdict"] for row in rows(stack, sent)] == [truth]


def test_an_answer_before_the_end_of_a_message_is_the_answer_or_in_doubt(stack: MailStack) -> None:
    sent = message("early554", content=message().content * 200)
    (found,) = run(deliver(relay_of(stack), sent))
    if isinstance(found, Handover):
        assert CS01 in found.reply.text
    else:
        assert found.after_content


def test_all_lines_of_a_reply_and_the_queue_id_are_kept(stack: MailStack) -> None:
    refused, taken = run(deliver(relay_of(stack), message("multiline"), message()))
    assert isinstance(refused, Handover)
    assert isinstance(taken, Handover)
    assert refused.reply.text.splitlines()[1] == f"5.7.1 {CS01}."
    assert "< 554-5.7.1 Your message was refused." in refused.transcript
    assert taken.queue_id is not None
    assert taken.queue_id.startswith("FAKE")


def test_cancelling_closes_the_connection_so_that_a_late_reply_finds_nobody(stack: MailStack) -> None:
    async def main() -> None:
        connection = Connection(relay_of(stack, content_timeout=30.0))
        marks = Marks()
        task = asyncio.create_task(connection.deliver(message("slow"), journal=marks))
        await asyncio.wait({task}, timeout=0.3)
        assert "content" in marks.marks
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not connection.is_open
        assert connection.content_begun
        refused = await connection.deliver(message("data554"), journal=Marks())
        assert refused.reply.code == 554
        await connection.close()

    asyncio.run(main())


def test_a_relay_that_hangs_up_after_its_limit_costs_no_message(stack: MailStack) -> None:
    sent = [message() for _ in range(12)]  # this MX says 421 to MAIL after five messages on a connection
    told: list[str] = []

    async def main() -> list[int]:
        connection = Connection(relay_of(stack, "mx_limited"), told.append)
        codes = [(await connection.deliver(one, journal=Marks())).reply.code for one in sent]
        await connection.close()
        return codes

    codes = asyncio.run(main())
    assert codes.count(250) + codes.count(451) == 12  # above ten in ten seconds it defers, which is an answer
    assert codes.count(250) >= 5
    assert len(told) == 2
    assert all(len(rows(stack, one)) == 1 for one in sent)


def test_twenty_refusals_make_postfix_hang_up_and_lose_nothing(stack: MailStack) -> None:
    sent = [message("data554") for _ in range(45)]
    told: list[str] = []

    async def main() -> list[int]:
        connection = Connection(relay_of(stack, "proxy"), told.append)
        codes = [(await connection.deliver(one, journal=Marks())).reply.code for one in sent]
        await connection.close()
        return codes

    assert asyncio.run(main()) == [554] * 45
    assert len(told) == 2
    truth = {row["mail_from"]: row["verdict"] for row in stack.mx_rows()}
    assert [truth[one.envelope_sender] for one in sent] == ["rejected"] * 45


def test_a_refused_recipient_leaves_no_envelope_behind(stack: MailStack) -> None:
    first, second, third = run(deliver(relay_of(stack), message("nouser"), message(), message("data554")))
    codes = [found.reply.code for found in (first, second, third) if isinstance(found, Handover)]
    assert codes == [550, 250, 554]


# -- protection --------------------------------------------------------------


@pytest.mark.parametrize("port", ["submission", "smtps"])
@pytest.mark.parametrize("auth", [None, "plain", "login", "scram-sha-256"])
def test_every_mechanism_logs_in_over_verified_tls(stack: MailStack, port: str, auth: str | None) -> None:
    (found,) = run(deliver(secured(stack, port, auth=auth, timeout=10.0), message()))
    assert isinstance(found, Handover)
    assert found.reply.code == 250
    assert f"AUTH {(auth or 'scram-sha-256').upper()}" in found.transcript
    assert "smtp-secret" not in found.transcript


@pytest.mark.parametrize("auth", ["plain", "login", "scram-sha-256"])
def test_a_wrong_password_is_one_failed_login(stack: MailStack, auth: str) -> None:
    def failures() -> int:
        log = (stack.log / "postfix.log").read_text()
        return log.count("authentication failed")

    before, marks = failures(), Marks()
    with pytest.raises(RelayError, match=r"login as harness was refused.*535") as caught:
        run(Connection(secured(stack, "smtps", auth=auth, password="wr0ng-pass")).deliver(message(), journal=marks))
    deadline = time.monotonic() + 10
    while failures() == before and time.monotonic() < deadline:  # Postfix writes its log a moment later
        time.sleep(0.05)
    time.sleep(0.5)  # time enough for a second try to show
    assert failures() == before + 1
    assert marks.marks == []
    assert "wr0ng-pass" not in str(caught.value)


def test_a_password_never_goes_over_an_open_line(stack: MailStack) -> None:
    open_line = relay_of(stack, "clearauth", username="harness", password="smtp-secret")
    with pytest.raises(RelayError, match="open line"):
        run(Connection(open_line).open())
    with pytest.raises(RelayError, match="STARTTLS is not offered"):
        run(Connection(replace(open_line, tls=Tls.STARTTLS)).open())
    log = (stack.log / "postfix.log").read_text()
    assert "clearauth" not in "".join(line for line in log.splitlines() if "sasl_username" in line)


TLS_FAULTS = [
    ("badcert", {}, "not for 127.0.0.1; set host"),
    ("smtps", {"ca_file": None}, "can't be verified"),
    ("submission", {"tls": Tls.IMPLICIT}, "tls: starttls may be right"),
    ("submission", {"host": "relay.invalid"}, "no host called relay.invalid"),
]


@pytest.mark.parametrize(("port", "changes", "words"), TLS_FAULTS, ids=["name", "ca", "mode", "host"])
def test_a_line_that_can_not_be_trusted_carries_nothing(
    stack: MailStack, port: str, changes: dict[str, Any], words: str
) -> None:
    marks = Marks()
    with pytest.raises(RelayError, match=words) as caught:
        run(Connection(secured(stack, port, **changes)).deliver(message(), journal=marks))
    assert "\n" not in str(caught.value)
    assert marks.marks == []


def test_a_mechanism_that_is_not_offered_is_not_tried(stack: MailStack) -> None:
    with pytest.raises(RelayError, match=r"AUTH with XOAUTH2 is not offered \(it has .*PLAIN"):
        run(Connection(secured(stack, "smtps", auth="xoauth2")).open())


def test_a_relay_that_refuses_the_connection_is_named_with_what_to_do(stack: MailStack) -> None:
    with pytest.raises(RelayError, match=r"relay test \(127\.0\.0\.1:1\): the connection was refused; is the server"):
        run(Connection(replace(relay_of(stack), port=1)).open())


def test_a_greeting_that_refuses_is_an_answer(stack: MailStack) -> None:
    with pytest.raises(DeliveryError, match="refuses to talk: 421") as caught:
        run(Connection(relay_of(stack, "mx_busy")).open())
    assert caught.value.reply is not None
    assert (caught.value.reply.code, caught.value.reply.step) == (421, Step.CONNECT)


def test_certificate_files_that_can_not_be_used_are_told(stack: MailStack) -> None:
    with pytest.raises(ConfigError, match=r"relays\.test\.ca_file: /nowhere"):
        run(Connection(secured(stack, "smtps", ca_file="/nowhere/ca.pem")).open())
    with pytest.raises(ConfigError, match="client_cert"):
        run(Connection(secured(stack, "smtps", client_cert=stack.info["ca"])).open())


# -- the envelope ------------------------------------------------------------


def test_dsn_parameters_come_back_in_the_bounce(stack: MailStack) -> None:
    sent = message("data554+tag=1")
    relay = relay_of(stack, "relay", answers=Answers.BOUNCES)
    (found,) = run(deliver(relay, sent))
    assert isinstance(found, Handover)
    assert found.queue_id is not None
    assert "ENVID=env+2B1" in found.transcript
    assert "ORCPT=rfc822;data554+2Btag+3D1" in found.transcript
    assert "NOTIFY=SUCCESS,FAILURE,DELAY" in found.transcript
    deadline = time.monotonic() + 15
    while True:
        bounce = next((raw for raw in stack.bounces(0) if sent.envelope_sender.encode() in raw), b"")
        if bounce or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert b"Original-Envelope-Id: env+1" in bounce
    assert sent.recipient.encode() in bounce


def test_bytes_and_addresses_that_need_it_are_announced(stack: MailStack) -> None:
    content = "From: a@shop.test\r\nSubject: x\r\n\r\nGrüße\r\n".encode()
    eight, names = message(content=content), message(recipient=f"josé-{next(SERIAL)}@icloud.test")
    first, second = run(deliver(relay_of(stack), eight, names))
    assert isinstance(first, Handover)
    assert isinstance(second, Handover)
    assert "BODY=8BITMIME" in first.transcript
    said = [[line for line in found.transcript.splitlines() if "> MAIL" in line] for found in (first, second)]
    assert ["SMTPUTF8" in line for (line,) in said] == [False, True]
    assert (first.reply.code, second.reply.code) == (250, 250)
    assert rows(stack, names)[0]["rcpt_to"] == [names.recipient]
    assert rows(stack, eight)[0]["sha256"] == eight.sha256


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\nb", b"x\r\n.\n\r\n"])
def test_bytes_that_smtp_would_change_are_not_sent(stack: MailStack, content: bytes) -> None:
    marks = Marks()
    with pytest.raises(ConfigError, match="CRLF"):
        run(Connection(relay_of(stack)).deliver(message(content=content), journal=marks))
    assert marks.marks == []


@pytest.mark.parametrize("address", ["a b@icloud.test", "a>@icloud.test", "a\r\nRCPT TO:<b@icloud.test>@icloud.test"])
def test_no_address_can_add_a_command(stack: MailStack, address: str) -> None:
    with pytest.raises(RelayError, match="can't stand in an envelope"):
        run(Connection(relay_of(stack)).deliver(message(recipient=address), journal=Marks()))


def test_helo_name_and_source_address_are_as_configured(stack: MailStack) -> None:
    sent = message()
    run(deliver(relay_of(stack, helo="mail.shop.example", source_address="127.0.0.9"), sent))
    (row,) = rows(stack, sent)
    assert row["helo"] == "mail.shop.example"
    assert row["peer"][0] == "127.0.0.9"
