"""Runs as reports must be able to tell them: played against invented receivers, judged by the real judge.

Each story is a function without arguments that returns what is told. Samples, browser tests and the test that all
formats agree go through every one of them; a story is played once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache

from harness.bounce.reply import read_reply
from harness.bounce.rules import RULES
from harness.cli import beside
from harness.judge.phrase import RunWords
from harness.judge.settle import observe, settle_run
from harness.judge.tally import tally
from harness.judge.versus import Judged, versus
from harness.judge.weigh import weigh
from harness.model.answer import Kind, Reading, Source
from harness.model.comparison import Comparison
from harness.model.record import RunFacts
from harness.model.reply import Reply, Step
from harness.model.seed import Segment
from harness.model.trial import Phase
from harness.model.verdict import Finding, Scope, VerdictKind
from harness.report.pairs import proved_pairs
from harness.report.told import Thought, Told, tell
from tests.builders import CS01, OK, START, Play, answer, factors, refuses, seeds

NOW = START + timedelta(hours=6)
SHOP = "link:https://shop.example/sale"
PARTNER = "link:https://go.partner.example/a"
PARTS = factors(
    *("subject", "preheader", "text:1", "html", SHOP, "link:https://shop.example/returns", PARTNER),
    *("merge:first_name", "merge:product", "redirect:click.esp.example", "image:https://img.shop.example/hero.jpg"),
    *("pixel:https://click.esp.example/o.gif", "header:List-Unsubscribe"),
)
BODY = {
    "subject": "Ana, 40% off Trail Shoe",
    SHOP: '<p><a href="https://shop.example/sale">To the sale</a></p>',
    PARTNER: '<p><a href="https://go.partner.example/a">Find your size with our fitting partner</a></p>',
}
PREFLIGHT = (
    {"severity": "ok", "what": "SPF passes for mail.shop.example", "where": "DNS", "advice": ""},
    {"severity": "warn", "what": "the link host go.partner.example is 6 days old", "where": "links", "advice": "wait"},
)


def read(reply: Reply) -> Reading:
    """Read replies by the project's own catalogue."""
    return read_reply(reply.text, code=reply.code)


def told(facts: RunFacts, finding: Finding, messages: Mapping[str, bytes] | None = None) -> Told:
    """Settle, count, weigh and tell a run as the commands do."""
    settled = settle_run(facts, now=NOW, read=read)
    words = RunWords(facts.run.id, facts.run.campaign, facts.run.segment.name)
    verdict = weigh(finding, facts.run.factors, observe(facts, settled), words=words)
    story = tell(
        facts,
        settled,
        tally(facts, settled),
        verdict,
        meanings=beside.meanings(RULES),
        thoughts=tuple(Thought(trial.number, trial.ask.why) for trial in facts.trials if trial.ask.why),
    )
    bytes_of = messages if messages is not None else messages_of(facts)
    pairs = proved_pairs(facts, settled, verdict)
    return replace(story, differences=beside.differences(pairs, story.titles(), bytes_of.__getitem__))


def messages_of(facts: RunFacts) -> dict[str, bytes]:
    """Make the message of each trial from the factors that it holds."""
    made = {}
    for trial in facts.trials:
        held = trial.ask.factors
        body = "\r\n".join(words for name, words in BODY.items() if name in held and name != "subject")
        made[trial.token] = (
            f"Date: Fri, 20 Nov 2026 09:00:{trial.number % 60:02} +0000\r\n"
            f"From: Shop <news@shop.example>\r\nTo: {trial.recipient}\r\n"
            f"Subject: {BODY['subject'] if 'subject' in held else 'A note from Shop'}\r\n"
            f"Message-ID: <{trial.message_id}>\r\nMIME-Version: 1.0\r\n"
            f'Content-Type: text/html; charset="utf-8"\r\n\r\n<html><body>\r\n<p>Hello Name 1,</p>\r\n{body}\r\n'
            "</body></html>\r\n"
        ).encode()
    return made


def climb(play: Play, most: int | None = None, without: frozenset[str] = frozenset()) -> None:
    """Send the rungs of the ladder, without what is put back to plain."""
    for rung in play.run.ladder[:most]:
        phase = Phase.LADDER if rung.factors else Phase.CONTROL
        play.send(rung.factors - without, phase, why=f"{rung.stage.value}: {rung.change or 'the control first'}")


@cache
def trigger() -> Told:
    """A link host is refused, proved, and production without it passes."""
    play = Play(PARTS, refuses(PARTNER))
    climb(play, 8)
    play.happen("pause", "the refused rung is proved after a pause", 2)
    play.prove(PARTNER, play.run.ladder[7].factors)
    for rung in play.run.ladder[8:]:
        play.send(rung.factors - {PARTNER}, Phase.LADDER, why=f"{rung.stage.value}: {rung.change}")
    play.send(play.everything - {PARTNER}, Phase.RESTORE, why="production without the suspect")
    finding = Finding(VerdictKind.TRIGGER, (((PARTNER,), Scope()),), (PARTNER,))
    return told(play.facts(PREFLIGHT), finding)


@cache
def adaptive() -> Told:
    """The same, found with few messages: the default strategy."""
    play = Play(PARTS, refuses(PARTNER), strategy="adaptive")
    base, to = frozenset({"subject", "html"}), play.run.segment.seeds
    play.send(frozenset(), Phase.CONTROL, to=to[:2], why="the plain control goes first")
    play.send(play.everything, Phase.REPRODUCE, to=to[:2], why="is production refused here?")
    play.send(frozenset(part.id for part in PARTS[:6]), Phase.SEARCH, to=to[:1], why="half of what is suspected")
    play.send(base | {PARTNER, SHOP}, Phase.SEARCH, to=to[1:2], why="half of what is left")
    play.send(base | {SHOP}, Phase.SEARCH, to=to[:1], why="half of what is left")
    for block, seed in enumerate(to[:4]):
        for arm, held in ((f"parent:{PARTNER}", base), ("child", base | {PARTNER})):
            play.send(held, Phase.PROOF, to=[seed], arm=arm, subject=(PARTNER,), block=block, why="prove the link")
    play.send(frozenset(), Phase.CONTROL, to=to[4:5], why="several refusals: is the sender still accepted?")
    play.send(play.everything - {PARTNER}, Phase.RESTORE, to=to[:4], why="production without the suspect")
    return told(play.facts(PREFLIGHT), Finding(VerdictKind.TRIGGER, (((PARTNER,), Scope()),), (PARTNER,)))


@cache
def nothing() -> Told:
    """Nothing is refused."""
    play = Play(PARTS, lambda held, seed: OK)
    climb(play)
    return told(play.facts(), Finding(VerdictKind.NONE))


@cache
def sender() -> Told:
    """The control is refused too."""
    play = Play(
        PARTS, lambda held, seed: Reply(554, "5.7.1 [HM08] Message rejected due to local policy.", Step.CONTENT)
    )
    play.send(frozenset(), Phase.CONTROL, to=play.run.segment.seeds[:3], why="the control first")
    return told(play.facts(), Finding(VerdictKind.SENDER))


@cache
def inconclusive() -> Told:
    """A suspect was found, and the messages ran out before the proof."""
    play = Play(PARTS, refuses(PARTNER), strategy="adaptive")
    play.send(frozenset(), Phase.CONTROL, to=play.run.segment.seeds[:1], why="is the sender refused?")
    play.send(play.everything, Phase.REPRODUCE, to=play.run.segment.seeds[:2], why="does production reproduce it?")
    half = frozenset(part.id for part in PARTS[:6])
    play.send(half, Phase.SEARCH, to=play.run.segment.seeds[1:2], why="half of what is left")
    play.send(half | {PARTNER}, Phase.PROOF, to=play.run.segment.seeds[:1], arm="child", subject=(PARTNER,))
    play.send(half, Phase.PROOF, to=play.run.segment.seeds[:1], arm=f"parent:{PARTNER}", subject=(PARTNER,))
    suspects = (((PARTNER,), 0.81), ((SHOP,), 0.07))
    missing = "the cap of 6 messages is reached"
    return told(play.facts(), Finding(VerdictKind.INCONCLUSIVE, missing=missing, more=4, suspects=suspects))


@cache
def stopped() -> Told:
    """A listing stops the run midway; a seed is full, another unknown, one answer never came."""
    words = {
        "seed-02@seeds.example": Reply(550, "5.1.1 unknown user: seed-02@seeds.example", Step.RCPT),
        "seed-03@seeds.example": Reply(552, "5.2.2 Mailbox over quota", Step.CONTENT),
        "seed-08@seeds.example": Reply(
            554, "5.7.1 Service unavailable; Client host [192.0.2.8] blocked using zen.spamhaus.org", Step.CONNECT
        ),
    }
    play = Play(PARTS, lambda held, seed: words.get(seed, OK), state="stopped")
    climb(play, 2)
    reason = "the sending IP is on a blocklist"
    play.happen("stop", reason)
    finding = Finding(VerdictKind.INCONCLUSIVE, missing=f"a stop rule ended the run: {reason}", stopped=reason)
    return told(play.facts(), finding)


@cache
def forty() -> Told:
    """Forty variants to twelve seeds: the largest page that has to stay small."""
    many = factors(*(f"link:https://shop.example/page-{number:02}" for number in range(39)))
    cause = many[25].id
    segment = Segment("apple-large", "deliverability@shop.example", seeds(12))
    play = Play(many, refuses(cause), segment=segment)
    climb(play, 27)
    play.prove(cause, play.run.ladder[26].factors)
    for rung in play.run.ladder[27:]:
        play.send(rung.factors - {cause}, Phase.LADDER, why=f"{rung.stage.value}: {rung.change}")
    return told(play.facts(), Finding(VerdictKind.TRIGGER, (((cause,), Scope()),), (cause,)))


@cache
def one() -> Told:
    """A single variant was sent, and its answer is awaited."""
    play = Play(PARTS, lambda held, seed: OK, answers="bounces", state="waiting", ended=None, settle=12 * 3600.0)
    play.send(frozenset(), Phase.CONTROL, to=play.run.segment.seeds[:1], why="the control first")
    return told(play.facts(), Finding(VerdictKind.INCONCLUSIVE, missing="1 answer may still come"))


@cache
def empty() -> Told:
    """Nothing was sent yet."""
    return told(Play(PARTS, lambda held, seed: OK, state="running", ended=None).facts(), Finding(VerdictKind.NONE))


@cache
def pair() -> Told:
    """Two changes are refused together only, at one domain, answered by bounces; an ESP suppressed a seed."""
    both = (PARTNER, "merge:first_name")
    play = Play(PARTS, lambda held, seed: OK, answers="bounces", strategy="adaptive")
    whole = frozenset({"subject", "html", *both})
    play.send(frozenset(), Phase.CONTROL, why="is the sender refused?")
    for block, seed in enumerate(play.run.segment.seeds[:6]):
        for arm, held in (("child", whole), *((f"parent:{name}", whole - {name}) for name in both)):
            play.send(held, Phase.PROOF, to=[seed], arm=arm, subject=tuple(sorted(both)), block=block, why="prove both")
    play.send(play.everything - {PARTNER}, Phase.RESTORE, to=play.run.segment.seeds[:4], why="production without it")
    facts = play.facts()
    refused = read_reply(CS01, code=554)
    trials = [
        replace(one, answers=(answer(Kind.BOUNCE, refused, Source.EVENT, provider="ses", step=Step.CONTENT),))
        if whole <= one.ask.factors
        else one
        for one in facts.trials
    ]
    gone = read_reply("Address is on the suppression list", code=None)
    trials[-1] = replace(trials[-1], answers=(answer(Kind.SUPPRESSED, gone, Source.EVENT, provider="ses"),))
    finding = Finding(VerdictKind.TRIGGER, ((both, Scope()),), (PARTNER,))
    return told(replace(facts, trials=tuple(trials)), finding)


@cache
def hostile() -> Told:
    """Everything from outside tries to get out: scripts, escapes, overrides, and five megabytes."""
    bad = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\x1b]0;title\x07\u202egnp.exe\u2066\"'`{{7*7}}"
    parts = factors("subject", f"link:https://evil.example/{bad}")
    cause = parts[1].id
    long = Reply(554, f"5.7.1 [CS01] {bad} " + "A" * 5_000_000, Step.CONTENT)
    play = Play(
        tuple(replace(part, title=f"{bad} {part.kind}") for part in parts),
        lambda held, seed: long if cause in held else OK,
        campaign=f"spring{bad}",
        relay=f"relay{bad}",
        sender=f"{bad} <news@shop.example>",
    )
    play.send(frozenset(), Phase.CONTROL, why=bad)
    play.prove(cause, play.everything)
    play.happen("stop", bad)
    facts = play.facts(({"what": bad, bad: "https://evil.example/x"},))
    body = {one.token: f"Subject: {bad}\r\n\r\n{bad if one.ask.factors else ''}\r\n".encode() for one in facts.trials}
    return told(facts, Finding(VerdictKind.TRIGGER, (((cause,), Scope()),), (cause,), notes=(bad,)), body)


@cache
def comparison() -> Comparison:
    """Before and after a fix, with a changed template."""
    before = trigger()
    play = Play(PARTS, lambda held, seed: OK, id="r20261121-090000", started=START + timedelta(days=1))
    climb(play)
    digests = {**play.run.digests, "template": hashlib.sha256(b"fixed").hexdigest()}
    play.run = replace(play.run, digests=digests)
    old = replace(before.facts, run=replace(before.facts.run, digests={**digests, "template": "0" * 64}))
    after = told(play.facts(PREFLIGHT), Finding(VerdictKind.NONE))
    return versus(Judged(old, before.settled, before.verdict), Judged(after.facts, after.settled, after.verdict))


STORIES: Mapping[str, Callable[[], Told]] = {
    "trigger": trigger,
    "adaptive": adaptive,
    "nothing-refused": nothing,
    "sender": sender,
    "inconclusive": inconclusive,
    "stopped": stopped,
    "forty-variants": forty,
    "one-variant": one,
    "pair": pair,
}
ALL: Mapping[str, Callable[[], Told]] = {**STORIES, "empty": empty, "hostile": hostile}
