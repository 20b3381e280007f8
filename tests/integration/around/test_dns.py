"""Sender identity and domains, asked of a real name server with a zone for each finding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.check.blocklist import Blocklist, listing_notices, trust_notices
from harness.check.hosts import Site, site_notices
from harness.check.identity import dmarc_notices, find_dmarc, report_notices
from harness.check.link import Link
from harness.check.lookup import PublicSuffixes, Resolver
from harness.check.notice import Grade, Notice
from harness.check.sendinghost import courtesy_notices, greeting_notices, helo_notices, ip_notices, mail_from_notices
from harness.check.signing import Signer, find_key
from harness.check.spf import evaluate, spf_notices
from harness.model.relay import Relay


def told(notices: list[Notice]) -> list[tuple[str, str]]:
    return [(n.id, n.grade.value) for n in notices]


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
        ("many.test", (), [("spf-invalid", "warn")]),  # who is named by the first ten passes
        ("lateword.test", (), [("spf-invalid", "warn")]),
        ("firstword.test", (), [("spf-invalid", "fail")]),
        ("nobody.test", (), [("spf-invalid", "fail")]),
        ("closed.test", (), [("spf-nobody", "fail")]),
        ("sixes.test", (), [("spf", "ok")]),  # a host with AAAA alone is not nothing
        ("sixes.test", ("2001:db8::25",), [("spf-ip", "ok")]),
        ("sixes.test", ("192.0.2.1",), [("spf-ip", "fail")]),
        ("many.test", ("203.0.113.11",), [("spf-invalid", "fail"), ("spf-ip", "fail")]),
        ("open.test", (), [("spf-open", "warn")]),
        ("opened.test", (), [("spf-open", "warn")]),
        (
            "byname.test",
            ("192.0.2.1", "192.0.2.2", "192.0.2.4"),
            [("spf-ip", "ok"), ("spf-ip", "fail"), ("spf-ip", "fail")],
        ),
        ("failing.test", ("192.0.2.1",), [("spf", "unknown")]),
        ("split.test", ("192.0.2.77",), [("spf-ip", "ok")]),  # strings are joined without a space (section 3.3)
        ("huge.test", ("192.0.2.1",), [("spf-ip", "ok")]),  # an answer that needs TCP
        ("cname.test", ("192.0.2.1",), [("spf-ip", "ok")]),
        ("sub.dname.test", (), [("spf-missing", "fail")]),  # a DNAME leads what is below it, not itself
        ("edge.test", ("203.0.113.9",), [("spf-ip", "ok")]),  # ten lookups are allowed
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
        ("big", "good.test", ("dkim", "ok")),  # 4096 bits: an answer that needs TCP
        ("esp", "good.test", ("dkim", "ok")),  # a CNAME to the ESP's key
        ("k1", "sub.dname.test", ("dkim", "ok")),  # by a DNAME
        ("gone", "good.test", ("dkim-missing", "fail")),
        ("dead", "good.test", ("dkim", "unknown")),
        ("round", "good.test", ("dkim", "unknown")),
        ("other", "good.test", ("dkim-missing", "fail")),
        ("sha1", "bad.test", ("dkim-invalid", "fail")),
        ("tlsrpt", "bad.test", ("dkim-invalid", "fail")),
        ("wide", "bad.test", ("dkim", "ok")),
        ("two", "bad.test", ("dkim-several", "fail")),
        ("beside", "bad.test", ("dkim", "ok")),
        ("second", "bad.test", ("dkim-invalid", "fail")),
        ("kind", "bad.test", ("dkim-invalid", "fail")),
        ("short25519", "bad.test", ("dkim-invalid", "fail")),
    ],
)
def test_dkim(selector: str, domain: str, wanted: tuple[str, str], resolver: Resolver) -> None:
    assert told(find_key(Signer(domain, selector), resolver).notices) == [wanted]


def test_a_signature_by_sha1_counts_for_nothing_whatever_its_key(resolver: Resolver) -> None:
    key = find_key(Signer("good.test", "k1", algorithm="rsa-sha1"), resolver)
    assert (key.usable, told(key.notices)) == (False, [("dkim-sha1", "warn")])


def test_a_short_key_does_not_hide_that_it_is_in_test_mode(resolver: Resolver) -> None:
    assert told(find_key(Signer("bad.test", "both"), resolver).notices) == [
        ("dkim-short", "warn"),
        ("dkim-testing", "warn"),
    ]


OURS, ESPS = ("192.0.2.1",), ("203.0.113.5",)  # good.test's SPF names the first alone


@pytest.mark.parametrize(
    ("author", "mail_from", "signers", "ips", "wanted"),
    [
        ("good.test", "good.test", ["k1@good.test"], OURS, [("dmarc", "ok")]),
        ("good.test", "good.test", [], OURS, [("dmarc", "ok")]),
        ("good.test", "esp.test", ["k1@good.test"], (), [("dmarc", "ok")]),
        ("good.test", "good.test", ["k1@good.test"], ESPS, [("dmarc", "ok")]),
        ("good.test", "good.test", ["k1@esp.test"], OURS, [("dmarc", "ok"), ("dmarc-dkim", "warn")]),
        ("good.test", "good.test", ["none@good.test"], OURS, [("dmarc", "ok"), ("dmarc-dkim", "warn")]),
        # aligned, and nothing of it passes
        ("good.test", "good.test", ["k1@esp.test"], ESPS, [("dmarc-fail", "fail")]),
        ("good.test", "good.test", ["k1@esp.test"], (*OURS, *ESPS), [("dmarc-fail", "fail")]),
        ("good.test", "good.test", ["none@good.test"], ESPS, [("dmarc-fail", "fail")]),
        ("good.test", "esp.test", ["none@good.test"], OURS, [("dmarc-fail", "fail")]),
        ("good.test", "b.good.test", ["k1@esp.test"], (), [("dmarc-fail", "fail")]),  # no SPF record there
        ("open.test", "nowhere.open.test", ["none@open.test"], OURS,
         [("dmarc-none", "note"), ("dmarc-fail", "warn")]),
        ("closed.test", "closed.test", ["k1@esp.test"], (), [("dmarc-fail", "fail")]),  # nobody may send
        # not known
        ("good.test", "good.test", ["k1@esp.test"], (), [("dmarc-alignment", "unknown")]),
        ("good.test", "good.test", [], ESPS, [("dmarc-alignment", "unknown")]),
        ("good.test", "esp.test", [], OURS, [("dmarc-alignment", "unknown")]),
        ("good.test", "esp.test", ["dead@good.test"], OURS, [("dmarc-alignment", "unknown")]),
        ("good.test", "x.failing.test", ["none@good.test"], OURS, [("dmarc-fail", "fail")]),
        # not aligned
        ("good.test", "esp.test", ["k1@esp.test"], OURS, [("dmarc-alignment", "fail")]),
        ("strict.test", "b.strict.test", ["k@b.strict.test"], OURS, [("dmarc-alignment", "fail")]),
        ("open.test", "good.test", ["k1@good.test"], OURS,
         [("dmarc-none", "note"), ("dmarc-alignment", "warn")]),
        ("news.parent.test", "parent.test", ["k1@parent.test"], OURS, [("dmarc-fail", "fail")]),
        ("two.test", "two.test", [], OURS, [("dmarc-invalid", "fail")]),
        ("typo.test", "typo.test", [], OURS, [("dmarc-invalid", "fail")]),
        ("unsaid.test", "unsaid.test", [], OURS,
         [("dmarc-invalid", "warn"), ("dmarc-none", "note"), ("dmarc-alignment", "unknown")]),
        ("later.test", "later.test", [], OURS, [("dmarc-missing", "fail")]),
        ("away.test", "away.test", ["k1@good.test"], OURS, [("dmarc-fail", "fail")]),
        ("empty.test", "empty.test", [], OURS, [("dmarc-missing", "fail")]),
        ("failing.test", "failing.test", [], OURS, [("dmarc", "unknown")]),
    ],
)  # fmt: skip
def test_dmarc_asks_that_something_aligned_passes(
    author: str,
    mail_from: str,
    signers: list[str],
    ips: tuple[str, ...],
    wanted: list[tuple[str, str]],
    resolver: Resolver,
    suffixes: PublicSuffixes,
) -> None:
    keys = [find_key(Signer(domain, selector), resolver) for selector, _, domain in (s.partition("@") for s in signers)]
    dmarc, notices = find_dmarc(author, resolver, suffixes)
    if dmarc:
        notices = notices + dmarc_notices(dmarc, author, evaluate(mail_from, ips, resolver), keys, suffixes)
    assert told(notices) == wanted


@pytest.mark.parametrize(
    ("author", "wanted", "said"),
    [
        ("nosemi.test", [("dmarc-invalid", "fail")], "TXT _dmarc.nosemi.test: v=DMARC1 p=reject"),
        ("order.test", [("dmarc-invalid", "fail")], "TXT _dmarc.order.test: p=reject; v=DMARC1"),
        ("quoted.test", [("dmarc-invalid", "fail")], 'TXT _dmarc.quoted.test: "v=DMARC1; p=reject"'),
        ("noted.test", [("dmarc-missing", "fail")], "TXT _dmarc.noted.test: a note, which is none"),
        ("news.sponly.test", [("dmarc-invalid", "fail")], "Write sp=none, sp=quarantine or sp=reject."),
        ("sponly.test", [("dmarc-tags", "note"), ("dmarc-reports", "note")], "sp=bogus"),
        ("open.test", [("dmarc-reports", "note")], "Add rua=mailto:…"),
        ("spelled.test", [("dmarc-tags", "note"), ("dmarc-reports", "note"), ("dmarc-reports", "note")], "adkim=x, pct=200"),
        ("spelled.test", [("dmarc-tags", "note"), ("dmarc-reports", "note"), ("dmarc-reports", "note")],
         "strict.test has not agreed to take DMARC reports of spelled.test"),
        ("good.test", [], ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_dmarc_record_is_shown_as_it_stands(
    author: str, wanted: list[tuple[str, str]], said: str, resolver: Resolver, suffixes: PublicSuffixes
) -> None:
    dmarc, notices = find_dmarc(author, resolver, suffixes)
    notices = notices + (report_notices(dmarc, author, resolver, suffixes) if dmarc else [])
    assert told(notices) == wanted
    assert said in "\n".join(f"{n.finding} {n.evidence} {n.do}" for n in notices)


def test_a_subdomain_has_its_parents_subdomain_policy(resolver: Resolver, suffixes: PublicSuffixes) -> None:
    dmarc, _ = find_dmarc("news.parent.test", resolver, suffixes)
    assert dmarc is not None
    assert dmarc.policy == "reject"


@pytest.mark.parametrize(
    ("domain", "wanted"),
    [
        ("good.test", ("mail-from", "ok")),
        ("null.test", ("mail-from-null", "fail")),
        ("cname.test", ("mail-from", "ok")),
        ("mx.sub.dname.test", ("mail-from-implicit", "warn")),
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
        ("192.0.2.1", [("ptr", "ok")]),
        ("192.0.2.2", [("ptr-forward", "fail")]),
        ("192.0.2.3", [("ptr-missing", "fail")]),
        ("192.0.2.4", [("ptr", "ok"), ("ptr-generic", "warn")]),
        ("192.0.2.5", [("ptr", "ok")]),  # two names, the second leads back
        ("192.0.2.7", [("ptr", "ok"), ("ptr-generic", "warn")]),  # the IP in its name
        ("192.0.2.8", [("ptr", "ok"), ("ptr-generic", "warn")]),  # and the other way round
        ("192.0.2.9", [("ptr", "ok")]),  # another IP
        ("192.0.2.6", [("ptr", "ok")]),  # "pool" and "dsl" inside of other words
    ],
)
def test_reverse_dns(ip: str, wanted: list[tuple[str, str]], resolver: Resolver) -> None:
    assert told(ip_notices(ip, resolver)) == wanted


SENDING = ("192.0.2.1", "2001:db8::80")


def test_an_mx_that_names_an_alias_is_a_note(resolver: Resolver) -> None:
    assert told(mail_from_notices("aliased.test", resolver)) == [("mail-from", "ok"), ("mail-from-alias", "note")]


def test_helo_names_without_an_address(resolver: Resolver) -> None:
    assert told(helo_notices("nowhere.test", SENDING, resolver)) == [("helo", "warn")]
    assert told(helo_notices("localhost", SENDING, resolver)) == [("helo", "fail")]
    assert told(helo_notices("x.failing.test", SENDING, resolver)) == [("helo", "unknown")]
    assert told(helo_notices("six.good.test", SENDING, resolver)) == [("helo", "ok")]
    assert told(helo_notices("[192.0.2.1]", SENDING, resolver)) == [("helo", "warn")]
    (bare,) = helo_notices("192.0.2.1", SENDING, resolver)
    assert (bare.grade, bare.do[:44]) == (Grade.FAIL, "Let the sending host greet with its full hos")


def test_the_helo_name_has_the_address_of_a_host_that_sends(resolver: Resolver) -> None:
    assert told(helo_notices("mx.good.test", SENDING, resolver)) == [("helo", "ok")]
    (elsewhere,) = helo_notices("www.good.test", SENDING, resolver)
    assert (elsewhere.grade, elsewhere.finding) == (Grade.WARN, "the HELO name has the address of another host")


def test_our_greeting_to_an_esp_is_not_what_apple_hears(resolver: Resolver) -> None:
    """Of a relay that names no sending IPs nobody knows by which name it greets Apple."""
    esp = Relay("esp", "smtp", host="smtp.esp.test", helo="nowhere.test")
    (notice,) = greeting_notices(esp, resolver)
    assert (notice.id, notice.grade) == ("helo-unknown", Grade.NOTE)
    assert "helo nowhere.test is how the relay is greeted" in notice.evidence
    assert told(greeting_notices(replace(esp, helo=None), resolver)) == [("helo-unknown", "note")]
    own = replace(esp, sending_ips=("192.0.2.1",))
    assert told(greeting_notices(own, resolver)) == [("helo", "warn")]
    assert told(greeting_notices(replace(own, helo="mx.good.test"), resolver)) == [("helo", "ok")]
    assert told(greeting_notices(replace(own, helo=None), resolver)) == [("helo-unknown", "note")]
    assert greeting_notices(Relay("sandbox", "sandbox"), resolver) == []


def test_courtesies_are_notes_never_failures(resolver: Resolver, suffixes: PublicSuffixes) -> None:
    bimi = courtesy_notices("good.test", "news.good.test", "default", resolver, suffixes)[-1]
    assert (bimi.grade, bimi.about) == (Grade.OK, "default._bimi.good.test")  # the organizational domain's holds
    assert told(courtesy_notices("good.test", "good.test", "default", resolver, suffixes)) == [
        ("mta-sts", "ok"),
        ("tls-rpt", "ok"),
        ("bimi", "ok"),
    ]
    assert {grade for _, grade in told(courtesy_notices("two.test", "two.test", "default", resolver, suffixes))} == {
        "note"
    }
    assert {
        grade for _, grade in told(courtesy_notices("failing.test", "failing.test", "default", resolver, suffixes))
    } == {"unknown"}


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
    def about(zone: str, subject: str = "good.test", of: str = "domain") -> list[tuple[str, str]]:
        return told(trust_notices(Blocklist(zone, of=of), [subject], resolver))

    silent = [("blocklist-silent", "unknown")]
    assert about("dbl.test") == []
    assert about("ipbl.test", "192.0.2.67", "ip") == []
    assert about("good.test") == silent
    assert about("good.test", "192.0.2.67", "ip") == silent
    assert about("ipbl.test", "2001:db8::1", "ip") == silent
    assert about("refusing.test") == silent
    assert about("failing.test") == []
    assert trust_notices(Blocklist("good.test"), [], resolver) == []


def test_bits_of_an_answer_are_read_where_the_list_is_said_to_have_some(resolver: Resolver) -> None:
    bits = Blocklist("bits.test", bits={8: "phishing", 16: "malware", 64: "abuse"})
    assert listing_notices("listed.test", bits, resolver)[0].finding == "listed: phishing and malware and abuse"
    assert listing_notices("listed.test", Blocklist("bits.test"), resolver)[0].finding == "listed: 127.0.0.88"
    assert bits.meaning("127.0.0.4") == "127.0.0.4"


def test_the_key_of_a_list_is_asked_with_and_never_shown(resolver: Resolver) -> None:
    keyed = Blocklist("${KEY}.dbl.test", secret="s3cretkey.dbl.test")
    assert "s3cretkey" not in repr(keyed)
    (listed,) = listing_notices("listed.test", keyed, resolver)
    assert listed.grade.value == "fail"
    assert "s3cretkey" not in str(listed).lower()
    assert "listed.test.${KEY}.dbl.test" in listed.evidence
    assert trust_notices(keyed, ["good.test"], resolver) == []


def test_a_list_that_lists_everything_accuses_nobody(resolver: Resolver) -> None:
    for listing, subject in ((Blocklist("all.test"), "good.test"), (Blocklist("all.test", of="ip"), "192.0.2.67")):
        assert told(trust_notices(listing, [subject], resolver)) == [("blocklist-everything", "unknown")]


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
