"""Triage against the hand-written query, and against chance.

    python -m benchmarks.triage                 # 1 and 10 million rows: time, memory, growth, rank of the causes
    python -m benchmarks.triage --rows 1000000  # smaller
    python -m benchmarks.triage --shuffles 200  # exports without any cause: how many name one

Each measurement is a fresh process, imports included; hand-written query and triage take turns, and the median
counts. Other work on the machine moves the clock more than processor time, so both are shown.
"""

# ruff: noqa: S608 (every name and value in these queries is the benchmark's own)

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FIELDS = (
    "link_host",
    "redirect_host",
    "product",
    "subject",
    "template_id",
    "outbound_ip",
    "envelope_domain",
    "offer",
    "first_name",
    "city",
)
DOMAINS = ("icloud.com", "me.com", "mac.com", "privaterelay.appleid.com", "gmail.com", "outlook.com", "yahoo.com")
CAUSES = (("l7.example",), ("product 77",))
REPLY = "554 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137"


def make(rows: int, path: Path) -> None:
    """Write a campaign of 12 fields: a link host refused at 35 %, one of 20,000 products at 12 %, the rest at 0.4 %."""
    import duckdb

    def draw(salt: int, many: int) -> str:
        return f"(md5_number_lower(i::VARCHAR || 'x{salt}') % {many})::INTEGER"

    values = ", ".join(f"'{d}'" for d in DOMAINS)
    drawn = {
        "link_host": f"'l' || {draw(3, 200)} || '.example'",
        "redirect_host": f"'r' || {draw(13, 9)} || '.example'",
        "product": f"'product ' || {draw(4, 20_000)}",
        "subject": f"'subject ' || {draw(5, 4)}",
        "template_id": f"'t' || {draw(6, 6)}",
        "outbound_ip": f"'192.0.2.' || {draw(7, 20)}",
        "envelope_domain": f"'b' || {draw(8, 3)} || '.example'",
        "offer": f"'offer ' || {draw(9, 50)}",
        "first_name": f"'name ' || {draw(10, 4_000)}",
        "city": f"'city ' || {draw(11, 1_000)}",
        "processed": f"TIMESTAMP '2026-11-01 00:00:00' + to_seconds({draw(12, 86_400)})",
    }
    fields = ", ".join(f"{what} AS {name}" for name, what in drawn.items())
    odds = "CASE WHEN link_host = 'l7.example' THEN 350000 WHEN product = 'product 77' THEN 120000 ELSE 4000 END"
    query = f"""
      SELECT 'm' || i AS message_id, 'user' || i || '@' || ([{values}])[1 + {draw(1, len(DOMAINS))}] AS email,
        IF(bad, 'bounce', 'delivered') AS event,
        IF(bad, '{REPLY} (' || i || ')', '250 2.0.0 Ok: queued as ' || i) AS reason, * EXCLUDE (i, u, bad)
      FROM (SELECT *, u < {odds} AS bad FROM (SELECT i, {draw(2, 1_000_000)} AS u, {fields} FROM range({rows}) t(i)))"""
    con = duckdb.connect(config={"memory_limit": "1GB", "preserve_insertion_order": "false"})
    con.execute(f"COPY ({query}) TO '{path}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    con.execute(f"COPY (FROM '{path}.parquet') TO '{path}.csv' (HEADER)")


def by_hand(source: str) -> dict[str, Any]:
    """Run what somebody would write who knows the file, the fields and the reply."""
    import duckdb

    con = duckdb.connect(config={"memory_limit": "600MB", "preserve_insertion_order": "false"})
    table, hour = f"'{source}'", "hour(processed)::VARCHAR"
    if source.endswith(".csv"):
        with Path(source).open() as stream:
            header = stream.readline().strip().split(",")
        names = ("message_id", "email", "event", "reason", *FIELDS, "processed")
        kinds = ", ".join(f"'{n}': 'VARCHAR'" for n in header)
        assert len(names) == kinds.count("VARCHAR")
        table, hour = (
            f"read_csv('{source}', auto_detect=false, header=true, delim=',', quote='\"', escape='\"', "
            f"columns={{{kinds}}})",
            "processed[12:13]",
        )
    fields = [*FIELDS, "domain", "hr"]
    apple = ", ".join(f"'{d}'" for d in DOMAINS[:4])
    found = con.execute(
        f"SELECT GROUPING({', '.join(fields)}), {', '.join(fields)}, count(*), count(*) FILTER (event = 'bounce' "
        "AND reason LIKE '%[CS01]%') "
        f"FROM (SELECT *, lower(split_part(email, '@', 2)) AS domain, {hour} AS hr FROM {table}) WHERE domain IN "
        f"({apple}) "
        f"GROUP BY GROUPING SETS ({', '.join(f'({f})' for f in fields)})"
    ).fetchall()
    return {"groups": len(found)}


def by_triage(source: str) -> dict[str, Any]:
    """Run the whole triage: files to findings."""
    from harness.bounce.reply import read_reply
    from harness.triage.investigate import Question, investigate
    from harness.triage.veil import Veil

    result = investigate(Question(files=(Path(source),)), read_reply, Veil(b"0" * 32))
    causes = [tuple(c.value for c in cause.conditions) for cause in result.causes]
    first = 0
    while first < min(len(causes), len(CAUSES)) and causes[first] in CAUSES:
        first += 1
    return {"causes": causes[:4], "first": first, "values": result.looked_at}


def child(what: str, source: str) -> dict[str, Any]:
    """Measure one of the two in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.triage", "--child", what, source], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def in_child(what: str, source: str) -> None:
    """Be that process."""
    import resource

    begun = time.perf_counter()
    out = (by_hand if what == "hand" else by_triage)(source)
    wall = time.perf_counter() - begun
    times = os.times()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**out, "wall": wall, "cpu": times.user + times.system, "peak": peak}))


def compare(path: Path, rows: int, turns: int) -> dict[str, float]:
    """Print time, ratio and memory for one size; return triage's median times."""
    out = {}
    for kind in ("parquet", "csv"):
        runs: dict[str, list[dict[str, Any]]] = {"hand": [], "triage": []}
        for _ in range(turns):
            for what, measured in runs.items():
                measured.append(child(what, f"{path}.{kind}"))
        wall = {w: statistics.median(r["wall"] for r in m) for w, m in runs.items()}
        cpu = {w: statistics.median(r["cpu"] for r in m) for w, m in runs.items()}
        peak = max(r["peak"] for r in runs["triage"])
        out[kind] = wall["triage"]
        print(
            f"{rows:>10,} rows {kind:8} hand {wall['hand']:6.2f} s  triage {wall['triage']:6.2f} s  ratio "
            f"{wall['triage'] / wall['hand']:.2f} "
            f"(processor {cpu['triage'] / cpu['hand']:.2f})  peak {peak:.0f} MB  planted causes that come first: "
            f"{runs['triage'][-1]['first']}",
            flush=True,
        )
    return out


def shuffle(many: int, rows: int, rate: float) -> None:
    """Count how many exports without any cause name one; outcomes are shuffled over the rows of one export."""
    from harness.bounce.reply import read_reply
    from harness.triage.investigate import Question, investigate
    from harness.triage.veil import Veil

    named = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        make(rows, path)
        for key in range(many):
            _shuffled(path, key)
            result = investigate(
                Question(files=(Path(f"{path}.shuffled.parquet"),), rate=rate), read_reply, Veil(b"0" * 32)
            )
            named += bool(result.causes)
    print(
        f"{named} of {many} shuffled exports of {rows:,} rows name a cause ({named / many:.1%}); stated: at most "
        f"{rate:.0%}"
    )


def _shuffled(path: Path, key: int) -> None:
    import duckdb

    con = duckdb.connect()
    con.execute(
        f"CREATE TABLE e AS SELECT *, row_number() OVER (ORDER BY md5(message_id || 'o{key}')) AS r FROM "
        f"'{path}.parquet' WHERE email NOT LIKE '%gmail%'"
    )
    con.execute("CREATE TABLE o AS SELECT event, reason, row_number() OVER (ORDER BY message_id) AS r FROM e")
    con.execute(
        "COPY (SELECT e.* EXCLUDE (event, reason, r), o.event, o.reason FROM e JOIN o USING (r)) TO "
        f"'{path}.shuffled.parquet' (FORMAT parquet)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--shuffles", type=int, default=0)
    parser.add_argument("--shuffled-rows", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--keep", type=Path, help="folder to keep the made exports in")
    parser.add_argument("--child", nargs=2)
    given = parser.parse_args()
    if given.child:
        in_child(*given.child)
        return
    if given.shuffles:
        shuffle(given.shuffles, given.shuffled_rows, given.rate)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = given.keep or Path(folder)
        medians = {}
        for rows in (given.rows // 10, given.rows):
            path = place / f"export-{rows}"
            if not path.with_name(path.name + ".csv").exists():
                make(rows, path)
            medians[rows] = compare(path, rows, given.turns)
        for kind in ("parquet", "csv"):
            growth = medians[given.rows][kind] / medians[given.rows // 10][kind]
            print(f"ten times the rows take {growth:.1f} times as long ({kind})")


if __name__ == "__main__":
    main()
