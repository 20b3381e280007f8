"""Warehouses: the statement in their dialects, and its result read back. Only counts travel.

The emitted statement counts values together with what became of the message and the folded words of the reply, its
addresses struck out, so that replies are classed here as everywhere else. From counts alone a cause can't be told
from its shadows, and pairs can't be looked for: the result says so.
"""

# ruff: noqa: S608 (the statements are put together here; names and values from outside are quoted by export.py)

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.model.answer import Reading
from harness.triage.advice import advise
from harness.triage.coded import repeats_outcome
from harness.triage.columns import Field, Form
from harness.triage.eventword import UNKNOWN
from harness.triage.export import name, open_export, quote
from harness.triage.finding import Cause, Result, Standout
from harness.triage.investigate import UNTOLD, Question, denominators, hide
from harness.triage.marginal import ints, make_table, report_fields, stand_out
from harness.triage.statement import LETTERS, Plan, rows
from harness.triage.sweep import FOLDED, Scanned, by_reply, judge, put_aside, session
from harness.triage.veil import Veil

DIALECTS = ("bigquery", "snowflake", "trino", "clickhouse", "spark", "duckdb")
COLUMNS = ("field", "value", "kind", "reply", "n")
ALONE = "counts alone: what stands out may be a shadow of the first, and pairs were not looked for"


def emit(plan: Plan, dialect: str, table: str) -> str:
    """Write the statement for a warehouse's table that has the columns of the file that was looked at.

    Raises:
        ConfigError: no such dialect, several files, or sqlglot is missing.
    """
    if dialect not in DIALECTS:
        raise ConfigError(f"--emit-sql {dialect}: no such dialect; expected {', '.join(DIALECTS[:4])}")
    if len(plan.tables) != 1 or plan.merge:
        raise ConfigError("--emit-sql: give one file with the columns of the warehouse's table, without --merge")
    here = plan.tables[0][0]
    identifier = ".".join(name(part) for part in table.split("."))
    parts = {column: name(column) if here.format != "json" else e for column, e in here.expressions.items()}
    there = replace(here, format="table", sql=identifier, expressions=parts)  # whose columns have types of their own
    counted = counts_statement(replace(plan, tables=((there, plan.tables[0][1]),), portable=True))
    return translate(counted, dialect, pretty=True) + ";"


def counts_statement(plan: Plan) -> str:
    """Write the statement that counts (field, value, kind, reply) in DuckDB's words."""
    ids = [f"f{i}" for i in range(len(plan.fields))]
    which = " ".join(f"WHEN GROUPING({i}) = 0 THEN {quote(f.name)}" for i, f in zip(ids, plan.fields, strict=True))
    value = ", ".join(f"CAST({i} AS VARCHAR)" for i in ids)
    words = f"CASE WHEN kind = 'v' THEN '' ELSE {FOLDED.format('reply')} END AS words"
    sets = ", ".join(f"({i}, kind, words)" for i in ids)
    return (
        f"SELECT CASE {which} END AS field, coalesce({value}, '') AS value, kind, words AS reply, count(*) AS n FROM ("
        f"SELECT {', '.join(ids)}, kind, {words} FROM ({rows(plan, reduce=plan.keyed)}) AS outcomes) AS marked "
        f"GROUP BY GROUPING SETS ({sets})"
    )


def translate(statement: str, dialect: str, *, pretty: bool = False) -> str:
    """Write a statement in another dialect.

    Raises:
        ConfigError: sqlglot is missing.
    """
    try:
        import sqlglot
    except ImportError:
        raise ConfigError("other dialects need the extra: pip install 'retest-harness[warehouse]'") from None
    tree = sqlglot.parse_one(statement, read="duckdb")
    if dialect != "duckdb":
        tree = _settle(tree.transform(_plain), dialect)
    return str(tree.sql(dialect, pretty=pretty, unsupported_level=sqlglot.ErrorLevel.IGNORE))


def _plain(node: Any) -> Any:
    """Say by means of all warehouses what DuckDB says by its own.

    Any value will do where MAX takes one, and only some can ignore NULLs in ANY_VALUE; a pattern is replaced
    everywhere it is found without being told to, and a fourth argument is something else; seconds since 1970 are whole.
    """
    from sqlglot import exp

    if isinstance(node, exp.IgnoreNulls) and isinstance(node.this, exp.AnyValue):
        return exp.Max(this=node.this.this)
    if isinstance(node, exp.RegexpReplace):
        node.set("modifiers", None)
        node.set("single_replace", False)
    if isinstance(node, exp.UnixToTime):
        node.set("this", exp.cast(node.this, "bigint"))
    return node


def _settle(tree: Any, dialect: str) -> Any:
    """Have ClickHouse do as the standard says: NULL for what a set leaves out, a column before an alias of its name."""
    if dialect == "clickhouse":
        from sqlglot import exp

        wanted = ("group_by_use_nulls", "prefer_column_name_to_alias")
        tree.set("settings", [exp.EQ(this=exp.column(one), expression=exp.Literal.number(1)) for one in wanted])
    return tree


def read_counts(path: Path, question: Question, read: Callable[[str], Reading], veil: Veil) -> Result:
    """Read the emitted statement's result back and say what stands out.

    Raises:
        ConfigError: the file lacks a column of the statement's, or holds none of its rows.
    """
    with session(question.memory, question.spill, question.threads) as con:
        table = open_export(path, con)
        folded = {column.lower(): e for column, e in table.expressions.items()}
        missing = [column for column in COLUMNS if column not in folded]
        if missing:
            raise ConfigError(
                f"{path}: no column {missing[0]!r}; expected {', '.join(COLUMNS)}, as --emit-sql's statement gives them"
            )
        listed = ", ".join(f"coalesce(CAST({folded[c]} AS VARCHAR), '') AS {c}" for c in COLUMNS[:4])
        con.execute(
            f"CREATE TEMP TABLE raw AS SELECT {listed}, TRY_CAST({folded['n']} AS BIGINT) AS n FROM {table.sql}"
        )
        wrong = con.execute("SELECT count(*) FROM raw WHERE n IS NULL OR field = '' OR kind = ''").fetchone()[0]
        if wrong:
            raise ConfigError(
                f"{path}: {wrong} rows without field, kind or number; export the statement's result unchanged"
            )
        _say(con, question.said or {})
        strange = con.execute("SELECT count(*) FROM raw WHERE NOT regexp_matches(kind, '^([vbds]|[?].*)$')").fetchone()[
            0
        ]
        if strange:
            raise ConfigError(f"{path}: {strange} rows of a kind that no statement gives (v, b, d, s, ?)")
        return _conclude(path, con, question, read, veil)


def _say(con: Any, said: Mapping[str, str]) -> None:
    """Take the user's word for event words that the statement did not know."""
    for word, outcome in said.items():
        kind = (
            "v" if outcome == "sent" else LETTERS[outcome]
        )  # what was sent and nothing more said of it, was delivered
        con.execute("UPDATE raw SET kind = ? WHERE lower(kind) = ?", [kind, f"{UNKNOWN}{word.lower()}"])
    con.execute("DELETE FROM raw WHERE kind = ''")


def _conclude(path: Path, con: Any, question: Question, read: Callable[[str], Reading], veil: Veil) -> Result:
    names = [
        row[0]
        for row in con.execute("SELECT DISTINCT field FROM raw ORDER BY field <> 'recipient_domain', field").fetchall()
    ]
    fields = tuple(Field(n, Form.PLAIN, n.removeprefix("merge:")) for n in names)
    found = con.execute("SELECT DISTINCT kind, reply FROM raw WHERE kind <> 'v'").fetchall()
    told = any(reply for _, reply in found)
    judged = judge(found, read, question.target, replies=told)
    con.execute(
        "CREATE TEMP TABLE judged (kind VARCHAR, reply VARCHAR, outcome VARCHAR, cause VARCHAR, tag VARCHAR, "
        "failed BOOLEAN)"
    )
    if judged:
        con.executemany("INSERT INTO judged VALUES (?, ?, ?, ?, ?, ?)", judged)
    con.execute(
        "CREATE TEMP TABLE kept AS SELECT r.field, r.value, r.value AS f0, r.kind, r.reply AS text, r.n, "
        "coalesce(j.outcome, 'v') AS outcome, "
        "coalesce(j.cause, '') AS cause, coalesce(j.tag, '') AS tag, coalesce(j.failed, false) AS failed "
        "FROM raw r LEFT JOIN judged j ON j.kind = r.kind AND j.reply = r.reply"
    )
    order = " ".join(f"WHEN {quote(n)} THEN {i}" for i, n in enumerate(names))
    con.execute(
        f"CREATE TEMP TABLE counts AS SELECT CASE field {order} END AS field, value, sum(n) AS n, sum(n) FILTER "
        "(failed) AS k FROM kept WHERE outcome <> 's' GROUP BY ALL"
    )
    mirrors = [names.index(field) for field in _repeating(con) if field not in (question.mapped or {}).values()]
    con.execute("DELETE FROM kept WHERE field <> 'recipient_domain'")
    scanned = put_aside(Scanned(con, fields, 1, True, tuple(by_reply(con, str(path)))), mirrors)
    total, domains = denominators(scanned)
    found = con.execute(
        "SELECT field::BIGINT AS field, coalesce(value, '') AS value, n::BIGINT AS n, k::BIGINT AS k FROM counts "
        "WHERE k > 0 ORDER BY ALL"
    ).fetchnumpy()
    sizes = con.execute("SELECT n, count(*) FROM counts GROUP BY n").fetchall()
    values = dict(con.execute("SELECT field, count(*) FROM counts GROUP BY field").fetchall())
    rate = question.rate
    table = make_table(
        (found["field"], found["value"], found["n"], found["k"]), ints([n for n, _ in sizes]),
        ints([many for _, many in sizes]), (total.sent, total.failed), rate
    )  # fmt: skip
    standing = stand_out(table, fields, rate)
    causes = _first(standing, total.failed)
    target = question.target.words if told or not judged else UNTOLD
    result = Result(
        (str(path),), None, target, total, domains, tuple(causes), tuple(standing),
        tuple(report_fields(table, fields, values, rate, causes)), sum(values.values()), table.tests, rate,
        notes=(ALONE, *scanned.notes),
        asked=question.target.names,
    )  # fmt: skip
    return hide(replace(result, advice=advise(result)), veil)


def _repeating(con: Any) -> list[str]:
    """Return the fields that only tell the outcome once more."""
    told = con.execute(
        "SELECT field, value, coalesce(sum(n) FILTER (outcome = 'v'), 0)::BIGINT AS delivered, "
        "coalesce(sum(n) FILTER (failed), 0)::BIGINT AS failed FROM kept WHERE field LIKE 'merge:%' "
        "GROUP BY field, value ORDER BY field, value"
    ).fetchnumpy()
    return [
        str(field)
        for field in dict.fromkeys(told["field"])
        if repeats_outcome(*(told[name][told["field"] == field] for name in ("value", "delivered", "failed")))
    ]


def _first(standing: Sequence[Standout], failed: int) -> list[Cause]:
    """Take the likeliest value for the cause; without rows nothing more can be told."""
    if not standing:
        return []
    top = standing[0]
    same = tuple(
        s.condition
        for s in standing[1:]
        if (s.contrast.sent, s.contrast.failed) == (top.contrast.sent, top.contrast.failed)
    )
    left = failed - top.contrast.failed
    return [Cause((top.condition,), top.contrast, top.p, top.q, left, top.contrast.others_rate, same)]
