"""`harness triage`: what do the failed rows of a production export have in common?"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonOption, WorkspaceOption, echo, note, print_json, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.bounce.rule import Rules
    from harness.model.answer import Reading
    from harness.triage.finding import Result
    from harness.triage.investigate import Question


def triage(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Export: CSV, TSV, JSON lines or Parquet; one or several.")
    ] = None,
    merge: Annotated[Path | None, typer.Option(help="What was merged, one row a recipient or message.")] = None,
    on: Annotated[
        str | None, typer.Option(help="Join --merge by recipient or message_id; default: what both have.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="THEIRS=OURS",
            help="What a column is; OURS: recipient, event, reply, link, merge:NAME, ignored, …",
        ),
    ] = None,
    word: Annotated[
        list[str] | None,
        typer.Option(
            metavar="THEIRS=OURS", help="What an event word means: delivered, bounced, deferred, suppressed, sent."
        ),
    ] = None,
    apple_domain: Annotated[list[str] | None, typer.Option(help="A further domain hosted at iCloud Mail.")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Look into this class or tag (reputation, CS01) instead of content refusals."),
    ] = None,
    fdr: Annotated[float, typer.Option(min=0.0001, max=0.5, help="False discovery rate.")] = 0.05,
    suspects: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write factors and profiles for `harness run --suspects FILE`.")
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page.")] = None,
    show_addresses: Annotated[bool, typer.Option("--show-addresses", help="Don't hash addresses.")] = False,
    engine: Annotated[str, typer.Option(help="duckdb, or spark (extra [spark]).")] = "duckdb",
    master: Annotated[str, typer.Option(help="Spark master URL.")] = "local[*]",
    emit_sql: Annotated[
        str | None,
        typer.Option(
            metavar="DIALECT",
            help="Print the statement for bigquery, snowflake, trino or clickhouse (extra [warehouse]).",
        ),
    ] = None,
    sql_table: Annotated[str, typer.Option("--table", help="With --emit-sql: the warehouse's table.")] = "export",
    counts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Read the emitted statement's result back (CSV or Parquet) instead of an export."
        ),
    ] = None,
    memory: Annotated[str, typer.Option(help="Memory limit; the rest spills to disk.")] = "600MB",
    spill: Annotated[Path | None, typer.Option(help="Folder to spill to.")] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Say what the rows that Apple refused have in common. Reads files only; nothing is uploaded.

    Example: harness triage delivered.csv bounces.csv --merge merged.csv --suspects suspects.yaml
    """
    from harness.cli.triagewords import (
        check_places,
        join_key,
        memory_limit,
        named,
        outcomes,
        pairs,
        roles,
        spill_folder,
    )
    from harness.errors import ConfigError
    from harness.triage.investigate import Question
    from harness.triage.sweep import Target

    rules = _rules(workspace)
    question = Question(
        tuple(files or ()), merge, join_key(on), roles(pairs(map_, "--map")), outcomes(pairs(word, "--word")),
        tuple(apple_domain or ()), Target(named(target, rules)), fdr, memory_limit(memory), spill_folder(spill),
    )  # fmt: skip
    if counts is None and not files:
        raise ConfigError("triage: name an export, such as `harness triage events.csv`, or --counts FILE")
    check_places([*question.files, *filter(None, (merge, counts))], {"--suspects": suspects, "--html": html})
    with _in_one_line():
        if emit_sql and counts is None:
            echo(_emitted(question, emit_sql, sql_table))
            return
        result = _found(question, rules, show_addresses, engine, master, counts)
    _write(result, suspects, html)
    if json:
        from harness.triage.digest import as_json

        print_json(as_json(result))
    else:
        _show(result)


def _found(
    question: Question, rules: Rules, show_addresses: bool, engine: str, master: str, counts: Path | None
) -> Result:
    import os

    from harness.bounce.reply import read_reply
    from harness.errors import ConfigError
    from harness.triage.investigate import investigate
    from harness.triage.veil import Veil

    def read(text: str) -> Reading:
        return read_reply(text, rules=rules)

    veil = Veil(None if show_addresses else os.urandom(32))
    if counts is not None:
        from harness.triage.warehouse import read_counts

        return read_counts(counts, question, read, veil)
    if engine == "duckdb":
        return investigate(question, read, veil)
    if engine == "spark":
        from harness.triage.cluster import gather_by_spark

        return investigate(question, read, veil, gather_by_spark(master))
    raise ConfigError(f"--engine {engine}: no such engine; expected duckdb or spark")


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Say in one line what no reader of files foresaw: a column of bytes, a disk that is full, a file that is closed.

    Raises:
        ConfigError: in place of what DuckDB or the system raised.
    """
    import duckdb

    from harness.errors import ConfigError
    from harness.triage.sweep import without_rows

    try:
        yield
    except duckdb.Error as error:
        raise ConfigError(f"triage: the export can't be read: {without_rows(error)}") from error
    except OSError as error:
        raise ConfigError(f"triage: the export can't be read: {error}") from error


def _rules(workspace: Path | None) -> Rules:
    """Return the workspace's own rules for replies where there is a workspace."""
    from harness.bounce.rules import RULES
    from harness.cli.common import open_workspace, rules_of
    from harness.errors import ConfigError

    try:
        return rules_of(open_workspace(workspace))
    except ConfigError:
        if workspace is not None:
            raise
        return RULES


def _emitted(question: Question, dialect: str, name: str) -> str:
    from harness.triage.investigate import make_plan
    from harness.triage.sweep import session
    from harness.triage.warehouse import emit

    with session(question.memory, question.spill) as con:
        return emit(make_plan(question, con), dialect, name)


def _write(result: Result, suspects: Path | None, html: Path | None) -> None:
    from harness.cli.report import save

    if suspects:
        from harness.triage.digest import counted
        from harness.triage.suspects import write_suspects

        save(suspects, write_suspects(result))
        note(
            f"{suspects}: {counted(len(result.causes), 'cause')}, {counted(len(result.profiles), 'profile')}; "
            f"`harness run CAMPAIGN --suspects {suspects}`"
        )
    if html:
        from datetime import UTC, datetime

        from harness.report.typeset import policy, stylesheet
        from harness.triage.webpage import webpage

        style = stylesheet()
        made = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        save(html, webpage(result, style=style, policy=policy(style), made=made))
        note(f"{html}: written")


def _show(result: Result) -> None:
    from harness.triage import digest

    for text in result.notes:
        note(f"note: {text}")
    echo(digest.headline(result))
    echo()
    rows = [digest.domain_row(row) for row in (*result.domains, result.total)]
    echo(table(rows, list(digest.domain_headers(result))))
    reasons = digest.reason_rows(result)
    if reasons:
        echo()
        echo(table(reasons, list(digest.REASON_HEADERS)))
    if result.causes:
        echo()
        echo(table([digest.cause_row(cause) for cause in result.causes], list(digest.CAUSE_HEADERS)))
        for cause in result.causes:
            for line in digest.company(cause):
                echo(line)
    echo()
    echo(table(digest.field_rows(result), list(digest.FIELD_HEADERS)))
    if result.missing:
        echo(f"Not in the export: {', '.join(result.missing)}.")
    echo()
    echo(digest.method(result))
    for one in result.advice:
        echo(f"\n{one.pattern}: {one.why}.\n  {one.do}")
