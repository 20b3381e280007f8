"""The ledger on a real disk: what it is told comes back whole, and what must not happen it refuses."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from harness.edge.ledger import Ledger
from harness.errors import ConfigError
from harness.model.record import Arrival, Happening
from harness.model.reply import Reply, Step
from harness.model.trial import State
from tests.integration.ledger_nouns import BODY, a_message, a_run, an_answer, an_ask, at, planned

REFUSED = Reply(554, "5.7.1 [CS01] Message rejected due to local policy", Step.CONTENT)
LATER = Reply(451, "4.7.1 Service unavailable - try again later", Step.RCPT)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "results" / "ledger.sqlite") as opened:
        opened.create_run(a_run())
        yield opened


def test_a_run_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path) as ledger:
        ledger.create_run(a_run(), [{"id": "spf", "severity": "warn"}])
    with Ledger.open(path) as again:
        facts = again.facts("r1")
        assert facts.run == a_run()
        assert again.runs() == [a_run()]
    assert facts.findings == ({"id": "spf", "severity": "warn"},)


def test_a_trial_comes_back_with_its_bytes_marks_and_answers(ledger: Ledger) -> None:
    trial = planned(ledger, "t0")
    ledger.begin("t0", at(2))
    ledger.content("t0", at(3))
    ledger.record("t0", REFUSED, "QID1", "> MAIL", at(4))
    arrival = Arrival("Junk", at(9), ("footer added",), ("html",), "spf=pass", b"X")
    assert ledger.hear("r1", an_answer("t0"), "t0", "imap:1:7", b"raw dsn", at(61))
    assert ledger.hear("r1", an_answer(), None, "imap:1:8", b"else", at(62))
    assert ledger.arrive("t0", arrival)
    ledger.happen("r1", Happening(at(5), "pause", "a suspected block", 4))
    ledger.set_state("r1", "finished", at(99))
    facts = ledger.facts("r1")
    (found,) = facts.trials
    attempt = found.attempts[0]
    assert (attempt.begun, attempt.content_at, attempt.answered) == (at(2), at(3), at(4))
    assert (attempt.reply, attempt.queue_id, found.state) == (REFUSED, "QID1", State.ANSWERED)
    assert found.answers == (an_answer("t0"),)
    assert found.arrivals == (arrival,)
    assert facts.unmatched == (an_answer(),)
    assert facts.happenings == (Happening(at(5), "pause", "a suspected block", 4),)
    assert (facts.run.state, facts.run.ended) == ("finished", at(99))
    assert ledger.message("t0") == ledger.message(trial.sha256) == BODY
    assert ledger.parcel(trial) == a_message("t0")
    assert ledger.raw("imap:1:7") == b"raw dsn"
    assert ledger.transcripts("t0") == ["> MAIL"]


def test_the_same_bytes_are_stored_once(ledger: Ledger) -> None:
    for i in range(5):
        planned(ledger, f"t{i}")
    db = sqlite3.connect(ledger.path)
    assert db.execute("SELECT COUNT(*) FROM content").fetchone() == (1,)


def test_an_answer_that_is_read_twice_changes_nothing(ledger: Ledger) -> None:
    planned(ledger, "t0")
    assert ledger.hear("r1", an_answer("t0"), "t0", "maildir:x", b"raw", at(5))
    before = ledger.facts("r1")
    assert not ledger.hear("r1", an_answer("t0"), "t0", "maildir:x", b"raw", at(6))
    arrival = Arrival("INBOX", at(9), (), content=b"X")
    assert ledger.arrive("t0", arrival)
    assert not ledger.arrive("t0", replace(arrival, seen=at(50)))
    assert ledger.facts("r1").trials[0].answers == before.trials[0].answers
    assert ledger.heard("maildir:x")


def test_repetitions_of_one_place_are_numbered_and_a_token_is_used_once(ledger: Ledger) -> None:
    assert [planned(ledger, f"t{i}").repetition for i in range(3)] == [0, 1, 2]
    assert ledger.next_number("r1") == 3
    with pytest.raises(ValueError, match="t0"):
        planned(ledger, "t0")
    assert ledger.next_number("r1") == 3


def test_the_file_itself_forbids_a_second_trial_of_one_planned_place(ledger: Ledger) -> None:
    planned(ledger, "t0")
    db = sqlite3.connect(ledger.path)
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(
            "INSERT INTO trial SELECT 'other', run, 7, factors, seed, values_of, repetition, ask, variant, sha256, "
            "size, message_id, envelope_sender, recipient, domain, planned FROM trial"
        )


@pytest.mark.parametrize("end", ["refused", "accepted", "unknown", "not_sent", "open"])
def test_a_trial_with_an_end_is_never_begun_again(ledger: Ledger, end: str) -> None:
    planned(ledger, "t0")
    ledger.begin("t0", at(2))
    if end == "not_sent":
        ledger.fail("t0", State.NOT_SENT, "closed at MAIL", "", at(3))
    elif end == "unknown":
        ledger.content("t0", at(3))
        ledger.fail("t0", State.UNKNOWN, "lost", "", at(4))
    elif end != "open":
        ledger.content("t0", at(3))
        ledger.record("t0", REFUSED if end == "refused" else Reply(250, "Ok", Step.CONTENT), None, "", at(4))
    with pytest.raises(ValueError, match="can't be sent"):
        ledger.begin("t0", at(9))


def test_a_deferral_is_tried_twice_more_and_no_more(ledger: Ledger) -> None:
    planned(ledger, "t0")
    for number in (1, 2, 3):
        assert ledger.begin("t0", at(number * 10)) == number
        ledger.record("t0", LATER, None, "", at(number * 10 + 1))
    with pytest.raises(ValueError, match="can't be sent"):
        ledger.begin("t0", at(50))
    assert [attempt.reply for attempt in ledger.trial("t0").attempts] == [LATER] * 3


def test_marks_only_move_forward(ledger: Ledger) -> None:
    planned(ledger, "t0")
    with pytest.raises(ValueError, match="never begun"):
        ledger.content("t0", at(1))
    ledger.begin("t0", at(2))
    with pytest.raises(ValueError, match="unknown"):
        ledger.fail("t0", State.UNKNOWN, "before the bytes nothing is in doubt", "", at(3))
    ledger.content("t0", at(3))
    ledger.record("t0", REFUSED, None, "", at(4))
    with pytest.raises(ValueError, match="can't become"):
        ledger.record("t0", Reply(250, "Ok", Step.CONTENT), None, "", at(5))
    assert ledger.trial("t0").reply == REFUSED


def test_recovery_settles_what_was_open_and_nothing_else(ledger: Ledger) -> None:
    for token in ("planned", "sending", "content", "done"):
        planned(ledger, token)
    for token in ("sending", "content", "done"):
        ledger.begin(token, at(2))
    for token in ("content", "done"):
        ledger.content(token, at(3))
    ledger.record("done", REFUSED, None, "", at(4))
    settled = ledger.recover("r1", at(60))
    assert {trial.token: trial.state for trial in settled} == {"sending": State.NOT_SENT, "content": State.UNKNOWN}
    assert ledger.trial("planned").state is State.PLANNED
    assert ledger.trial("done").reply == REFUSED
    assert ledger.recover("r1", at(61)) == []


def test_caps_count_all_runs_but_those_of_a_sandbox(ledger: Ledger) -> None:
    ledger.create_run(a_run("r2"))
    ledger.create_run(a_run("r3", kind="sandbox", relay="sandbox"))
    for run in ("r1", "r2", "r3"):
        planned(ledger, f"{run}-t", run)
        ledger.begin(f"{run}-t", at(2))
    planned(ledger, "never-begun")
    planned(ledger, "failed")
    ledger.begin("failed", at(3))
    ledger.fail("failed", State.NOT_SENT, "closed", "", at(4))
    planned(ledger, "deferred")
    ledger.begin("deferred", at(5))
    ledger.record("deferred", LATER, None, "", at(6))
    assert ledger.sent_today("seed-01@seeds.example", at().date()) == 2
    assert ledger.sent_today("SEED-01@seeds.example", at().date()) == 2
    assert ledger.sent_today("seed-02@seeds.example", at().date()) == 0
    assert ledger.sent_today("seed-01@seeds.example", datetime(2026, 11, 21).date()) == 0
    assert len(ledger.sent_since(at(-10), "esp")) == 3  # for the pace, a deferred one left as well
    assert ledger.sent_since(at(6), "esp") == []


def test_secrets_stay_out_of_the_file(tmp_path: Path) -> None:
    run = a_run()
    seed = run.segment.seeds[1]
    assert seed.mailbox is not None
    resolved = replace(seed, mailbox=replace(seed.mailbox, password="hunter2-secret"))
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.create_run(replace(run, segment=replace(run.segment, seeds=(resolved,))))
    assert all(b"hunter2-secret" not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(b"no database at all, but long enough" * 100), "can't be used"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "can't be used"),
        (lambda path: _pragma(path, "user_version=99"), "newer harness"),
        (lambda path: _pragma(path, "application_id=7"), "another program"),
    ],
    ids=["garbage", "cut", "newer", "foreign"],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, damage, words: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path) as ledger:
        ledger.create_run(a_run())
    damage(path)
    with pytest.raises(ConfigError, match=words) as caught, Ledger.open(path) as ledger:
        ledger.facts("r1")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def _pragma(path: Path, setting: str) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA {setting}")
    db.close()


def test_what_is_not_there_is_named(ledger: Ledger, tmp_path: Path) -> None:
    for ask in (lambda: ledger.facts("r9"), lambda: ledger.trial("t9"), lambda: ledger.message("t9")):
        with pytest.raises(ConfigError, match=r"[rt]9"):
            ask()
    with pytest.raises(ConfigError, match="no ledger"):
        Ledger.open(tmp_path / "none.sqlite", create=False)
    with pytest.raises(ConfigError, match="already"):
        ledger.create_run(a_run())
    with pytest.raises(ConfigError, match="no name of a run"), ledger.own("../../etc/passwd"):
        pass


def test_a_run_has_one_owner_and_its_death_frees_the_run(ledger: Ledger) -> None:
    code = (
        "import sys, time; from pathlib import Path; from harness.edge.ledger import Ledger\n"
        "with Ledger.open(Path(sys.argv[1])) as ledger, ledger.own('r1'):\n"
        "    print('owned', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(ledger.path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "owned\n"
        with pytest.raises(ConfigError, match=str(holder.pid)), ledger.own("r1"):
            pass
        with ledger.own("r2"):
            pass
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        holder.stdout.close()  # type: ignore[union-attr]
    with ledger.own("r1"):
        pass
    assert not list(ledger.path.parent.glob("*.lock"))


def _open_and_plan(path: str, run: str, start: float) -> None:
    time.sleep(max(0.0, start - time.time()))
    with Ledger.open(Path(path)) as ledger:
        ledger.create_run(a_run(run))
        for i in range(20):
            planned(ledger, f"{run}-{i}", run)
            ledger.begin(f"{run}-{i}", at(i))
            ledger.record(f"{run}-{i}", REFUSED, None, "", at(i))


def test_processes_that_open_a_new_ledger_at_once_all_write(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    context = multiprocessing.get_context("spawn")
    start = time.time() + 1.5
    writers = [context.Process(target=_open_and_plan, args=(str(path), f"p{i}", start)) for i in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    with Ledger.open(path) as ledger:
        assert [len(ledger.facts(f"p{i}").trials) for i in range(4)] == [20] * 4


def test_a_reader_is_not_held_up_by_a_writer(ledger: Ledger) -> None:
    planned(ledger, "t0")
    writer = sqlite3.connect(ledger.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE run SET state = 'waiting'")
    begin = time.monotonic()
    with Ledger.open(ledger.path, create=False) as reader:
        assert reader.facts("r1").run.state == "running"
    assert time.monotonic() - begin < 2
    writer.execute("ROLLBACK")


def test_the_signing_key_is_made_once(ledger: Ledger) -> None:
    key = ledger.signing_key()
    with Ledger.open(ledger.path) as again:
        assert again.signing_key() == key
    assert len(key) == 32


def test_an_ask_with_all_its_fields_comes_back(ledger: Ledger) -> None:
    ask = replace(an_ask(), values_of="seed-02@seeds.example")
    trial = ledger.plan("r1", ask, "v1", a_message("t0"), "t0", "icloud.com", at(1))
    assert trial.ask == ask
    assert ledger.facts("r1").trials == (trial,)
