"""Links and their texts: what a filter would mind, told from what only looks like a host."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.check.link import Link
from harness.check.linktext import link_notices
from harness.check.lookup import PublicSuffixes
from tests.shared import examples

SUFFIXES = PublicSuffixes()


def ids(url: str, text: str = "see") -> set[str]:
    return {n.id for n in link_notices([Link(url, "link", text)], SUFFIXES)}


def text_grades(*links: tuple[str, str], own: str = "brand.com", leads: str = "") -> list[str]:
    found = link_notices(
        [Link(url, "link", text) for url, text in links], SUFFIXES, [own], lambda url: [leads][: len(leads)]
    )
    return [n.grade.value for n in found if n.id == "link-text"]


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://shop.example/a", set()),
        ("mailto:help@shop.example", set()),
        ("tel:+49301234", set()),
        ("#top", set()),
        ("http://shop.example/a", {"link-http"}),
        ("https://apple.com@evil.example/", {"link-userinfo"}),
        ("https:///a", {"link-invalid"}),
        ("https://", {"link-invalid"}),
        ("http:shop.example", {"link-http", "link-invalid"}),
        ("http://[::1", {"link-http", "link-invalid"}),
        ("https://shop example/", {"link-invalid"}),
        ("https://{{ host }}/a", {"link-invalid"}),
        ("https://*|HOST|*/", {"link-invalid"}),
        ("https://shop..example/", {"link-invalid"}),
        ("https://\u202eelpmaxe.pohs/", {"link-invalid"}),
        ("https://sh\u00adop.example/", set()),
        ("javascript:alert(1)", {"link-scheme"}),
        ("JAVA\tSCRIPT:alert(1)", {"link-scheme"}),
        ("data:text/html,x", {"link-scheme"}),
    ],
)
def test_each_fault_of_a_url_is_named(url: str, wanted: set[str]) -> None:
    assert ids(url) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "See the range",
        "www.shop.example/a",
        "shop.example",
        "https://click.shop.example/",
        "help@other.example",
        "terms.pdf",
        "Node.js",
        "report.zip",
        "main.py",
        "README.md",
        "install.sh",
        "ASP.NET",
        "v2.0",
        "e.g. shoes",
        "Order 12.07.2026",
        "U.S.A.",
        "Dr.Schmidt",
        "www.shop.exampleはこちら",
        "詳細はwww.shop.example",
        "shop.exampleはこちら",
        "",
    ],
)
def test_words_files_and_products_are_no_hosts(text: str) -> None:
    assert ids("https://www.shop.example/a", text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "https://other.example/sale",
        "Visit www.other.example now",
        "Go to HTTP://Other.example",
        "www.other.example",
        "other.example",
        "other.example/sale?a=b",
        "Other.com",
        "другой.рф",
        "詳細はwww.other.exampleはこちら",
    ],
)
def test_a_text_that_names_another_host_is_a_warning(text: str) -> None:
    assert ids("https://www.shop.example/a", text) == {"link-text"}


def test_click_tracking_is_no_deception() -> None:
    tracked = ("https://click.esp-tracker.com/x?u=1", "https://www.brand.com/sale")
    assert text_grades(tracked) == ["warn"]
    assert text_grades(tracked, leads="https://www.brand.com/sale") == []
    assert text_grades(tracked, leads="https://www.evil.com/") == ["warn"]
    assert text_grades(("https://brand.app.link/x", "brand.com")) == ["warn"]
    assert text_grades(("https://www.facebook.com/brand", "monday.com")) == ["warn"]


def test_a_much_imitated_name_that_is_neither_the_senders_nor_where_the_link_leads_is_deception() -> None:
    said = ("https://click.esp-tracker.com/x", "www.apple.com")
    assert text_grades(said) == ["fail"]
    assert text_grades(said, own="apple.com") == ["warn"]
    assert text_grades(said, leads="https://apps.apple.com/app/1") == []
    assert text_grades(("https://evil.com/", "brand.com or www.paypal.com, https://www.paypal.com")) == ["fail"]
    assert text_grades(("https://www.amazon.de/x", "www.amazon.com"), ("https://amzn.to/x", "Amazon.com")) == []
    assert text_grades(("https://apple.xyz/", "www.apple.com")) == ["fail"]
    assert text_grades(("https://www.facebook.com/brand", "fb.com/brand")) == []


@pytest.mark.parametrize("texts", [("Shop", "www.apple.com"), ("www.apple.com", "Shop")])
def test_each_text_of_a_url_is_read_whichever_comes_first(texts: tuple[str, str]) -> None:
    assert text_grades(*(("https://www.facebook.com/b", text) for text in texts)) == ["fail"]


def test_a_text_in_letters_and_a_link_in_punycode_are_one_host() -> None:
    assert ids("https://xn--bcher-kva.example/", "www.bücher.example") == set()
    assert ids("//www.shop.example/a", "www.other.example") == {"link-text"}


@settings(max_examples=examples(1500))
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_url_with_any_text_is_judged(url: str, text: str) -> None:
    ids(url, text)
    ids(f"https://{url}", text)


@pytest.mark.parametrize("text", ["a" * 200_000, "a." * 100_000, "www." * 60_000, "https://" * 30_000, "-" * 200_000])
def test_long_texts_and_urls_take_no_time(text: str) -> None:
    start = time.process_time()
    ids(f"https://shop.example/?{text}", text)
    ids(f"https://{text}", text)
    assert time.process_time() - start < 2
