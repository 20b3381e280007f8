"""The page: nothing of an export gets out of its cell."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from harness.triage.webpage import webpage
from tests.unit.triage.builders import ask, caused, plain, rows, write_csv

NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e'\"{{ 7*7 }}"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_hostile_values_stay_text(tmp_path: Path) -> None:
    made = rows(3_000, caused(lambda r: r["product"] == "product 5", 0.9))
    table = [{**r, "product": NASTY if r["product"] == "product 5" else r["product"], NASTY: "x"} for r in plain(made)]
    text = webpage(
        ask(write_csv(tmp_path / "e.csv", table)),
        style="p { color: red; }",
        policy="default-src 'none'",
        made="2026-11-18",
    )
    parser = _Tags()
    parser.feed(text)
    assert not [t for t, attrs in parser.tags if t in ("script", "img", "iframe", "link", "form", "object")]
    assert not [a for _, attrs in parser.tags for a in attrs if a.startswith("on") or a in ("src", "action")]
    assert "&lt;script&gt;alert(1)" in text
    assert "\u202e" not in text
    assert "{{ 7*7 }}" in text


def test_the_page_says_finding_denominators_and_what_to_do(tmp_path: Path) -> None:
    text = webpage(
        ask(write_csv(tmp_path / "e.csv", plain(rows(3_000, caused(lambda r: r["host"] == "l7.example", 0.5))))),
        style="",
        policy="",
        made="",
    )
    for said in (
        "Link host: l7.example",
        "privaterelay.appleid.com",
        "all Apple domains",
        "one link host",
        "95 % interval",
        "CS01",
    ):
        assert said in text
