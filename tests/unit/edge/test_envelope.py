"""MAIL and RCPT on the wire, and the relay's own name of a message."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.edge.envelope import QUEUE_IDS, EnvelopeError, commands, queue_id, xtext
from harness.model.variant import Message
from tests.shared import examples

ALL = {"size": "", "8bitmime": "", "smtputf8": "", "dsn": ""}


def made(
    sender: str = "b+t@shop.example",
    to: str = "a@seeds.example",
    content: bytes = b"A: b\r\n\r\nc\r\n",
    **given: object,
):  # type: ignore[no-untyped-def]
    settings = {"offered": ALL, "dsn": True, "notify": "FAILURE", "envelope_id": "t+1"} | given
    return commands(Message(sender, to, "m@shop.example", content), **settings)  # type: ignore[arg-type]


@given(st.text(max_size=60))
@settings(max_examples=examples(1000))
def test_xtext_is_printable_and_can_be_read_back(text: str) -> None:
    coded = xtext(text.encode("utf-8", "replace").decode())
    assert re.fullmatch(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*", coded)
    back = re.sub(rb"\+([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), coded.encode())
    assert back.decode() == text.encode("utf-8", "replace").decode()


def test_what_is_offered_is_used() -> None:
    found = made()
    assert found.mail == b"MAIL FROM:<b+t@shop.example> SIZE=11 RET=HDRS ENVID=t+2B1"
    assert found.rcpt == b"RCPT TO:<a@seeds.example> NOTIFY=FAILURE ORCPT=rfc822;a@seeds.example"


def test_what_is_not_offered_is_not_asked_for() -> None:
    found = made(offered={})
    assert (found.mail, found.rcpt) == (b"MAIL FROM:<b+t@shop.example>", b"RCPT TO:<a@seeds.example>")
    assert b"ENVID" not in made(dsn=False).mail


def test_what_the_message_needs_must_be_offered() -> None:
    eight, name = "Grüße".encode(), "josé@seeds.example"
    assert b"BODY=8BITMIME" in made(content=b"A: b\r\n\r\n" + eight + b"\r\n").mail
    assert b"SMTPUTF8" in made(to=name).mail
    assert b"SMTPUTF8" in made(content=b"A: " + eight + b"\r\n\r\n").mail
    assert b"ORCPT=utf-8;jos\\x{E9}@seeds.example" in made(to=name).rcpt
    for needs in ({"content": b"\r\n\r\n" + eight}, {"to": name}):
        with pytest.raises(EnvelopeError, match=r"does not offer (8BITMIME|SMTPUTF8)"):
            made(offered={}, **needs)


@given(st.text(max_size=30))
@settings(max_examples=examples(500))
def test_no_address_ends_its_command(text: str) -> None:
    try:
        found = made(to=text.encode("utf-8", "replace").decode())
    except EnvelopeError:
        return
    assert not re.search(rb"[\x00-\x1f\x7f]", found.rcpt)
    assert found.rcpt.count(b">") == found.rcpt.count(b"<") == 1


@pytest.mark.parametrize("row", QUEUE_IDS, ids=lambda row: row[1])
def test_every_pattern_finds_the_id_of_its_own_sample(row: tuple[re.Pattern[str], str]) -> None:
    pattern, sample = row
    found = queue_id(sample)
    assert found is not None
    assert next(p for p, _ in QUEUE_IDS if p.search(sample)) is pattern


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2.0.0 Ok: queued as 4ABCDEF012", "4ABCDEF012"),
        ("2.0.0 Ok\nqueued as D04B3C0008B.", "D04B3C0008B"),
        ("2.5.0 Ok.", None),
        ("Great success", None),
        ("", None),
        ("queued as " + "x" * 5000, "x" * 80),
    ],
)
def test_ids_are_found_where_there_are_any(text: str, found: str | None) -> None:
    assert queue_id(text) == found
