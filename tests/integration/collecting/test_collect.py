"""What comes back finds its trial, once; what does not is kept and shown; what is forged counts for nothing."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bounce.reply import read_reply
from harness.edge.feed import EventFolder
from harness.edge.inlet import Found, Inlet, Known, Piece
from harness.edge.ledger import Ledger
from harness.edge.mailbox import EmlFolder, Maildir
from harness.errors import DsnError, MailboxError
from harness.judge.settle import settle_run
from harness.model.answer import Answer, Kind
from harness.model.trial import Outcome
from harness.run.collect import Collector, Gathered, forged, gather, read_piece, unmatched, watch
from harness.run.heard import listened_until
from harness.run.match import By
from harness.run.token import make_token
from tests.integration.collecting.scene import a_run, bounce, now, sent


class Pile:
    """A source whose pieces the test holds in its hand."""

    name = "pile"

    def __init__(self, *pieces: Piece) -> None:
        self.pieces = list(pieces)
        self.broken = False

    def read(self, known: Known) -> "list[Found]":
        if self.broken:
            raise MailboxError("imap.shop.example:993: no connection; try again later")
        return [piece for piece in self.pieces if not known(piece.identity)]

    def wait(self, seconds: float) -> None:
        time.sleep(0.05)

    def close(self) -> None:
        pass


def collect(ledger: Ledger, *inlets: object) -> Gathered:
    return gather(Collector(ledger, now), inlets)  # type: ignore[arg-type]


def outcomes(ledger: Ledger, run_id: str) -> list[Outcome]:
    facts = ledger.facts(run_id)
    settled = settle_run(facts, now=now(), read=lambda reply: read_reply(reply.text, code=reply.code))
    return [settled[trial.token].outcome for trial in facts.trials]


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
    return tmp_path / "Maildir"


def test_a_bounce_reaches_its_trial_and_reading_twice_changes_nothing(ledger: Ledger, maildir: Path) -> None:
    run = a_run(ledger)
    first, second = sent(ledger, run), sent(ledger, run, seed=1)
    (maildir / "new" / "1").write_bytes(bounce(first.token))
    gathered = collect(ledger, Maildir(maildir))
    assert gathered.by == {"verp": 1}
    facts = ledger.facts(run.id)
    assert [answer.reading.tag for answer in facts.trials[0].answers] == ["CS01"]
    assert facts.trials[1].answers == ()
    again = collect(ledger, Maildir(maildir))
    assert again.new == []
    (maildir / "new" / "1").rename(maildir / "cur" / "1:2,S")
    assert collect(ledger, Maildir(maildir)).new == []
    assert ledger.facts(run.id) == facts
    assert second.token != first.token


@pytest.mark.parametrize(
    ("change", "by"),
    [
        (lambda trial: bounce(trial.token), By.VERP),
        (lambda trial: bounce("x", verp=False).replace(
            b"Reporting-MTA", f"Original-Envelope-Id: {trial.token}\r\nReporting-MTA".encode()), By.ENVID),
        (lambda trial: bounce("x", verp=False).replace(
            b"Subject: Forty off", f"Message-ID: {trial.message_id}\r\nSubject: Forty off".encode()), By.HEADER),
        (lambda trial: bounce("x", verp=False).replace(
            b"Subject: Forty off", f"X-Retest-Id: {trial.token}\r\nSubject: Forty off".encode()), By.HEADER),
        (lambda trial: bounce("x", verp=False).replace(
            b"Reporting-MTA", f"X-Postfix-Queue-ID: {trial.attempts[0].queue_id}\r\nReporting-MTA".encode()),
         By.QUEUE_ID),
    ],
)  # fmt: skip
def test_each_way_back_is_recognised(ledger: Ledger, change: "object", by: By) -> None:
    run = a_run(ledger)
    sent(ledger, run, seed=1)
    trial = sent(ledger, run, queue_id="4bKx7Zq2vTz1Rw")
    gathered = collect(ledger, Pile(Piece("mail:1", change(trial))))  # type: ignore[operator]
    assert [(one.match.token, one.match.by) for one in gathered.new] in (
        [(trial.token, by)],
        [(trial.token, By.MESSAGE_ID)] if by is By.HEADER else [],
    )
    assert outcomes(ledger, run.id) == [Outcome.PENDING, Outcome.REJECTED]


def test_a_forged_bounce_counts_for_nothing_and_is_shown(ledger: Ledger) -> None:
    run = a_run(ledger)
    trial = sent(ledger, run, queue_id="4bKx7Z")
    token = make_token(b"a key that is not ours", run.id, trial.number)
    raw = bounce(token).replace(b"Reporting-MTA", b"X-Postfix-Queue-ID: 4bKx7Z\r\nReporting-MTA")
    gathered = collect(ledger, Pile(Piece("mail:1", raw)))
    assert [one.match.by for one in forged(gathered)] == [By.FORGED]
    assert outcomes(ledger, run.id) == [Outcome.PENDING]
    assert ledger.raw("mail:1") == raw


def test_a_token_of_ours_for_a_trial_that_never_was_counts_for_nothing(ledger: Ledger) -> None:
    run = a_run(ledger)
    sent(ledger, run)
    gathered = collect(ledger, Pile(Piece("mail:1", bounce(make_token(ledger.signing_key(), run.id, 77)))))
    assert [one.match.by for one in unmatched(gathered)] == [By.UNKNOWN_TRIAL]
    assert outcomes(ledger, run.id) == [Outcome.PENDING]


def test_what_matches_nothing_is_kept_with_its_bytes(ledger: Ledger) -> None:
    run = a_run(ledger)
    sent(ledger, run)
    letters = [b"Subject: Hello\r\n\r\nI am on holiday", b"", b"\xff\xfe\x00", bounce("x", verp=False)]
    gathered = collect(ledger, Pile(*(Piece(f"mail:{i}", raw) for i, raw in enumerate(letters))))
    assert len(unmatched(gathered)) == 4
    assert [ledger.raw(f"mail:{i}") for i in range(4)] == letters


def test_a_mail_about_several_recipients_is_read_whole_or_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between two answers of a mail has not read it."""
    run = a_run(ledger)
    trial = sent(ledger, run)
    pile = Pile(Piece("mail:1", bounce(trial.token, ("seed-01@seeds.example", "b@x.example", "c@x.example"))))
    hear, calls = Ledger.hear, iter(range(9))

    def dying(self: Ledger, *values: object) -> bool:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return hear(self, *values)  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "hear", dying)
    with pytest.raises(KeyboardInterrupt):
        collect(ledger, pile)
    monkeypatch.setattr(Ledger, "hear", hear)
    assert len(collect(ledger, pile).new) == 1
    assert collect(ledger, pile).new == []
    recipients = {answer.recipient for answer in ledger.facts(run.id).trials[0].answers}
    assert recipients == {"seed-01@seeds.example", "b@x.example", "c@x.example"}


def test_a_poisonous_mail_does_not_hide_the_next(ledger: Ledger) -> None:
    run = a_run(ledger)
    trial = sent(ledger, run)

    def read(piece: Piece) -> list[Answer]:
        if b"poison" in piece.raw:
            raise DsnError("no delivery report") if b"known" in piece.raw else RecursionError("deep")
        return read_piece(piece)

    pile = Pile(Piece("1", b"poison"), Piece("2", b"known poison"), Piece("3", bounce(trial.token)))
    gathered = gather(Collector(ledger, now, read), [pile])  # type: ignore[list-item]
    assert [one.answer.kind for one in gathered.new] == [Kind.OTHER, Kind.OTHER, Kind.BOUNCE]
    assert outcomes(ledger, run.id) == [Outcome.REJECTED]


def test_a_source_that_fails_does_not_keep_the_others_from_being_read(ledger: Ledger, tmp_path: Path) -> None:
    run = a_run(ledger)
    trial = sent(ledger, run)
    (tmp_path / "mails").mkdir()
    (tmp_path / "mails" / "a.eml").write_bytes(bounce(trial.token))
    gathered = collect(ledger, Maildir(tmp_path / "none"), EmlFolder(tmp_path / "mails"))
    assert len(gathered.failed) == 1
    assert gathered.by == {"verp": 1}


def test_events_reach_their_trials_by_metadata(ledger: Ledger, tmp_path: Path) -> None:
    run = a_run(ledger)
    refused, delivered, other = sent(ledger, run), sent(ledger, run, seed=1), sent(ledger, run, seed=2)
    events = [
        {"event": "bounce", "type": "blocked", "email": refused.recipient, "timestamp": int(now().timestamp()),
         "sg_event_id": "a", "retest_id": refused.token, "status": "5.7.1", "reason": "554 5.7.1 [CS01] Message rejected"},
        {"event": "delivered", "email": delivered.recipient, "timestamp": int(now().timestamp()), "sg_event_id": "b",
         "retest_id": delivered.token.upper(), "response": "250 2.0.0 Ok"},
        {"event": "bounce", "email": other.recipient, "timestamp": int(now().timestamp()), "sg_event_id": "c",
         "retest_id": "r7q2-00002-aaaaaaaaaaaaaaaa", "reason": "554 5.7.1 [CS01] Message rejected"},
    ]  # fmt: skip
    (tmp_path / "events").mkdir()
    path = tmp_path / "events" / "events.json"
    path.write_text(json.dumps(events + events))
    gathered = collect(ledger, EventFolder(path, "sendgrid"))
    assert gathered.by == {"metadata": 2, "forged": 1}
    assert outcomes(ledger, run.id) == [Outcome.REJECTED, Outcome.DELIVERED, Outcome.PENDING]
    path.write_text("\n".join(json.dumps(event) for event in events))
    assert collect(ledger, EventFolder(tmp_path / "events", None)).new == []


def test_a_providers_word_for_suppression_is_left_as_it_is(ledger: Ledger, tmp_path: Path) -> None:
    run = a_run(ledger)
    trial = sent(ledger, run)
    event = {"event": "dropped", "email": trial.recipient, "timestamp": 1, "sg_event_id": "d",
             "retest_id": trial.token, "reason": "Bounced Address"}  # fmt: skip
    (tmp_path / "e.json").write_text(json.dumps(event))
    (heard,) = collect(ledger, EventFolder(tmp_path / "e.json", "sendgrid")).new
    assert heard.answer.kind is Kind.SUPPRESSED
    assert heard.answer.provider_word
    assert outcomes(ledger, run.id) == [Outcome.CENSORED]


def test_bounces_of_other_runs_go_to_these_runs(ledger: Ledger) -> None:
    one, other = a_run(ledger, "r1"), a_run(ledger, "r2")
    first, second = sent(ledger, one), sent(ledger, other)
    collect(ledger, Pile(Piece("1", bounce(second.token)), Piece("2", bounce(first.token))))
    assert outcomes(ledger, "r1") == outcomes(ledger, "r2") == [Outcome.REJECTED]


def test_a_change_is_announced_before_it_is_written(ledger: Ledger) -> None:
    run = a_run(ledger)
    trial = sent(ledger, run)
    collector, told = Collector(ledger, now), []
    collector.before_change = lambda run_id: told.append((run_id, outcomes(ledger, run_id)))
    pile = Pile(Piece("1", bounce(trial.token)))
    gather(collector, [pile])  # type: ignore[list-item]
    gather(collector, [pile])  # type: ignore[list-item]
    assert told == [(run.id, [Outcome.PENDING])]


def test_complete_readings_are_noted_where_they_settle_a_silence(ledger: Ledger) -> None:
    run = a_run(ledger, settle=0.0)
    other = a_run(ledger, "elsewhere", relay="another", settle=0.0)
    sent(ledger, run)
    sent(ledger, other)
    pile = Pile()
    pile.broken = True
    collector = Collector(ledger, now, relay="esp")
    gather(collector, [Pile(), pile])  # type: ignore[list-item]
    assert listened_until(ledger.facts(run.id)) is None  # one source was silent because it could not be read
    pile.broken = False
    for _ in range(3):
        gather(collector, [Pile(), pile])  # type: ignore[list-item]
    assert [event.kind for event in ledger.facts(run.id).happenings] == ["heard"]
    assert ledger.facts(other.id).happenings == ()


def test_watching_notes_that_all_sources_were_read(ledger: Ledger) -> None:
    run = a_run(ledger, settle=0.0)
    sent(ledger, run)
    stop = threading.Event()
    collector = Collector(ledger, now, relay="esp")
    thread = threading.Thread(target=lambda: list(watch(collector, [Pile(), Pile()], stop, 0.1)), daemon=True)  # type: ignore[list-item]
    thread.start()
    deadline = time.monotonic() + 20
    while listened_until(ledger.facts(run.id)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stop.set()
    thread.join(10)


def test_watching_goes_on_through_failures_and_finds_what_comes_later(
    ledger: Ledger, maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(ledger)
    trial = sent(ledger, run)
    broken = Pile()
    broken.broken = True
    stop, seen = threading.Event(), []
    threading.Timer(0.5, (maildir / "new" / "1").write_bytes, [bounce(trial.token)]).start()
    deadline = threading.Timer(30, stop.set)
    deadline.daemon = True
    deadline.start()
    inlets: list[Inlet] = [Maildir(maildir), broken]  # type: ignore[list-item]
    for name, gathered in watch(Collector(ledger, now), inlets, stop, every=0.2):
        seen.append((name, len(gathered.new), len(gathered.failed)))
        if gathered.new:
            stop.set()
    assert ("pile", 0, 1) in seen
    assert seen[-1][1:] == (1, 0)
    assert outcomes(ledger, run.id) == [Outcome.REJECTED]


def test_two_processes_that_collect_at_once_keep_an_answer_once(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.sqlite") as one, Ledger.open(tmp_path / "l.sqlite") as other:
        run = a_run(one)
        trials = [sent(one, run, seed=i % 8) for i in range(20)]
        pile = Pile(*(Piece(f"mail:{i}", bounce(trial.token)) for i, trial in enumerate(trials)))
        found: list[Gathered] = []
        threads = [
            threading.Thread(target=lambda book=book: found.append(collect(book, pile))) for book in (one, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(len(gathered.new) for gathered in found) == 20
        assert all(len(trial.answers) == 1 for trial in one.facts(run.id).trials)


def test_the_place_of_an_answer_is_kept(ledger: Ledger) -> None:
    run = a_run(ledger)
    trial = sent(ledger, run)
    collect(ledger, Pile(replace(Piece("1", bounce(trial.token)), place="INBOX UID 7")))
    assert ledger.facts(run.id).trials[0].answers[0].raw == "INBOX UID 7"
