"""Warehouses and clusters: the same findings by another engine."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import duckdb
import pytest

from harness.bounce.reply import read_reply
from harness.errors import ConfigError
from harness.triage.investigate import Question, investigate, make_plan
from harness.triage.sweep import session
from harness.triage.veil import Veil
from harness.triage.warehouse import emit, read_counts
from tests.unit.triage.builders import ask, caused, causes, noise, plain, rows, write_csv

sqlglot = pytest.importorskip("sqlglot", reason="the extra [warehouse] is not installed")
VEIL = Veil(b"0" * 32)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = plain(rows(6_000, caused(lambda r: r["host"] == "l7.example", 0.4)))
    table = [{**r, "link_host": f"https://{r['link_host']}/a?u={i}", "from": "Shop <news@shop.example>", "code": "554" if r["event"] == "bounce" else "250"}
             for i, r in enumerate(table)]  # fmt: skip
    return write_csv(tmp_path_factory.mktemp("warehouse") / "e.csv", table + table[:500])


def emitted(export: Path, dialect: str) -> str:
    with session("300MB", None) as con:
        return emit(make_plan(Question(files=(export,)), con), dialect, "mail.export")


@pytest.mark.parametrize("dialect", ["bigquery", "snowflake", "trino", "clickhouse"])
def test_each_dialect_gets_a_statement_it_can_parse_with_nothing_of_duckdbs_own(export: Path, dialect: str) -> None:
    text = emitted(export, dialect)
    assert len(sqlglot.parse(text, read=dialect)) == 1
    assert "GROUPING SETS" in text.upper()
    assert not [
        word for word in ("READ_CSV", "SPLIT_PART", "CONCAT_WS", "CONTAINS(", "HASH(", "LIST_") if word in text.upper()
    ]
    assert "IGNORE NULLS" not in text.upper()  # Snowflake, Trino and BigQuery each know it elsewhere or not at all
    assert "'g'" not in text  # a position in Snowflake, one argument too many elsewhere
    quoted = {"bigquery": "`mail`.`export`", "clickhouse": '"mail"."export"'}.get(dialect, '"mail"."export"')
    assert quoted in text


def test_the_statements_result_read_back_says_what_the_export_says(export: Path, tmp_path: Path) -> None:
    con = duckdb.connect()
    con.execute("CREATE SCHEMA mail")
    con.execute(f"CREATE TABLE mail.export AS SELECT * FROM read_csv('{export}', all_varchar=true)")
    con.execute(f"COPY ({emitted(export, 'duckdb').rstrip(';')}) TO '{tmp_path}/counts.csv' (HEADER)")
    told = read_counts(tmp_path / "counts.csv", Question(files=()), read_reply, VEIL)
    whole = ask(export)
    assert (told.total.sent, told.total.failed) == (whole.total.sent, whole.total.failed) == (6_000, whole.total.failed)
    assert {d.domain: d.failed for d in told.domains} == {d.domain: d.failed for d in whole.domains}
    assert causes(told)[0] == causes(whole)[0] == ("l7.example",)
    assert told.causes[0].contrast == whole.causes[0].contrast
    assert "@icloud.com" not in (tmp_path / "counts.csv").read_text()


@pytest.mark.parametrize("why", [True, False])
def test_unknown_words_suppressed_rows_and_missing_replies_are_counted_as_in_the_export(
    tmp_path: Path, why: bool
) -> None:
    table = plain(rows(3_000, caused(lambda r: r["host"] == "l7.example", 0.4)))
    for i, row in enumerate(table):
        if i % 50 == 0:
            row["event"] = "suppressed"
        elif i % 5 == 0 and why and row["event"] == "bounce":
            row["event"] = "gone wrong"
    table = [
        {
            **row,
            "closed": "yes" if row["event"] == "bounce" else "",
            "left at": "" if row["event"] == "bounce" else f"{i}",
        }
        for i, row in enumerate(table)
    ]
    table = [row if why else {k: v for k, v in row.items() if k != "reason"} for row in table]
    path = write_csv(tmp_path / "e.csv", table)
    con = duckdb.connect()
    con.execute("CREATE SCHEMA mail")
    con.execute(f"CREATE TABLE mail.export AS SELECT * FROM read_csv('{path}', all_varchar=true)")
    con.execute(f"COPY ({emitted(path, 'duckdb').rstrip(';')}) TO '{tmp_path}/counts.csv' (HEADER)")
    told = read_counts(tmp_path / "counts.csv", Question(files=()), read_reply, VEIL)
    whole = ask(path)
    assert (told.total, told.target) == (whole.total, whole.target)
    assert told.total.failed > 50
    for result in (told, whole):
        assert sum("was not compared" in note for note in result.notes) == (2 if not why else 0)
    assert told.causes[0].contrast == whole.causes[0].contrast


def test_words_that_nobody_knows_are_refused_in_counts_too(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("field,value,kind,reply,n\nrecipient_domain,icloud.com,?gurgled,,9\n")
    with pytest.raises(ConfigError, match=r"c.csv: words that are not known.*'gurgled' \(9 rows\)"):
        read_counts(path, Question(files=()), read_reply, VEIL)
    told = read_counts(path, Question(files=(), said={"Gurgled": "bounced"}), read_reply, VEIL)
    assert told.total.bounced == 9
    path.write_text("field,value,kind,reply,n\nrecipient_domain,icloud.com,gurgled,,9\n")
    with pytest.raises(ConfigError, match="1 rows of a kind that no statement gives"):
        read_counts(path, Question(files=()), read_reply, VEIL)


def test_clickhouse_counts_what_the_export_says(export: Path, tmp_path: Path) -> None:
    """Run where the package chdb (ClickHouse in-process) is; columns have the types that ClickHouse finds in them."""
    chdb = pytest.importorskip("chdb.session", reason="chdb is not installed")
    session = chdb.Session(str(tmp_path / "ch"))
    session.query("CREATE DATABASE mail")
    session.query(f"CREATE TABLE mail.export ENGINE = Memory AS SELECT * FROM file('{export}', 'CSVWithNames')")
    found = session.query(emitted(export, "clickhouse").rstrip(";"), "CSVWithNames")
    (tmp_path / "counts.csv").write_text(str(found), encoding="utf-8")
    told = read_counts(tmp_path / "counts.csv", Question(files=()), read_reply, VEIL)
    whole = ask(export)
    assert {d.domain: d for d in told.domains} == {d.domain: d for d in whole.domains}
    assert told.causes[0].contrast == whole.causes[0].contrast
    assert {f.name: f.values for f in told.fields} == {f.name: f.values for f in whole.fields}


def test_seconds_since_1970_are_whole_where_a_warehouse_takes_no_others(tmp_path: Path) -> None:
    table = [{**r, "timestamp": str(1_795_000_000 + i * 60)} for i, r in enumerate(plain(rows(50, noise(0.1))))]
    text = emitted(write_csv(tmp_path / "e.csv", table), "bigquery")
    assert "TIMESTAMP_SECONDS(CAST(SAFE_CAST(" in text


def test_counts_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("field,value,kind,n\nx,y,v,1\n")
    with pytest.raises(ConfigError, match="no column 'reply'"):
        read_counts(path, Question(files=()), read_reply, VEIL)
    path.write_text("field,value,kind,reply,n\nx,y,v,,many\n")
    with pytest.raises(ConfigError, match="1 rows without field, kind or number"):
        read_counts(path, Question(files=()), read_reply, VEIL)


def test_an_unknown_dialect_is_refused(export: Path) -> None:
    with pytest.raises(ConfigError, match="expected bigquery, snowflake, trino, clickhouse"):
        emitted(export, "oracle")


@pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None,
    reason="pyspark (extra [spark]) or Java is not installed",
)
def test_spark_says_what_duckdb_says(export: Path) -> None:
    from harness.triage.cluster import gather_by_spark

    told = investigate(Question(files=(export,)), read_reply, VEIL, gather_by_spark("local[2]"))
    whole = ask(export)
    assert (told.total, told.domains) == (whole.total, whole.domains)
    assert causes(told) == causes(whole)
    assert told.causes[0].contrast == whole.causes[0].contrast
