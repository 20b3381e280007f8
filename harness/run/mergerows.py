"""Merge rows of production recipients: CSV, JSON, one JSON object a line, or YAML."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping

from harness.edge.yamlfile import parse_yaml
from harness.errors import ConfigError

_MARKS = ",;\t|"
_EXPECTED = "a list of rows was expected, each a mapping of field to value"


def read_rows(raw: bytes, name: str) -> list[dict[str, object]]:
    """Read merge rows; the name's ending says what they are written in.

    Raises:
        ConfigError: bytes or structure are wrong; file and line are named.
    """
    lower = name.lower()
    if lower.endswith((".yaml", ".yml")):
        return _listed(parse_yaml(raw, name).data, name)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{name}:{line}: byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None
    if "\0" in text:
        raise ConfigError(f"{name}:{text.count(chr(10), 0, text.index(chr(0))) + 1}: holds a NUL byte; remove it")
    if lower.endswith((".csv", ".tsv", ".txt")):
        return _table(text, name)
    if lower.endswith((".json", ".jsonl", ".ndjson")):
        return _listed(_json(text, name), name)
    raise ConfigError(f"{name}: merge rows come as .csv, .json or .yaml; give the file the ending of what it is")


def _json(text: str, name: str) -> object:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    try:
        if len(lines) > 1 and all(line.lstrip().startswith("{") and line.rstrip().endswith("}") for _, line in lines):
            return [_strict(line, number) for number, line in lines]
        return _strict(text, 1)
    except _Broken as broken:
        raise ConfigError(f"{name}:{broken.args[0]}: this is not JSON: {broken.args[1]}") from None


class _Broken(Exception):
    """JSON that can't be read: line and reason."""


def _strict(text: str, line: int) -> object:
    try:
        data = json.loads(text)
        json.dumps(data, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except json.JSONDecodeError as error:
        raise _Broken(line + error.lineno - 1, error.msg) from None
    except (ValueError, RecursionError) as error:
        raise _Broken(line, " ".join(str(error).split())[:100]) from None
    return data


def _listed(data: object, name: str) -> list[dict[str, object]]:
    if isinstance(data, Mapping):
        inner = [value for value in data.values() if isinstance(value, list)]
        data = inner[0] if len(data) == 1 and inner else [data]
    if not isinstance(data, list) or not all(isinstance(row, Mapping) for row in data):
        raise ConfigError(f"{name}: {_EXPECTED}")
    return [{str(key): value for key, value in row.items()} for row in data]


def _table(text: str, name: str) -> list[dict[str, object]]:
    """Read a CSV: its first line names the columns and shows what separates them."""
    head = text.partition("\n")[0]
    csv.field_size_limit(5_000_000)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(_MARKS, key=head.count), strict=True)
    try:
        columns = [column.strip() for column in next(reader, [])]
        for column in columns:
            if not column or columns.count(column) > 1:
                what = f"two columns are called {column!r}" if column else "a column has no name"
                raise ConfigError(f"{name}:1: {what}; every column is a merge field with a name of its own")
        rows: list[dict[str, object]] = []
        for cells in reader:
            if len(cells) > len(columns):
                raise ConfigError(f"{name}:{reader.line_num}: {len(cells)} cells under {len(columns)} column names")
            if any(cells):
                rows.append(dict(zip(columns, [*cells, *[""] * len(columns)], strict=False)))
    except csv.Error as error:
        raise ConfigError(f"{name}:{reader.line_num}: this is no CSV: {error}") from None
    return rows
