"""Redaction: addresses, merge values and credentials go, in whatever encoding; message ids stay."""

import base64
import quopri
from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.seed import Seed, Segment
from harness.report.redact import Redactor, redactor
from tests.builders import OK, Play, factors
from tests.shared import examples

SEED = Seed(
    "ana.lopez@seeds.example",
    "icloud.com",
    {
        "first_name": "Ana",
        "city": "Zürich & Umgebung",
        "order": {"no": 481516, "items": ["Trail Shoe", 7]},
        "vip": True,
    },
)


def hide() -> Redactor:
    play = Play(factors("subject"), lambda held, seed: OK, segment=Segment("one", "o@shop.example", (SEED,)))
    facts = play.facts()
    values = {SEED.address: {"merge:coupon": "SPRING-ANA"}}
    return redactor(replace(facts, run=replace(facts.run, values=values)), ["apikey", "hunter2-secret"])


def mail(body: str, encoding: str, kind: str = "text/html") -> bytes:
    raw = body.encode()
    coded = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring, "8bit": bytes}[encoding](raw)
    head = (
        f"From: Shop <news@shop.example>\nTo: {SEED.address}\nSubject: =?utf-8?B?"
        f"{base64.b64encode('Ana, für Zürich & Umgebung'.encode()).decode()}?=\nMessage-ID: <tok3n@mail.shop.example>\n"
        f"X-Coupon: SPRING-ANA\nMIME-Version: 1.0\nContent-Type: {kind}; charset=utf-8\n"
        f"Content-Transfer-Encoding: {encoding}\n\n"
    )
    return head.encode() + coded


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_values_are_found_in_every_encoding(encoding: str) -> None:
    long = "x" * 70
    body = (
        f"<p>{long} Ana, your order 481516: Trail Shoe to Zürich &amp; Umgebung.</p>"
        "<a href='https://shop.example/u?e=ana.lopez%40seeds.example&amp;n=Trail+Shoe&amp;c=Z%C3%BCrich%20%26%20Umgebung'>"
    )
    redacted = hide().message(mail(body, encoding))
    shown = message_from_bytes(redacted, policy=policy.default)
    whole = shown.get_content() + str(shown.items())
    for secret in ("Ana,", "481516", "Trail", "rich", "lopez", "SPRING-ANA"):
        assert secret not in whole, secret
    assert shown["Message-ID"] == "<tok3n@mail.shop.example>"
    assert "[first_name]" in whole
    assert long in shown.get_content()


def test_a_name_inside_another_word_is_left_alone() -> None:
    assert hide().text("Ana bought a banana and an Analysis") == "[first_name] bought a banana and an Analysis"


def test_single_letters_and_small_numbers_tear_no_holes() -> None:
    assert hide().text("7 of 7 items, True") == "7 of 7 items, True"


def test_addresses_keep_their_domain_and_are_told_apart() -> None:
    assert hide().text("RCPT TO:<ANA.LOPEZ@seeds.example>") == "RCPT TO:<seed-01.redacted@seeds.example>"


@pytest.mark.parametrize(
    "line",
    [
        "C: AUTH PLAIN AGFwaWtleQBodW50ZXIy",
        "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc",
        '{"api_key": "SG.abcdef123456"}',
        "password=letmein99",
        "the user apikey logged in with hunter2-secret",
    ],
)
def test_credentials_never_leave(line: str) -> None:
    shown = hide().text(line)
    for secret in (
        "AGFwaWtleQBodW50ZXIy",
        "eyJhbGciOiJIUzI1NiJ9",
        "SG.abcdef123456",
        "letmein99",
        "hunter2",
        "user apikey",
    ):
        assert secret not in shown


def test_attachments_are_left_out_and_said() -> None:
    raw = (
        b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nHello Ana\n"
        b"--b\nContent-Type: application/pdf; name=Ana.pdf\nContent-Transfer-Encoding: base64\n\nQW5h\n--b--\n"
    )
    shown = hide().message(raw)
    assert b"Ana" not in shown
    assert b"QW5h" not in shown
    assert b"part of 3 bytes left out" in shown


def test_a_bounce_that_returns_the_message_is_redacted_inside_too() -> None:
    raw = (
        b"MIME-Version: 1.0\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
        b"Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; ana.lopez@seeds.example\nAction: failed\n"
        b"--b\nContent-Type: message/rfc822\n\nSubject: Hi Ana\nMessage-ID: <tok3n@mail.shop.example>\n\nDear Ana\n--b--\n"
    )
    shown = hide().message(raw)
    assert b"Ana" not in shown
    assert b"lopez" not in shown
    assert b"<tok3n@mail.shop.example>" in shown
    assert b"Action: failed" in shown


@settings(max_examples=examples(300))
@given(st.binary(max_size=600))
def test_any_bytes_can_be_redacted(raw: bytes) -> None:
    assert b"lopez@seeds" not in hide().message(raw + b"\nana.lopez@seeds.example\n")
