"""`harness check`: what is wrong before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonOption, WorkspaceOption, echo, leave, note, open_workspace, print_json, reader, table

if TYPE_CHECKING:
    from harness.campaign.expand import Expansion
    from harness.check.blocklist import Blocklist
    from harness.check.notice import Notice
    from harness.check.route import Greeting
    from harness.check.spamscore import Score
    from harness.check.survey import Subject, Tools
    from harness.edge.check_file import CheckFile
    from harness.edge.config import Workspace
    from harness.edge.dns import Dns, Offline
    from harness.model.campaign import Campaign
    from harness.model.record import RunFacts
    from harness.model.relay import Relay
    from harness.model.seed import Seed, Segment

MARKS = {"fail": "FAIL", "warn": "warn", "unknown": "could not check", "note": "note", "ok": "ok"}


def check(
    campaign: Annotated[str, typer.Argument(help="Campaign under variants/.")],
    segment: Annotated[str | None, typer.Option(help="Segment of seeds.yaml; default: the only one.")] = None,
    relay: Annotated[str | None, typer.Option(help="Relay of relay.yaml; default: its default.")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Connect to the relay, log in, say NOOP. Sends no message.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Follow redirect chains over HTTP. Opens the campaign's links.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no name server.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show what is in order, too.")] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Check a campaign's sender, domains, message, seeds and relay. Sends nothing; exit 4 if something must be mended.

    Example: harness check spring-sale --relay esp --follow --live
    """
    from harness.check.notice import Grade, stops
    from harness.check.survey import survey
    from harness.cli.report import terminal

    place = open_workspace(workspace)
    notices = survey(*prepare_check(place, campaign, segment, relay, live=live, follow=follow, offline=offline))
    code = 4 if stops(notices) else 0
    if json:
        print_json(_object(campaign, notices, code))
        leave(code)
    shown = [n for n in notices if everything or n.grade is not Grade.OK]
    if shown:
        level = max(len("level") + 2, *(len(MARKS[n.grade.value]) for n in shown))
        third = max(12, min(44, (terminal()[0] - level - 6) // 3))
        rows = [
            [
                _wrap(f"{n.finding} [{n.about}]", third),
                MARKS[n.grade.value],
                _wrap(n.evidence, third),
                _wrap(n.do, third),
            ]
            for n in shown
        ]
        echo(table(rows, ["finding", "level", "evidence", "what to do"]))
        echo()
    counts = {grade: sum(n.grade is grade for n in notices) for grade in Grade}
    echo(", ".join(f"{count} {MARKS[grade.value]}" for grade, count in counts.items() if count) + ".")
    leave(code)


def prepare_check(
    place: Workspace,
    campaign: str,
    segment: str | None,
    relay: str | None,
    *,
    live: bool,
    follow: bool,
    offline: bool,
    quiet: bool = False,
) -> tuple[Subject, Tools]:
    """Gather what is checked and who is asked."""
    from harness.campaign.expand import expand
    from harness.campaign.urls import destination, normal_redirects
    from harness.check.lookup import PublicSuffixes
    from harness.check.survey import Subject, Tools
    from harness.check.unsubscribing import may_unsubscribe
    from harness.edge.web import Follower
    from harness.run.past import history, past_of

    settings = read_settings(place)
    _refuse_both(settings, live=live, follow=follow, offline=offline)
    whole, seeds, through = place.campaign(campaign), place.segment(segment), place.relay(relay)
    expansion = expand(whole, seeds)
    for text in () if quiet else expansion.notes:
        note(f"note: {text}")
    if live and through.kind == "sandbox":
        note("note: the sandbox is started by a run, so --live connects to nobody")
    now = datetime.now(UTC)
    messages, direct = _build(expansion, seeds, now)
    rungs = _rungs(expansion, seeds, now) if settings.spamd else []
    facts, sent = history(place, seeds, now)
    received, signing = _read_back(facts, whole)
    signing = [*((s.domain.lower(), s.selector) for s in settings.dkim), *signing]
    if whole.dkim:
        signing.insert(0, (whole.dkim.domain.lower(), whole.dkim.selector))
    redirects = normal_redirects(whole.plain.redirects)
    subject = Subject(
        _address(whole.sender), whole.envelope_sender, through, seeds, messages, rungs, tuple(dict.fromkeys(signing)),
        received, past_of(seeds, through, facts, sent, now=now, read=reader(place)), whole.transactional,
        lambda url: destination(url, url, redirects).target, whole.message or b"", direct,
    )  # fmt: skip
    resolver = _resolver(settings, offline=offline)
    limits = settings.follow
    follower = Follower(resolver, limits.hops, limits.timeout, limits.private, may_unsubscribe)
    tools = Tools(
        resolver=resolver,
        suffixes=PublicSuffixes(),
        now=now,
        blocklists=_blocklists(settings, offline=offline),
        follow=follower.follow if follow else None,
        score=_scorer(settings),
        greeting=greet(place, through) if live else None,
        bimi_selector=settings.bimi_selector,
    )
    return subject, tools


def read_settings(place: Workspace) -> CheckFile:
    """Read check.yaml, all defaults where there is none or nothing in it."""
    from harness.edge.check_file import CheckFile
    from harness.edge.schema import check as validate

    document = place.document("check.yaml")
    return validate(document, CheckFile) if document and document.data is not None else CheckFile()


def _refuse_both(settings: CheckFile, *, live: bool, follow: bool, offline: bool) -> None:
    """Refuse to be offline and to connect at once."""
    from harness.errors import ConfigError

    wanted = " and ".join(name for name, wish in (("--follow", follow), ("--live", live)) if wish)
    if wanted and (offline or settings.offline):
        said = "--offline" if offline else "check.yaml: offline: true"
        raise ConfigError(f"{said} asks nobody, and {wanted} would connect: leave one of them out")


def _resolver(settings: CheckFile, *, offline: bool) -> Dns | Offline:
    from harness.edge.dns import Dns, Offline

    if offline or settings.offline:
        return Offline()
    return Dns(settings.resolver.nameservers, settings.resolver.port, settings.resolver.timeout)


def _blocklists(settings: CheckFile, *, offline: bool) -> list[Blocklist]:
    """Return the lists to ask, each with the key that is part of its zone, where one is."""
    from harness.check.blocklist import Blocklist
    from harness.edge.schema import dns_name
    from harness.edge.secret import fill
    from harness.errors import ConfigError

    lists = []
    for number, one in enumerate(settings.blocklists):
        where = f"check.yaml: blocklists.{number}.zone"
        zone = one.zone if offline or settings.offline else fill(one.zone, where)
        try:
            secret = dns_name(zone) if zone != one.zone else ""
        except ValueError:
            raise ConfigError(f"{where}: with what the environment holds, {one.zone} is no domain name") from None
        bits = {int(key): text for key, text in one.codes.items() if key.isdigit()}
        lists.append(Blocklist(one.zone, one.of, one.codes, bits, secret))
    return lists


def _scorer(settings: CheckFile) -> Callable[[bytes], Score] | None:
    if settings.spamd is None:
        return None
    from harness.check.spamscore import Score
    from harness.edge.spam import score

    spamd = settings.spamd
    return lambda raw: Score(*score(raw, spamd.host, spamd.port, spamd.timeout))


def _build(expansion: Expansion, seeds: Segment, now: datetime) -> tuple[dict[str, bytes], bytes]:
    """Make production for every seed, and for the first one production with links that are not tracked."""
    everything = frozenset(factor.id for factor in expansion.factors)
    tracking = {factor.id for factor in expansion.factors if factor.kind == "redirect"}
    untracked = frozenset(f.id for f in expansion.factors if f.id not in tracking and tracking.isdisjoint(f.needs))
    messages = {seed.address: _message(expansion, everything, seed, now) for seed in seeds.seeds}
    return messages, _message(expansion, untracked, seeds.seeds[0], now) if tracking else b""


def _rungs(expansion: Expansion, seeds: Segment, now: datetime) -> list[tuple[str, Callable[[], bytes]]]:
    """Lay out the ladder's messages for the first seed."""
    make = partial(_message, expansion, seed=seeds.seeds[0], now=now)
    return [(rung.change or "control", partial(make, rung.factors)) for rung in expansion.ladder()]


def _message(expansion: Expansion, factors: frozenset[str], seed: Seed, now: datetime) -> bytes:
    from harness.model.variant import Identity

    date = now.strftime("%a, %d %b %Y %H:%M:%S +0000")
    return expansion.message(factors, seed, Identity("check00000000000", date, seed.address)).content


def _read_back(facts: Sequence[RunFacts], campaign: Campaign) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return what receivers found in this campaign's control copies, and the signatures that they carried."""
    from harness.check.survey import signatures
    from harness.model.variant import CONTROL

    received: list[tuple[str, str]] = []
    signing: list[tuple[str, str]] = []
    for run in facts:
        for trial in run.trials:
            if run.run.campaign != campaign.name or trial.variant != CONTROL:
                continue
            for arrival in trial.arrivals:
                if arrival.authentication:
                    received.append((f"control to {trial.recipient}, run {run.run.id}", arrival.authentication))
                if arrival.content:
                    signing += signatures(arrival.content)
    return received[-3:], list(dict.fromkeys(signing))


def greet(place: Workspace, relay: Relay) -> Greeting | None:
    """Connect, protect the line, log in, say NOOP and QUIT; None for a sandbox, which has no server of its own yet."""
    from harness.check.route import Greeting
    from harness.edge.line import DeliveryError
    from harness.errors import HarnessError

    if relay.kind == "sandbox":
        return None
    try:
        return asyncio.run(_greet(place.unlock(relay)))
    except DeliveryError as error:
        return Greeting({}, False, False, error=str(error), temporary=bool(error.reply and error.reply.transient))
    except HarnessError as error:
        return Greeting({}, False, False, error=str(error))


async def _greet(relay: Relay) -> Greeting:
    from harness.check.route import Greeting
    from harness.edge.line import SILENCE, Line
    from harness.errors import RelayError
    from harness.model.relay import Tls

    line = Line(relay)
    try:
        await line.open()
        answer = await line.say(b"NOOP")
        greeting = Greeting(
            dict(line.offered), relay.tls is not Tls.NONE, relay.username is not None, line.told(answer)
        )
        await line.close()
    except SILENCE as failure:
        raise RelayError(f"{line.where}: after login: {line.explain(failure)}") from None
    finally:
        line.abort()
    return greeting


def _address(sender: str) -> str:
    from email.utils import parseaddr

    return parseaddr(sender)[1]


def _wrap(text: str, width: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width, max_lines=8, placeholder=" …"))


def _object(campaign: str, notices: Sequence[Notice], code: int) -> dict[str, object]:
    from harness.check.notice import Grade

    return {
        "schema_version": 1,
        "campaign": campaign,
        "exit_code": code,
        "counts": {grade.value: sum(n.grade is grade for n in notices) for grade in Grade},
        "findings": [
            {
                "id": n.id,
                "level": n.grade.value,
                "about": n.about,
                "finding": n.finding,
                "evidence": n.evidence,
                "do": n.do,
            }
            for n in notices
        ],
    }
