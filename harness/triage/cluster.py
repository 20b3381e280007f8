"""Spark: the same statement on a cluster, for exports that outgrow one machine; what comes back is counted here.

Files are read by the cluster's workers, so their paths must mean the same there (a shared disk, or local mode).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.triage.export import Table
from harness.triage.statement import Plan, scan
from harness.triage.sweep import CONTROLS, EXACT, Scanned, apple_share, explode, keep
from harness.triage.warehouse import translate


def gather_by_spark(master: str) -> Callable[[Plan, Any, Path], Scanned]:
    """Return a scan that runs on a Spark master (local[2], spark://host:7077, …)."""

    def fill(plan: Plan, con: Any, scratch: Path) -> Scanned:
        spark = _start(master)
        try:
            return _gather(spark, plan, con, scratch)
        finally:
            spark.stop()

    return fill


def _start(master: str) -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise ConfigError(
            "--engine spark needs the extra: pip install 'retest-harness[spark]', and a Java runtime"
        ) from None
    builder = SparkSession.builder.master(master).appName("harness triage").config("spark.ui.enabled", "false")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    if master.startswith("local"):
        builder = builder.config("spark.sql.shuffle.partitions", "8")  # 200 small tasks cost more than they share
    builder = builder.config("spark.sql.session.timeZone", "UTC").config("spark.sql.ansi.enabled", "false")
    try:
        spark = builder.getOrCreate()
    except Exception as error:  # py4j and the JVM raise what they like; any of it means: no session
        raise ConfigError(
            f"--master {master}: no Spark session ({str(error).splitlines()[0][:200]}); is Java there, and the "
            "master up?"
        ) from error
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _gather(spark: Any, plan: Plan, con: Any, scratch: Path) -> Scanned:
    tables = tuple((_view(spark, table, f"export{n}"), layout) for n, (table, layout) in enumerate(plan.tables))
    merge = (_view(spark, plan.merge[0], "merged"), plan.merge[1]) if plan.merge else None
    there = replace(plan, tables=tables, merge=merge, portable=True)
    one_in = max(1, int(plan.rows * apple_share(plan) / CONTROLS))
    reduced = plan.keyed and (plan.rows <= EXACT or len(plan.tables) > 1)
    out = scratch / "counts"
    for part in there.parts(frozenset()):
        statement = translate(scan(there, reduce=reduced, one_in=one_in, part=part), "spark")
        spark.sql(statement).write.mode("append").parquet(str(out))
    con.execute(f"CREATE OR REPLACE TEMP TABLE counts AS SELECT * FROM read_parquet('{out}/*.parquet')")  # noqa: S608
    keep(con, len(plan.fields))
    explode(con, plan.fields)
    return Scanned(
        con, plan.fields, one_in, reduced, (f"counted by Spark {spark.version} on {spark.sparkContext.master}",)
    )


def _view(spark: Any, table: Table, name: str) -> Table:
    """Let Spark read a file under a name, all columns as text."""
    if table.format == "json":
        raise ConfigError(
            f"{table.path}: Spark reads CSV and Parquet here; make Parquet of JSON lines first, or use --engine duckdb"
        )
    if table.format == "parquet":
        frame = spark.read.parquet(str(table.path))
    else:
        options = table.sql
        tab = next(d for d in (",", ";", "\t", "|") if f"delim='{d}'" in options)
        several = any("\n" in value for values in table.sample.values.values() for value in values)
        kinds = ", ".join(f"`{column.replace('`', '``')}` STRING" for column in table.sample.columns)
        frame = spark.read.csv(
            str(table.path),
            schema=kinds,
            header=True,
            sep=tab,
            quote='"',
            escape='"',
            multiLine=several,
            enforceSchema=True,
        )
    frame.createOrReplaceTempView(name)
    return replace(table, sql=name)
