"""The command line: one function a command, each in a file of its own, imported when it is called.

Only typer is imported here, so that `harness --help` starts as fast as typer itself.
"""

from __future__ import annotations

import sys

import typer

from harness.cli import (
    check,
    classify,
    collect,
    compare,
    diff,
    evidence,
    imports,
    init,
    plan,
    report,
    run,
    sandbox,
    simulate,
    status,
    triage,
)
from harness.errors import HarnessError

app = typer.Typer(
    name="harness",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Controlled retests of campaign variants: find the single change that Apple refuses with CS01, and prove it.",
    epilog="Exit codes: 0 nothing refused, 1 trigger found, 2 wrong usage or configuration, 3 inconclusive, "
    "4 stopped, or sender or recipient, 5 relay or mailbox failed, 130 interrupted.",
)
app.command("init")(init.init)
app.command("import")(imports.import_)
app.command("plan")(plan.plan)
app.command("simulate")(simulate.simulate)
app.command("diff")(diff.diff)
app.command("check")(check.check)
app.command("run")(run.run)
app.command("collect")(collect.collect)
app.command("status")(status.status)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("evidence")(evidence.evidence)
app.command("classify")(classify.classify)
app.command("triage")(triage.triage)
app.command("sandbox")(sandbox.sandbox)


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", help="Say the version and stop."),
) -> None:
    if version:
        from harness import __version__

        sys.stdout.write(f"harness {__version__}\n")
        raise typer.Exit(0)


def main() -> None:
    """Run a command; an operator's mistake is one line and an exit code, never a traceback."""
    try:
        app()
    except HarnessError as error:
        sys.stderr.write(f"harness: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("harness: interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
