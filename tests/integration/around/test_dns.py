"""Sender identity and domains, asked of a real name server with a zone for each finding."""

from __future__ import annotations

import socket

import pytest

from harness.check.blocklist import Blocklist, list_notices, listing_notices
from harness.check.hosts import Site, site_notices
from harness.check.identity import dkim_notices, dmarc_notices, find_dmarc
from harness.check.link import Link
from harness.check.lookup import Found, PublicSuffixes, Resolver
from harness.check.notice import Grade, Notice
from harness.check.sendinghost import courtesy_notices, helo_notices, ip_notices, mail_from_notices
from harness.check.spf import evaluate, spf_notices
from harness.cli.check import _Asks
from harness.edge.dns import Dns, Offline


def told(notices: list[Notice]) -> list[tuple[str, str]]:
    return [(n.id, n.grade.value) for n in notices]


def test_records_no_records_no_name_and_no_answer_are_four_things(resolver: Resolver) -> None:
    assert resolver.ask("good.test", "MX").records == ("10 mx.good.test.",)
    assert resolver.ask("good.test", "A").state is Found.EMPTY
    assert resolver.ask("nowhere.test", "A").state is Found.NO_NAME
    assert resolver.ask("x.failing.test", "A").state is Found.FAILED
    assert resolver.ask("..bad..", "A").state is Found.FAILED
    assert resolver.ask("a" * 70 + ".test", "A").state is Found.FAILED


def test_a_long_record_is_whole(resolver: Resolver) -> None:
    (record,) = resolver.ask("k1._domainkey.good.test", "TXT").records
    assert record.startswith("v=DKIM1; k=rsa; p=MII")
    assert '"' not in record


@pytest.mark.parametrize(
    ("domain", "ips", "wanted"),
    [
        ("good.test", (), [("spf", "ok")]),
        ("good.test", ("192.0.2.1", "198.51.100.9"), [("spf-ip", "ok"), ("spf-ip", "ok")]),
        ("good.test", ("203.0.113.5",), [("spf-ip", "fail")]),
        ("good.test", ("2001:db8::1",), [("spf-ip", "fail")]),
        ("redirect.test", ("198.51.100.9",), [("spf-ip", "ok")]),
        ("redirect.test", ("203.0.113.5",), [("spf-ip", "warn")]),
        ("mxspf.test", ("192.0.2.1",), [("spf-ip", "ok")]),
        ("macro.test", (), [("spf", "ok")]),
        ("byip.test", ("192.0.2.1", "192.0.2.2"), [("spf-ip", "ok"), ("spf-ip", "fail")]),
        ("bydomain.test", ("192.0.2.1",), [("spf-ip", "ok")]),
        ("bylocal.test", ("192.0.2.1",), [("spf-ip", "unknown")]),
        ("unknown.test", ("192.0.2.1",), [("spf-ip", "ok")]),
        ("nothing.test", (), [("spf-invalid", "fail")]),
        ("twice.test", (), [("spf-invalid", "fail")]),
        ("late.test", ("192.0.2.1",), [("spf-invalid", "fail"), ("spf-ip", "fail")]),
        ("length.test", ("192.0.2.1",), [("spf-invalid", "fail"), ("spf-ip", "fail")]),
        ("kind.test", (), [("spf-invalid", "fail")]),
        ("crowd.test", ("192.0.2.1",), [("spf-invalid", "fail"), ("spf-ip", "fail")]),
        ("part.test", ("192.0.2.1",), [("spf", "unknown"), ("spf-ip", "unknown")]),
        ("many.test", ("203.0.113.1",), [("spf-invalid", "warn"), ("spf-ip", "ok")]),
        ("empty.test", ("192.0.2.1",), [("spf-missing", "fail")]),
        ("nowhere.test", (), [("spf-missing", "fail")]),
        ("two.test", (), [("spf-invalid", "fail")]),
        ("typo.test", (), [("spf-invalid", "fail")]),
        ("loop.test", (), [("spf-invalid", "fail")]),
        ("void.test", (), [("spf-invalid", "fail")]),
        ("many.test", (), [("spf-invalid", "fail")]),
        ("many.test", ("203.0.113.11",), [("spf-invalid", "fail"), ("spf-ip", "fail")]),
        ("open.test", (), [("spf-open", "warn")]),
        ("failing.test", ("192.0.2.1",), [("spf", "unknown")]),
    ],
)
def test_spf(domain: str, ips: tuple[str, ...], wanted: list[tuple[str, str]], resolver: Resolver) -> None:
    assert told(spf_notices(evaluate(domain, ips, resolver))) == wanted


def test_nobody_is_told_to_add_an_ip_that_could_not_be_looked_up(resolver: Resolver) -> None:
    notices = spf_notices(evaluate("part.test", ("192.0.2.1",), resolver))
    assert {notice.do for notice in notices} == {"Ask again later."}


def test_spf_lookups_are_counted_through_includes(resolver: Resolver) -> None:
    assert evaluate("good.test", (), resolver).lookups == 1
    many = evaluate("many.test", (), resolver)
    assert many.lookups == 12
    assert "12 DNS lookups" in many.error


@pytest.mark.parametrize(
    ("selector", "domain", "wanted"),
    [
        ("k1", "good.test", ("dkim", "ok")),
        ("ed", "good.test", ("dkim", "ok")),
        ("none", "good.test", ("dkim-missing", "fail")),
        ("weak", "bad.test", ("dkim-weak", "fail")),
        ("short", "bad.test", ("dkim-short", "warn")),
        ("revoked", "bad.test", ("dkim-revoked", "fail")),
        ("broken", "bad.test", ("dkim-invalid", "fail")),
        ("testing", "bad.test", ("dkim-testing", "warn")),
        ("k1", "failing.test", ("dkim", "unknown")),
    ],
)
def test_dkim(selector: str, domain: str, wanted: tuple[str, str], resolver: Resolver) -> None:
    assert told(dkim_notices(domain, selector, resolver)) == [wanted]


def test_a_short_key_does_not_hide_that_it_is_in_test_mode(resolver: Resolver) -> None:
    assert told(dkim_notices("bad.test", "both", resolver)) == [("dkim-short", "warn"), ("dkim-testing", "warn")]


@pytest.mark.parametrize(
    ("author", "mail_from", "signing", "wanted"),
    [
        ("good.test", "good.test", ("good.test",), [("dmarc", "ok")]),
        ("good.test", "b.good.test", (), [("dmarc", "ok")]),
        ("good.test", "esp.test", ("good.test",), [("dmarc", "ok")]),
        ("good.test", "good.test", ("esp.test",), [("dmarc", "ok"), ("dmarc-dkim", "warn")]),
        ("good.test", "esp.test", ("esp.test",), [("dmarc-alignment", "fail")]),
        ("good.test", "esp.test", (), [("dmarc-alignment", "unknown")]),
        ("strict.test", "b.strict.test", ("b.strict.test",), [("dmarc-alignment", "fail")]),
        ("strict.test", "strict.test", (), [("dmarc", "ok")]),
        ("news.parent.test", "parent.test", ("parent.test",), [("dmarc", "ok")]),
        ("two.test", "two.test", (), [("dmarc-invalid", "fail")]),
        ("typo.test", "typo.test", (), [("dmarc-invalid", "fail")]),
        ("open.test", "open.test", (), [("dmarc-none", "note"), ("dmarc-reports", "note"), ("dmarc", "ok")]),
        ("empty.test", "empty.test", (), [("dmarc-missing", "fail")]),
        ("failing.test", "failing.test", (), [("dmarc", "unknown")]),
    ],
)
def test_dmarc(
    author: str,
    mail_from: str,
    signing: tuple[str, ...],
    wanted: list[tuple[str, str]],
    resolver: Resolver,
    suffixes: PublicSuffixes,
) -> None:
    dmarc, problems = find_dmarc(author, resolver, suffixes)
    assert told(problems + (dmarc_notices(dmarc, author, mail_from, signing, suffixes) if dmarc else [])) == wanted


def test_a_subdomain_has_its_parents_subdomain_policy(resolver: Resolver, suffixes: PublicSuffixes) -> None:
    dmarc, _ = find_dmarc("news.parent.test", resolver, suffixes)
    assert dmarc is not None
    assert dmarc.policy == "reject"


@pytest.mark.parametrize(
    ("domain", "wanted"),
    [
        ("good.test", ("mail-from", "ok")),
        ("null.test", ("mail-from-null", "fail")),
        ("implicit.test", ("mail-from-implicit", "warn")),
        ("six.test", ("mail-from-implicit", "warn")),
        ("deadmx.test", ("mail-from-dead", "fail")),
        ("unsure.test", ("mail-from", "unknown")),
        ("empty.test", ("mail-from-missing", "fail")),
        ("nowhere.test", ("mail-from-missing", "fail")),
        ("failing.test", ("mail-from", "unknown")),
    ],
)
def test_mail_from(domain: str, wanted: tuple[str, str], resolver: Resolver) -> None:
    assert told(mail_from_notices(domain, resolver)) == [wanted]


@pytest.mark.parametrize(
    ("ip", "wanted"),
    [
        ("192.0.2.1", [("ptr", "ok"), ("helo", "ok")]),
        ("192.0.2.2", [("ptr-forward", "fail")]),
        ("192.0.2.3", [("ptr-missing", "fail")]),
        ("192.0.2.4", [("ptr", "ok"), ("ptr-generic", "warn"), ("helo", "ok")]),
        ("192.0.2.5", [("ptr", "ok"), ("helo", "ok")]),  # two names, the second leads back
        ("192.0.2.6", [("ptr", "ok"), ("helo", "ok")]),  # "pool" and "dsl" inside of other words
    ],
)
def test_reverse_dns_and_helo(ip: str, wanted: list[tuple[str, str]], resolver: Resolver) -> None:
    assert told(ip_notices(ip, "mx.good.test", resolver)) == wanted


def test_helo_names_without_an_address(resolver: Resolver) -> None:
    assert told(helo_notices("nowhere.test", resolver)) == [("helo", "warn")]
    assert told(helo_notices("localhost", resolver)) == [("helo", "fail")]
    assert told(helo_notices("x.failing.test", resolver)) == [("helo", "unknown")]


def test_courtesies_are_notes_never_failures(resolver: Resolver) -> None:
    assert told(courtesy_notices("good.test", "good.test", "default", resolver)) == [
        ("mta-sts", "ok"),
        ("tls-rpt", "ok"),
        ("bimi", "ok"),
    ]
    assert {grade for _, grade in told(courtesy_notices("two.test", "two.test", "default", resolver))} == {"note"}
    assert {grade for _, grade in told(courtesy_notices("failing.test", "failing.test", "default", resolver))} == {
        "unknown"
    }


def test_blocklist_answers_are_read_by_what_they_mean(resolver: Resolver) -> None:
    dbl = Blocklist("dbl.test", codes={"127.0.1.2": "spam domain"})
    assert told(listing_notices("listed.test", dbl, resolver)) == [("blocklist-listed", "fail")]
    assert "spam domain" in listing_notices("listed.test", dbl, resolver)[0].finding
    assert "listed for the test" in listing_notices("listed.test", dbl, resolver)[0].evidence
    assert told(listing_notices("good.test", dbl, resolver)) == [("blocklist", "ok")]
    assert told(listing_notices("good.test", Blocklist("refusing.test"), resolver)) == [("blocklist", "unknown")]
    assert told(listing_notices("good.test", Blocklist("unserved.test"), resolver)) == [("blocklist", "unknown")]
    assert "not served" in listing_notices("good.test", Blocklist("unserved.test"), resolver)[0].finding
    assert told(listing_notices("good.test", Blocklist("parked.test"), resolver)) == [("blocklist", "unknown")]
    assert told(listing_notices("good.test", Blocklist("failing.test"), resolver)) == [("blocklist", "unknown")]
    assert told(listing_notices("192.0.2.66", Blocklist("ipbl.test", of="ip"), resolver)) == [
        ("blocklist-listed", "fail")
    ]
    assert told(listing_notices("192.0.2.67", Blocklist("ipbl.test", of="ip"), resolver)) == [("blocklist", "ok")]


def test_a_list_without_its_test_entry_is_not_trusted(resolver: Resolver) -> None:
    def about(zone: str, subject: str = "good.test", of: str = "domain") -> dict[str, str]:
        return dict(told(list_notices(Blocklist(zone, of=of), [subject], resolver)))

    assert about("dbl.test") == {"blocklist": "ok"}
    assert about("ipbl.test", "192.0.2.67", "ip") == {"blocklist": "ok"}
    assert about("good.test") == {"blocklist-silent": "note", "blocklist": "ok"}
    assert about("good.test", "192.0.2.67", "ip") == {"blocklist-silent": "note", "blocklist": "ok"}
    assert about("ipbl.test", "2001:db8::1", "ip") == {"blocklist-silent": "note", "blocklist": "ok"}
    assert about("refusing.test") == {"blocklist-silent": "note", "blocklist": "unknown"}


def test_a_list_that_lists_everything_accuses_nobody(resolver: Resolver) -> None:
    everything = Blocklist("all.test")
    assert told(list_notices(everything, ["good.test"], resolver)) == [("blocklist-everything", "unknown")]
    assert told(list_notices(Blocklist("all.test", of="ip"), ["192.0.2.67"], resolver)) == [
        ("blocklist-everything", "unknown")
    ]
    assert list_notices(everything, [], resolver) == []


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("www.good.test", []),
        ("six.good.test", []),
        ("nowhere.test", [("host-missing", "fail")]),
        ("good.test", [("host-missing", "fail")]),  # no address, MX only
        ("x.failing.test", [("host", "unknown")]),
        ("192.0.2.80", [("host-ip", "fail")]),
        ("3221226064", [("host-ip", "fail")]),
    ],
)
def test_link_hosts(host: str, wanted: list[tuple[str, str]], resolver: Resolver, suffixes: PublicSuffixes) -> None:
    assert Link(f"https://{host}/a", "link").host == host
    assert told(site_notices(Site(host, ("link",)), ["good.test"], resolver, suffixes)) == wanted


def test_a_silent_name_server_is_never_taken_for_no_record(suffixes: PublicSuffixes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        silent = _Asks(Dns(["127.0.0.1"], deaf.getsockname()[1], 0.1), reserved=True)
        notices = [
            *mail_from_notices("good.test", silent), *spf_notices(evaluate("good.test", (), silent)), *dkim_notices("good.test", "k1", silent),
            *find_dmarc("good.test", silent, suffixes)[1], *ip_notices("192.0.2.1", None, silent),
            *site_notices(Site("www.good.test", ("link",)), [], silent, suffixes),
        ]  # fmt: skip
    assert {n.grade for n in notices} == {Grade.UNKNOWN}
    assert "time limit" in notices[0].evidence


def test_offline_asks_nobody(suffixes: PublicSuffixes) -> None:
    offline = _Asks(Offline(), reserved=True)
    assert {n.grade for n in mail_from_notices("good.test", offline)} == {Grade.UNKNOWN}
    assert "offline" in mail_from_notices("good.test", offline)[0].evidence


def test_reserved_names_are_not_asked_of_the_systems_resolver() -> None:
    class Tattling(Offline):
        def ask(self, name: str, kind: str) -> object:  # type: ignore[override]
            raise AssertionError(f"{name} was asked")

    assert _Asks(Tattling(), reserved=False).ask("www.shop.example", "A").failed
