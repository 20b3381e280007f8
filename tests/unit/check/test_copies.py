"""What copies that were read back show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.check.copies import Copy, arrival_notices, copies_of, results_of, signed_by
from harness.check.lookup import PublicSuffixes
from harness.check.notice import Grade
from harness.check.signing import MOST_SIGNATURES, Signer, one_click_notices, signers_of
from harness.model.record import Arrival, RunFacts
from harness.model.relay import Relay
from harness.model.trial import Ask, Phase
from harness.model.variant import CONTROL
from tests.builders import START, factors, run_record, trial

ESP = Relay("esp", "smtp", host="smtp.esp.example")
SIGNED = b"DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=k1; b=abc\r\n\r\nHello\r\n"


def a_run(
    name: str,
    *variants: str,
    relay: Relay = ESP,
    domain: str = "icloud.com",
    authentication: str = "",
    **content: bytes,
) -> RunFacts:
    """A run with one copy of each variant, whose bytes are given by its name."""
    trials = []
    for number, variant in enumerate(variants):
        raw = content.get(variant, b"Subject: x\r\n\r\nHello\r\n")
        came = Arrival("INBOX", START, (), authentication=authentication or None, content=raw)
        ask = Ask(frozenset(), f"shop-seed-1@{domain}", Phase.LADDER)
        trials.append(trial(ask, number=number, domain=domain, variant=variant, arrivals=(came,)))
    record = run_record(factors("subject"), id=name, relay=relay.name, relay_facts={"host": relay.host})
    return RunFacts(record, tuple(trials))


def abouts(*runs: RunFacts, relay: Relay = ESP) -> list[str]:
    return [copy.about for copy in copies_of("spring-sale", relay, runs)]


def test_controls_come_first_and_the_newest_before_older_ones() -> None:
    first, second = a_run("r1", CONTROL, "full"), a_run("r2", "full", CONTROL)
    assert abouts(first, second) == [
        f"{variant} to shop-seed-1@icloud.com, run {run}"
        for variant, run in ((CONTROL, "r2"), (CONTROL, "r1"), ("full", "r2"), ("full", "r1"))
    ]


def test_copies_of_another_campaign_or_relay_show_nothing() -> None:
    assert abouts(a_run("r1", CONTROL), relay=replace(ESP, host="smtp.other.example")) == []
    assert copies_of("autumn-sale", ESP, [a_run("r1", CONTROL)]) == []


def test_any_copy_that_is_signed_names_the_selector_and_an_old_one_does_not_add_its_own() -> None:
    old = a_run("r1", "full", full=SIGNED % b"old.example")
    new = a_run("r2", CONTROL, "full", full=SIGNED % b"Shop.example")
    assert signed_by(copies_of("spring-sale", ESP, [old, new])) == [
        Signer("shop.example", "k1", algorithm="rsa-sha256")
    ]
    assert signed_by(copies_of("spring-sale", ESP, [a_run("r1", CONTROL)])) == []


def test_the_copy_that_has_them_tells_whether_the_headers_of_one_click_are_signed() -> None:
    listed = b"List-Unsubscribe: <https://a.example/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    signature = b"DKIM-Signature: d=shop.example; s=k1; h=From:%s List-Unsubscribe\r\n"

    def told(named: bytes) -> list[str]:
        whole = listed + signature % named + b"\r\n"
        run = a_run("r1", CONTROL, "full", **{CONTROL: signature % b"" + b"\r\n", "full": whole})
        return [n.id for n in one_click_notices(listed, signed_by(copies_of("spring-sale", ESP, [run])))]

    assert told(b"List-Unsubscribe-Post:") == []
    assert told(b"Subject:") == ["one-click-unsigned"]
    assert one_click_notices(listed, [Signer("shop.example", "k1")]) == []  # what it signs is not known
    twice = listed.replace(b"/u>", b"/u>, <mailto:u@a.example>, <HTTPS://a.example/v>")
    assert [n.id for n in one_click_notices(twice, [])] == ["one-click-several"]


def test_a_copy_without_end_of_signatures_asks_for_few_keys() -> None:
    assert len(signers_of(b"DKIM-Signature: d=a.example; s=k\r\n" * 5_000 + b"\r\n")) == MOST_SIGNATURES


PATH = b"Return-Path: <bounces+1-x@EM1.shop.example>\r\nSubject: x\r\n\r\nHello\r\n"
RESULTS = "spf.icloud.com; spf=pass (domain of smtp.mailfrom=a@b.example) smtp.mailfrom=%s"


@pytest.mark.parametrize(
    ("content", "authentication", "seen"),
    [
        (PATH, "", "em1.shop.example"),
        (PATH + b"Return-Path: <x@later.example>\r\n", RESULTS % "x@other.example", "em1.shop.example"),
        (b"\r\n", RESULTS % "bounces+1-x@em1.shop.example", "em1.shop.example"),
        (b"\r\n", RESULTS % "em1.shop.example;", "em1.shop.example"),
        (b"Return-Path: <bounces+1@mail.shop.example>\r\n\r\n", "", ""),  # as we gave it
        (b"Return-Path: <>\r\n\r\n", "", ""),
        (b"Return-Path: <" + b"<" * 50_000, "smtp.mailfrom" * 300, ""),
        (b"", "", ""),
    ],
)
def test_the_mail_from_that_a_receiver_saw_is_read(content: bytes, authentication: str, seen: str) -> None:
    run = a_run("r1", "full", authentication=authentication, full=content)
    assert [copy.mail_from for copy in copies_of("spring-sale", ESP, [run])] == [seen]


def test_private_relay_forwards_in_its_own_name() -> None:
    run = a_run("r1", "full", domain="privaterelay.appleid.com", full=PATH)
    assert [copy.mail_from for copy in copies_of("spring-sale", ESP, [run])] == [""]


SUFFIXES = PublicSuffixes()


@pytest.mark.parametrize(
    ("authentication", "who", "do"),
    [
        (
            "mx.a; dkim=pass (good) header.d=esp.example header.b=x; spf=pass smtp.mailfrom=b@em1.esp.example; dmarc=fail",
            "dkim=pass header.d=esp.example (not aligned), spf=pass smtp.mailfrom=em1.esp.example (not aligned)",
            "Sign with d=shop.example",
        ),
        ("mx.a; dkim=fail header.d=shop.example; dmarc=fail", "header.d=shop.example (aligned)", "Have a signature of"),
        ("mx.a; dkim=pass header.d=news.shop.example; dmarc=fail", "(aligned)", "look for adkim=s"),
        ("mx.a; dmarc=fail", "nobody who signed is named", "Have a signature of"),
        ("mx.a; dmarc=fail; " + "dkim=pass " * 400, "nobody who signed is named", "Have a signature of"),
    ],
)
def test_where_dmarc_failed_it_is_said_who_signed_and_whether_that_is_aligned(
    authentication: str, who: str, do: str
) -> None:
    (notice,) = arrival_notices([Copy("full", authentication)], "shop.example", SUFFIXES)
    assert notice.grade is Grade.WARN
    assert who in notice.evidence
    assert do in notice.do


def test_what_a_receiver_found_is_shown() -> None:
    (good,) = arrival_notices(
        [Copy("control", "mx.icloud.com; spf=pass smtp.mailfrom=x; dkim=pass; dmarc=pass")], "shop.example", SUFFIXES
    )
    (bad,) = arrival_notices(
        [Copy("control", "mx.icloud.com; spf=pass; dkim=fail; dmarc=pass")], "shop.example", SUFFIXES
    )
    assert (good.grade, bad.grade) == (Grade.OK, Grade.WARN)
    assert "dkim=fail" in bad.finding


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (
            "mx.a; dkim=pass header.d=shop.example; dkim=fail header.d=esp.example; spf=pass",
            {"dkim": "pass", "spf": "pass"},
        ),
        ("mx.a; dkim=fail header.d=esp.example; dkim=pass header.d=shop.example", {"dkim": "pass"}),
        ("mx.a; dkim=fail (bad signature); dkim=none", {"dkim": "none"}),
        (
            "mx.a 1; spf/1 = pass (not dkim=fail; (spf=fail)) smtp.mailfrom=dmarc=x; dmarc=pass",
            {"spf": "pass", "dmarc": "pass"},
        ),
        ('mx.a; spf=pass reason="see; dkim=fail"; dkim=pass', {"spf": "pass", "dkim": "pass"}),
        ("dkim-verifier.icloud.com; dkim=pass\ndmarc.icloud.com; dmarc=pass", {"dkim": "pass", "dmarc": "pass"}),
        ("mx.a; none", {}),
        ("(" * 3_000, {}),
    ],
)
def test_one_good_signature_of_several_is_enough(header: str, wanted: dict[str, str]) -> None:
    assert results_of(header) == wanted
