"""The command line: one function a command, each in a file of its own, imported when it is called.

Only typer is imported here, so that `harness --help` starts as fast as typer itself.
"""

from __future__ import annotations

import importlib
import os
import sys

import typer

from harness.errors import HarnessError

# The search multiplies small matrices: more threads only get into each other's way. Set before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

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
# command, module, function; in the order in which people meet them
COMMANDS = (
    ("init", "init", "init"),
    ("import", "imports", "import_"),
    ("plan", "plan", "plan"),
    ("simulate", "simulate", "simulate"),
    ("diff", "diff", "diff"),
    ("check", "check", "check"),
    ("run", "run", "run"),
    ("collect", "collect", "collect"),
    ("status", "status", "status"),
    ("report", "report", "report"),
    ("compare", "compare", "compare"),
    ("evidence", "evidence", "evidence"),
    ("classify", "classify", "classify"),
    ("triage", "triage", "triage"),
    ("sandbox", "sandbox", "sandbox"),
)
for _name, _module, _function in COMMANDS:
    app.command(_name)(getattr(importlib.import_module(f"harness.cli.{_module}"), _function))


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
