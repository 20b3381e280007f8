"""The end of a run: what it found, on stdout, and the page beside the ledger."""

from __future__ import annotations

from harness.cli.common import echo, note, rules_of
from harness.cli.report import Format, gather, save, written
from harness.edge.config import Workspace
from harness.edge.ledger import Ledger
from harness.errors import HarnessError
from harness.judge.weigh import exit_code
from harness.run.conclude import Conclusion


def tell_run(workspace: Workspace, said: Conclusion, *, as_json: bool) -> int:
    """Print a run's tables or its JSON, write its page, and return the exit code."""
    rules = rules_of(workspace)
    echo(written(gather(said, rules), Format.JSON if as_json else Format.TABLE).rstrip("\n"))
    page = workspace.results / said.facts.run.id / "report.html"
    try:
        with Ledger.open(workspace.ledger_path, create=False) as ledger:
            save(page, written(gather(said, rules, ledger.message, whole=True), Format.HTML))
        note(f"page: {page}")
    except HarnessError as error:
        note(f"the page could not be written: {error}")
    return exit_code(said.verdict)
