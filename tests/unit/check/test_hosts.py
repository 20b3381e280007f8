"""Hosts and links: what a filter would mind, told from what only looks odd."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.check.anatomy import dissect
from harness.check.hosts import Site, literal, look_alike, readable, site_notices, sites_of, skeleton
from harness.check.link import Link, host_name, is_host
from harness.check.lookup import Found, Lookup, PublicSuffixes
from tests.unit.check.builders import HTML, mail

SUFFIXES = PublicSuffixes()


class Everywhere:
    """Every name has an address."""

    def ask(self, name: str, kind: str) -> Lookup:
        return Lookup(name, kind, Found.RECORDS, ("192.0.2.1",))


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("www.shop.example", set()),
        ("bit.ly", {"host-shortener"}),
        ("203-0-113-9.nip.io", {"host-wildcard"}),
        ("0x7f.1", {"host-ip"}),
        ("017700000001", {"host-ip"}),
        ("xn--shp-hna.example", {"host-idn", "host-lookalike"}),
        ("ѕhop.example", {"host-mixed", "host-lookalike"}),
        ("sh0p.example", {"host-lookalike"}),
        ("xn--bcher-kva.example", {"host-idn"}),
        (host_name("аррӏе.com"), {"host-lookalike"}),
        (host_name("www.раураӏ.com"), {"host-lookalike"}),
        ("app1e.com", {"host-lookalike"}),
        ("www.apple.de", set()),
    ],
)
def test_each_fault_of_a_host_is_named(host: str, wanted: set[str]) -> None:
    found = {n.id for n in site_notices(Site(host, ("link",)), ["shop.example"], Everywhere(), SUFFIXES)}
    assert found == wanted - ({"host-idn"} if "host-lookalike" in wanted else set())


def test_our_own_domain_is_not_its_own_look_alike() -> None:
    assert look_alike("www.shop.example", "shop.example", ["shop.example"], "x") == []


@pytest.mark.parametrize("own", ["bücher.example", "xn--bcher-kva.example", "BÜCHER.example"])
@pytest.mark.parametrize("linked", ["https://www.bücher.example/", "https://www.xn--bcher-kva.example/"])
def test_our_own_internationalized_domain_is_not_its_own_look_alike(own: str, linked: str) -> None:
    host = Link(linked, "link").host
    found = look_alike(host, SUFFIXES.registrable(host), [SUFFIXES.registrable(host_name(own))], "x")
    assert [n.id for n in found] == ["host-idn"]


def test_of_two_own_domains_none_is_a_look_alike_of_the_other() -> None:
    own = ["bücher.example", "bucher.example"]
    assert "host-lookalike" not in {n.id for n in look_alike("bucher.example", "bucher.example", own, "x")}


@pytest.mark.parametrize(
    ("name", "mixed"),
    [
        ("sony東京ショップ", False),
        ("ラーメンshop", False),
        ("taipei台北ㄊㄞ", False),
        ("korea서울漢", False),
        ("shopмагазин", True),
        ("東京서울ショップ", True),
        ("αshop", True),
        ("магазин24", False),
    ],
)
def test_scripts_that_are_written_together_are_no_mixture(name: str, mixed: bool) -> None:
    found = look_alike(host_name(f"{name}.example"), "x.example", [], "x")
    assert ("host-mixed" in {n.id for n in found}) is mixed


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("shop.example", None),
        ("1.2.3.4.5", None),
        ("999999999999", None),
        ("0x7f000001", "127.0.0.1"),
        ("0X7F.0.0.0x1", "127.0.0.1"),
        ("0x000000000007f000001", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("127.65535", "127.0.255.255"),
        ("127.0.65536", None),
        ("127。0。0。1", "127.0.0.1"),
        ("127｡0．0.1", "127.0.0.1"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("①②⑦.0.0.1", "127.0.0.1"),
        ("%31%32%37.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("fe80::1%25en0", "fe80::1%en0"),
        ("0x", "0.0.0.0"),
        ("fe80::zz", None),
        ("256.1.1.1", None),
        ("1.2.3.4.example", None),
    ],
)
def test_addresses_in_any_spelling_are_addresses(host: str, address: str | None) -> None:
    assert (str(literal(host)) if literal(host) else None) == address
    written = f"[{host}]" if ":" in host else host
    seen = literal(Link(f"http://user@{written}:80/a?b", "link").host)
    assert (str(seen) if seen else None) == address


@given(st.text(max_size=40))
def test_any_text_is_some_host(text: str) -> None:
    literal(text)
    readable(text)
    skeleton(text)
    host = Link(f"https://{text}/", "link").host
    assert not is_host(host) or "/" not in host


def hosts(html: str = HTML, text: str | None = "Forty off", **headers: str) -> dict[str, tuple[str, ...]]:
    return {site.host: site.roles for site in sites_of(dissect(mail(html=html, text=text, **headers)).links)}


@pytest.mark.parametrize(
    ("markup", "role"),
    [
        ('<img src="https://there.example/a.png">', "image"),
        ('<img srcset="https://shop.example/a,b.png 1x,https://there.example/c.png 2x">', "image"),
        ('<img srcset="https://shop.example/a.png, https://there.example/c.png 640w">', "image"),
        ('<picture><source srcset="https://there.example/a.webp"></picture>', "image"),
        ('<td background="https://there.example/b.png">', "image"),
        ('<video poster="https://there.example/b.png"></video>', "image"),
        ("<div style=\"background:url('https://there.example/c.png')\"></div>", "image"),
        ('<div style="background: URL( //there.example/c.png )"></div>', "image"),
        ("<style>p { background: url(https://there.example/c.png) }</style>", "image"),
        ("<style>@font-face { src: url('https://there.example/f.woff2') }</style>", "image"),
        ('<style>@import "https://there.example/a.css";</style>', "css"),
        ("<style>@import url(https://there.example/a.css);</style>", "css"),
        ('<link rel="stylesheet" href="https://there.example/a.css">', "css"),
        ('<link rel="preconnect" href="https://there.example">', "head"),
        ('<base href="https://there.example/">', "base"),
        ('<a href="https://there.example/">a</a>', "link"),
        ('<a href=https://there.example>a', "link"),
        ('<a href="//there.example/a">a</a>', "link"),
        ('<a href="https:\\\\there.example\\a">a</a>', "link"),
        ('<a href="&#104;ttps://there.example/">a</a>', "link"),
        ('<a href="ht\ntps://there.example/">a</a>', "link"),
        ('<a href="https://THERE.example./">a</a>', "link"),
        ('<a href="mailto:help@there.example?subject=a@b">a</a>', "mailto"),
        ('<a href="webcal://there.example/a.ics">a</a>', "link"),
        ('<a href="https://shop.example/" ping="https://there.example/p">a</a>', "link"),
        ('<map><area href="https://there.example/"></map>', "link"),
        ('<form action="https://there.example/"></form>', "form"),
        ('<button formaction="https://there.example/">a</button>', "form"),
        ('<iframe src="https://there.example/"></iframe>', "frame"),
        ('<object data="https://there.example/a.swf"></object>', "object"),
        ('<embed src="https://there.example/a.swf">', "object"),
        ('<script src="https://there.example/a.js"></script>', "script"),
        ('<meta http-equiv="refresh" content="0; url=https://there.example/">', "link"),
        ('<!--[if mso]><v:roundrect href="https://there.example/"></v:roundrect><![endif]-->', "outlook"),
        ("<svg><image xlink:href='https://there.example/a.png'/></svg>", "image"),
        ("<p>or open https://there.example/a.</p>", "text"),
        ("<p>or open www.there.example</p>", "text"),
    ],
)  # fmt: skip
def test_a_host_is_found_wherever_html_can_name_one(markup: str, role: str) -> None:
    found = hosts(HTML.replace("</p>", f"</p>{markup}"))
    assert found.get("there.example", found.get("www.there.example")) == (role,)


def test_hosts_of_text_part_and_headers_are_found() -> None:
    found = hosts(
        text="See https://one.example/a, or www.two.example.",
        Reply_To="Help <help@three.example>",
        Sender="post@four.example",
        List_Unsubscribe="<https://five.example/u>, <mailto:u@six.example?subject=stop>",
        List_Help="<https://seven.example/>",
    )
    assert found == {
        "shop.example": ("link",), "one.example": ("text",), "www.two.example": ("text",), "three.example": ("reply-to",),
        "four.example": ("sender",), "five.example": ("list-unsubscribe",), "six.example": ("mailto",), "seven.example": ("list-help",),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://there.exampleをご覧ください。", ["there.example"]),
        ("詳細はwww.there.example。次の", ["www.there.example"]),
        ("https://there.example에서", ["there.example"]),
        ("https://www.bücher.example/a", ["www.xn--bcher-kva.example"]),
        ("https://пример.испытание", ["xn--e1afmkfd.xn--80akhbyknj4f"]),
        ("**https://there.example**, (https://two.example) [https://three.example]", ["there.example", "two.example", "three.example"]),
        ("https://there.example|https://two.example", ["there.example", "two.example"]),
        ("type http:// or http://... first", []),
        ("info@www.there.example", []),
    ],
)  # fmt: skip
def test_a_bare_url_ends_where_its_sentence_goes_on(text: str, wanted: list[str]) -> None:
    assert [link.host for link in dissect(mail(html="", text=text)).links if link.kind == "text"] == wanted


@pytest.mark.parametrize(
    ("kind", "body", "role"),
    [
        ("text/x-amp-html", b'<html amp4email><amp-img src="https://there.example/a.png"></amp-img>', "amp"),
        ("text/calendar", b"BEGIN:VCALENDAR\r\nURL:https://there.exa\r\n mple/a\r\nEND:VCALENDAR", "calendar"),
    ],
)
def test_hosts_of_other_parts_that_readers_show_are_found(kind: str, body: bytes, role: str) -> None:
    part = b"--b\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + body + b"\r\n"
    assert ("there.example", (role,)) in {s.host: s.roles for s in sites_of(dissect(mail(extra=part)).links)}.items()


class Table:
    """Knows a few records; nothing else exists."""

    def __init__(self, *records: tuple[str, str, str]) -> None:
        self.records = {(name, kind): record for name, kind, record in records}

    def ask(self, name: str, kind: str) -> Lookup:
        record = self.records.get((name, kind))
        return Lookup(name, kind, Found.RECORDS, (record,)) if record else Lookup(name, kind, Found.NO_NAME)


@pytest.mark.parametrize(
    ("roles", "records", "wanted"),
    [
        (("link",), (), ("host-missing", "fail")),
        (("reply-to",), (), ("host-missing", "warn")),
        (("from",), (), ("host-missing", "warn")),
        (("from", "mail_from"), (), None),
        (("mail_from",), (), None),
        (("mailto",), (("there.example", "MX", "10 mx.there.example."),), None),
        (("mailto",), (("there.example", "A", "192.0.2.1"),), None),
        (("reply-to",), (("there.example", "MX", "0 ."),), ("host-missing", "warn")),
        (("link", "mailto"), (("there.example", "MX", "10 mx.there.example."),), ("host-missing", "fail")),
    ],
)
def test_a_host_that_is_written_to_needs_a_mail_server_and_one_that_is_opened_an_address(
    roles: tuple[str, ...], records: tuple[tuple[str, str, str], ...], wanted: tuple[str, str] | None
) -> None:
    found = [(n.id, n.grade.value) for n in site_notices(Site("there.example", roles), [], Table(*records), SUFFIXES)]
    assert found == ([wanted] if wanted else [])
