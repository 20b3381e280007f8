"""`harness status`: the runs of a workspace, and what each waits for."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.common import JsonOption, WorkspaceOption, echo, open_workspace, print_json, reader, table


def status(
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="One run; default: all.")] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show the runs of a workspace: state, counts, verdict so far, and what a run waits for.

    Example: harness status
    """
    from datetime import UTC, datetime

    from harness.edge.ledger import Ledger
    from harness.judge.tally import tally
    from harness.run.conclude import conclude
    from harness.run.pick import pick_run

    place = open_workspace(workspace)
    if not place.ledger_path.is_file():
        if json:
            print_json({"schema_version": 1, "runs": []})
        else:
            echo("no runs yet; `harness run CAMPAIGN` begins one")
        return
    read, rows, found = reader(place), [], []
    with Ledger.open(place.ledger_path) as ledger:
        runs = [pick_run(ledger, run_id)] if run_id else ledger.runs()
        for run in runs:
            facts = ledger.facts(run.id)
            said = conclude(facts, now=datetime.now(UTC), read=read)
            totals = tally(facts, said.settled).totals
            waits = facts.happenings[-1].text if facts.happenings and run.state == "waiting" else said.verdict.missing
            rows.append(
                [
                    run.id,
                    run.campaign,
                    run.relay,
                    run.strategy,
                    run.state,
                    str(totals.sent),
                    str(totals.rejected),
                    str(totals.pending),
                    said.verdict.kind.value,
                    waits,
                ]
            )
            found.append(
                {
                    "id": run.id,
                    "campaign": run.campaign,
                    "segment": run.segment.name,
                    "relay": run.relay,
                    "strategy": run.strategy,
                    "state": run.state,
                    "started": run.started.isoformat(),
                    "sent": totals.sent,
                    "rejected": totals.rejected,
                    "pending": totals.pending,
                    "verdict": said.verdict.kind.value,
                    "waits_for": waits,
                }
            )
    if json:
        print_json({"schema_version": 1, "runs": found})
        return
    echo(
        table(
            rows,
            ["run", "campaign", "relay", "strategy", "state", "sent", "rejected", "pending", "verdict", "waits for"],
        )
    )
