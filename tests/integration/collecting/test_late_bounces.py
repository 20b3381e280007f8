"""Real Postfix says yes at once and no by a delivery report later; real Dovecot holds what it says."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bounce.reply import read_reply
from harness.edge.imap import ImapInlet, Login
from harness.edge.inlet import Inlet
from harness.edge.ledger import Ledger
from harness.edge.mailbox import Maildir
from harness.edge.relay import Connection
from harness.judge.settle import settle_run
from harness.model.record import RunRecord
from harness.model.relay import Relay, Tls
from harness.model.trial import Ask, Outcome, Phase
from harness.model.variant import Message, variant_id
from harness.run.collect import Collector, Gathered, gather
from harness.run.match import By
from harness.run.token import make_token
from tests.integration.collecting.scene import CONTENT, LINK, a_run, now
from tests.mailstack.stack import MailStack

pytestmark = pytest.mark.stack
CS01 = b"X-Fake-Reply: 554 5.7.1 [CS01] Message rejected due to local policy.\r\n"


class Journal:
    """The ledger's marks of one message, each made once."""

    def __init__(self, ledger: Ledger, token: str) -> None:
        self.ledger, self.token, self.marks = ledger, token, set[str]()

    def begin(self) -> None:
        if "begin" not in self.marks:
            self.ledger.begin(self.token, now())
        self.marks.add("begin")

    def announce(self) -> None:
        """Nothing is begun early here."""

    async def content(self) -> None:
        if "content" not in self.marks:
            self.ledger.content(self.token, now())
        self.marks.add("content")


def send(
    ledger: Ledger, run: RunRecord, stack: MailStack, asks: list[tuple[int, bool]], sender: str = "bounces+{}"
) -> list[str]:
    """Send a trial to each seed through Postfix; the second of each pair says whether the MX refuses it."""
    relay = Relay("esp", "smtp", host="127.0.0.1", port=stack.info["ports"]["relay"], tls=Tls.NONE)

    async def go() -> list[str]:
        tokens = []
        connection = Connection(relay)
        for seed, refused in asks:
            address = run.segment.seeds[seed].address
            token = make_token(ledger.signing_key(), run.id, ledger.next_number(run.id))
            content = CS01 * refused + CONTENT % (address.encode(), token.encode())
            path = f"{sender.format(token)}@{stack.info['bounce_domain']}"
            message = Message(path, address, f"<{token}@mail.shop.example>", content)
            held = frozenset({LINK}) if refused else frozenset()
            ask = Ask(held, address, Phase.LADDER)
            ledger.plan(run.id, ask, variant_id(held, frozenset({LINK})), message, token, "icloud.com", now())
            taken = await connection.deliver(message, journal=Journal(ledger, token), envelope_id=token)
            assert taken.reply.code == 250
            ledger.record(token, taken.reply, taken.queue_id, taken.transcript, now())
            tokens.append(token)
        await connection.close()
        return tokens

    return asyncio.run(go())


def imap(stack: MailStack) -> ImapInlet:
    info = stack.info
    login = Login("127.0.0.1", info["imap_user"], info["imap_password"], info["ports"]["imaps"], ca_file=info["ca"])
    return ImapInlet(login)


def maildir(stack: MailStack) -> Maildir:
    return Maildir(Path(stack.info["bounce_maildir"]))


def until(ledger: Ledger, inlet: Inlet, many: int) -> Gathered:
    """Collect until so many answers are there."""
    whole, deadline = Gathered(), time.monotonic() + 20
    while len([one for one in whole.new if one.match.token]) < many:
        assert time.monotonic() < deadline, "the delivery reports did not come"
        found = gather(Collector(ledger, now), [inlet])
        assert not found.failed
        whole.heard += found.heard
        time.sleep(0.1)
    inlet.close()
    return whole


def outcomes(ledger: Ledger, run_id: str) -> list[Outcome]:
    facts = ledger.facts(run_id)
    settled = settle_run(facts, now=now(), read=lambda reply: read_reply(reply.text, code=reply.code))
    return [settled[trial.token].outcome for trial in facts.trials]


@pytest.fixture(params=[imap, maildir], ids=["imap", "maildir"])
def inlet(request: pytest.FixtureRequest, stack: MailStack) -> Iterator[Inlet]:
    make: Callable[[MailStack], Inlet] = request.param
    made = make(stack)
    yield made
    made.close()


def test_each_report_reaches_its_trial(ledger: Ledger, stack: MailStack, inlet: Inlet) -> None:
    run = a_run(ledger)
    send(ledger, run, stack, [(0, True), (1, False), (2, True), (3, False)])
    gathered = until(ledger, inlet, 2)
    assert outcomes(ledger, run.id) == [Outcome.REJECTED, Outcome.PENDING, Outcome.REJECTED, Outcome.PENDING]
    assert gathered.by[By.VERP] == 2
    tags = [answer.reading.tag for trial in ledger.facts(run.id).trials for answer in trial.answers]
    assert tags == ["CS01", "CS01"]


def test_without_verp_the_envelope_id_or_the_message_id_finds_the_trial(ledger: Ledger, stack: MailStack) -> None:
    run = a_run(ledger)
    send(ledger, run, stack, [(0, True), (1, True)], sender="bounces")
    gathered = until(ledger, imap(stack), 2)
    assert {one.match.by for one in gathered.new if one.match.token} <= {By.ENVID, By.HEADER, By.MESSAGE_ID}
    assert outcomes(ledger, run.id) == [Outcome.REJECTED, Outcome.REJECTED]


def test_a_bounce_held_back_beyond_the_verdict_changes_it(ledger: Ledger, stack: MailStack, inlet: Inlet) -> None:
    run = a_run(ledger, settle=0.0)
    stack.hold()
    try:
        send(ledger, run, stack, [(0, True), (1, False)])
        assert outcomes(ledger, run.id) == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    finally:
        stack.release()
    until(ledger, inlet, 1)
    assert outcomes(ledger, run.id) == [Outcome.REJECTED, Outcome.ACCEPTED]


def test_reading_real_reports_twice_changes_nothing(ledger: Ledger, stack: MailStack) -> None:
    run = a_run(ledger)
    send(ledger, run, stack, [(0, True)])
    until(ledger, imap(stack), 1)
    facts = ledger.facts(run.id)
    assert gather(Collector(ledger, now), [imap(stack)]).new == []
    assert ledger.facts(run.id) == facts


def test_reports_of_a_neighbour_in_the_same_mailbox_are_kept_apart(
    ledger: Ledger, stack: MailStack, tmp_path: Path
) -> None:
    """Two workspaces read one mailbox: each takes its own, and calls the other's tokens foreign."""
    with Ledger.open(tmp_path / "neighbour.sqlite") as neighbour:
        ours, theirs = a_run(ledger), a_run(neighbour)
        send(ledger, ours, stack, [(0, True)])
        send(neighbour, theirs, stack, [(0, True)])
        until(neighbour, imap(stack), 1)
        gathered = until(ledger, imap(stack), 1)
        assert By.FORGED in {one.match.by for one in gathered.new}
        assert outcomes(ledger, ours.id) == outcomes(neighbour, theirs.id) == [Outcome.REJECTED]


def test_a_relay_that_may_have_sent_copies_leaves_the_trial_in_doubt(ledger: Ledger, stack: MailStack) -> None:
    run = a_run(ledger)
    seeds = (replace(run.segment.seeds[0], address="dropdot@seeds.example"), *run.segment.seeds[1:])
    run = a_run(ledger, "drop", seeds=seeds)
    send(ledger, run, stack, [(0, False)])
    deadline = time.monotonic() + 60
    collector, inlet = Collector(ledger, now), imap(stack)
    while not ledger.facts(run.id).trials[0].answers:
        assert time.monotonic() < deadline
        gather(collector, [inlet])
        time.sleep(0.5)
    inlet.close()
    assert ledger.facts(run.id).trials[0].answers[-1].sent_more_than_once
    assert outcomes(ledger, run.id) == [Outcome.UNKNOWN]
