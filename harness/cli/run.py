"""`harness run`: a staged retest, from the control to a verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonOption, WorkspaceOption, clean, leave, note, open_workspace, reader, rules_of

if TYPE_CHECKING:
    from harness.edge.config import Workspace
    from harness.model.campaign import Profile
    from harness.model.problem import Together
    from harness.model.record import RunRecord
    from harness.model.relay import Relay
    from harness.run.prepare import Prepared

DEFAULT_REFUSALS = 40
STRATEGIES = ("adaptive", "ladder", "split")


def run(
    campaign: Annotated[str | None, typer.Argument(help="Campaign under variants/.")] = None,
    segment: Annotated[str | None, typer.Option(help="Segment of seeds.yaml; default: the only one.")] = None,
    relay: Annotated[str | None, typer.Option(help="Relay of relay.yaml; default: its default.")] = None,
    strategy: Annotated[
        str, typer.Option(help="adaptive (fewest messages), ladder (one factor back at a time) or split.")
    ] = "adaptive",
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with a run (an id, its beginning, or latest).")
    ] = None,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Send the exact production message to the own seeds first: does it reproduce?"),
    ] = False,
    suspects: Annotated[
        Path | None, typer.Option(help="Suspects of `harness triage`: what to test first, and profiles to wear.")
    ] = None,
    wear: Annotated[
        str | None,
        typer.Option(help="Merge rows that the seeds wear: all, none or a profile's name; default: what seeds lack."),
    ] = None,
    max_sends: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many messages; with --resume: in all.")
    ] = None,
    max_refusals: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many refusals.  (default: 40)", show_default=False)
    ] = None,
    refusal_price: Annotated[
        float, typer.Option(min=1, max=1000, help="How many accepted messages one refusal is worth.")
    ] = 8.0,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1, max=50, help="Messages chosen before answers come; default 1, or 4 where answers are bounces."
        ),
    ] = None,
    ask: Annotated[
        list[str] | None,
        typer.Option(help="Also test a sender factor: from, reply-to, envelope-sender, message-id, swap:OLD>NEW."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--shuffle-key", help="Order of seeds and blocks; default: the run's id.")
    ] = None,
    max_wait: Annotated[
        float, typer.Option(help="Leave the run to --resume when a cap asks for a longer wait (seconds).")
    ] = 900.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send without asking.")] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Send variants of a campaign to the segment, one change at a time, until the cause is found and proved.

    Example: harness run spring-sale --strategy ladder, and after an interruption: harness run --resume latest
    """
    from datetime import UTC, datetime

    from harness.errors import ConfigError
    from harness.run.prepare import Wishes, check_ready, prepare

    if strategy not in STRATEGIES:
        raise ConfigError(f"--strategy {strategy}: there are {', '.join(STRATEGIES)}")
    place = open_workspace(workspace)
    if resume is not None:
        caps = (max_sends, max_refusals)
        leave(_resume(place, resume, caps, max_wait=max_wait, as_json=json))
    if campaign is None:
        raise ConfigError(
            f"name a campaign ({', '.join(place.campaigns) or 'there is none under variants/'}), or --resume RUN"
        )
    weights, profiles, together = _suspects(suspects)
    wishes = Wishes(
        strategy=strategy,
        max_sends=max_sends,
        max_refusals=DEFAULT_REFUSALS if max_refusals is None else max_refusals,
        refusal_price=refusal_price,
        batch=batch,
        asked=tuple(ask or ()),
        exact=exact,
        shuffle_key=key,
        weights=weights,
        together=together,
        profiles=profiles,
        wear=wear or ("all" if profiles else None),
    )
    prepared = prepare(place, campaign, segment, relay, wishes, datetime.now(UTC))
    check_ready(place, prepared.relay)
    for text in prepared.expansion.notes:
        note(f"note: {text}")
    findings = _preflight(place, prepared)
    if prepared.relay.kind != "sandbox":
        _confirm(prepared, yes)
    leave(_begin(place, prepared, findings, max_wait=max_wait, as_json=json))


def _suspects(file: Path | None) -> tuple[dict[str, float], tuple[Profile, ...], tuple[Together, ...]]:
    if file is None:
        return {}, (), ()
    from harness.edge.config import read_text
    from harness.triage.suspects import load_suspects

    said = load_suspects(read_text(file), str(file))
    return dict(said.weights), said.profiles, said.together


def _confirm(prepared: Prepared, yes: bool) -> None:
    """Say what will be sent, through what and to whom, and ask."""
    from harness.errors import ConfigError
    from harness.run.outline import most

    relay, segment = prepared.relay, prepared.segment
    counts = most(prepared)
    limit = prepared.run.budget.sends or counts["ladder" if prepared.run.strategy == "ladder" else "adaptive"]
    domains = sorted({seed.domain for seed in segment.seeds})
    note(
        f"This sends up to {limit} messages of campaign {prepared.campaign.name} as {prepared.campaign.sender}\n"
        f"through {relay.host}:{relay.port} ({relay.name}, {relay.tls.value}) to {len(segment.seeds)} seeds of segment "
        f"{segment.name} ({', '.join(domains)}), vouched for by {segment.owner}."
    )
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("nothing was sent: say --yes where nobody can be asked")
    if not typer.confirm("Send?", err=True):
        raise ConfigError("nothing was sent")


def _preflight(place: Workspace, prepared: Prepared) -> list[dict[str, str]]:
    """Look for what is wrong already; it is told and kept with the run, and stops nothing.

    Where nothing leaves the machine no name server is asked, and what could not be checked is not worth a line.
    """
    from harness.check.notice import Grade
    from harness.check.survey import survey
    from harness.cli.check import prepare_check

    alone = prepared.relay.loopback
    subject, tools = prepare_check(
        place,
        prepared.campaign.name,
        prepared.segment.name,
        prepared.relay.name,
        live=False,
        follow=False,
        offline=alone,
        quiet=True,
    )
    notices = [one for one in survey(subject, tools) if not (alone and one.grade is Grade.UNKNOWN)]
    wrong = [one for one in notices if one.grade in (Grade.FAIL, Grade.WARN)]
    for one in wrong[:3]:
        note(clean(f"check: {one.finding} ({one.about})"))
    if len(wrong) > 3:
        note(f"check: {len(wrong) - 3} more; `harness check {prepared.campaign.name}` shows all")
    return [one.row() for one in notices]


def _begin(
    place: Workspace, prepared: Prepared, findings: list[dict[str, str]], *, max_wait: float, as_json: bool
) -> int:
    from harness.edge.ledger import Ledger

    with Ledger.open(place.ledger_path) as ledger:
        ledger.create_run(prepared.run, findings)
        return _drive(place, ledger, prepared, max_wait=max_wait, as_json=as_json)


def _resume(place: Workspace, name: str, caps: tuple[int | None, int | None], *, max_wait: float, as_json: bool) -> int:
    """Go on with a run; who resumes a stopped one says that its cause is put right."""
    from datetime import UTC, datetime

    from harness.edge.ledger import Ledger
    from harness.run.going import going_on
    from harness.run.pick import pick_run
    from harness.run.prepare import Prepared, check_addresses, check_ready, expand_again

    with Ledger.open(place.ledger_path, create=False) as ledger:
        record = pick_run(ledger, name)
        campaign, expansion = expand_again(place, record)
        relay = _same_relay(place, record)
        check_ready(place, relay)
        check_addresses(campaign, record.segment, relay)
        prepared = Prepared(record, campaign, record.segment, relay, expansion)
        with ledger.own(record.id):
            for event in going_on(datetime.now(UTC), record.state == "stopped", *caps):
                ledger.happen(record.id, event)
        return _drive(place, ledger, prepared, max_wait=max_wait, as_json=as_json)


def _same_relay(place: Workspace, record: RunRecord) -> Relay:
    from harness.errors import ConfigError

    relay = place.relay(record.relay)
    for fact in ("kind", "host", "answers"):
        now = relay.answers.value if fact == "answers" else getattr(relay, fact)
        if fact == "host" and relay.kind == "sandbox":
            continue
        if record.relay_facts.get(fact) != now:
            raise ConfigError(
                f"relay.yaml: relays.{relay.name}.{fact} is {now} and was {record.relay_facts.get(fact)} "
                f"when run {record.id} began; put it back, or begin a new run"
            )
    return relay


def _drive(place: Workspace, ledger: object, prepared: Prepared, *, max_wait: float, as_json: bool) -> int:
    """Run with progress on stderr, then tell; returns the exit code."""
    from harness.cli.progress import Progress
    from harness.cli.telling import tell_run
    from harness.run.drive import drive

    with Progress(prepared.run, quiet=as_json and not sys.stderr.isatty()) as progress:
        said, interrupted = drive(place, ledger, prepared, reader(place), rules_of(place), progress, max_wait)  # type: ignore[arg-type]
    code = tell_run(place, said, as_json=as_json)
    return 130 if interrupted else code
