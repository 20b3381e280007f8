"""`harness compare`: what is better, worse or the same from one run to the next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonOption, WorkspaceOption, echo, note, open_workspace, print_json, reader

if TYPE_CHECKING:
    from harness.edge.config import Workspace
    from harness.judge.versus import Judged


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Run ids; each is held against the first.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the comparison as a page.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Compare runs (before and after a fix, two relays): what else changed, then each factor and domain.

    Example: harness compare 261120-0900-k3f9 latest --html comparison.html
    """
    from harness.cli.report import save, terminal
    from harness.errors import ConfigError
    from harness.judge.versus import versus
    from harness.report.clean import clean
    from harness.report.comparison_text import comparison_object, comparison_page, comparison_screen

    if len(runs) < 2:
        raise ConfigError("compare: name two runs or more; `harness status` lists them")
    judged = _judged(open_workspace(workspace), runs)
    comparisons = [versus(judged[0], other) for other in judged[1:]]
    if html is not None:
        titles = {factor.id: clean(factor.title, 160) for run in judged for factor in run.facts.run.factors}
        save(html, comparison_page(comparisons, titles))
        note(f"written: {html}")
    if json:
        print_json(comparison_object(comparisons))
        return
    width, ascii_ = terminal()
    echo("\n".join(comparison_screen(one, width=width, ascii_=ascii_) for one in comparisons).rstrip("\n"))


def _judged(place: Workspace, names: list[str]) -> list[Judged]:
    """Conclude each run anew from the ledger."""
    from datetime import UTC, datetime

    from harness.edge.ledger import Ledger
    from harness.errors import ConfigError
    from harness.judge.versus import Judged
    from harness.run.conclude import conclude
    from harness.run.pick import pick_run

    read, now = reader(place), datetime.now(UTC)
    found = []
    with Ledger.open(place.ledger_path, create=False) as ledger:
        for name in names:
            said = conclude(ledger.facts(pick_run(ledger, name).id), now=now, read=read)
            found.append(Judged(said.facts, said.settled, said.verdict))
    ids = [one.facts.run.id for one in found]
    if len(set(ids)) < len(ids):
        raise ConfigError(f"compare: {', '.join(ids)}: the same run twice; name two different ones")
    return found
