"""Whatever comes in, a record or the documented error goes out, in time that grows with the input alone."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bounce.dsn import read_mail
from harness.bounce.events import PROVIDERS, read_events
from harness.bounce.reply import read_reply
from harness.bounce.rules import RULES
from harness.errors import EventError
from harness.model.answer import Answer, Kind
from tests.shared import examples
from tests.unit.bounce.corpora import CORPUS, OWN, Labelled
from tests.unit.bounce.fuzz import target

MAILS = [mail.path.read_bytes() for mail in OWN]
EVENTS = {
    name: json.loads((CORPUS / f"events/{name}.json").read_bytes())
    for name in PROVIDERS
    if (CORPUS / f"events/{name}.json").exists()
}
EVENTS["kumomta"] = [json.loads(line) for line in (CORPUS / "events/kumomta.jsonl").read_text().splitlines()]
CSV = (CORPUS / "events/powermta.csv").read_text(encoding="utf-8")
PIECES = (
    *("\n", "\r", "\r\n", "\n\n", ":", ";", "<", ">", "@", "a@b.example", "--", "--=b1", "=b1", "From ", "\0", "\t"),
    *('Content-Type: multipart/mixed; boundary="=b1"\n', "Content-Type: message/delivery-status\n\n"),
    *("Content-Transfer-Encoding: base64\n", "Content-Transfer-Encoding: quoted-printable\n", "=?utf-8?b?AAA?="),
    *("Final-Recipient: rfc822; a@b.example\n", "Action: failed\n", "Status: 5.1.1\n", "Diagnostic-Code: smtp; 550"),
    *("charset=idna", 'charset="zip"', "Subject: failure notice\n", "From: MAILER-DAEMON@b.example\n", "\\x{110000}"),
    *(
        ">>> RCPT To:<a@b.example>\n<<< 550 5.1.1 no\n",
        "<a@b.example>:\n",
        "550 5.1.1 ",
        "[CS01]",
        "Date: 99 Foo 0000\n",
    ),
)
JUNK: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e308, 10**30, "", "\n", "\0", "9" * 400, "{" * 50, '{"a": 1}', "<a@b.example>", "é\ud800", "+@"),
    *([], [None], [[]], {}, {"": None}, "554 5.7.1 [CS01] no", "250 ok", "2026-99-99T99:99:99Z", "1e9999", "a\r\nB: c", " "),
)  # fmt: skip


def check(answers: list[Answer]) -> None:
    for answer in answers:
        assert answer.kind in Kind
        assert answer.reading.cause in RULES.causes
        assert "\n" not in answer.reading.text
        assert answer.recipient is None or "\n" not in answer.recipient


@settings(max_examples=examples(5000))
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=40))
def test_any_mail_gives_answers(pieces: list[str]) -> None:
    answers = read_mail("".join(pieces).encode("utf-8", "surrogatepass"))
    assert answers
    check(answers)


@settings(max_examples=examples(5000))
@given(
    st.sampled_from(MAILS),
    st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 60), st.binary(max_size=12)), max_size=6),
)
def test_a_spoiled_report_gives_answers(raw: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    for at, length, instead in cuts:
        raw = raw[:at] + instead + raw[at + length :]
    answers = read_mail(raw)
    assert answers
    check(answers)


@settings(max_examples=examples(5000))
@given(st.binary(max_size=400))
def test_any_bytes_are_a_mail_of_some_kind(raw: bytes) -> None:
    check(read_mail(raw))


def spoil(value: Any, path: list[int], junk: Any) -> Any:
    """Put junk at some place of a nested value."""
    if isinstance(value, dict) and value and path:
        key = sorted(value)[path[0] % len(value)]
        return {**value, key: spoil(value[key], path[1:], junk)}
    if isinstance(value, list) and value and path:
        at = path[0] % len(value)
        return [*value[:at], spoil(value[at], path[1:], junk), *value[at + 1 :]]
    return junk


@pytest.mark.parametrize("provider", sorted(EVENTS))
@settings(max_examples=examples(5000))
@given(st.binary(min_size=8, max_size=24))
def test_a_spoiled_event_is_read_or_refused(provider: str, choices: bytes) -> None:
    """The bytes choose event, places and junk: far quicker than drawing them one by one."""
    event = EVENTS[provider][choices[0] % 2]
    if provider == "ses" and choices[1] % 2:
        event = json.loads(event["Message"])
    for at in range(3, len(choices) - 4, 5):
        event = spoil(event, list(choices[at : at + choices[at + 4] % 4 + 1]), JUNK[choices[at + 4] // 4 % len(JUNK)])
    named = choices[2] % 2
    try:
        answers = read_events(json.dumps(event).encode(), provider if named else None)
    except EventError:
        return
    check(answers)


@settings(max_examples=examples(5000))
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 40), st.text(max_size=8)), max_size=6))
def test_a_spoiled_accounting_file_is_read_or_refused(cuts: list[tuple[int, int, str]]) -> None:
    text = CSV
    for at, length, instead in cuts:
        text = text[:at] + instead + text[at + length :]
    try:
        answers = read_events(text.encode("utf-8", "replace"))
    except EventError:
        return
    check(answers)


@settings(max_examples=examples(5000))
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_events_or_refused(raw: bytes) -> None:
    try:
        answers = read_events(raw)
    except EventError:
        return
    check(answers)


FILLERS = (
    "a", " ", "\n", "<", ">", "@", "a@", "@a", "=", "--=b1\n", "\n--=b1x", "550 ", "5.1.1 ", "[CS", ": ", "x: y\n", " y\n", "<a@b.example>:\n",
    "a@b.example\n", ">>> RCPT To:<a@b.example>\n<<< 550 no\n", "host a[1] said: ", "(in reply to ", "=?a?b?", "Received: x\n", "reason: ",
    "Final-Recipient: rfc822; a@b.example\n\n", "Diagnostic-Code: x\n y\n", "Content-Type: multipart/mixed; boundary=x\n\n--x\n", "\\x{41}", "'", "\"",
    "-----", "é", "一", "\t", "...", "need MAIL command error: ", "boundary=", "<br", "&lt;", "spam ", "1.", "1-",
)  # fmt: skip
HEADS = (
    "From: MAILER-DAEMON@b.example\nSubject: failure notice\n\nnot delivered\n<a@b.example>:\n",
    'Content-Type: multipart/report; boundary="=b1"\n\n--=b1\nContent-Type: message/delivery-status\n\n',
    "From: MAILER-DAEMON@b.example\nContent-Type: text/html\n\nnot delivered ",
    "",
)


@pytest.mark.parametrize("filler", FILLERS)
def test_time_grows_with_the_input_alone(filler: str) -> None:
    """No pattern backtracks without bound: a megabyte of one thing takes no longer than a few seconds."""
    for head in HEADS:
        raw = (head + filler * (1_000_000 // len(filler.encode()))).encode()
        start = time.process_time()
        read_mail(raw)
        assert time.process_time() - start < 4.0
    text = filler * (200_000 // len(filler))
    start = time.process_time()
    read_reply(text)
    assert time.process_time() - start < 2.0


def test_nested_parts_hit_no_limit() -> None:
    raw = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(5000))
    check(read_mail(raw.encode()))
    check(read_mail(("Content-Type: message/rfc822\n\n" * 20000).encode()))


def test_nested_json_is_refused() -> None:
    for raw in (b"[" * 200_000, b'{"a":' * 200_000, b'[{"mail": {}, "eventType": ' + b"[" * 50_000):
        with pytest.raises(EventError):
            read_events(raw)


@pytest.mark.parametrize("mail", OWN, ids=str)
def test_the_fuzz_target_accepts_every_sample(mail: Labelled) -> None:
    target(mail.path.read_bytes())
