"""The scan: an export counted by DuckDB within a memory limit, and the few rows kept that must be looked at whole.

After one pass over the files everything else works on two small tables: `counts` (field, value, rows) and `cut` (rows
not delivered, and a sample of those delivered), which `classify` turns into `kept`. `cluster` fills the same by Spark.
"""

# ruff: noqa: S608 (the statements are put together here; names and values from outside are quoted by export.py)

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError
from harness.model.answer import Level, Reading
from harness.triage.columns import Field, Form, categories
from harness.triage.eventword import UNKNOWN
from harness.triage.mend import mend, recode
from harness.triage.statement import LETTERS, Plan, few, said_of, scan

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDE = 0.985  # of 2,000 sampled values that differ: 66,000 values or more
CONTROLS = 30_000  # delivered rows that are kept, about
EXACT = 200_000  # up to so many rows, all that was said of one message is always made one row
# A reply without what differs from copy to copy, so that each wording is read once.
FOLDED = (
    'regexp_replace(regexp_replace({}, \'("[^"]{{1,64}}"|[^\\s<>@:;,"]+)(@|＠|%(25)*40|=40|&#64;)[^\\s<>@:;,]+\', '
    "'address', 'g'), '\\b([0-9]{{5,}}|[0-9a-zA-Z]*[0-9][0-9a-zA-Z]{{9,}})\\b', '0', 'g')"
)
# Where that leaves too many wordings, without shorter ids as well: letters and digits mixed, but for a tag like CS01.
SHORT_IDS = (
    "regexp_replace({}, '\\b([0-9]+[a-zA-Z][0-9a-zA-Z]*|[a-zA-Z]+[0-9][0-9a-zA-Z]{{2,}}|[0-9]{{4,}})\\b', '0', 'g')"
)
WORDINGS = 10_000
CONTENT_LEVELS = (Level.MESSAGE, Level.MESSAGE_OR_SENDER, Level.AMBIGUOUS)
FORM_CAUSES = ("malformed_message", "message_too_large")  # about the message, and plain by their words


@dataclass(frozen=True, slots=True)
class Target:
    """Which refusals are looked into: by default all that may be about content, else classes and tags by name."""

    names: tuple[str, ...] = ()

    def hit(self, cause: str, tag: str | None, level: Level) -> bool:
        """Tell whether a refusal of this class is one of them."""
        if self.names:
            return cause in self.names or (tag or "") in self.names
        return level in CONTENT_LEVELS and cause not in FORM_CAUSES

    @property
    def words(self) -> str:
        """What the report calls them."""
        return " or ".join(self.names) if self.names else "content-policy refusals"


@dataclass(frozen=True)
class Scanned:
    """What the scan left in the session, and what it noticed."""

    session: Any
    fields: tuple[Field, ...]
    one_in: int
    reduced: bool
    notes: tuple[str, ...] = ()


@contextmanager
def session(memory: str, spill: Path | None, threads: int | None = None) -> Iterator[Any]:
    """Open an embedded DuckDB with a memory limit; what exceeds it goes to a folder that is removed afterwards."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="harness-triage-", dir=spill) as folder:
        connection = duckdb.connect(config={"memory_limit": memory, "temp_directory": folder})
        try:
            connection.execute("SET preserve_insertion_order=false")
            connection.execute(f"SET threads={threads or os.cpu_count() or 1}")
            connection.execute("SET enable_progress_bar=false")
            connection.execute("SET TimeZone='UTC'")
            yield connection
        finally:
            connection.close()


def gather(plan: Plan, con: Any, scratch: Path) -> Scanned:
    """Count the export and keep what has to be looked at, in one pass where every message has one row.

    Raises:
        ConfigError: a file can't be read; names file, line and column.
    """
    plan = recode(plan, scratch)
    one_in = max(1, int(plan.rows * apple_share(plan) / CONTROLS))
    wide = wide_fields(plan)
    reduced = plan.keyed and (plan.rows <= EXACT or len(plan.tables) > 1)
    notes = _fill(plan, con, scratch, reduced, one_in, wide)
    keep(con, len(plan.fields))
    if plan.keyed and not reduced and _repeats(plan, con, one_in):
        reduced = True
        notes += ("messages have several rows each: the last word on each counts",)
        notes += _fill(plan, con, scratch, True, one_in, wide)
        keep(con, len(plan.fields))
    _without_suppressed(con, len(plan.fields))
    explode(con, plan.fields)
    if wide:
        _count_few(plan, con, reduced, sorted(wide))
    return Scanned(con, plan.fields, one_in, reduced, tuple(dict.fromkeys(notes)))


def wide_fields(plan: Plan) -> frozenset[int]:
    """Return the fields of large exports that have nearly as many values as rows (66,000 or more), by the samples."""
    if plan.rows <= EXACT:
        return frozenset()
    wide = set()
    tables = [*plan.tables, *([plan.merge] if plan.merge else [])]
    for i, field in enumerate(plan.fields):
        values = [v for table, _ in tables for v in table.sample.values.get(field.column, ()) if v]
        whole = field.form in (Form.PLAIN, Form.LONG, Form.DOMAIN)  # of a URL or a time, only part is compared
        if whole and len(values) >= 1_000 and len(set(values)) > WIDE * len(values):
            wide.add(i)
    return frozenset(wide)


def _count_few(plan: Plan, con: Any, reduced: bool, wide: Sequence[int]) -> None:
    """Count, of fields too wide for one table, the values that bounced rows have; note how many others there are."""
    parts = [f"SELECT {i} AS field, f{i} AS value FROM cut WHERE kind NOT IN ('v', 'p') GROUP BY 2" for i in wide]
    con.execute(f"CREATE OR REPLACE TEMP TABLE wanted AS {' UNION ALL '.join(parts)}")
    _frugally(con, f"CREATE OR REPLACE TEMP TABLE few AS {few(plan, reduce=reduced, wide=wide)}")
    con.execute("INSERT INTO counts SELECT field, value, NULL, n FROM few WHERE value IS NOT NULL")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE others AS SELECT field, n, many FROM few WHERE value IS NULL AND many > 0"
    )


def apple_share(plan: Plan) -> float:
    """Estimate from the samples how many rows are for Apple recipients; at least one in a hundred."""
    from harness.model.seed import APPLE_DOMAINS

    found = every = 0
    for table, layout in plan.tables:
        column = next((layout.roles[r][0] for r in ("recipient", "recipient_domain") if r in layout.roles), None)
        values = table.sample.values.get(column or "", ())
        every += len(values)
        found += sum(v.rpartition("@")[2].strip(" >").lower() in (*APPLE_DOMAINS, *plan.apple) for v in values)
    return max(0.01, found / every) if every else 1.0


def _fill(plan: Plan, con: Any, scratch: Path, reduced: bool, one_in: int, wide: frozenset[int]) -> tuple[str, ...]:
    """Run the scan; a file with broken bytes is set right once, in a copy, and read again."""
    import duckdb

    notes: tuple[str, ...] = ()
    for again in (False, True):
        con.execute("DROP TABLE IF EXISTS counts")
        for rejects in ("reject_errors", "reject_scans"):
            con.execute(f"DROP TABLE IF EXISTS {rejects}")
        try:
            for part in plan.parts(wide):
                made = "CREATE TEMP TABLE counts AS" if not part else "INSERT INTO counts"
                _frugally(con, f"{made} {scan(plan, reduce=reduced, one_in=one_in, wide=wide, part=part)}")
            broken = _rejected(con)
        except duckdb.OutOfMemoryException as error:
            raise ConfigError(
                "triage: the export doesn't fit into the memory limit; raise --memory or --spill to a larger disk"
            ) from error
        except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException) as error:
            what = without_rows(error)
            broken = {t.actual: [(0, "", what)] for t, _ in plan.tables if t.format != "parquet"}
            if not broken:
                raise ConfigError(f"triage: the export can't be read: {what}") from error
        if not broken:
            return notes
        plan, more, mended = mend(plan, broken, scratch, final=again)
        notes += more
        if not mended:
            return notes
    raise ConfigError("triage: the export can't be read even after its bytes were set right")


def without_rows(error: Exception) -> str:
    """Return what DuckDB says, up to where it may quote a row of the file."""
    return re.split(r"[\"'{\n]", str(error))[0].strip(" :") or type(error).__name__


def _frugally(con: Any, statement: str) -> None:
    """Run a statement; where memory runs out (long texts, read by several threads at once), again with one thread."""
    import duckdb

    try:
        con.execute(statement)
    except duckdb.OutOfMemoryException:
        con.execute("SET threads=1")
        con.execute(statement)


def _rejected(con: Any) -> dict[str, list[tuple[int, str, str]]]:
    """Return file -> (byte where the row begins, column, why) of rows that the CSV reader could not read."""
    there = con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchone()[0]
    if not there:
        return {}
    found = con.execute(
        "SELECT DISTINCT s.file_path, e.line_byte_position, coalesce(e.column_name, ''), "
        "CAST(e.error_type AS VARCHAR) FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id) "
        "ORDER BY 1, 2 LIMIT 100000"
    ).fetchall()
    files: dict[str, list[tuple[int, str, str]]] = {}
    for path, position, column, why in found:
        files.setdefault(path, []).append((int(position), column, why))
    return files


def keep(con: Any, many: int) -> None:
    """Cut the kept rows into the table `cut`: kind, text (the folded reply), key, f0, f1, ..., n."""
    cells = ", ".join(f"c[{i + 4}] AS f{i}" for i in range(many))
    text = f"CASE WHEN c[1] = 'v' THEN '' ELSE {FOLDED.format('c[2]')} END"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE cut AS SELECT c[1] AS kind, {text} AS text, c[3] AS key, {cells}, n FROM ("
        f"SELECT string_split(kept, chr(31)) AS c, n FROM counts WHERE field = -1 AND kept IS NOT NULL)"
    )
    con.execute("DELETE FROM counts WHERE field = -1")


def _without_suppressed(con: Any, many: int) -> None:
    """Take what was never sent to Apple out of the counts; all of it is among the kept rows."""
    if not con.execute("SELECT count(*) FROM cut WHERE kind = 's'").fetchone()[0]:
        return
    taken = " UNION ALL ".join(f"SELECT {i}, f{i}, -n FROM cut WHERE kind = 's'" for i in range(many))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE counts AS SELECT field, value, NULL::VARCHAR AS kept, sum(n) AS n FROM "
        f"(SELECT field, coalesce(value, '') AS value, n FROM counts UNION ALL {taken}) GROUP BY ALL HAVING sum(n) > 0"
    )


def _repeats(plan: Plan, con: Any, one_in: int) -> bool:
    """Tell whether a message has more than one row: among the kept, a sample by recipient, every row of it is there.

    Most exports have one row a recipient, and then their message ids need not be read at all.
    """
    rows, recipients = con.execute(
        "SELECT coalesce(sum(n), 0), count(DISTINCT key) FROM cut WHERE key <> ''"
    ).fetchone()
    if rows == recipients:
        return False
    rows, messages = con.execute(said_of(plan, one_in)).fetchone()
    return bool(rows > messages)


def explode(con: Any, fields: Sequence[Field]) -> None:
    """Count each entry of a list of links by itself."""
    for i, field in enumerate(fields):
        if field.many:
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE one AS SELECT unnest(string_split(value, ' ')) AS value, n "
                f"FROM counts WHERE field = {i}"
            )
            con.execute(f"DELETE FROM counts WHERE field = {i}")
            con.execute(f"INSERT INTO counts SELECT {i}, value, NULL, sum(n) FROM one GROUP BY value")


def classify(
    scanned: Scanned, read: Callable[[str], Reading], target: Target, *, events: str = "", replies: bool = True
) -> Scanned:
    """Read each wording of a reply once; the view `kept` is `cut` with `outcome`, `cause`, `tag` and `failed`.

    Args:
        scanned: what the scan left.
        read: how replies are classed.
        target: which refusals are looked into.
        events: file and column of the event words, for errors.
        replies: the export says why messages were refused; a bounce without a reply is then no refusal that counts.

    Raises:
        ConfigError: an event word is not known, and the replies beside it don't tell either.
    """
    con = scanned.session
    different = con.execute("SELECT approx_count_distinct(text) FROM cut WHERE kind <> 'v'").fetchone()[0]
    if different > WORDINGS:
        con.execute(f"UPDATE cut SET text = {SHORT_IDS.format('text')} WHERE kind <> 'v'")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE judged (kind VARCHAR, text VARCHAR, outcome VARCHAR, cause VARCHAR, "
        "tag VARCHAR, failed BOOLEAN)"
    )
    con.execute("CREATE OR REPLACE TEMP TABLE wordings AS SELECT DISTINCT kind, text FROM cut WHERE kind <> 'v'")
    many = con.execute("SELECT count(*) FROM wordings").fetchone()[0]
    for first in range(0, many, WORDINGS):  # there may be as many wordings as rows
        found = con.execute(
            "SELECT kind, text FROM wordings WHERE rowid BETWEEN ? AND ?", [first, first + WORDINGS - 1]
        ).fetchall()
        columns = [list(column) for column in zip(*judge(found, read, target, replies=replies), strict=True)]
        con.execute(f"INSERT INTO judged SELECT {', '.join(['unnest(?)'] * 6)}", columns)
    con.execute(
        "CREATE OR REPLACE TEMP VIEW kept AS SELECT cut.*, cut.rowid AS row, coalesce(j.outcome, 'v') AS outcome, "
        "coalesce(j.cause, '') AS cause, coalesce(j.tag, '') AS tag, coalesce(j.failed, false) AS failed "
        "FROM cut LEFT JOIN judged AS j ON j.kind = cut.kind AND j.text = cut.text"
    )
    return replace(scanned, notes=(*scanned.notes, *by_reply(con, events)))


def by_reply(con: Any, events: str) -> list[str]:
    """Note which event words nobody knows; refuse them where their replies don't tell what became of the message."""
    found = con.execute(
        "SELECT substring(kind, 2) AS word, outcome = ?, sum(n)::BIGINT FROM kept WHERE kind LIKE '?_%' GROUP BY ALL "
        "ORDER BY 3 DESC, 1",
        [UNKNOWN],
    ).fetchall()
    lost = [f"{word!r} ({n:,} rows)" for word, untold, n in found if untold]
    if lost:
        first = next(word for word, untold, _ in found if untold)
        raise ConfigError(
            f"{events}: words that are not known, and whose replies don't tell: {', '.join(lost[:6])}; name what they "
            f"mean: --word {repr(first) if ' ' in first else first}=bounced ({', '.join(LETTERS)})"
        )
    return [f"the event word {word!r} is not known: its {n:,} rows were read by their replies" for word, _, n in found]


def put_aside(scanned: Scanned, fields: Sequence[int]) -> Scanned:
    """Take the values of some fields out of the counts, and say so."""
    notes = []
    for i in fields:
        scanned.session.execute("DELETE FROM counts WHERE field = ?", [i])
        column = scanned.fields[i].column
        notes.append(
            f"column {column!r} was not compared: it only tells refused rows from delivered ones, once more; if it is "
            f"what was merged, name it: --map {column}=merge:{column}"
        )
    return replace(scanned, notes=(*scanned.notes, *notes))


def judge(
    found: Sequence[tuple[str, str]], read: Callable[[str], Reading], target: Target, *, replies: bool = True
) -> list[tuple[str, str, str, str, str, bool]]:
    """Read each wording once; returns (kind, wording, outcome, class, tag, failed)."""
    readings: dict[str, tuple[str, str, Level, bool | None]] = {}
    rows: list[tuple[str, str, str, str, str, bool]] = []
    for kind, text in found:
        if text not in readings:
            readings[text] = _read(text, read)
        cause, tag, level, permanent = readings[text]
        if kind.startswith(UNKNOWN):
            nothing = "v" if kind == UNKNOWN or cause == "accepted" else UNKNOWN
            outcome = {True: "b", False: "d", None: nothing}[permanent]
        else:
            outcome = kind
        if kind == "s":
            cause, tag, level = "suppressed", "", Level.RECIPIENT
        failed = outcome == "b" and (bool(text) or not replies) and target.hit(cause, tag, level)
        rows.append((kind, text, outcome, cause, tag, failed))
    return rows


def _read(text: str, read: Callable[[str], Reading]) -> tuple[str, str, Level, bool | None]:
    if text.startswith("category:"):
        cause = categories().get(text.removeprefix("category:").strip().lower(), "unknown")
        level = {"content_policy": Level.MESSAGE, "reputation": Level.SENDER, "auth_failure": Level.SENDER}.get(
            cause, Level.RECIPIENT
        )
        return cause, "", level, True
    reading = read(text)
    return reading.cause, reading.tag or "", reading.level, reading.permanent
