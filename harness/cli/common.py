"""Options and manners that all commands share; light, because every start-up pays for it."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.bounce.rule import Rules
    from harness.edge.config import Workspace
    from harness.model.answer import Reading
    from harness.model.reply import Reply

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace", "-w", help="Folder with seeds.yaml; default: searched from here upwards.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def open_workspace(given: Path | None) -> Workspace:
    """Open the workspace that an option or the environment names, or the nearest one."""
    from harness.edge.config import load_workspace

    named = given or (Path(os.environ["HARNESS_WORKSPACE"]) if os.environ.get("HARNESS_WORKSPACE") else None)
    return load_workspace(exactly=named)


def reader(workspace: Workspace) -> Callable[[Reply], Reading]:
    """Return how replies are read: by the workspace's own rules first, then the catalogue."""
    from harness.bounce.reply import read_reply

    rules = rules_of(workspace)

    @lru_cache(maxsize=4096)  # a run asks again at every step, and most replies are alike
    def read(reply: Reply) -> Reading:
        return read_reply(reply.text, code=reply.code, rules=rules)

    return read


def rules_of(workspace: Workspace) -> Rules:
    """Return the catalogue, with the workspace's own rules.yaml before it where there is one."""
    from harness.bounce.rules import RULES, load_rules

    path = workspace.root / "rules.yaml"
    if not path.is_file():
        return RULES
    return RULES.with_first(load_rules(path.read_text(encoding="utf-8"), "rules.yaml"))


def echo(text: str = "") -> None:
    """Print a result on stdout."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Print a remark on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_json(value: Any) -> None:
    """Print one JSON value on stdout."""
    import json

    echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def table(rows: list[list[str]], headers: list[str]) -> str:
    """Lay out a table for people; text from outside loses what could steer a terminal."""
    from tabulate import tabulate

    return tabulate(
        [[clean(cell) for cell in row] for row in rows], headers=headers, tablefmt="simple", disable_numparse=True
    )


def clean(text: str) -> str:
    """Make a text from outside harmless in a terminal: no control, escape or direction characters."""
    import unicodedata

    return "".join(
        c if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else "\ufffd" for c in text
    )


def leave(code: int) -> NoReturn:
    """End the command with an exit code of DESIGN section 7."""
    raise typer.Exit(code)
