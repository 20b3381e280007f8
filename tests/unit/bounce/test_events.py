import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.bounce.events import PROVIDERS, looks_like_events, read_events
from harness.errors import EventError
from harness.model.answer import Answer, Kind
from tests.unit.bounce.corpora import CORPUS

FILES = sorted(path for path in (CORPUS / "events").iterdir() if path.suffix != ".md")
WITH_ACTION = {"ses", "powermta"}
WITHOUT_REPLY = {"acs", "brevo", "sparkpost"}  # whose delivered events tell no SMTP reply


def one(event: dict[str, Any], provider: str | None = None) -> Answer:
    (answer,) = read_events(json.dumps(event).encode(), provider)
    return answer


def test_there_is_a_sample_of_every_provider() -> None:
    assert {path.stem for path in FILES} == set(PROVIDERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_provider_s_events_are_read_by_apple_s_answer(path: Path) -> None:
    refused, accepted = read_events(path.read_bytes())
    assert looks_like_events(path.read_bytes())
    assert refused.provider == accepted.provider == path.stem
    assert refused.kind is Kind.BOUNCE
    assert (refused.reading.code, refused.reading.enhanced, refused.reading.tag) == (554, "5.7.1", "CS01")
    assert (refused.reading.cause, refused.reading.level, refused.from_receiver) == ("content_policy", "message", True)
    assert (refused.recipient, refused.trial) == ("rt-seed-s014@icloud.com", "r7q2-03link1-s014")
    assert refused.time is not None
    assert refused.time.replace(microsecond=0) == datetime(2026, 11, 18, 9, 1, 35, tzinfo=UTC)
    assert (accepted.kind, accepted.reading.cause, accepted.trial) == (Kind.DELIVERED, "accepted", "r7q2-01plain-s014")
    assert refused.action == ("failed" if path.stem in WITH_ACTION else None)
    assert accepted.reading.code == (None if path.stem in WITHOUT_REPLY else 250)


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".json"], ids=lambda path: path.stem)
def test_a_single_object_a_line_each_and_a_repeated_list_are_read_alike(path: Path) -> None:
    events = json.loads(path.read_bytes())
    both = read_events(path.read_bytes())
    assert read_events(json.dumps(events[0]).encode()) == both[:1]
    assert read_events("\n".join(json.dumps(event) for event in events).encode()) == both
    assert read_events(json.dumps([events, events]).encode()) == both * 2
    assert read_events(b"\xef\xbb\xbf" + path.read_bytes(), path.stem) == both


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix != ".csv"], ids=lambda path: path.stem)
def test_unknown_fields_are_passed_over(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first = next(read for read in [json.loads(text) if text[0] == "[" else [json.loads(text.split("\n")[0])]])[0]
    assert one({**first, "new_field": {"a": [1, None]}}).reading.tag == "CS01"


def test_providers_may_be_mixed_in_one_file() -> None:
    mixed = [json.loads(path.read_bytes())[0] for path in FILES if path.suffix == ".json"]
    answers = read_events(json.dumps(mixed).encode())
    assert [answer.provider for answer in answers] == [path.stem for path in FILES if path.suffix == ".json"]
    assert {answer.reading.tag for answer in answers} == {"CS01"}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"sg_event_id": "1", "event": "open", "email": "a@b.example"}, Kind.OTHER),
        ({"sg_event_id": "1", "event": "dropped", "reason": "Bounced Address", "email": "a@b.example"}, Kind.SUPPRESSED),
        ({"sg_event_id": "1", "event": "spamreport", "email": "a@b.example"}, Kind.COMPLAINT),
        ({"sg_event_id": "1", "event": "deferred", "response": "451 4.7.1 later"}, Kind.DEFERRED),
        ({"sg_event_id": "1", "event": "bounce", "type": "blocked", "reason": "421 4.7.0 later"}, Kind.DEFERRED),
        ({"event-data": {"event": "failed", "severity": "permanent", "reason": "suppress-bounce"}}, Kind.SUPPRESSED),
        ({"event-data": {"event": "failed", "severity": "permanent", "reason": "old"}}, Kind.EXPIRED),
        ({"event-data": {"event": "complained"}}, Kind.COMPLAINT),
        ({"event-data": {"event": "opened"}}, Kind.OTHER),
        ({"RecordType": "Bounce", "Type": "HardBounce", "Details": "smtp;550 5.1.1 user unknown"}, Kind.BOUNCE),
        ({"RecordType": "Bounce", "Type": "Transient", "Details": "smtp;550 5.1.1 user unknown"}, Kind.BOUNCE),
        ({"RecordType": "Bounce", "Type": "ManuallyDeactivated"}, Kind.SUPPRESSED),
        ({"RecordType": "SpamComplaint", "Email": "a@b.example"}, Kind.COMPLAINT),
        ({"RecordType": "Open"}, Kind.OTHER),
        ({"msys": {"message_event": {"type": "delay", "raw_reason": "451 4.4.1 later"}}}, Kind.DEFERRED),
        ({"msys": {"message_event": {"type": "policy_rejection", "raw_reason": "550 on list"}}}, Kind.SUPPRESSED),
        ({"msys": {"track_event": {"type": "click"}}}, Kind.OTHER),
        ({"msys": {}}, Kind.OTHER),
        ({"event": "blocked", "mj_campaign_id": 1, "error": "preblocked"}, Kind.SUPPRESSED),
        ({"event": "open", "mj_campaign_id": 1}, Kind.OTHER),
        ({"event": "soft_bounce", "ts_event": 1, "reason": "554 5.7.1 [CS01] no"}, Kind.BOUNCE),
        ({"event": "blocked", "ts_event": 1}, Kind.SUPPRESSED),
        ({"event": "click", "ts_event": 1}, Kind.OTHER),
        ({"type": "TransientFailure", "response": {"code": 451, "content": "later"}, "queue": "q"}, Kind.DEFERRED),
        ({"type": "Expiration", "response": {"code": 551, "content": "expired"}, "queue": "q"}, Kind.EXPIRED),
        ({"type": "Reception", "response": {"code": 250, "content": "ok"}, "queue": "q"}, Kind.OTHER),
        ({"eventType": "Bounce", "mail": {"destination": ["a@b.example"]}, "bounce": {"bounceSubType": "Suppressed", "bouncedRecipients": [{"emailAddress": "a@b.example", "status": "5.1.1"}]}}, Kind.SUPPRESSED),
        ({"eventType": "Send", "mail": {"destination": ["a@b.example"]}}, Kind.OTHER),
        ({"eventType": "Complaint", "mail": {"destination": ["a@b.example"]}, "complaint": {}}, Kind.COMPLAINT),
        ({"eventType": "DeliveryDelay", "mail": {}, "deliveryDelay": {"delayedRecipients": [{"emailAddress": "a@b.example", "diagnosticCode": "smtp; 451 4.4.1 later"}]}}, Kind.DEFERRED),
        ({"Type": "SubscriptionConfirmation", "TopicArn": "arn:x", "Message": "You have chosen"}, Kind.OTHER),
        ({"eventType": "Microsoft.Communication.EmailDeliveryReportReceived", "data": {"status": "Suppressed"}}, Kind.SUPPRESSED),
        ({"eventType": "Microsoft.Communication.EmailEngagementTrackingReportReceived", "data": {}}, Kind.OTHER),
    ],
)  # fmt: skip
def test_the_reply_decides_and_the_word_only_where_there_is_none(event: dict[str, Any], kind: Kind) -> None:
    assert one(event).kind is kind


def test_what_the_provider_never_offered_is_not_the_receiver_s_word() -> None:
    answer = one({"sg_event_id": "1", "event": "dropped", "reason": "Bounced Address", "email": "a@b.example"})
    assert (answer.from_receiver, answer.provider_word) == (False, "dropped")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"msys": {"message_event": {"type": "bounce", "raw_reason": "554 5.4.7 [internal] exceeded max time"}}}, "expired"),
        ({"msys": {"message_event": {"type": "bounce", "raw_reason": "550 [internal] [oob] no such"}}}, "bounce"),
        ({"event-data": {"event": "failed", "severity": "permanent", "delivery-status": {"code": 498, "message": "No MX for b.example"}}}, "bounce"),
        ({"event-data": {"event": "failed", "severity": "temporary", "delivery-status": {"code": 602, "message": "later"}}}, "deferred"),
        ({"type": "Bounce", "response": {"code": 500, "content": "KumoMTA internal: no MX"}, "queue": "q"}, "bounce"),
        ({"type": "Expiration", "response": {"code": 551, "content": "Next delivery time"}, "queue": "q"}, "expired"),
    ],
)  # fmt: skip
def test_the_provider_s_own_replies_are_not_the_receiver_s(event: dict[str, Any], kind: str) -> None:
    answer = one(event)
    assert (answer.kind, answer.from_receiver) == (kind, False)


@pytest.mark.parametrize(
    ("raw", "provider", "words"),
    [
        (b'{"a": 1}', None, "no provider's shape"),
        (b"[1]", None, "expected an object"),
        (b'{"a": ', None, "line 1: no JSON"),
        (b"hello", None, "expected JSON"),
        (b"[]", "nobody", "unknown provider 'nobody'"),
        (b"[" * 100_000, None, "no JSON"),
    ],
)
def test_what_is_no_event_is_refused_in_one_line(raw: bytes, provider: str | None, words: str) -> None:
    with pytest.raises(EventError, match=words) as caught:
        read_events(raw, provider)
    assert "\n" not in str(caught.value)


def test_another_kind_of_a_named_provider_s_events_is_kept_as_other() -> None:
    assert one({"hello": 1}, "ses").kind is Kind.OTHER


def test_where_an_event_lies_is_kept() -> None:
    raw = (CORPUS / "events/kumomta.jsonl").read_bytes()
    assert [answer.raw for answer in read_events(raw, source="log")] == ["log#1", "log#2"]
