"""Sending through real servers: at most once, whatever happens, and at a pace that can be left and taken up again."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.edge.policy_file import parse_policy
from harness.edge.sandbox import Decision, Sandbox
from harness.errors import ConfigError, RelayError
from harness.model.relay import Tls
from harness.model.reply import Step
from harness.model.trial import State
from tests.integration.ledger_nouns import a_run
from tests.integration.outgoing import QUICK, InHand, Leaping, in_hand, plan
from tests.mailstack.fixture import stack
from tests.mailstack.stack import MailStack

__all__ = ["stack"]
NOON = datetime(2026, 11, 20, 12, 20, tzinfo=UTC)
GOOD = "good@icloud.test"


@pytest.fixture
def seen() -> list[Decision]:
    return []


@pytest.fixture
def sandbox(seen: list[Decision]) -> Iterator[Sandbox]:
    with Sandbox(parse_policy("key: x"), tell=seen.append) as running:
        yield running


def states(session: InHand) -> list[State]:
    return [trial.state for trial in session.ledger.facts(session.run.id).trials]


def mx_rows(stack: MailStack, token: str) -> list[dict[str, Any]]:
    return [row for row in stack.mx_rows() if row["mail_from"] == f"bounce+{token}@bounce.test"]


def by_mx(stack: MailStack, folder: Path, port: str = "mx", **changes: Any) -> InHand:
    return in_hand(folder, stack.info["ports"][port], **changes)


# -- answers -----------------------------------------------------------------


@pytest.mark.stack
def test_a_deferred_trial_is_tried_again_with_the_same_bytes(stack: MailStack, tmp_path: Path) -> None:
    session = by_mx(stack, tmp_path)
    (token,) = plan(session, "grey@icloud.test")
    asyncio.run(session.deliver([token]))
    trial = session.ledger.trial(token)
    codes = [attempt.reply.code for attempt in trial.attempts if attempt.reply]
    assert codes == [451, 250]
    assert trial.attempts[1].begun is not None
    assert trial.attempts[0].answered is not None
    assert (trial.attempts[1].begun - trial.attempts[0].answered).total_seconds() >= 0.05
    assert [row["sha256"] for row in mx_rows(stack, token)] == [None, trial.sha256]


@pytest.mark.stack
def test_a_trial_that_is_always_deferred_is_tried_three_times_in_all(stack: MailStack, tmp_path: Path) -> None:
    session = by_mx(stack, tmp_path)
    tokens = plan(session, "data451@icloud.test", GOOD)
    asyncio.run(session.deliver(tokens))
    trial = session.ledger.trial(tokens[0])
    assert [attempt.reply.code for attempt in trial.attempts if attempt.reply] == [451] * 3
    assert [row["sha256"] for row in mx_rows(stack, tokens[0])] == [trial.sha256] * 3
    assert session.left() == []
    # Nobody waits for a deferral: the next trial left before the second try.
    assert session.listener.replies[1] == (GOOD, 250)


@pytest.mark.stack
def test_a_transactional_run_tries_nothing_again(stack: MailStack, tmp_path: Path) -> None:
    session = by_mx(stack, tmp_path, run=replace(a_run(), transactional=True))
    tokens = plan(session, "data451@icloud.test", "data554@icloud.test")
    asyncio.run(session.deliver(tokens))
    assert [len(mx_rows(stack, token)) for token in tokens] == [1, 1]
    assert session.left() == []


@pytest.mark.stack
def test_a_refusal_is_a_result_and_never_sent_again(stack: MailStack, tmp_path: Path) -> None:
    session = by_mx(stack, tmp_path)
    tokens = plan(session, "data554@icloud.test", "nouser@icloud.test", "full@icloud.test")
    asyncio.run(session.deliver(tokens))
    assert session.left() == []
    with pytest.raises(ValueError, match="can't be sent"):
        asyncio.run(session.deliver(tokens[:1]))
    assert [len(mx_rows(stack, token)) for token in tokens] == [1, 1, 1]


@pytest.mark.stack
@pytest.mark.parametrize("word", ["dropdot", "dropmid", "hangdot"])
def test_what_is_lost_after_the_bytes_is_unknown_and_stays_so(stack: MailStack, tmp_path: Path, word: str) -> None:
    session = by_mx(stack, tmp_path, content_timeout=0.5)
    tokens = plan(session, f"{word}@icloud.test", GOOD)
    asyncio.run(session.deliver(tokens))
    assert states(session) == [State.UNKNOWN, State.ANSWERED]
    assert session.left() == []
    assert [len(mx_rows(stack, token)) for token in tokens] == [1, 1]
    error = session.ledger.trial(tokens[0]).attempts[0].error
    assert error is not None
    assert "unknown" in error
    assert ("no answer within 0.5 s;" in error) == (word == "hangdot")


@pytest.mark.stack
def test_a_stop_rule_ends_a_step_at_once(stack: MailStack, tmp_path: Path) -> None:
    session = by_mx(stack, tmp_path)
    blocked = "X-Fake-Reply: 550 5.7.0 Blocked - see https://support.proofpoint.com/dnsbl-lookup.cgi?ip=192.0.2.1\r\n"
    tokens = [*plan(session, GOOD), *plan(session, GOOD, header=blocked), *plan(session, GOOD, GOOD)]
    asyncio.run(session.deliver(tokens))
    assert states(session) == [State.ANSWERED, State.ANSWERED, State.PLANNED, State.PLANNED]


@pytest.mark.stack
def test_a_relays_rate_limit_defers_and_is_no_refusal(stack: MailStack, tmp_path: Path) -> None:
    session = by_mx(stack, tmp_path, "limited")  # five messages in ten seconds, then 450
    asyncio.run(session.deliver(plan(session, *[GOOD] * 7)))
    codes = [code for _, code in session.listener.replies]
    assert (codes.count(250), codes.count(450)) == (5, 6)
    assert session.left() == []


# -- relays that don't talk --------------------------------------------------


@pytest.mark.stack
def test_a_relay_that_is_busy_is_asked_again_and_then_given_up(stack: MailStack, tmp_path: Path) -> None:
    session = by_mx(stack, tmp_path, "mx_busy")
    tokens = plan(session, GOOD, GOOD)
    with pytest.raises(RelayError, match=r"refuses to talk: 421.*--resume"):
        asyncio.run(session.deliver(tokens))
    first, second = (session.ledger.trial(token) for token in tokens)
    replies = [attempt.reply for attempt in (*first.attempts, *second.attempts)]
    assert {(reply.code, reply.step) for reply in replies if reply} == {(421, Step.CONNECT)}
    assert max(len(first.attempts), len(second.attempts)) == 3


def test_a_relay_that_can_not_be_reached_leaves_everything_planned(tmp_path: Path) -> None:
    session = in_hand(tmp_path, 1)
    tokens = plan(session, GOOD, GOOD)
    with pytest.raises(RelayError, match="refused"):
        asyncio.run(session.deliver(tokens))
    assert session.left() == tokens


@pytest.mark.stack
def test_a_wrong_password_is_one_failed_login_for_all_connections(stack: MailStack, tmp_path: Path) -> None:
    def failures() -> int:
        return (stack.log / "postfix.log").read_text().count("authentication failed")

    before = failures()
    login = {"username": "harness", "password": "nonsense", "ca_file": stack.info["ca"], "tls": Tls.IMPLICIT}
    session = by_mx(stack, tmp_path, "smtps", pace=replace(QUICK, connections=5), **login)
    tokens = plan(session, *[GOOD] * 10)
    with pytest.raises(RelayError, match="login as harness was refused"):
        asyncio.run(session.deliver(tokens))
    deadline = time.monotonic() + 10
    while failures() == before and time.monotonic() < deadline:  # Postfix writes its log a moment later
        time.sleep(0.05)
    time.sleep(0.5)  # time enough for a second try to show
    assert failures() == before + 1
    assert session.left() == tokens
    assert all(b"nonsense" not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_relay_that_closes_all_the_time_ends_the_run(tmp_path: Path) -> None:
    async def main() -> None:
        async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 x ESMTP\r\n")
            await reader.readline()
            writer.write(b"250 x\r\n")
            await reader.readline()
            writer.close()

        server = await asyncio.start_server(close, "127.0.0.1", 0)
        session = in_hand(tmp_path, server.sockets[0].getsockname()[1])
        tokens = plan(session, *[GOOD] * 5)
        with pytest.raises(RelayError, match=r"it was not sent \(3 times in a row\)"):
            await session.deliver(tokens)
        assert states(session) == [State.NOT_SENT] * 3 + [State.PLANNED] * 2
        server.close()

    asyncio.run(main())


def test_a_ledger_that_can_not_be_written_sends_nothing(sandbox: Sandbox, seen: list[Decision], tmp_path: Path) -> None:
    session = in_hand(tmp_path, sandbox.port)
    tokens = plan(session, *[GOOD] * 30)
    db = session.ledger._db
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count={pages}")  # a full disk
    with pytest.raises(ConfigError, match="the ledger can't be used"):
        asyncio.run(session.deliver(tokens))
    handed_over = {decision.sender for decision in seen}
    states_of = {f"bounce+{t.token}@bounce.test": t.state for t in session.ledger.facts("r1").trials}
    assert len(handed_over) < 30
    assert {states_of[sender] for sender in handed_over} <= {State.ANSWERED, State.CONTENT}


# -- being interrupted -------------------------------------------------------


def test_stopping_finishes_what_is_in_hand_and_leaves_the_rest(sandbox: Sandbox, tmp_path: Path) -> None:
    session = in_hand(tmp_path, sandbox.port)
    tokens = plan(session, *[GOOD] * 5)

    async def main() -> None:
        session.listener.on_answer = lambda: session.stopping.set() if len(session.listener.replies) == 2 else None
        await session.deliver(tokens)

    asyncio.run(main())
    assert states(session) == [State.ANSWERED] * 2 + [State.PLANNED] * 3
    again = replace(session, stopping=asyncio.Event())
    again.listener.on_answer = lambda: None
    asyncio.run(again.deliver(again.left()))
    assert states(session) == [State.ANSWERED] * 5


@pytest.mark.stack
def test_stopping_waits_for_the_answer_that_is_still_to_come(stack: MailStack, tmp_path: Path) -> None:
    session = by_mx(stack, tmp_path)
    tokens = plan(session, "slow@icloud.test", GOOD)

    async def main() -> None:
        task = asyncio.create_task(session.deliver(tokens))
        await asyncio.sleep(0.3)
        session.stopping.set()
        await task

    asyncio.run(main())
    assert states(session) == [State.ANSWERED, State.PLANNED]


@pytest.mark.stack
@pytest.mark.parametrize("connections", [1, 3])
def test_cancelling_closes_and_journals_what_was_in_hand(stack: MailStack, tmp_path: Path, connections: int) -> None:
    session = by_mx(stack, tmp_path, pace=replace(QUICK, connections=connections))
    tokens = plan(session, *["slow@icloud.test"] * connections, GOOD)

    async def main() -> None:
        task = asyncio.create_task(session.deliver(tokens))
        await asyncio.sleep(0.4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert states(session) == [State.UNKNOWN] * connections + [State.PLANNED]


# -- pace --------------------------------------------------------------------


def leaping(session: InHand, start: datetime = NOON) -> tuple[InHand, Leaping]:
    clock = Leaping(start)
    return replace(session, now=clock.now, sleep=clock.sleep), clock


def test_messages_leave_a_gap_apart(sandbox: Sandbox, tmp_path: Path) -> None:
    pace = replace(QUICK, gap=30.0, jitter=0.2)
    session, clock = leaping(in_hand(tmp_path, sandbox.port, pace=pace))
    asyncio.run(session.deliver(plan(session, *[GOOD] * 6)))
    begun = [trial.attempts[0].begun for trial in session.ledger.facts("r1").trials]
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(begun) if a and b]
    assert all(24 <= gap <= 36.01 for gap in gaps)
    assert len(set(gaps)) == 5
    assert clock.at - NOON >= timedelta(seconds=5 * 24)


def test_a_wait_that_is_too_long_is_left_with_its_reason(sandbox: Sandbox, tmp_path: Path) -> None:
    pace = replace(QUICK, per_hour=3)
    session, clock = leaping(in_hand(tmp_path, sandbox.port, pace=pace))
    tokens = plan(session, *[GOOD] * 5)
    left = asyncio.run(session.deliver(tokens))
    assert left.until is not None
    assert left.why == "the cap of 3 messages an hour"
    assert session.left() == tokens[3:]
    clock.at = left.until
    assert asyncio.run(session.deliver(session.left())).until is None
    assert session.left() == []


def test_a_short_wait_is_told_and_sat_out(sandbox: Sandbox, tmp_path: Path) -> None:
    session, clock = leaping(in_hand(tmp_path, sandbox.port, pace=replace(QUICK, per_hour=2)))
    session.max_wait = 7200.0
    asyncio.run(session.deliver(plan(session, *[GOOD] * 3)))
    assert session.left() == []
    assert clock.at - NOON >= timedelta(hours=1)
    assert session.listener.waited == ["the cap of 2 messages an hour"]
    (wait,) = session.ledger.facts("r1").happenings
    assert wait.kind == "wait"
    assert "until 2026-11-20 13:20:00 UTC" in wait.text
    assert session.ledger.run("r1").state == "running"


def test_a_seeds_cap_counts_all_runs_and_holds_that_seed_only(sandbox: Sandbox, tmp_path: Path) -> None:
    first, _ = leaping(in_hand(tmp_path, sandbox.port))
    asyncio.run(first.deliver(plan(first, *[GOOD] * 8)))
    second = replace(first, run=a_run("r2"))
    second.ledger.create_run(second.run)
    tokens = plan(second, GOOD, GOOD, GOOD, "other@icloud.test")
    left = asyncio.run(second.deliver(tokens))
    assert left.until == datetime(2026, 11, 21, tzinfo=UTC)
    assert left.why == "good@icloud.test has had 10 of 10 messages today"
    assert second.left() == [tokens[2]]


def test_a_sandbox_has_no_cap_of_a_seed(sandbox: Sandbox, tmp_path: Path) -> None:
    session = in_hand(tmp_path, sandbox.port, run=a_run(kind="sandbox"))
    session.relay = replace(session.relay, kind="sandbox")
    asyncio.run(session.deliver(plan(session, *[GOOD] * 25)))
    assert session.left() == []


def test_a_421_makes_all_the_rest_wait(seen: list[Decision], tmp_path: Path) -> None:
    policy = parse_policy("rate: {messages: 2, per: 1s}")
    with Sandbox(policy, tell=seen.append) as running:
        session = in_hand(tmp_path, running.port, pace=replace(QUICK, backoff=1.2))
        asyncio.run(session.deliver(plan(session, *[GOOD] * 4)))
    codes = [code for _, code in session.listener.replies]
    assert codes == [250, 250, 421, 250, 250]
    assert any("421" in why for why in session.listener.waited) or session.listener.waited == []


def test_a_421_that_is_not_tried_again_quiets_the_others_too_even_after_a_restart(tmp_path: Path) -> None:
    with Sandbox(parse_policy("rate: {messages: 1, per: 1000s}")) as running:
        run = replace(a_run(), transactional=True)
        session, _ = leaping(in_hand(tmp_path, running.port, run=run, pace=replace(QUICK, backoff=100.0)))
        tokens = plan(session, *[GOOD] * 3)
        asyncio.run(session.deliver(tokens))
        begun = [trial.attempts[0].begun for trial in session.ledger.facts("r1").trials]
        assert [(b - a).total_seconds() >= 100 for a, b in itertools.pairwise(begun) if a and b] == [False, True]
        retried = replace(session, run=replace(run, transactional=False))
        asyncio.run(retried.deliver([tokens[2], *plan(retried, GOOD)]))
        again = session.ledger.trial(tokens[2]).attempts
        assert again[1].begun is not None
        assert again[0].answered is not None
        assert (again[1].begun - again[0].answered).total_seconds() >= 100


def test_messages_per_connection_are_kept(sandbox: Sandbox, tmp_path: Path) -> None:
    pace = replace(QUICK, messages_per_connection=4)
    session = in_hand(tmp_path, sandbox.port, pace=pace)
    tokens = plan(session, *[GOOD] * 10)
    asyncio.run(session.deliver(tokens))
    transcripts = [session.ledger.transcripts(token)[0] for token in tokens]
    assert [i for i, text in enumerate(transcripts) if "connecting to" in text] == [0, 4, 8]


@pytest.mark.parametrize("connections", [2, 7])
def test_several_connections_send_each_trial_once(
    sandbox: Sandbox, seen: list[Decision], tmp_path: Path, connections: int
) -> None:
    session = in_hand(tmp_path, sandbox.port, run=a_run(kind="sandbox"), kind="sandbox")
    session.relay = replace(session.relay, pace=replace(QUICK, connections=connections))
    tokens = plan(session, *[GOOD] * 60)
    asyncio.run(session.deliver(tokens))
    assert states(session) == [State.ANSWERED] * 60
    assert sorted(decision.sender for decision in seen) == sorted(f"bounce+{token}@bounce.test" for token in tokens)


def test_the_bytes_that_leave_are_those_in_the_ledger(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived: list[bytes] = []
    keep: Callable[..., str] = lambda stand, sender, recipient, content: arrived.append(content) or "250 2.0.0 Ok"  # noqa: E731
    monkeypatch.setattr("harness.edge.sandbox.Stand.message", keep)
    session = in_hand(tmp_path, sandbox.port)
    tokens = plan(session, GOOD, GOOD)
    asyncio.run(session.deliver(tokens))
    assert arrived == [session.ledger.message(token) for token in tokens]
