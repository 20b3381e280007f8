"""`harness triage`: what do the failed rows of a production export have in common?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonOption, WorkspaceOption, echo, note, print_json, table

if TYPE_CHECKING:
    from collections.abc import Callable

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
    import os

    from harness.errors import ConfigError
    from harness.triage.investigate import Question, investigate
    from harness.triage.sweep import Target
    from harness.triage.veil import Veil

    question = Question(
        tuple(files or ()), merge, on, _pairs(map_, "--map"), _pairs(word, "--word"), tuple(apple_domain or ()),
        Target(tuple(target or ())), fdr, memory, spill,
    )  # fmt: skip
    read = _reader(workspace)
    veil = Veil(None if show_addresses else os.urandom(32))
    if counts is not None:
        from harness.triage.warehouse import read_counts

        result = read_counts(counts, question, read, veil)
    elif not files:
        raise ConfigError("triage: name an export, such as `harness triage events.csv`, or --counts FILE")
    elif emit_sql:
        echo(_emitted(question, emit_sql, sql_table))
        return
    elif engine == "spark":
        from harness.triage.cluster import gather_by_spark

        result = investigate(question, read, veil, gather_by_spark(master))
    elif engine == "duckdb":
        result = investigate(question, read, veil)
    else:
        raise ConfigError(f"--engine {engine}: no such engine; expected duckdb or spark")
    _write(result, suspects, html)
    if json:
        from harness.triage.digest import as_json

        print_json(as_json(result))
    else:
        _show(result)


def _reader(workspace: Path | None) -> Callable[[str], Reading]:
    """Read replies by the workspace's own rules where there is a workspace."""
    from harness.bounce.reply import read_reply
    from harness.bounce.rules import RULES
    from harness.cli.common import open_workspace, rules_of
    from harness.errors import ConfigError

    try:
        rules = rules_of(open_workspace(workspace))
    except ConfigError:
        if workspace is not None:
            raise
        rules = RULES

    def read(text: str) -> Reading:
        return read_reply(text, rules=rules)

    return read


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    from harness.errors import ConfigError

    out = {}
    for text in given or ():
        theirs, sign, ours = text.rpartition("=")
        if not sign or not theirs or not ours:
            raise ConfigError(f"{option} {text}: expected THEIRS=OURS")
        if option == "--word" and ours not in ("delivered", "bounced", "deferred", "suppressed", "sent"):
            raise ConfigError(
                f"--word {text}: {ours!r} is no outcome; expected delivered, bounced, deferred, suppressed or sent"
            )
        out[theirs] = ours
    return out


def _emitted(question: Question, dialect: str, name: str) -> str:
    from harness.triage.investigate import make_plan
    from harness.triage.sweep import session
    from harness.triage.warehouse import emit

    with session(question.memory, question.spill) as con:
        return emit(make_plan(question, con), dialect, name)


def _write(result: Result, suspects: Path | None, html: Path | None) -> None:
    if suspects:
        from harness.triage.suspects import write_suspects

        suspects.write_text(write_suspects(result), encoding="utf-8")
        note(
            f"{suspects}: {len(result.causes)} causes, {len(result.profiles)} profiles; `harness run CAMPAIGN "
            f"--suspects {suspects}`"
        )
    if html:
        from datetime import UTC, datetime

        from harness.report.typeset import policy, stylesheet
        from harness.triage.webpage import webpage

        style = stylesheet()
        made = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        html.write_text(webpage(result, style=style, policy=policy(style), made=made), encoding="utf-8")
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
