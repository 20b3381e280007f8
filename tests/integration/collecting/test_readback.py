"""Copies are found in the seeds' own mailboxes, inbox or junk, and what the relay did to them is said."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from harness.bounce.reply import read_reply
from harness.edge.ledger import Ledger
from harness.errors import ConfigError
from harness.judge.settle import settle_run
from harness.model.record import TrialRecord
from harness.model.reply import Reply, Step
from harness.model.seed import Mailbox, Seed
from harness.model.trial import Outcome
from harness.run.readback import ReadBack, read_back
from harness.run.token import make_token
from tests.integration.collecting.dovecot import PASSWORD, USER, Dovecot, dovecot, missing
from tests.integration.collecting.scene import LINK, a_run, now, sent
from tests.integration.collecting.test_command import Shop, app

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "runs")


@pytest.fixture
def server() -> Iterator[Dovecot]:
    """A fresh mailbox for each test."""
    with dovecot() as running:
        yield running


def seed(server: Dovecot, **changes: object) -> Seed:
    mailbox = Mailbox("127.0.0.1", USER, "${SEED_PASSWORD}", server.imaps, ca_file=server.ca)
    return Seed("seed-01@seeds.example", "icloud.com", mailbox=replace(mailbox, **changes))  # type: ignore[arg-type]


def look(ledger: Ledger, run_id: str) -> ReadBack:
    return read_back(ledger, ledger.facts(run_id), lambda box: replace(box, password=PASSWORD), now)


def copy(ledger: Ledger, trial: TrialRecord) -> bytes:
    """What a receiver stores: trace headers on top of what was sent."""
    trace = f"Return-Path: <{trial.envelope_sender}>\r\nReceived: from relay by mx01\r\n".encode()
    return trace + b"Authentication-Results: mx01; dkim=pass\r\n" + ledger.message(trial.sha256)


def outcomes(ledger: Ledger, run_id: str) -> list[Outcome]:
    facts = ledger.facts(run_id)
    settled = settle_run(facts, now=now(), read=lambda reply: read_reply(reply.text, code=reply.code))
    return [settled[trial.token].outcome for trial in facts.trials]


def test_a_copy_in_the_inbox_is_delivered_as_it_was_sent(ledger: Ledger, server: Dovecot) -> None:
    run = a_run(ledger, seeds=(seed(server),))
    first, second = sent(ledger, run), sent(ledger, run)
    server.deliver(b"Subject: somebody else's\r\n\r\n")
    server.deliver(copy(ledger, first))
    server.deliver(b"Subject: in junk\r\n\r\n", folder="Junk")
    before = server.files()
    found = look(ledger, run.id)
    assert found.failed == []
    assert [(trial.token, seen.folder, seen.differences) for trial, seen in found.arrivals] == [
        (first.token, "INBOX", ())
    ]
    assert found.arrivals[0][1].authentication == "mx01; dkim=pass"
    assert outcomes(ledger, run.id) == [Outcome.DELIVERED, Outcome.PENDING]
    assert server.files() == before
    assert look(ledger, run.id).arrivals == []
    assert second.token != first.token


def test_a_copy_in_junk_is_found_there_and_its_rewritten_link_named(ledger: Ledger, server: Dovecot) -> None:
    run = a_run(ledger, seeds=(seed(server),))
    trial = sent(ledger, run)
    raw = copy(ledger, trial).replace(b"https://go.partner.example/a", b"https://click.esp.example/x")
    raw = raw.replace(b"Message-ID: <" + trial.token.encode(), b"Message-ID: <0102")  # as SES does
    server.deliver(raw, folder="Junk")
    ((_, seen),) = look(ledger, run.id).arrivals
    assert seen.folder == "Junk"
    assert seen.changed_factors == (LINK,)
    assert any(said.startswith("Message-ID replaced") for said in seen.differences)
    assert ledger.facts(run.id).trials[0].arrivals[0].changed_factors == (LINK,)


def test_a_trial_in_doubt_that_arrived_is_delivered(ledger: Ledger, server: Dovecot) -> None:
    run = a_run(ledger, seeds=(seed(server),))
    trial = sent(ledger, run, reply=None)
    assert outcomes(ledger, run.id) == [Outcome.UNKNOWN]
    server.deliver(copy(ledger, trial))
    look(ledger, run.id)
    assert outcomes(ledger, run.id) == [Outcome.DELIVERED]


def test_a_copy_with_a_made_up_token_is_nobodys(ledger: Ledger, server: Dovecot) -> None:
    run = a_run(ledger, seeds=(seed(server),))
    trial = sent(ledger, run)
    forged = make_token(b"somebody else's key, 28 byte", run.id, trial.number)
    server.deliver(copy(ledger, trial).replace(trial.token.encode(), forged.encode()))
    assert look(ledger, run.id).arrivals == []


def test_what_was_refused_in_session_is_not_looked_for(ledger: Ledger, server: Dovecot) -> None:
    run = a_run(ledger, seeds=(seed(server, port=1),))
    sent(ledger, run, reply=Reply(554, "5.7.1 [CS01]", Step.CONTENT))
    assert look(ledger, run.id).failed == []  # nothing to look for: the mailbox is not even opened


def test_a_mailbox_that_fails_is_named_and_a_missing_junk_folder_is_no_reason_to_stop(
    ledger: Ledger, server: Dovecot
) -> None:
    other = replace(seed(server, port=1), address="seed-02@seeds.example")
    run = a_run(ledger, seeds=(other, seed(server)))
    sent(ledger, run, seed=0)
    trial = sent(ledger, run, seed=1)
    server.deliver(copy(ledger, trial))
    found = look(ledger, run.id)
    assert [one.token for one, _ in found.arrivals] == [trial.token]
    assert found.failed[0].startswith("mailbox of seed-02@seeds.example: 127.0.0.1:1")
    assert found.failed[1].startswith("junk folder")


def test_the_command_tells_what_arrived(server: Dovecot, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED_PASSWORD", PASSWORD)
    shop = Shop(tmp_path)  # type: ignore[arg-type]
    run = a_run(shop.ledger, seeds=(seed(server),))
    trial = sent(shop.ledger, run)
    server.deliver(copy(shop.ledger, trial).replace(b"https://go.partner.example/a", b"https://click.esp.example/x"))
    server.deliver(b"Subject: junk\r\n\r\n", folder="Junk")
    result = CliRunner().invoke(app, ["-w", str(shop.root)])
    assert result.exit_code == 0, result.output
    assert "is in INBOX of seed-01@seeds.example: link rewritten" in result.output
    assert f"the relay rewrote {LINK}: untestable on this relay" in result.output
    assert PASSWORD not in result.output
    monkeypatch.delenv("SEED_PASSWORD")
    shop.ledger.close()


def test_a_password_that_is_not_set_is_an_error_that_names_it(server: Dovecot, tmp_path: object) -> None:
    shop = Shop(tmp_path)  # type: ignore[arg-type]
    run = a_run(shop.ledger, seeds=(seed(server),))
    sent(shop.ledger, run)
    result = CliRunner().invoke(app, ["-w", str(shop.root)])
    assert isinstance(result.exception, ConfigError)
    assert "SEED_PASSWORD" in str(result.exception)
    shop.ledger.close()
