"""Mending: what is done about lines of an export that can't be read.

Bytes that are no UTF-8 are read as Windows-1252 line by line, in a copy; a half-written last line is left out and said;
anything else refuses the file with line and column, because a number made from part of a file is worse than none.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

from harness.errors import ConfigError
from harness.triage.columns import Layout
from harness.triage.export import Table, quote
from harness.triage.statement import Plan

Broken = Mapping[str, Sequence[tuple[int, str, str]]]  # file -> (byte where the row begins, column, why)
_WHY = {
    "MISSING COLUMNS": "fewer cells than the header has",
    "TOO MANY COLUMNS": "more cells than the header has",
    "UNQUOTED VALUE": "a quotation mark that is never closed, or text after a closed one",
    "LINE SIZE OVER MAXIMUM": "a line that is too long (over 2 MB)",
    "INVALID ENCODING": "bytes that are neither UTF-8 nor Windows-1252",
}


def recode(plan: Plan, scratch: Path) -> Plan:
    """Write files that the reader doesn't know how to read again as it does, byte for byte in UTF-8, and read those."""
    copies = {
        str(t.path): _as_known(t, scratch / f"recoded{n}.csv") for n, (t, _) in enumerate(_tables(plan)) if t.unreadable
    }
    return _with(plan, copies)


def _as_known(table: Table, target: Path) -> Table:
    """Copy a file as UTF-8, the line breaks in its header as blanks."""
    left = table.header_lines - 1
    with target.open("wb") as out:
        for data in _chunks(table):
            while left and (found := re.search(rb"\r\n|\r|\n", data)):
                out.write(data[: found.start()] + b" " * len(found[0]))
                data, left = data[found.end() :], left - 1
            out.write(data)
    sql = table.sql.replace(quote(str(table.path)), quote(str(target)), 1)
    return replace(table, read_from=target, sql=re.sub(r"encoding='utf-16[^']*'", "encoding='utf-8'", sql))


def mend(plan: Plan, broken: Broken, scratch: Path, *, final: bool) -> tuple[Plan, tuple[str, ...], bool]:
    """Set right what can be; returns the plan, what to tell the user, and whether to read again.

    Raises:
        ConfigError: the first line that nothing can be done about.
    """
    notes: list[str] = []
    copies: dict[str, tuple[Table, str]] = {}
    for table, _ in _tables(plan):
        errors = broken.get(table.actual, [])
        encoding = [e for e in errors if e[2] == "INVALID ENCODING"]
        if encoding or any(at == 0 for at, *_ in errors):
            if final:
                raise ConfigError(
                    f"{table.path}: {errors[0][2]}; expected text in UTF-8, UTF-16 or Windows-1252 with one row a line"
                )
            copies[str(table.path)] = _copy(table, scratch / f"{len(copies)}{table.path.suffix}")
            continue
        if not errors:
            continue
        (at, column, why), many = errors[0], len({at for at, *_ in errors})
        line = _line_at(table, at)
        if many == 1 and line >= _last_line(table) and why in ("MISSING COLUMNS", "UNQUOTED VALUE"):
            notes.append(f"{table.path}:{line}: the last line is half-written and was left out")
            continue
        where = f", column {column!r}" if column else ""
        more = f" ({many} such rows)" if many > 1 else ""
        raise ConfigError(
            f"{table.path}:{line}{where}: {_WHY.get(why, why.lower())}{more}; expected one row of the header's "
            "columns: mend or remove it"
        )
    if not copies:
        return plan, tuple(notes), False
    notes += [note for _, note in copies.values() if note]
    return _with(plan, {path: table for path, (table, _) in copies.items()}), tuple(notes), True


def _with(plan: Plan, copies: Mapping[str, Table]) -> Plan:
    """Return the plan with copies in the place of some files."""

    def there(one: tuple[Table, Layout]) -> tuple[Table, Layout]:
        return copies.get(str(one[0].path), one[0]), one[1]

    return replace(plan, tables=tuple(map(there, plan.tables)), merge=there(plan.merge) if plan.merge else None)


def _tables(plan: Plan) -> list[tuple[Table, Layout]]:
    return [*plan.tables, *([plan.merge] if plan.merge else [])]


def _copy(table: Table, target: Path) -> tuple[Table, str]:
    """Write the file again as UTF-8 with plain line ends; bytes that are no UTF-8 are read as Windows-1252."""
    first = count = half = nulls = 0
    target = target.with_suffix(".csv" if table.format == "csv" else ".jsonl")
    last = _last_line(table) if table.format == "json" else 0
    with target.open("wb") as out:
        for number, line in enumerate(_raw_lines(table), start=1):
            if b"\0" in line:
                line, nulls = line.replace(b"\0", b""), nulls + 1
            try:
                line.decode()
            except UnicodeDecodeError:
                line = line.decode("cp1252", errors="replace").encode()
                first, count = first or number, count + 1
            if table.format == "json" and not _is_object(line):
                if number < last:
                    raise ConfigError(
                        f"{table.path}:{number}: not JSON; expected one object a line: mend or remove the line"
                    )
                half = number if line.strip() else half
                continue
            out.write(line[:-2] + b"\n" if line.endswith(b"\r\n") else line)
    note = f"{table.path}:{first}: no UTF-8 in {count} line{'s' * (count > 1)}, read as Windows-1252" if count else ""
    note = note or (f"{table.path}: bytes of zeros in {nulls} line{'s' * (nulls > 1)}, left out" if nulls else "")
    note = note or (f"{table.path}:{half}: the last line is half-written and was left out" if half else "")
    sql = table.sql.replace(quote(table.actual), quote(str(target)), 1)
    return replace(table, read_from=target, sql=sql.replace("'utf-16'", "'utf-8'")), note


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _opened(table: Table) -> IO[bytes]:
    packed = table.path.suffix.lower() == ".gz"
    return cast("IO[bytes]", gzip.open(table.path)) if packed else table.path.open("rb")


def _chunks(table: Table) -> Iterator[bytes]:
    """Read a file piece by piece as UTF-8, as the reader counts its bytes; no piece ends within a line end."""
    held = b""
    with _opened(table) as source:
        stream = codecs.getreader("utf-16")(source, "replace") if "'utf-16" in table.sql else source
        while piece := stream.read(1 << 20):
            data = held + (piece.encode() if isinstance(piece, str) else piece)
            held = data[-1:] if data.endswith(b"\r") else b""
            yield data.removesuffix(held)
    yield held


def _raw_lines(table: Table) -> Iterator[bytes]:
    """Read the lines of a file; of UTF-16 as UTF-8."""
    if "'utf-16" not in table.sql:
        with _opened(table) as source:
            yield from source
        return
    rest = b""
    for data in _chunks(table):
        *lines, rest = (rest + data).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


def _line_ends(data: bytes) -> int:
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


def _line_at(table: Table, position: int) -> int:
    """Return the number of the line at a byte of the file."""
    line = 1
    for data in _chunks(table):
        line += _line_ends(data[:position])
        position -= len(data)
        if position <= 0:
            break
    return line


def _last_line(table: Table) -> int:
    """Return the number of the file's last line that holds anything."""
    ends = last = 0
    for data in _chunks(table):
        if held := data.rstrip():
            last = ends + _line_ends(held) + 1
        ends += _line_ends(data)
    return last
