"""`harness plan`: what a run would send, without sending it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonOption, WorkspaceOption, echo, note, open_workspace, print_json, table

if TYPE_CHECKING:
    from harness.edge.config import Workspace
    from harness.run.prepare import Prepared


def plan(
    campaign: Annotated[str, typer.Argument(help="Campaign under variants/.")],
    segment: Annotated[str | None, typer.Option(help="Segment of seeds.yaml; default: the only one.")] = None,
    relay: Annotated[str | None, typer.Option(help="Relay of relay.yaml; default: its default.")] = None,
    ask: Annotated[
        list[str] | None,
        typer.Option(help="Also test a sender factor: from, reply-to, envelope-sender, message-id, swap:OLD>NEW."),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each rung for the first seed as .eml, with manifest.json.")
    ] = None,
    wear: Annotated[str | None, typer.Option(help="Merge rows that the seeds wear, as for run.")] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show factors and ladder of a campaign, and how much a run would send at most. Sends nothing.

    Example: harness plan spring-sale --write /tmp/spring
    """
    from datetime import UTC, datetime

    from harness.run.outline import limits
    from harness.run.prepare import Wishes, prepare

    place = open_workspace(workspace)
    prepared = prepare(place, campaign, segment, relay, Wishes(asked=tuple(ask or ()), wear=wear), datetime.now(UTC))
    manifest = _write(prepared, write) if write else None
    if json:
        print_json(_object(place, prepared, manifest))
        return
    for text in prepared.expansion.notes:
        note(f"note: {text}")
    titles = {factor.id: factor for factor in prepared.expansion.factors}
    rows = []
    for number, rung in enumerate(prepared.run.ladder):
        added = sorted(rung.factors - (prepared.run.ladder[number - 1].factors if number else frozenset()))
        factor = titles.get(added[0]) if len(added) == 1 else None
        needs = ", ".join(sorted(factor.needs)) if factor else ""
        rows.append(
            [
                str(number),
                rung.stage.value,
                rung.variant,
                rung.change or "plain copy",
                factor.title if factor else "",
                needs,
            ]
        )
    echo(table(rows, ["rung", "stage", "variant", "the single change", "in words", "needs"]))
    for name, members in prepared.expansion.groups.items():
        echo(f"group {name}: {', '.join(members)}")
    echo()
    for line in limits(place, prepared):
        echo(line)
    if write:
        echo(f"\n{len(prepared.run.ladder)} messages and manifest.json are in {write}.")


def _object(place: Workspace, prepared: Prepared, manifest: list[dict[str, Any]] | None) -> dict[str, Any]:
    from harness.run.outline import limits, most

    return {
        "schema_version": 1,
        "campaign": prepared.run.campaign,
        "segment": prepared.segment.name,
        "relay": prepared.relay.name,
        "factors": [
            {
                "id": f.id,
                "kind": f.kind,
                "stage": f.stage.value,
                "needs": sorted(f.needs),
                "groups": list(f.groups),
                "title": f.title,
            }
            for f in prepared.expansion.factors
        ],
        "groups": {name: list(members) for name, members in prepared.expansion.groups.items()},
        "ladder": [
            {
                "variant": r.variant,
                "parent": r.parent,
                "stage": r.stage.value,
                "change": r.change,
                "factors": sorted(r.factors),
            }
            for r in prepared.run.ladder
        ],
        "messages_at_most": most(prepared),
        "limits": limits(place, prepared),
        "notes": list(prepared.expansion.notes),
        "manifest": manifest,
    }


def _write(prepared: Prepared, directory: Path) -> list[dict[str, Any]]:
    import json as codec

    from harness.errors import ConfigError
    from harness.run.outline import sample_identity

    first = prepared.segment.seeds[0]
    identity = sample_identity(prepared)
    manifest = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        width = max(2, len(str(len(prepared.run.ladder) - 1)))
        for number, rung in enumerate(prepared.run.ladder):
            name = f"{number:0{width}d}-{rung.variant}.eml"
            message = prepared.expansion.message(rung.factors, first, identity)
            (directory / name).write_bytes(message.content)
            manifest.append(
                {
                    "file": name,
                    "variant": rung.variant,
                    "parent": rung.parent,
                    "stage": rung.stage.value,
                    "change": rung.change,
                    "factors": sorted(rung.factors),
                }
            )
        (directory / "manifest.json").write_text(
            codec.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise ConfigError(f"{error.filename or directory}: can't be written: {error.strerror or error}") from None
    return manifest
