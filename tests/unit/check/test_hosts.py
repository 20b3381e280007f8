"""Hosts and links: what a filter would mind, told from what only looks odd."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.check.anatomy import Link, dissect
from harness.check.hosts import Site, link_notices, literal, look_alike, readable, site_notices, sites_of, skeleton
from harness.check.lookup import Found, Lookup, PublicSuffixes
from tests.unit.check.builders import HTML, mail

SUFFIXES = PublicSuffixes()


class Everywhere:
    """Every name has an address."""

    def ask(self, name: str, kind: str) -> Lookup:
        return Lookup(name, kind, Found.RECORDS, ("192.0.2.1",))


def ids(url: str, text: str = "see") -> set[str]:
    return {n.id for n in link_notices([Link(url, "link", text)], SUFFIXES)}


@pytest.mark.parametrize(
    ("url", "text", "wanted"),
    [
        ("https://shop.example/a", "See the range", set()),
        ("https://shop.example/a", "www.shop.example/a", set()),
        ("https://click.shop.example/a", "shop.example", set()),
        ("mailto:help@shop.example", "help@shop.example", set()),
        ("https://go.partner.example/a", "https://shop.example/sale", {"link-text"}),
        ("http://shop.example/a", "See", {"link-http"}),
        ("https://apple.com@evil.example/", "See", {"link-userinfo"}),
        ("https:///a", "See", {"link-invalid"}),
        ("javascript:alert(1)", "See", {"link-scheme"}),
        ("data:text/html,x", "See", {"link-scheme"}),
        ("http://[::1", "See", set()),
    ],
)
def test_each_fault_of_a_link_is_named(url: str, text: str, wanted: set[str]) -> None:
    assert ids(url, text) == wanted


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
    ],
)
def test_each_fault_of_a_host_is_named(host: str, wanted: set[str]) -> None:
    found = {n.id for n in site_notices(Site(host, ("link",)), ["shop.example"], Everywhere(), SUFFIXES)}
    assert found == wanted - ({"host-idn"} if "host-lookalike" in wanted else set())


def test_our_own_domain_is_not_its_own_look_alike() -> None:
    assert look_alike("www.shop.example", "shop.example", ["shop.example"], "x") == []


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("shop.example", None),
        ("1.2.3.4.5", None),
        ("999999999999", None),
    ],
)
def test_addresses_in_any_spelling_are_addresses(host: str, address: str | None) -> None:
    assert (str(literal(host)) if literal(host) else None) == address


@given(st.text(max_size=40))
def test_any_text_is_some_host(text: str) -> None:
    literal(text)
    readable(text)
    skeleton(text)
    Link(f"https://{text}/", "link").host  # noqa: B018


def test_links_are_found_where_they_stand() -> None:
    html = HTML.replace("</p>", '</p><img src="https://img.shop.example/a.png" alt="a"><td background="https://bg.shop.example/b.png">'
                                '<div style="background:url(https://css.shop.example/c.png)"></div><map><area href="https://area.shop.example/"></map>')  # fmt: skip
    sites = {site.host: site.roles for site in sites_of(dissect(mail(html=html)).links, [("from", "shop.example")])}
    assert sites == {
        "shop.example": ("link", "text", "from"), "img.shop.example": ("image",), "bg.shop.example": ("image",),
        "css.shop.example": ("image",), "area.shop.example": ("link",),
    }  # fmt: skip
