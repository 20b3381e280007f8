"""What earlier runs say of a seed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harness.bounce.reply import read_reply
from harness.bounce.rules import RULES, load_rules
from harness.check.seedling import SeedPast
from harness.model.answer import Answer, Kind, Level
from harness.model.record import Attempt, RunFacts
from harness.model.relay import Relay
from harness.model.reply import Reply, Step
from harness.model.seed import Seed, Segment
from harness.model.trial import Ask, Phase
from harness.run.past import past_of
from tests.builders import OK, START, answer, attempt, factors, reading, run_record, trial

SEED = "shop-seed-1@icloud.com"
SEGMENT = Segment("apple-small", "o@shop.example", (Seed(SEED, "icloud.com"),))
ESP = Relay("esp", "smtp", host="smtp.esp.example")
FULL = Reply(452, "4.2.2 The email account that you tried to reach is over quota", Step.RCPT)
UNKNOWN = Reply(550, "5.1.1 unknown or illegal alias", Step.RCPT)
SUPPRESSED = answer(Kind.SUPPRESSED, reading(cause="unknown", tag=None, level=Level.RECIPIENT))


def a_run(
    name: str,
    *messages: tuple[tuple[Reply, ...], tuple[Answer, ...]],
    relay: str = "esp",
    day: int = 0,
    **facts: object,
) -> RunFacts:
    """One run: for each message the replies of its attempts, and what came back later."""
    start = START + timedelta(days=day)
    known = {"kind": "smtp", "host": ESP.host, **facts}
    trials = []
    for number, (replies, answers) in enumerate(messages):
        at = start + timedelta(minutes=number)
        attempts: list[Attempt] = [attempt(reply, at, n) for n, reply in enumerate(replies, start=1)]
        ask = Ask(frozenset(), SEED, Phase.LADDER)
        trials.append(trial(ask, *attempts, number=number, token=f"{name}-{number}", answers=answers))
    return RunFacts(
        run_record(factors("subject"), id=name, relay=relay, relay_facts=known, started=start), tuple(trials)
    )


def past(*runs: RunFacts, relay: Relay = ESP, sent: int = 0) -> SeedPast:
    now = START + timedelta(days=30)
    read = lambda reply: read_reply(reply.text, code=reply.code)  # noqa: E731
    return past_of(SEGMENT, relay, runs, {SEED: sent}, now=now, read=read)[SEED]


def test_a_seed_without_a_past_has_none() -> None:
    assert past() == SeedPast()
    assert past(a_run("r1", ((OK,), ()))) == SeedPast()


def test_refusals_for_reasons_of_the_recipient_are_counted_by_class() -> None:
    said = past(a_run("r1", ((UNKNOWN,), ()), ((UNKNOWN,), ())), a_run("r2", ((FULL, FULL, FULL), ()), day=1))
    assert said == SeedPast(refused={"unknown_user": 2, "mailbox_full": 1}, last="run r2")


def test_of_several_attempts_the_last_says_what_the_message_came_to() -> None:
    assert past(a_run("r1", ((FULL, UNKNOWN), ()))).refused == {"unknown_user": 1}
    assert past(a_run("r1", ((FULL, OK), ()))).refused == {}


def test_what_a_sandbox_said_is_no_past() -> None:
    assert past(a_run("r1", ((UNKNOWN,), (SUPPRESSED,)), kind="sandbox", host="sandbox")) == SeedPast()


def test_a_mailbox_that_took_mail_since_is_not_full() -> None:
    assert past(a_run("r1", ((FULL,), ())), a_run("r2", ((OK,), ()), day=1)).refused == {}


def test_a_suppression_holds_until_a_message_is_accepted_there() -> None:
    before = a_run("r1", ((OK,), (SUPPRESSED,)))
    assert past(before).suppressed == "run r1"
    assert past(before, a_run("r2", ((OK,), ()), day=1)).suppressed == ""
    assert past(a_run("r2", ((OK,), ()), day=-1), before).suppressed == "run r1"
    assert past(before, a_run("r2", ((OK,), ()), relay="other", day=1)).suppressed == "run r1"


def test_a_suppression_is_that_of_one_relay() -> None:
    said = past(a_run("r1", ((OK,), (SUPPRESSED,)), relay="other", host="smtp.other.example"))
    assert (said.suppressed, said.elsewhere) == ("", ("relay other (smtp.other.example), run r1",))


def test_a_relay_that_was_moved_to_another_provider_has_another_list() -> None:
    said = past(a_run("r1", ((OK,), (SUPPRESSED,)), host="smtp.before.example"))
    assert (said.suppressed, said.elsewhere) == ("", ("relay esp (smtp.before.example), run r1",))


def test_the_addresss_case_makes_no_other_seed() -> None:
    run = a_run("r1", ((UNKNOWN,), ()))
    upper = Segment("s", "o@shop.example", (Seed(SEED.upper(), "icloud.com"),))
    read = lambda reply: read_reply(reply.text, code=reply.code)  # noqa: E731
    (said,) = past_of(upper, ESP, [run], {}, now=START + timedelta(days=1), read=read).values()
    assert said.refused == {"unknown_user": 1}


@pytest.mark.parametrize("own", [True, False])
def test_a_workspaces_own_rules_class_what_was_said(own: bool) -> None:
    odd = Reply(550, "5.0.0 Postkasten verstopft", Step.RCPT)
    text = """
version: 1
rules:
- id: german-full
  class: mailbox_full
  says: [postkasten verstopft]
  samples: ["550 5.0.0 Postkasten verstopft"]
"""
    rules = RULES.with_first(load_rules(text, "rules.yaml")) if own else RULES
    read = lambda reply: read_reply(reply.text, code=reply.code, rules=rules)  # noqa: E731
    said = past_of(SEGMENT, ESP, [a_run("r1", ((odd,), ()))], {}, now=START + timedelta(days=1), read=read)[SEED]
    assert said.refused == ({"mailbox_full": 1} if own else {})
