"""`harness triage` as people call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import ConfigError
from harness.triage.suspects import load_suspects
from tests.unit.triage.builders import caused, plain, rows, write_csv


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(
        tmp_path_factory.mktemp("cli") / "e.csv", plain(rows(3_000, caused(lambda r: r["host"] == "l7.example", 0.5)))
    )


def run(*words: object) -> Any:
    return CliRunner().invoke(app, ["triage", *map(str, words)])


def test_people_get_sentence_tables_and_what_to_do(export: Path) -> None:
    result = run(export)
    assert result.exit_code == 0
    for said in (
        "Link host: l7.example",
        "all Apple domains",
        "privaterelay.appleid.com",
        "one link host",
        "Benjamini",
    ):
        assert said in result.stdout
    assert "user" not in result.stdout.replace("unknown_user", "")


def test_json_suspects_and_page_come_in_one_go(export: Path, tmp_path: Path) -> None:
    result = run(export, "--json", "--suspects", tmp_path / "s.yaml", "--html", tmp_path / "p.html")
    told = json.loads(result.stdout)
    assert told["schema_version"] == 1
    assert told["causes"][0]["conditions"] == [{"field": "link_host", "title": "link host", "value": "l7.example"}]
    assert told["false_discovery_rate"] == 0.05
    assert max(load_suspects((tmp_path / "s.yaml").read_text(), "s.yaml").weights) == "host:l7.example"
    page = (tmp_path / "p.html").read_text()
    assert "Content-Security-Policy" in page
    assert "<script" not in page


def test_another_target_is_looked_into(export: Path) -> None:
    told = json.loads(run(export, "--json", "--target", "reputation").stdout)
    assert told["total"]["failed"] == 0
    assert json.loads(run(export, "--json", "--target", "CS01").stdout)["total"]["failed"] > 100


def test_the_statement_is_printed_for_a_warehouse(export: Path) -> None:
    pytest.importorskip("sqlglot")
    assert "`p`.`d`.`export`" in run(export, "--emit-sql", "bigquery", "--table", "p.d.export").stdout


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ((), "name an export"),
        (("no.csv",), "no.csv: no such file"),
        (("no.csv", "--map", "x"), "--map x: expected THEIRS=OURS"),
        (("no.csv", "--word", "x=gone"), "expected delivered, bounced"),
        (("no.csv", "--engine", "abacus"), "expected duckdb or spark"),
        (("no.csv", "--memory", "lots"), "--memory lots: expected a number and its unit"),
        (("no.csv", "--memory", "10"), "--memory 10: expected a number and its unit"),
        (("no.csv", "--spill", "/nope/x"), "--spill /nope/x: nothing can be written there"),
        (("no.csv", "--spill", "/proc"), "--spill /proc: nothing can be written there"),
        (("no.csv", "--html", "/nope/x.html"), "--html /nope/x.html: can't be written: there is no folder /nope"),
        (("no.csv", "--html", "/tmp"), "--html /tmp: is a folder"),
        (("no.csv", "--html", "./no.csv"), "--html no.csv: is read here"),
        (("no.csv", "--suspects", "m.csv", "--merge", "m.csv"), "--suspects m.csv: is read here"),
        (("no.csv", "--suspects", "x", "--html", "x"), "--html x: is written twice"),
        (
            ("no.csv", "--target", "reputaton"),
            "--target reputaton: no class of replies and no tag is called so; did you mean 'reputation'?",
        ),
        (("no.csv", "--target", "banana"), "--target banana: no class of replies and no tag is called so"),
        (("no.csv", "--map", "a=banana"), "--map a=banana: there is no field 'banana'"),
        (("no.csv", "--map", "a=recipent"), "did you mean 'recipient'?"),
        (("no.csv", "--map", "a=merge:"), "--map a=merge:: there is no field"),
        (("no.csv", "--on", "foo"), "--on foo: a merge file is joined by recipient or message_id"),
    ],
)
def test_a_wrong_call_is_one_sentence_before_anything_is_read(words: tuple[str, ...], wanted: str) -> None:
    result = run(*words)
    assert isinstance(result.exception, ConfigError)
    assert wanted in str(result.exception)


def test_a_place_that_takes_no_file_and_a_column_of_bytes_are_one_sentence(export: Path, tmp_path: Path) -> None:
    result = run(export, "--suspects", "/proc/x")
    assert isinstance(result.exception, ConfigError)
    assert "/proc/x: can't be written" in str(result.exception)
    sql = "SELECT encode('u' || i || '@icloud.com') AS email, 'bounce' AS event, 'x' AS reason FROM range(20) AS t(i)"
    duckdb.sql(f"COPY ({sql}) TO '{tmp_path}/bytes.parquet'")
    result = run(tmp_path / "bytes.parquet")
    assert result.exception is None or isinstance(result.exception, ConfigError | SystemExit)
    assert "\n" not in str(result.exception)


def test_a_tag_that_nobody_has_seen_can_be_looked_into(export: Path) -> None:
    assert run(export, "--target", "CS77").exit_code == 0
    assert json.loads(run(export, "--target", "cs01", "--json").stdout)["target"] == "CS01"
