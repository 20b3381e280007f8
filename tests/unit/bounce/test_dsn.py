import pytest

from harness.bounce.dsn import read_mail
from harness.model.answer import Answer, Kind
from harness.model.reply import Step
from tests.shared import SHARED, WITHOUT
from tests.unit.bounce.corpora import CORPUS, OTHERS, OWN, Labelled

BOUNCES = [mail for mail in OWN if mail.label["kind"] == "bounce"]
LETTERS = [mail for mail in OWN if mail.label["kind"] != "bounce"]
KINDS = {"auto_reply": Kind.AUTO_REPLY, "complaint": Kind.COMPLAINT, "mdn": Kind.MDN}


def read(name: str) -> list[Answer]:
    return read_mail((CORPUS / name).read_bytes())


@pytest.mark.parametrize("mail", BOUNCES, ids=str)
def test_a_report_names_each_recipient_and_what_was_said(mail: Labelled) -> None:
    answers = {answer.recipient: answer for answer in read_mail(mail.path.read_bytes())}
    assert set(answers) == {want["recipient"] for want in mail.label["recipients"]}
    for want in mail.label["recipients"]:
        answer = answers[want["recipient"]]
        assert answer.kind is Kind.BOUNCE
        assert answer.action == want["action"]
        assert answer.reading.code == want["code"]
        assert answer.reading.enhanced in (want["status"], *want["status_also"])
        assert answer.reading.tag == want["tag"]
        assert answer.reading.cause in (want["class"], *want["class_also"])
        if mail.label["original_message_id"]:
            assert answer.message_id == mail.label["original_message_id"]


@pytest.mark.parametrize("mail", LETTERS, ids=str)
def test_what_is_no_report_is_named_for_what_it_is(mail: Labelled) -> None:
    answers = read_mail(mail.path.read_bytes())
    assert [answer.kind for answer in answers] == [KINDS.get(mail.label["kind"], Kind.OTHER)]


@pytest.mark.skipif(SHARED is None, reason=WITHOUT)
def test_others_bounces_are_read_as_well_as_promised() -> None:
    right = {"recipient": 0, "status": 0, "code": 0, "action": 0, "class": 0, "tag": 0}
    total = 0
    for mail in OTHERS:
        answers = {answer.recipient: answer for answer in read_mail(mail.path.read_bytes())}
        if mail.label["kind"] != "bounce":
            assert all(answer.kind is not Kind.BOUNCE for answer in answers.values()), mail
            continue
        for want in mail.label["recipients"]:
            total += 1
            answer = answers.get(want["recipient"])
            if answer is None:
                continue
            reading = answer.reading
            right["recipient"] += 1
            right["status"] += reading.enhanced in (want["status"], *want["status_also"])
            right["code"] += reading.code == want["code"]
            right["action"] += answer.action == want["action"]
            right["class"] += reading.cause in (want["class"], *want["class_also"])
            right["tag"] += reading.tag == want["tag"]
    goals = {"recipient": 0.99, "status": 0.99, "code": 0.98, "action": 0.98, "class": 0.96, "tag": 1.0}
    assert {name: right[name] / total >= goal for name, goal in goals.items()} == dict.fromkeys(goals, True)


def test_both_recipients_of_a_forwarder_are_kept() -> None:
    (answer,) = read("apple/apple-synth-14.eml")
    assert (answer.original_recipient, answer.recipient) == ("subscriber@alias.example.org", "hidden.owner@icloud.com")


def test_our_id_comes_back_in_the_verp_address() -> None:
    (answer,) = read("apple/apple-synth-01.eml")
    assert answer.trial == "t0001"
    assert answer.envelope_recipient == "bounce+t0001@bounces.example.net"
    assert answer.step is Step.CONTENT
    assert answer.remote_mta == "mx01.mail.icloud.com"
    assert answer.queue_id


def test_our_id_comes_back_in_the_message_id_where_it_is_ours() -> None:
    raw = (CORPUS / "reports/courier.eml").read_bytes().replace(b"bounces+t1@", b"bounces@")
    assert read_mail(raw)[0].trial is None
    token = b"r7q2-00014-abcdefghij234567"
    (answer,) = read_mail(raw.replace(b"<n1@shop.example>", b"<" + token + b"@shop.example>"))
    assert answer.trial == token.decode()


def test_a_report_without_the_original_may_still_name_its_message_id() -> None:
    raw = (CORPUS / "reports/gmail-new.eml").read_bytes()
    (answer,) = read_mail(raw[: raw.index(b"--=b1\nContent-Type: message/rfc822")] + b"--=b1--\n")
    assert answer.message_id == "n1@shop.example"


def test_a_report_of_an_internationalized_address_is_read() -> None:
    (answer,) = read("reports/rfc6533.eml")
    assert answer.original_recipient == answer.recipient == "用户@dest.example"


def test_copies_that_may_have_gone_out_are_told() -> None:
    assert read("reports/twice.eml")[0].sent_more_than_once
    assert not read("reports/courier.eml")[0].sent_more_than_once


def test_a_delay_is_kept_apart_from_a_failure() -> None:
    (answer,) = read("reports/postfix-delayed.eml")
    assert (answer.action, answer.reading.permanent, answer.reading.tag) == ("delayed", False, "BS02")


def test_a_relay_s_own_words_are_not_the_receiver_s() -> None:
    assert read("reports/exim-mx.eml")[0].from_receiver is False
    assert read("reports/yahoo.eml")[0].from_receiver is True


def test_times_are_utc() -> None:
    (answer,) = read("reports/gmail-new.eml")
    assert answer.time is not None
    assert answer.time.isoformat() == "2026-11-12T17:00:01+00:00"


def test_a_provider_s_event_may_come_by_mail() -> None:
    event = (
        '{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"General","bouncedRecipients":'
        '[{"emailAddress":"ana@dest.example","action":"failed","status":"5.7.1",'
        '"diagnosticCode":"smtp; 554 5.7.1 [CS01] Message rejected due to local policy"}]},'
        '"mail":{"messageId":"m1","destination":["ana@dest.example"]}}'
    )
    raw = (
        f"From: SES <no-reply@sns.amazonaws.example>\nSubject: AWS Notification Message\n\n{event}\n\n--\nUnsubscribe\n"
    )
    (answer,) = read_mail(raw.encode())
    assert (answer.recipient, answer.reading.tag, answer.kind) == ("ana@dest.example", "CS01", Kind.BOUNCE)
    assert answer.action == "failed"


def test_a_provider_s_delivery_by_mail_is_a_report_of_delivery() -> None:
    event = '{"notificationType":"Delivery","delivery":{"recipients":["a@b.example"],"smtpResponse":"250 2.6.0 ok"},"mail":{}}'
    (answer,) = read_mail(f"From: <no-reply@sns.amazonaws.example>\nSubject: Notification\n\n{event}\n".encode())
    assert (answer.kind, answer.action, answer.reading.cause) == (Kind.BOUNCE, "delivered", "accepted")


def test_a_provider_s_complaint_by_mail_is_no_bounce() -> None:
    event = '{"notificationType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"a@b.example"}]},"mail":{}}'
    (answer,) = read_mail(f"From: <no-reply@sns.amazonaws.example>\nSubject: Notification\n\n{event}\n".encode())
    assert (answer.kind, answer.recipient) == (Kind.COMPLAINT, "a@b.example")


def test_an_x400_name_gives_its_smtp_address() -> None:
    raw = (CORPUS / "reports/exchange2003.eml").read_bytes()
    (answer,) = read_mail(
        raw.replace(b"ana@dest.example on Thu", b"c=US;a= ;p=dest;o=site;SMTP=ana@dest.example on Thu")
    )
    assert (answer.recipient, answer.reading.cause) == ("ana@dest.example", "mailbox_full")


def test_a_report_far_into_a_huge_mail_is_found() -> None:
    raw = (CORPUS / "reports/courier.eml").read_bytes()
    padded = raw.replace(b"UNDELIVERABLE MAIL", b"UNDELIVERABLE MAIL\n" + b"x" * 70 + b"\n" * (3 << 20))
    (answer,) = read_mail(padded)
    assert (answer.recipient, answer.reading.enhanced) == ("ana@dest.example", "5.1.1")


def test_where_the_bytes_lie_is_kept() -> None:
    raw = (CORPUS / "reports/courier.eml").read_bytes()
    assert read_mail(raw, source="bounces/7.eml")[0].raw == "bounces/7.eml"
