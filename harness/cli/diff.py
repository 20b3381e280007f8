"""`harness diff`: what two variants differ in, as people read it, with the proof."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonOption, WorkspaceOption, clean, echo, open_workspace, print_json

if TYPE_CHECKING:
    from harness.edge.config import Workspace
    from harness.run.prepare import Prepared


def diff(
    campaign: Annotated[str, typer.Argument(help="Campaign under variants/.")],
    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="Variant id, control, production, rung number, factor ids joined by commas, or RUN:variant.",
        ),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="As A.")],
    segment: Annotated[str | None, typer.Option(help="Segment of seeds.yaml; default: the only one.")] = None,
    seed: Annotated[str | None, typer.Option(help="Seed whose message is shown; default: the first.")] = None,
    ask: Annotated[list[str] | None, typer.Option(help="Sender factors, as for plan.")] = None,
    wear: Annotated[str | None, typer.Option(help="Merge rows that the seeds wear, as for run.")] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show the difference between two variants: headers, text, HTML source, links, and the proof line.

    Example: harness diff spring-sale 7 8
    """
    from datetime import UTC, datetime

    from harness.campaign.compare import difference
    from harness.run.prepare import Wishes, prepare

    place = open_workspace(workspace)
    prepared = prepare(place, campaign, segment, None, Wishes(asked=tuple(ask or ()), wear=wear), datetime.now(UTC))
    first, second = _message(place, prepared, a, seed), _message(place, prepared, b, seed)
    found = difference(first, second)
    if json:
        print_json({"schema_version": 1, "a": a, "b": b, **found.as_object()})
    else:
        echo(clean(found.text(a, b)))


def _message(place: Workspace, prepared: Prepared, name: str, seed: str | None) -> bytes:
    """Return the bytes that a name stands for: of a run as they were sent, else as they would be."""
    from harness.errors import ConfigError
    from harness.run.outline import sample_identity

    match = re.fullmatch(r"([0-9]{6}-[0-9]{4}-[a-z0-9]+|latest):(\S+)", name)
    if match:
        return _sent(place, match[1], match[2], seed)
    seeds = {s.address: s for s in prepared.segment.seeds}
    if seed is not None and seed not in seeds:
        raise ConfigError(f"--seed {seed}: segment {prepared.segment.name} has no such seed ({', '.join(seeds)})")
    chosen = seeds[seed] if seed else prepared.segment.seeds[0]
    return prepared.expansion.message(_factors(prepared, name), chosen, sample_identity(prepared)).content


def _factors(prepared: Prepared, name: str) -> frozenset[str]:
    from harness.edge.yamlfile import nearest
    from harness.errors import ConfigError
    from harness.model.factor import close

    ladder = prepared.run.ladder
    by_id = {factor.id: factor for factor in prepared.expansion.factors}
    if name.isdigit() and int(name) < len(ladder):
        return ladder[int(name)].factors
    for rung in ladder:
        if rung.variant == name:
            return rung.factors
    wanted = [part.strip().removeprefix("+") for part in name.split(",")]
    wanted = [member for part in wanted for member in prepared.expansion.groups.get(part, (part,))]
    if all(part in by_id for part in wanted):
        return close(frozenset(wanted), by_id)
    known = ["control", "production", *by_id, *prepared.expansion.groups]
    unknown = next(part for part in wanted if part not in by_id)
    raise ConfigError(
        f"{unknown!r} is no variant, rung (0 to {len(ladder) - 1}) or factor of {prepared.campaign.name}"
        f"{nearest(unknown, known)}"
    )


def _sent(place: Workspace, run: str, variant: str, seed: str | None) -> bytes:
    from harness.edge.ledger import Ledger
    from harness.errors import ConfigError
    from harness.run.pick import pick_run

    with Ledger.open(place.ledger_path, create=False) as ledger:
        facts = ledger.facts(pick_run(ledger, run).id)
        for trial in facts.trials:
            if trial.variant == variant and seed in (None, trial.ask.seed):
                return ledger.message(trial.token)
        known = sorted({trial.variant for trial in facts.trials})
    raise ConfigError(
        f"run {run} sent no variant {variant!r}{' to ' + seed if seed else ''} (it sent {', '.join(known)})"
    )
