"""Imported messages: production is the message that was received, and every other variant is cut out of its bytes."""

from __future__ import annotations

import base64
import quopri
import random
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.campaign.expand import Expansion, expand
from harness.campaign.received import read_received
from harness.campaign.returned import letter_in
from harness.errors import ConfigError
from harness.model.campaign import Campaign, Profile
from tests.shared import SHARED, WITHOUT, examples
from tests.unit.campaign.builders import assert_honest, identity, ids, render, segment

SEGMENT = segment({}, {})
SEED = SEGMENT.seeds[0]

PAGE = (
    "<html><head><style>p{color:#333}</style></head><body>\r\n<h1>Grüße, Ana Weber</h1>\r\n<p>Your <b>order 4711</b> is on"
    " its way. <a href=\"https://shop.example/o/4711?a=1&amp;b=2\">See it</a> or <a\r\n href='https://go.partner.example/x'>"
    'rate us</a>.</p>\r\n<p><img src="https://img.shop.example/a.png" alt="Shoe"> from us = with love</p>\r\n'
    '<img src="https://t.example/o.gif?u=1" width="1" height="1">\r\n</body></html>\r\n'
)
TEXT = "Grüße, Ana Weber\r\n\r\nYour order 4711 is on its way: https://shop.example/o/4711?a=1&b=2\r\n\r\nYour shop\r\n"


def encoded(text: str, encoding: str, charset: str) -> bytes:
    content = text.encode(charset)
    if encoding == "base64":
        return base64.encodebytes(content).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        return quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return content


def message(
    encoding: str = "quoted-printable", charset: str = "utf-8", html: str = PAGE, text: str | None = TEXT
) -> bytes:
    """Make a message as a shop might have sent it, with the traces of its way."""
    parts = [("plain", text), ("html", html)] if text is not None else [("html", html)]
    made = b"".join(
        f"--xyz\r\nContent-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
        + encoded(content or "", encoding, charset) + b"\r\n"
        for kind, content in parts
    )  # fmt: skip
    return (
        b"Return-Path: <bounces+old@mail.shop.example>\r\nReceived: from a by b; Fri, 1 May 2026 10:00:00 +0000\r\n"
        b"DKIM-Signature: v=1; a=rsa-sha256; d=shop.example;\r\n b=abc\r\nFrom: Shop\r\n <orders@shop.example>\r\n"
        b"To: ana@customer.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=, your order\r\n 4711\r\n"
        b"Date: Fri, 1 May 2026 09:59:59 +0000\r\nMessage-ID: <old@shop.example>\r\nX-Mailer: Shop 1.0\r\n"
        b"List-Unsubscribe: <https://shop.example/u/1>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="mix"\r\n\r\npreamble\r\n--mix\r\n'
        b'Content-Type: multipart/alternative;\r\n\tboundary="xyz"\r\n\r\n' + made + b"--xyz--\r\n--mix\r\n"
        b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n--mix--\r\nepilogue\r\n"
    )


def imported(raw: bytes, *profiles: Profile) -> tuple[Expansion, bytes]:
    received = read_received("m.eml", raw)
    assert received.author is not None
    envelope = received.envelope_sender or "bounces@shop.example"
    campaign = Campaign("m", received.author, envelope, message=received.content, profiles=profiles)
    return expand(campaign, SEGMENT), received.content


def everything(made: Expansion) -> frozenset[str]:
    return frozenset(factor.id for factor in made.factors)


def without_identity(raw: bytes) -> bytes:
    return re.sub(rb"(?m)^(To|Date|Message-ID): [^\r]*", rb"\1: ", raw)


FORMS = [("quoted-printable", "utf-8"), ("base64", "utf-8"), ("8bit", "utf-8"), ("8bit", "iso-8859-1"), ("base64", "utf-16-le"),
         ("quoted-printable", "iso-8859-15"), ("quoted-printable", "windows-1252")]  # fmt: skip


@pytest.mark.parametrize(("encoding", "charset"), FORMS)
def test_production_is_the_message_byte_for_byte_but_for_its_identity(encoding: str, charset: str) -> None:
    made, content = imported(message(encoding, charset))
    raw = render(made, everything(made), SEED)
    assert without_identity(raw) == without_identity(content)
    assert b"To: seed-01@seeds.example\r\n" in raw
    assert b"ana@customer.example" not in raw


@pytest.mark.parametrize(("encoding", "charset"), FORMS)
@settings(max_examples=examples(300))
@given(chance=st.randoms(use_true_random=False))
def test_variants_of_an_imported_message_are_one_change_apart(
    encoding: str, charset: str, chance: random.Random
) -> None:
    made, _ = MADE[encoding, charset]
    assert_honest(made, chance, SEED, most=4)


MADE = {form: imported(message(*form)) for form in FORMS}


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64", "8bit"])
def test_the_control_of_an_imported_message_is_the_note_alone(encoding: str) -> None:
    made, _ = imported(message(encoding))
    raw = render(made, (), SEED)
    for word in (b"partner", b"img.", b"pdf", b"X-Mailer", b"List-Unsubscribe", b"4711"):
        assert word not in raw
    payload = raw.partition(b"text/plain")[2].partition(b"\r\n\r\n")[2].partition(b"--xyz")[0]
    text = {"base64": base64.b64decode, "quoted-printable": quopri.decodestring}.get(encoding, bytes)(payload)
    assert text.startswith(b"Hello,\r\n\r\nthis is a short note from Shop.")


@pytest.mark.parametrize(("encoding", "charset"), FORMS[:4])
def test_every_variant_decodes_to_the_text_with_its_places_cut(encoding: str, charset: str) -> None:
    made, _ = MADE[encoding, charset]
    shown = everything(made) - {"link:https://go.partner.example/x"}
    raw = render(made, shown, SEED).partition(b"text/html")[2].partition(b"\r\n\r\n")[2].partition(b"\r\n--xyz--")[0]
    decode = {"base64": base64.b64decode, "quoted-printable": quopri.decodestring}.get(encoding, bytes)
    text = decode(raw).decode(charset).replace("\r\n", "\n")
    want = PAGE.replace("<a\r\n href='https://go.partner.example/x'>rate us</a>", "rate us").replace("\r\n", "\n")
    if encoding == "base64":
        text, want = (re.sub(r" +", "", one) for one in (text, want))  # cut places are padded with spaces
    assert text.strip() == want.strip()


def test_all_kinds_are_found_in_an_imported_message() -> None:
    made, _ = MADE["quoted-printable", "utf-8"]
    assert ids(made, "link") == ["https://shop.example/o/4711?a=1&b=2", "https://go.partner.example/x"]
    assert ids(made, "header") == ["X-Mailer", "List-Unsubscribe"]
    assert ids(made, "attachment") == ["a.pdf"]
    assert {f.kind for f in made.factors} >= {"subject", "from-name", "html", "text", "image", "pixel", "style"}


def test_values_of_the_recipient_become_merge_fields() -> None:
    made, _ = imported(message(), Profile("failed", {"name": "Ana Weber", "order": 4711, "x": "a"}))
    assert ids(made, "merge") == ["name", "order"]
    plain = render(made, everything(made) - {"merge:name"}, SEED)
    assert b"Ana Weber" not in plain
    assert b"there" in plain
    assert made.values("failed")["merge:order"] == "4711"


def test_what_the_way_added_goes_and_it_is_said() -> None:
    received = read_received("m.eml", message())
    for name in (b"Received", b"DKIM-Signature", b"Return-Path"):
        assert name not in received.content
    assert received.envelope_sender == "bounces@mail.shop.example"
    assert "Return-Path, Received, DKIM-Signature" in received.notes[0]
    assert any("DKIM" in note and "gone" in note for note in received.notes)


def test_an_html_only_message_keeps_its_one_part_and_puts_the_note_into_it() -> None:
    made, content = imported(message(text=None))
    raw = render(made, (), SEED)
    assert raw.count(b"text/html") == 1
    assert b"this is a short note from Shop" in quopri.decodestring(raw)
    assert without_identity(render(made, everything(made), SEED)) == without_identity(content)


@pytest.mark.parametrize("raw", [b"", b"hello", b"\r\n\r\n", b"<html>", b"Subject: x\r\n\r\nno author"])
def test_what_is_no_message_is_an_error(raw: bytes) -> None:
    with pytest.raises(ConfigError, match="message"):
        read_received("m.eml", raw)


def test_nul_bytes_and_bare_line_breaks_never_reach_smtp() -> None:
    with pytest.raises(ConfigError, match="NUL"):
        read_received("m.eml", b"From: a@shop.example\r\n\r\n\0")
    received = read_received("m.eml", b"From: a@shop.example\nSubject: x\r\n\r\nmixed\nlines\r")
    assert b"\n" not in received.content.replace(b"\r\n", b"")
    assert any("CRLF" in note for note in received.notes)


def test_a_line_that_smtp_can_not_carry_is_an_error_with_its_number() -> None:
    with pytest.raises(ConfigError, match=r"message\.eml:3: 1200 bytes"):
        imported(b"From: a@shop.example\r\n\r\n" + b"x" * 1200 + b"\r\n")


def test_deep_nesting_ends() -> None:
    raw = b"From: a@shop.example\r\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2000)
    )
    made, content = imported(raw + b"\r\nhi\r\n")
    assert without_identity(render(made, everything(made), SEED)).endswith(without_identity(content)[-40:])


BITS = [
    b"From: a@shop.example\r\n", b"Subject: x\r\n y\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n", b"\r\n", b"--b\r\n", b"--b--\r\n",
    b"Content-Type: text/html; charset=utf-8\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"<a href=3D\"https://a.example\">x</a>=\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"PGEgaHJlZj0iaHR0\r\ncDovL2EuZXhhbXBsZSI+eDwvYT4=\r\n", b"=", b"=3", b"\xff\xfe\r\n", b"Words to read here\r\n",
    b"Content-Type: text/plain; charset=nonsense\r\n", b"Content-Type: multipart/alternative; boundary=\"b\"\r\n", b"To: x@y.example\r\n", b" folded\r\n",
    b"Content-Type: image/png; name=a.png\r\nContent-ID: <logo>\r\n", b"https://b.example/x \r\n", b"Date: never\r\n", b": \r\n", b"\r", b"\n",
]  # fmt: skip


@settings(max_examples=examples(2000))
@given(
    st.lists(st.one_of(st.sampled_from(BITS), st.binary(max_size=8)), max_size=25), st.randoms(use_true_random=False)
)
@example([b"Content-Transfer-Encoding: base64\r\n", b"\r", b"\r"], random.Random(0))  # an empty base64 body
def test_any_bytes_are_a_message_that_is_cut_honestly_or_a_clear_error(
    bits: list[bytes], chance: random.Random
) -> None:
    raw = b"From: a@shop.example\r\n" + b"".join(bits)
    try:
        made, content = imported(raw)
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    whole = render(made, everything(made), SEED)
    fixed = re.compile(rb"(?im)^(?:To|Date|Message-ID)[ \t]*:.*\r\n(?:[ \t].*\r\n)*")
    assert fixed.sub(b"", whole) == fixed.sub(b"", content)
    assert_honest(made, chance, SEED, most=3)


@pytest.mark.skipif(SHARED is None, reason=WITHOUT)
def test_messages_returned_by_real_bounces_come_back_byte_for_byte() -> None:
    assert SHARED is not None
    taken = 0
    for path in sorted((SHARED / "data" / "dsn" / "mails").glob("*.eml")):
        try:
            letter = letter_in(path.read_bytes())
            if letter is None:
                continue
            received = read_received(path.name, letter.content)
        except ConfigError:
            continue
        campaign = Campaign(
            "m", received.author or "", received.envelope_sender or "b@shop.example", message=received.content
        )
        try:
            made = expand(campaign, SEGMENT)
        except ConfigError:
            continue
        raw = made.message(everything(made), SEED, identity(SEED)).content
        fixed = re.compile(rb"(?im)^(?:To|Date|Message-ID)[ \t]*:.*\r\n(?:[ \t].*\r\n)*")
        assert fixed.sub(b"", raw) == fixed.sub(b"", received.content)
        assert_honest(made, random.Random(path.name), SEED)
        taken += 1
    assert taken > 50
