from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bounce.reply import answer_of_reply, read_reply
from harness.bounce.rules import RULES
from harness.model.answer import Kind
from harness.model.reply import Reply, Step
from tests.shared import examples

CORPUS = Path(__file__).parents[2] / "corpus"
REPLIES: list[dict[str, Any]] = yaml.safe_load((CORPUS / "apple_replies.yaml").read_text(encoding="utf-8"))["replies"]


@pytest.mark.parametrize("case", REPLIES, ids=lambda case: case["id"])
def test_replies_are_read_as_people_judged_them(case: dict[str, Any]) -> None:
    given_code = case["code"] if case["form"] == "esp_event" else None
    reading = read_reply(case["reply"], code=given_code)
    assert (reading.code, reading.enhanced, reading.tag) == (case["code"], case["status"], case["tag"])
    assert reading.cause in (case["class"], *case["class_also"])
    assert reading.permanent is case["permanent"]


@pytest.mark.parametrize("case", [case for case in REPLIES if not case["class_also"]], ids=lambda case: case["id"])
def test_level_and_evidence_follow_the_class_or_the_tag(case: dict[str, Any]) -> None:
    reading = read_reply(case["reply"], code=case["code"])
    assert (reading.level, reading.evidence) == (case["level"], case["trigger_evidence"])


@pytest.mark.parametrize(
    ("text", "code", "enhanced", "tag"),
    [
        ("550-5.1.1 The email account\r\n550-5.1.1 does not exist\r\n550 5.1.1 see below", 550, "5.1.1", None),
        ("host mx.b.example[192.0.2.55] said: 450 busy", 450, None, None),
        ("250 ms later the 550th mail from 554 hosts", 250, None, None),
        ("see rfc 554 or 192.0.2.550, [DB9PR00.prod], [192.0.2.8], [RFC5321], [AS4242]", None, None, None),
        ("451 [BS-02] later", 451, None, "BS-02"),
        ("554 [ZZ99] and [CS01]", 554, None, "CS01"),
        ("SMTP error code 552", 552, None, None),
        ("5.7.1 refused by 10.5.7.1", None, "5.7.1", None),
        ("#5.1.1 smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound", 550, "5.1.1", None),
        ("", None, None, None),
    ],
)
def test_code_status_and_tag_are_what_the_text_says(
    text: str, code: int | None, enhanced: str | None, tag: str | None
) -> None:
    reading = read_reply(text)
    assert (reading.code, reading.enhanced, reading.tag) == (code, enhanced, tag)


def test_text_is_kept_whole_on_one_line() -> None:
    assert read_reply(" 554 5.7.1\t[CS01]\r\n  Message\n rejected ").text == "554 5.7.1 [CS01] Message rejected"


def test_a_quoted_inner_reply_decides_but_the_outer_numbers_stay() -> None:
    reading = read_reply(
        "503 5.5.1 Error: need MAIL command - MAIL FROM error: 450 4.1.8 <a@b.example>: Sender address rejected"
    )
    assert (reading.code, reading.enhanced, reading.cause) == (503, "5.5.1", "sender_rejected")
    assert reading.permanent is False


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (250, "2.0.0 Ok", Kind.DELIVERED),
        (451, "4.7.1 Service unavailable", Kind.DEFERRED),
        (554, "5.7.1 [CS01] Message rejected due to local policy.", Kind.BOUNCE),
    ],
)
def test_a_session_reply_becomes_the_common_record(code: int, text: str, kind: Kind) -> None:
    answer = answer_of_reply(Reply(code, text, Step.CONTENT), recipient="seed@icloud.example")
    assert (answer.kind, answer.step, answer.reading.code) == (kind, Step.CONTENT, code)


@settings(max_examples=examples(5000))
@given(st.text() | st.text("0123456789.:;-[]()CSHM ", max_size=80), st.none() | st.integers(200, 599))
def test_any_text_has_a_class(text: str, code: int | None) -> None:
    """No reply, however garbled, stops a run."""
    assert read_reply(text, code=code).cause in RULES.causes
