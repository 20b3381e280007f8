"""A campaign folder is written whole or not at all, and rows are read whatever they come in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.edge.config import load_workspace
from harness.errors import ConfigError
from harness.run import intake as module
from harness.run.intake import author_of, intake, kind_of, title_of
from harness.run.mergerows import read_rows
from harness.run.newcampaign import campaign_name, campaign_yaml, write_folder
from harness.run.pagebytes import page_text
from tests.shared import examples

SEEDS = "segments: {s: {owner: o@shop.example, seeds: [{address: a@seeds.example, domain: icloud.com, merge: {name: A}}]}}\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "seeds.yaml").write_text(SEEDS)
    (tmp_path / "relay.yaml").write_text("default: s\nrelays: {s: {kind: sandbox, policy: sandbox.yaml}}\n")
    return tmp_path


def test_files_that_would_not_load_are_not_left_behind(place: Path) -> None:
    target = place / "variants" / "bad"
    with pytest.raises(ConfigError, match=r"variants/bad/campaign\.yaml"):
        write_folder(target, {"campaign.yaml": b"from: x\n"})
    assert list((place / "variants").iterdir()) == []


def test_a_campaign_made_meanwhile_is_not_overwritten(place: Path) -> None:
    target = place / "variants" / "same"
    target.mkdir(parents=True)
    (target / "mine").write_text("x")
    settings_ = campaign_yaml("f", [("from", "a@b.example", ""), ("envelope_sender", "a@b.example", ""),
                                    ("subject", "x", ""), ("html", "h", "")])  # fmt: skip
    with pytest.raises(ConfigError, match="meanwhile"):
        write_folder(target, {"campaign.yaml": settings_, "h": b"<p>"})
    assert [one.name for one in (place / "variants").iterdir()] == ["same"]
    assert (target / "mine").read_text() == "x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_can_not_be_written_is_named(place: Path) -> None:
    (place / "variants").mkdir(mode=0o555)
    (place / "a.html").write_text("<p>x")
    with pytest.raises(ConfigError, match="variants/a: can't be written"):
        intake(load_workspace(exactly=place), place / "a.html")


def test_a_file_too_large_for_mail_is_not_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    (place / "a.html").write_text("<p>" + "x" * 100)
    with pytest.raises(ConfigError, match=r"a\.html: is larger"):
        intake(load_workspace(exactly=place), place / "a.html")


def test_a_hostile_file_name_and_title_stay_what_they_are(place: Path) -> None:
    """Neither a comment nor a value of campaign.yaml can be left by what a file is called or says."""
    hostile = place / 'a\nhtml: "x.html'
    hostile.write_text("<title>x\nBcc: a@b.example # ' \" {{ name }}</title><p>Hello, this is {{ name }}")
    made = intake(load_workspace(exactly=place), hostile, name="odd", syntax="jinja2")
    campaign = load_workspace(exactly=place).campaign(made.name)
    assert campaign.subject == "x Bcc: a@b.example # ' \" {{ name }}"
    assert campaign.html is not None
    assert campaign.html.startswith("<title>")


@pytest.mark.parametrize("given", ["", ".", "..", "a/b", "a\\b", "-x", ".x", "a..b", "x" * 65, "a b", "a\n"])
def test_a_name_that_is_no_folder_s_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="--name"):
        campaign_name(Path("a.html"), given)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Spring Sale!.html", "spring-sale"),
        ("../a.html.j2", "a"),
        ("..eml", "imported"),
        ("Ünï.eml", "n"),
        ("a.b.mjml", "a-b"),
    ],
)
def test_a_name_is_made_from_the_file_s(file: str, name: str) -> None:
    assert campaign_name(Path(file), None) == name


def test_what_a_file_is_shows_in_its_name_or_its_beginning() -> None:
    assert kind_of(Path("a"), b"\xef\xbb\xbfFrom x y\nSubject: x\n\nbody") == "message"
    assert kind_of(Path("a.txt"), b"Received: x\r\n") == "message"
    assert kind_of(Path("a.txt"), b"<!DOCTYPE html><p>") == "page"
    assert kind_of(Path("a.liquid"), b"x") == "page"
    assert kind_of(Path("a.MJML"), b"<mjml>") == "mjml"


@pytest.mark.parametrize(
    ("said", "author"),
    [
        (b"=?utf-8?q?Shop=2C_North?= <a@b.example>", '"Shop, North" <a@b.example>'),
        (b'"Shop \\"N\\"" <a@b.example>', '"Shop \\"N\\"" <a@b.example>'),
        (b"a@b.example", "a@b.example"),
        (b"=?utf-8?b?w5xu?=\r\n =?utf-8?q?=0D=0ABcc=3A_x?= <a@b.example>", '"ÜnBcc: x" <a@b.example>'),
        (b"nobody", ""),
    ],
)  # fmt: skip
def test_an_author_is_written_so_that_it_reads_back(said: bytes, author: str) -> None:
    assert author_of(b"From: " + said + b"\r\n\r\nx") == author


def test_a_title_is_the_subject_unless_it_is_a_tag_for_it() -> None:
    assert title_of("<title>\n Sale &amp; more for *|FNAME|*</title>", "mailchimp", []) == "Sale & more for {{ FNAME }}"
    assert title_of("<title>*|MC:SUBJECT|*</title>", "mailchimp", []) == ""
    assert title_of("<TITLE >{{ subject }}</TITLE>", "liquid", []) == ""
    assert title_of("<p>none", "none", []) == ""


def test_pages_are_decoded_as_they_say() -> None:
    notes: list[str] = []
    assert page_text("\ufeffü".encode("utf-16"), "a", notes) == "\ufeffü"
    assert page_text("\ufeffü".encode(), "a", notes) == "ü"
    assert notes == []
    assert page_text('<?xml encoding="iso-8859-15"?>€'.encode("iso-8859-15"), "a", notes).endswith("€")
    assert page_text(b'<meta http-equiv=x content="text/html; charset=ISO-8859-1">\x93', "a", notes).endswith("“")
    assert len(notes) == 2
    with pytest.raises(ConfigError, match="a:1: byte 0x81 is not windows-1252"):
        page_text(b"<meta charset=latin1>\x81", "a", notes)
    with pytest.raises(ConfigError, match="'nonsense' is not known"):
        page_text(b"<meta charset=nonsense>\x81", "a", notes)


ROWS = {
    "a.csv": (b"\xef\xbb\xbfname;text\nAna;\"a;b\nc\"\n\nBo;\n", [{"name": "Ana", "text": "a;b\nc"}, {"name": "Bo", "text": ""}]),
    "b.csv": (b"name\ttext\r\nAna\tx\r\nBo\r\n", [{"name": "Ana", "text": "x"}, {"name": "Bo", "text": ""}]),
    "c.json": (b'[{"a": {"b": [1]}}]', [{"a": {"b": [1]}}]),
    "d.json": (b'{"rows": [{"a": 1}]}', [{"a": 1}]),
    "e.json": (b'{"a": 1}', [{"a": 1}]),
    "f.jsonl": (b'{"a": 1}\n\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
    "g.yaml": (b"- {a: 1}\n- a: [x]\n", [{"a": 1}, {"a": ["x"]}]),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_read_from_what_exports_are_written_in(name: str) -> None:
    raw, rows = ROWS[name]
    assert read_rows(raw, name) == rows


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("a.csv", b"a,b\n\"x", r"^a\.csv:2: "), ("a.csv", b"a,\n1,2\n", r"^a\.csv:1: a column has no name"),
        ("a.csv", b"a\n\xff\n", r"^a\.csv:2: byte 0xff"), ("a.json", b'{"a": "\\ud800"}', r"^a\.json:1: "),
        ("a.jsonl", b'{"a": 1}\n{"a" 2}\n', r"^a\.jsonl:2: "), ("a.json", b"[" * 100_000, r"^a\.json:1: "),
        ("a.json", b"[1]", "a list of rows"), ("a.xlsx", b"PK", "come as"), ("a.csv", b"a\n\0\n", r"^a\.csv:2: .*NUL"),
    ],
)  # fmt: skip
def test_rows_that_can_not_be_read_are_named_by_file_and_line(name: str, raw: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_rows(raw, name)


@settings(max_examples=examples(500), deadline=None)
@given(
    st.sampled_from(["a.csv", "a.json", "a.yaml", "a.jsonl"]),
    st.binary(max_size=60) | st.text(max_size=60).map(str.encode),
)
def test_any_rows_are_rows_or_one_line_of_error(name: str, raw: bytes) -> None:
    refused = ""
    try:
        rows = read_rows(raw, name)
        assert all(isinstance(row, dict) for row in rows)
    except ConfigError as error:
        refused = str(error)
    assert "\n" not in refused
