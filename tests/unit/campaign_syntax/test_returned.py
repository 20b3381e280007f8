"""The message that a bounce brings back, whatever form it comes back in."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.campaign.returned import letter_in
from tests.shared import SHARED, WITHOUT, examples

LETTER = (
    b"From: Shop <news@shop.example>\r\nTo: ana@icloud.com\r\nSubject: Sale\r\nDate: Fri, 20 Nov 2026 09:00:00 +0000\r\n"
    b"Message-ID: <1@shop.example>\r\nX-Odd:\tkept  as it is\r\n\r\n<p>Hi =20\x80</p>\r\n"
)
HEAD = b"From: MAILER-DAEMON@mx.example\r\nTo: bounces+tok@mail.shop.example\r\nSubject: failure notice\r\n"
RULES = {
    "exim": b"------ This is a copy of the message, including all the headers. ------\r\n\r\n",
    "qmail": b"--- Below this line is a copy of the message.\r\n\r\n",
    "gmail": b"----- Original message -----\r\n\r\n",
    "gmx": b"--- The header of the original message is following. ---\r\n\r\n",
    "no rule at all": b"\r\n\r\n",
}


def mime(kind: str, body: bytes, encoding: str = "7bit") -> bytes:
    return (
        HEAD + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="r"\r\n\r\n--r\r\n'
        b"Content-Type: text/plain\r\n\r\nTo: whom it may concern\r\nit failed.\r\n--r\r\n"
        + f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
        + body
        + b"\r\n--r--\r\n"
    )


@pytest.mark.parametrize("rule", RULES)
def test_a_copy_in_the_text_is_found_by_its_header(rule: str) -> None:
    bounce = (
        HEAD + b"\r\nHi. This is qmail.\r\nReason: 554 5.7.1 [CS01]\r\n<ana@icloud.com>:\r\n\r\n" + RULES[rule] + LETTER
    )
    letter = letter_in(bounce)
    assert letter is not None
    assert letter.content == LETTER
    assert not letter.headers_only
    assert letter.envelope_sender == "bounces@mail.shop.example"


def test_a_part_is_cut_out_byte_for_byte() -> None:
    letter = letter_in(mime("message/rfc822", LETTER))
    assert letter is not None
    assert letter.content == LETTER
    coded = letter_in(mime("message/rfc822", base64.encodebytes(LETTER), "base64"))
    assert coded is not None
    assert coded.content == LETTER


def test_an_mbox_line_before_the_bounce_is_no_part_of_it() -> None:
    letter = letter_in(b"From MAILER-DAEMON Fri Nov 20 09:00:00 2026\n" + mime("message/rfc822", LETTER))
    assert letter is not None
    assert letter.content == LETTER


@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822"])
def test_headers_that_come_alone_are_told_apart(kind: str) -> None:
    letter = letter_in(mime(kind, LETTER.partition(b"\r\n\r\n")[0] + b"\r\n"))
    assert letter is not None
    assert letter.headers_only


def test_a_multipart_without_its_end_came_back_cut_short() -> None:
    whole = b"From: a@shop.example\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n\r\nHi\r\n--x--\r\n"
    full, cut = letter_in(mime("message/rfc822", whole)), letter_in(mime("message/rfc822", whole[:-8]))
    assert full is not None
    assert cut is not None
    assert (full.shortened, cut.shortened) == (False, True)


def test_words_about_a_message_are_no_message() -> None:
    assert letter_in(HEAD + b"\r\nYour message:\r\n   From: a@shop.example\r\n   Subject: x\r\n\r\nfailed.\r\n") is None
    assert letter_in(HEAD + b"\r\nFrom: only one line\r\n") is None


@settings(max_examples=examples(500), deadline=None)
@given(
    st.lists(st.sampled_from([*RULES.values(), LETTER, HEAD, b"--r\r\n", b"\r\n", b"a: b\r\n", b" \x00", b"From x\n"]))
)
def test_any_bytes_give_a_letter_or_none(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    letter = letter_in(raw)
    assert letter is None or letter.content in raw


@pytest.mark.skipif(SHARED is None, reason=WITHOUT)
def test_real_bounces_bring_back_what_stands_in_them() -> None:
    assert SHARED is not None
    found = {}
    for file in sorted((SHARED / "data" / "dsn" / "mails").glob("*.eml")):
        raw = file.read_bytes()
        letter = letter_in(raw)
        if letter is not None:
            found[file.name] = letter
            assert letter.content.strip().splitlines()[-1][:60] in raw.replace(b"=\r\n", b"").replace(b"=\n", b"")
    assert len(found) > len(list((SHARED / "data" / "dsn" / "mails").glob("*.eml"))) / 2
