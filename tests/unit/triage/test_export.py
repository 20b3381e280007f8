"""Exports as people have them: read right, or refused with file, line and column."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.triage.export import open_export
from harness.triage.statement import after_at
from harness.triage.sweep import session
from tests.shared import examples
from tests.unit.triage.builders import CS01, ask, write_csv, write_lines

ROWS = [{"email": f"ü{i}@icloud.com", "event": "bounce" if i < 9 else "delivered", "reason": CS01 if i < 9 else "", "city": "Köln", "note": 'a, "b"\nc'}
        for i in range(40)]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_encodings_marks_and_line_ends_are_read(
    tmp_path: Path, delimiter: str, encoding: str, end: str
) -> None:
    result = ask(write_csv(tmp_path / "e.csv", ROWS, delimiter=delimiter, encoding=encoding, end=end))
    assert (result.total.sent, result.total.failed) == (40, 9)
    assert {f.name: f.values for f in result.fields}["merge:city"] == 1
    assert {f.name: f.values for f in result.fields}["merge:note"] == 1


def test_packed_files_are_read(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "e.csv", ROWS)
    packed = tmp_path / "e.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert ask(packed).total.failed == 9
    packed.write_bytes(packed.read_bytes()[:40])
    with pytest.raises(ConfigError, match=r"e\.csv\.gz: can't be unpacked"):
        ask(packed)


def test_mixed_encodings_are_read_and_said(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "e.csv", [{k: v for k, v in r.items() if k != "note"} for r in ROWS])
    lines = path.read_bytes().split(b"\n")
    lines[5] = lines[5].decode().encode("cp1252")
    path.write_bytes(b"\n".join(lines))
    result = ask(path)
    assert (result.total.sent, result.total.failed) == (40, 9)
    assert {f.name: f.values for f in result.fields}["merge:city"] == 1
    assert any(note.startswith(f"{path}:6: no UTF-8 in 1 line") for note in result.notes)


def test_mixed_line_ends_are_read(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "e.csv", [{k: v for k, v in r.items() if k != "note"} for r in ROWS])
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\r\n".join(lines[:9]) + b"\n" + b"\n".join(lines[9:]))
    assert ask(path).total.sent == 40


@pytest.mark.parametrize("cut", [15, 60])
def test_a_half_written_last_line_is_left_out_and_said(tmp_path: Path, cut: int) -> None:
    table = [{k: v for k, v in r.items() if k != "note"} for r in ROWS[::-1]]
    path = write_csv(tmp_path / "e.csv", table)
    path.write_bytes(path.read_bytes().rstrip()[:-cut])
    result = ask(path)
    assert (result.total.sent, result.total.failed) == (39, 8)
    assert any("half-written" in note and note.startswith(f"{path}:41") for note in result.notes)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lines_are_counted_as_an_editor_counts_them_though_cells_hold_line_ends(
    tmp_path: Path, end: str, encoding: str
) -> None:
    rows = ["email,event,reason,city", *[f'a{i}@icloud.com,delivered,"two{end}lines",Ulm' for i in range(5)]]
    half = tmp_path / "half.csv"
    half.write_bytes(end.join([*rows, "b@icloud.com,deliv"]).encode(encoding))
    result = ask(half)
    assert result.total.sent == 5
    assert any(f"{half}:12: the last line is half-written" in note for note in result.notes)
    wide = tmp_path / "wide.csv"
    wide.write_bytes(end.join([*rows, "b@icloud.com,delivered,,Ulm,more", *rows[1:]]).encode(encoding))
    with pytest.raises(ConfigError, match=r"wide\.csv:12: more cells"):
        ask(wide)


def test_a_half_written_json_line_is_left_out_and_said(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "e.jsonl", ROWS[::-1])
    path.write_bytes(path.read_bytes()[:-20])
    result = ask(path)
    assert (result.total.sent, result.total.failed) == (39, 8)
    assert any(f"{path}:40: the last line is half-written" in note for note in result.notes)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("x@icloud.com,bounce", r"e\.csv:3, column 'city': fewer cells than the header has|e\.csv:3, column 'reason'"),
        ("x@icloud.com,bounce,a,b,c,d", r"e\.csv:3: more cells than the header has"),
        ('x@icloud.com,"bounce"x,a,b', r"e\.csv:3, column 'event'"),
    ],
)
def test_a_line_that_cannot_be_read_refuses_the_file_with_its_place(tmp_path: Path, line: str, wanted: str) -> None:
    path = tmp_path / "e.csv"
    path.write_text(f"email,event,reason,city\na@icloud.com,delivered,,Ulm\n{line}\nb@icloud.com,delivered,,Ulm\n")
    with pytest.raises(ConfigError, match=wanted):
        ask(path)


def test_a_bad_json_line_refuses_the_file_with_its_place(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "e.jsonl", ROWS)
    lines = path.read_text().splitlines()
    lines[7] = lines[7][:-9]
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"e\.jsonl:8: not JSON"):
        ask(path)


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("e.csv", b"", "the file is empty"),
        ("e.csv", b"\n\n", "holds no rows"),
        ("e.csv", b"email\na@icloud.com\n", "one column only"),
        ("e.xlsx", b"PK", "not a known format"),
        ("e.parquet", b"PAR1 not", "not a readable Parquet file"),
        ("e.json", b"[1, 2", "not JSON"),
    ],
)
def test_what_is_no_export_is_refused_by_name(tmp_path: Path, name: str, content: bytes, wanted: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=wanted):
        ask(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.csv: no such file"):
        ask(tmp_path / "no.csv")


def test_quotes_in_file_and_column_names_are_only_quotes(tmp_path: Path) -> None:
    path = tmp_path / "o'clock; DROP TABLE.csv"
    table = [{**r, 'x"; DROP TABLE counts; --': "it's"} for r in ROWS]
    result = ask(write_csv(path, table))
    assert result.total.failed == 9


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@settings(max_examples=examples(400))
@given(
    st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=12),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_every_csv_that_python_writes_is_read_back_cell_by_cell(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str, str]], delimiter: str, end: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "property.csv"
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("alpha", "beta", "gamma"), *cells])
    path.write_bytes(out.getvalue().encode())
    with session("200MB", None, 1) as con:
        table = open_export(path, con)
        found = con.execute(
            f"SELECT {', '.join(f'coalesce({e}, chr(0))' for e in table.expressions.values())} FROM {table.sql}"
        ).fetchall()
        rejected = con.execute("SELECT count(*) FROM reject_errors").fetchone()[0]
    assert (
        rejected
        or sorted(found) == sorted(tuple(cell or "\x00" for cell in row) for row in cells)
        or sorted(found) == sorted(cells)
    )


@pytest.mark.parametrize("seen", [(), ("a@icloud.com",), ("a@icloud.com", "b@me.com", "odd 'one@x")])
def test_the_domain_of_an_address_is_the_same_whichever_domains_the_sample_shows(seen: tuple[str, ...]) -> None:
    written = {
        "ana@icloud.com": "icloud.com",
        "ANA@ICLOUD.COM": "icloud.com",
        "Ana <ana@icloud.com>": "icloud.com",
        "ana@icloud.com ": "icloud.com",
        "ana@noticloud.com": "noticloud.com",
        '"a@b"@me.com': "me.com",
        "ana@other.example": "other.example",
    }
    for text, domain in written.items():
        ((found,),) = duckdb.execute(
            f"SELECT {after_at('x', seen, portable=False)} FROM (SELECT ? AS x)", [text]
        ).fetchall()
        assert found == domain, text
