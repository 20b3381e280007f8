"""Exports: files of rows as the product wrote them, opened as tables of DuckDB.

CSV is read with what the file's first bytes show (byte-order mark, encoding, separator, header) and nothing guessed per
column; a line that can't be read is left out only if it is the last and half-written, else the file is refused with
line and column. Nothing leaves the machine.
"""

# ruff: noqa: S608 (the statements are put together here; names and values from outside are quoted by export.py)

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.errors import ConfigError
from harness.triage.columns import LIST, Sample
from harness.triage.shape import LISTED, PARSED, Steps, flatten, shape, ways

HEAD = 262_144  # bytes that the first look reads
ROWS = 2_000  # rows of the sample
BIG_ENDIAN = "utf-16-be"  # the reader does not know it: such a file is read from a copy
LINE, LONG_LINE = 2_000_000, 8_000_000  # bytes of the longest line; the reader's buffers are sixteen times that
FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".tab": "csv", ".psv": "csv",
    ".jsonl": "json", ".ndjson": "json", ".json": "json", ".log": "json", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """One file as a relation: `sql` can stand after FROM; `expressions` has what each of its columns is there."""

    path: Path
    format: str
    sql: str
    expressions: Mapping[str, str]
    sample: Sample
    rows: int  # exact for Parquet, else from the size of the first rows
    read_from: Path | None = None  # a copy that was set right
    header_lines: int = 1  # its cells may hold line breaks
    unreadable: bool = False  # the reader knows no such encoding or header: a copy is read
    left: tuple[str, ...] = ()  # objects of a JSON file, most of whose keys make no columns

    @property
    def actual(self) -> str:
        """The path that is really read."""
        return str(self.read_from or self.path)


def quote(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """Write a text as an SQL identifier."""
    return '"' + text.replace('"', '""') + '"'


def open_export(path: Path, session: Any) -> Table:
    """Look at a file and say how it is read.

    Raises:
        ConfigError: there is no such file, it is empty, or of no format that is known.
    """
    if not path.is_file():
        what = "a folder; name the files in it" if path.is_dir() else "no such file"
        raise ConfigError(f"{path}: {what}")
    suffixes = [s.lower() for s in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    kind = FORMATS.get(suffixes[-2] if packed and len(suffixes) > 1 else suffixes[-1] if suffixes else "")
    if kind is None:
        raise ConfigError(f"{path}: not a known format; expected .csv, .tsv, .jsonl or .parquet (or .gz of a text)")
    if not path.stat().st_size:
        raise ConfigError(f"{path}: the file is empty; expected a header line and rows")
    if kind == "parquet":
        return _parquet(path, session)
    with gzip.open(path) if packed else path.open("rb") as stream:
        head = _head(stream, path)
    share = (8 if packed else 1) * path.stat().st_size / max(1, len(head))
    return _json(path, head, share, session) if kind == "json" else _csv(path, head, share)


def _head(stream: IO[bytes] | gzip.GzipFile, path: Path) -> bytes:
    try:
        return stream.read(HEAD)
    except (OSError, EOFError) as error:
        raise ConfigError(f"{path}: can't be unpacked ({error}); expected a whole gzip file") from error


# ---- CSV ---------------------------------------------------------------------------------------------


def _csv(path: Path, head: bytes, share: float) -> Table:
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1", b"\x1f\x8b")):
        raise ConfigError(f"{path}: no text: a spreadsheet, or a packed file under another name; save it as CSV")
    encoding, text = _decode(head)
    whole = len(head) < HEAD
    if not whole:
        text = text[: text.rfind("\n") + 1] or text
    if not text.strip():
        raise ConfigError(f"{path}: the file holds no rows; expected a header line and rows")
    named = re.match(r"sep=([,;\t|])\r?\n", text)  # what spreadsheets write before the header
    text = text[named.end() :] if named else text
    delimiter = named[1] if named else _delimiter(text)
    escape = "\\" if '\\"' in text and '""' not in text else '"'
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=delimiter, doublequote=escape == '"',
                        escapechar=None if escape == '"' else "\\")  # fmt: skip
    csv.field_size_limit(HEAD * 4)
    header = next(reader, [])
    if len(header) < 2:
        raise ConfigError(f"{path}:1: one column only; expected a header line with , ; tab or | between the names")
    columns = _unique(header)
    spanned = reader.line_num  # lines that the header takes: its cells may hold line breaks
    rows = [row for row, _ in zip(_quietly(reader), range(ROWS), strict=False) if len(row) == len(columns)]
    kinds = ", ".join(f"{quote(column)}: 'VARCHAR'" for column in columns)
    per_row = max(1.0, stream.tell() / max(1, len(rows)))  # cells may hold line breaks
    line = LONG_LINE if per_row > 2_000 else LINE
    sql = (
        f"read_csv({quote(str(path))}, auto_detect=false, header=true, skip={int(bool(named))}, "
        f"delim={quote(delimiter)}, quote='\"', "
        f"escape={quote(escape)}, columns={{{kinds}}}, encoding={quote(encoding)}, max_line_size={line}, "
        f"store_rejects=true)"
    )
    values = {column: [row[i] for row in rows] for i, column in enumerate(columns)}
    lines = max(len(rows), int(share * len(head) / per_row)) if not whole else len(rows)
    recoded = encoding == BIG_ENDIAN or spanned > 1
    return Table(
        path, "csv", sql, {c: name(c) for c in columns}, Sample(columns, values), lines, None, spanned, recoded
    )


def _quietly(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Yield rows until one can't be parsed; the full read says where and why."""
    try:
        yield from reader
    except csv.Error:
        return


def _decode(head: bytes) -> tuple[str, str]:
    if head[:2] == b"\xfe\xff":
        return BIG_ENDIAN, head[: len(head) // 2 * 2].decode("utf-16", errors="replace")
    if head[:2] == b"\xff\xfe":
        return "utf-16", head[: len(head) // 2 * 2].decode("utf-16", errors="replace")
    return "utf-8", head.decode("utf-8-sig", errors="replace")


def _delimiter(text: str) -> str:
    """Choose the separator that cuts the first lines into the same number of cells, and into the most."""

    def score(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [row for row, _ in zip(_quietly(reader), range(50), strict=False) if row]
        width = len(rows[0]) if rows else 0
        same = sum(len(row) == width for row in rows)
        return (same * (width > 1), width)

    return max((",", ";", "\t", "|"), key=score)


def _unique(header: list[str]) -> tuple[str, ...]:
    """Give every column a name of its own, as people see it."""
    seen: dict[str, int] = {}
    names = []
    for index, cell in enumerate(header):
        plain = re.sub(r"[\x00-\x1f\x7f]", " ", cell).strip() or f"column {index + 1}"
        count = seen[plain.lower()] = seen.get(plain.lower(), 0) + 1
        names.append(plain if count == 1 else f"{plain} ({count})")
    return tuple(names)


# ---- JSON lines --------------------------------------------------------------------------------------


def _json(path: Path, head: bytes, share: float, session: Any) -> Table:
    text = head.decode("utf-8-sig", errors="replace")
    array = text.lstrip()[:1] == "["
    rows = _array_rows(path) if array else list(_json_rows(path, text, whole=len(head) < HEAD))
    if not rows:
        raise ConfigError(f"{path}: no JSON objects in it; expected one object a line")
    inner = next((k for k, v in rows[0].items() if isinstance(v, list) and v and isinstance(v[0], dict)), None)
    if len(rows) == 1 and inner is not None and "@" not in inner:
        raise ConfigError(
            f"{path}: one object, whose rows seem to stand under {inner!r}; expected one object a line "
            f"(`jq -c '.{inner}[]'` makes them)"
        )
    flat = [dict(flatten(row)) for row in rows[:ROWS]]
    if array:
        others = {steps for row in rows[ROWS:] for steps, _ in flatten(row)}
    else:
        others = _ways_of_the_rest(path, session, flat) if len(head) == HEAD else set()
    found = shape(flat, sorted(others))
    names = found.columns
    tops = dict.fromkeys(steps[0] for steps in names.values())
    kinds = ", ".join(f"{quote(top)}: 'JSON'" for top in tops)
    sql = (
        f"read_json({quote(str(path))}, format={quote('array' if array else 'newline_delimited')}, "
        f"columns={{{kinds}}}, maximum_object_size=16777216)"
    )
    values = {column: [row.get(steps, "") for row in flat] for column, steps in names.items()}
    types = {column: LIST for column, steps in names.items() if steps[-1] == LISTED}
    per_row = max(1.0, len(text) / max(1, text.count("\n")))
    count = len(rows) if array or len(head) < HEAD else int(share * len(head) / per_row)
    return Table(
        path,
        "json",
        sql,
        {c: json_text(name(steps[0]), steps[1:]) for c, steps in names.items()},
        Sample(tuple(names), values, types),
        count,
        left=found.left,
    )


def _ways_of_the_rest(path: Path, session: Any, flat: Sequence[Mapping[Steps, str]]) -> set[Steps]:
    """Return the ways into the objects of the whole file, in one pass; also into texts that hold objects.

    Raises:
        ConfigError: it does not fit into the memory limit.
    """
    import duckdb

    inside = sorted({steps[: at + 1] for row in flat for steps in row for at, key in enumerate(steps) if key == PARSED})
    texts = [f"TRY_CAST({json_text('json', steps[:-1])} AS JSON)" for steps in inside]
    listed = ", ".join(f"json_group_structure({each})" for each in ("json", *texts))
    read = "read_ndjson_objects(?, ignore_errors=true, maximum_object_size=16777216)"
    try:
        found = session.execute(f"SELECT {listed} FROM {read}", [str(path)]).fetchone()
    except duckdb.OutOfMemoryException as error:
        raise ConfigError(f"{path}: its keys don't fit into the memory limit; raise --memory") from error
    except duckdb.Error:
        return set()  # what can't be read is told with its line by the full read
    return {
        way
        for steps, text in zip(((), *inside), found, strict=True)
        for way in ways(json.loads(text) if text else {}, steps)
    }


def _array_rows(path: Path) -> list[dict[str, Any]]:
    if path.stat().st_size > 64_000_000:
        raise ConfigError(f"{path}: a JSON list of over 64 MB; expected JSON lines (`jq -c '.[]'` makes them)")
    try:
        rows = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path}: not JSON ({error}); expected a list of objects, or one object a line (of a list a line, "
            "`jq -c '.[]'` makes them)"
        ) from error
    return [row for row in rows if isinstance(row, dict)]


def _json_rows(path: Path, text: str, *, whole: bool) -> Iterator[dict[str, Any]]:
    lines = text.split("\n")
    for number, line in enumerate(lines if whole else lines[:-1], start=1):
        if number > ROWS:
            return
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if whole and number == len(lines):
                return  # half-written; the full read says so
            raise ConfigError(f"{path}:{number}: not JSON ({error}); expected one object a line") from error
        if not isinstance(row, dict):
            raise ConfigError(f"{path}:{number}: {type(row).__name__} found; expected one JSON object a line")
        yield row


def json_text(document: str, steps: Steps) -> str:
    """Write the expression of what stands there in a document."""
    made, path = document, "$"
    for step in steps:
        if step == LISTED:
            several = side_by_side(f"json_extract_string({made}, {quote(path + '[*]')})")
            return f"coalesce(nullif({several}, ''), replace(json_extract_string({made}, {quote(path)}), ' ', '_'))"
        if step == PARSED:
            made, path = f"TRY_CAST(json_extract_string({made}, {quote(path)}) AS JSON)", "$"
        else:
            path += f"[{step}]" if step == "0" else '."' + step.replace('"', "") + '"'
    return f"json_extract_string({made}, {quote(path)})"


# ---- Parquet -----------------------------------------------------------------------------------------


def _parquet(path: Path, session: Any) -> Table:
    sql = f"read_parquet({quote(str(path))})"
    try:
        described = session.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()
        count = session.execute("SELECT sum(num_rows) FROM parquet_file_metadata(?)", [str(path)]).fetchone()[0]
        found = list(_parquet_columns(described))
        expressions = {column: expression for column, _, expression in found}
        listed = ", ".join(f"CAST({e} AS VARCHAR)" for e in expressions.values())
        rows = session.execute(f"SELECT {listed} FROM {sql} LIMIT {ROWS}").fetchall()
    except Exception as error:  # duckdb's errors share no base with ours, and any of them means: not readable
        first = str(error).splitlines()[0]
        raise ConfigError(f"{path}: not a readable Parquet file ({first})") from error
    columns = tuple(expressions)
    values = {c: ["" if row[i] is None else str(row[i]) for row in rows] for i, c in enumerate(columns)}
    types = {column: kind for column, kind, _ in found}
    return Table(path, "parquet", sql, expressions, Sample(columns, values, types), int(count or 0))


def _parquet_columns(described: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, str, str]]:
    """Yield (column, type, expression): members of a STRUCT one by one, lists as their entries side by side."""
    for column, kind, *_ in described:
        yield from _parquet_column(column, kind, name(column))


def _parquet_column(column: str, kind: str, expression: str) -> Iterator[tuple[str, str, str]]:
    if kind.startswith("STRUCT(") and kind.endswith(")"):
        for inner, of in _members(kind.removeprefix("STRUCT(").removesuffix(")")):
            yield from _parquet_column(f"{column}.{inner}", of, f"{expression}.{name(inner)}")
    elif kind.endswith("[]"):
        yield column, LIST, side_by_side(f"CAST({expression} AS VARCHAR[])")
    elif kind == "BLOB":
        yield column, kind, f"CAST({expression} AS VARCHAR)"
    else:
        yield column, kind, expression


def _members(text: str) -> Iterator[tuple[str, str]]:
    """Split the members of a STRUCT's type: `"a" INTEGER, b STRUCT(c VARCHAR)`."""
    depth, start, quoted = 0, 0, False
    for at, sign in enumerate(text + ","):
        quoted ^= sign == '"'
        depth += 0 if quoted else (sign == "(") - (sign == ")")
        if sign == "," and not depth and not quoted:
            member = text[start:at].strip()
            found = re.match(r'"((?:[^"]|"")*)" (.*)|(\S+) (.*)', member, re.DOTALL)
            if found:
                yield (found[1].replace('""', '"'), found[2]) if found[1] is not None else (found[3], found[4])
            start = at + 1


def side_by_side(entries: str) -> str:
    """Write a list's entries with blanks between; a blank within one becomes `_`."""
    return f"replace(replace(array_to_string({entries}, chr(31)), ' ', '_'), chr(31), ' ')"
