"""`harness report`: a run told again, from the ledger alone."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonOption, WorkspaceOption, echo, note, open_workspace, reader, rules_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.bounce.rule import Rules
    from harness.edge.config import Workspace
    from harness.edge.ledger import Ledger
    from harness.report.told import Told
    from harness.run.conclude import Conclusion


class Format(StrEnum):
    """How a report is written."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"
    HTML = "html"


def report(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run's id or its beginning; default: the latest.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="What to write.")] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file; default: stdout.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Tell a run again: terminal tables, Markdown, CSV (one row per message), JSON or the page.

    Example: harness report --format html --output report.html
    """
    from harness.edge.ledger import Ledger
    from harness.run.pick import pick_run

    place = open_workspace(workspace)
    with Ledger.open(place.ledger_path, create=False) as ledger:
        whole = format_ is Format.HTML and not json
        told = retell(place, ledger, pick_run(ledger, run_id).id, whole=whole)
    text = written(told, Format.JSON if json else format_, to_file=output is not None)
    if output is None:
        echo(text.rstrip("\n"))
        return
    save(output, text)
    note(f"written: {output}")


def retell(place: Workspace, ledger: Ledger, run_id: str, *, whole: bool = False) -> Told:
    """Conclude a run anew from its facts, and gather what a report shows beside them."""
    from datetime import UTC, datetime

    from harness.run.conclude import conclude

    read = reader(place)
    said = conclude(ledger.facts(run_id), now=datetime.now(UTC), read=read)
    return gather(said, rules_of(place), ledger.message, whole=whole)


def gather(
    said: Conclusion, rules: Rules, messages: Callable[[str], bytes] | None = None, *, whole: bool = False
) -> Told:
    """Bring together what a report shows: the conclusion, meanings, and the proved messages where they are at hand.

    Args:
        messages: a message's bytes by its trial's token, as the ledger has them.
        whole: add what only the page shows and what takes seconds: how belief moved, and pictures by a browser.
    """
    from harness.cli import beside
    from harness.judge.tally import tally
    from harness.report.pairs import proved_pairs
    from harness.report.told import tell

    told = tell(
        said.facts,
        said.settled,
        tally(said.facts, said.settled),
        said.verdict,
        meanings=beside.meanings(rules),
    )
    thoughts = beside.thoughts(said, told.titles(), beliefs=whole)
    if messages is None:
        return replace(told, thoughts=thoughts)
    pairs = proved_pairs(said.facts, said.settled, said.verdict)
    told = replace(told, thoughts=thoughts, differences=beside.differences(pairs, told.titles(), messages))
    if not whole:
        return told
    pictures, picture_note = beside.pictures(pairs, messages)
    return replace(told, pictures=pictures, picture_note=picture_note)


def written(told: Told, format_: Format, *, to_file: bool = False) -> str:
    """Write a run in one of the formats."""
    match format_:
        case Format.MARKDOWN:
            from harness.report.markdown import markdown

            return markdown(told)
        case Format.CSV:
            from harness.report.sheet import trials_csv

            return trials_csv(told)
        case Format.JSON:
            import json

            from harness.report.jsonable import run_object

            return json.dumps(run_object(told), indent=1)
        case Format.HTML:
            from harness.report.page import page

            return page(told)
        case Format.TABLE:
            return for_terminal(told, to_file=to_file)


def for_terminal(told: Told, *, to_file: bool = False) -> str:
    """Write the tables for the terminal at hand: its width, and ASCII where it knows no more."""
    from harness.report.screen import screen

    width, ascii_ = (100, False) if to_file else terminal()
    return screen(told, width=width, ascii_=ascii_)


def terminal() -> tuple[int, bool]:
    """Return the width of the terminal, and whether stdout can only write ASCII."""
    import shutil

    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return shutil.get_terminal_size((100, 24)).columns, not encoding.startswith("utf")


def save(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        ConfigError: the place can't be written.
    """
    from harness.errors import ConfigError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".part")
        beside.write_bytes(text.encode("utf-8"))
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror or error}; name another file") from None
