"""Form: each thing that can be wrong with a message, and one where nothing is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.check.anatomy import dissect
from harness.check.display import display_notices
from harness.check.form import form_notices
from tests.shared import examples
from tests.unit.check.builders import HTML, NOW, attached, form, mail


def test_a_message_in_form_is_said_to_be() -> None:
    assert form(mail()) == {"form-one-click": "ok", "form-ok": "ok"}


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (mail(From=None), ("form-missing", "fail")),
        (mail(Date=None), ("form-missing", "fail")),
        (mail(From="Shop"), ("form-from", "fail")),
        (mail(From="a@shop.example, b@shop.example"), ("form-from", "fail")),
        (mail(From='"ceo@bank.example" <news@shop.example>'), ("form-from-name", "fail")),
        (mail(Subject=""), ("form-subject", "warn")),
        (mail(Subject="Re: your order"), ("form-subject-reply", "warn")),
        (mail(MIME_Version=None), ("form-mime", "warn")),
        (mail(Message_ID=None), ("form-message-id", "fail")),
        (mail(Message_ID="abc"), ("form-message-id", "fail")),
        (mail(Message_ID="<a b@c.example>"), ("form-message-id", "fail")),
        (mail(Message_ID="<abc@localhost>"), ("form-message-id-domain", "warn")),
        (mail(Message_ID="<abc@app.internal>"), ("form-message-id-domain", "warn")),
        (mail(Date="yesterday"), ("form-date", "fail")),
        (mail(Date="Wed, 18 Nov 2020 11:00:00 +0000"), ("form-date-off", "warn")),
        (mail(List_Unsubscribe=None), ("form-unsubscribe", "warn")),
        (mail(List_Unsubscribe="https://shop.example/u"), ("form-unsubscribe", "fail")),
        (mail(List_Unsubscribe="<mailto:u@shop.example>"), ("form-one-click", "warn")),
        (mail(List_Unsubscribe_Post=None), ("form-one-click", "warn")),
        (mail(text=""), ("form-no-text", "warn")),
        (mail(text="Please enable HTML to read this"), ("form-unlike", "warn")),
        (mail(html="", text=""), ("form-empty", "fail")),
        (mail(html='<img src="https://shop.example/a.png"><p>Sale</p>', text="Sale"), ("form-images", "warn")),
        (mail(text="a" * 1200), ("form-long", "fail")),
        (mail().replace(b"\r\n", b"\n"), ("form-bare", "fail")),
        (mail() + b"\x00", ("form-nul", "fail")),
        (mail(Subject="Für dich"), ("form-8bit", "fail")),
        (b"Subject: again\r\n" + mail(), ("form-twice", "fail")),
        (mail(extra=attached("bill.exe")), ("form-attachment", "fail")),
        (mail(extra=attached("bill.js.pdf")), ("form-attachment", "fail")),
        (mail(extra=attached("bill.zip")), ("form-attachment-kind", "warn")),
        (mail(extra=attached("big.pdf").replace(b"\r\n\r\nx", b"\r\n\r\n" + b"x" * 70 * 300_000)), ("form-size", "fail")),
        (mail(html=HTML.replace("<p>", "<p>" + "<!-- padding -->\r\n" * 7_000)), ("form-html-size", "note")),
    ],
)  # fmt: skip
def test_each_fault_is_named(raw: bytes, wanted: tuple[str, str]) -> None:
    assert wanted in form(raw).items()


def test_a_transactional_message_needs_no_unsubscribe() -> None:
    assert "form-unsubscribe" not in form(mail(List_Unsubscribe=None, List_Unsubscribe_Post=None), transactional=True)


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("<script>x()</script>", "display-element"),
        ('<p onclick="x()">a</p>', "display-element"),
        ("<form action='https://shop.example'><input name=a></form>", "display-element"),
        ("<iframe src='https://shop.example'></iframe>", "display-element"),
        ("<base href='https://shop.example/'>", "display-element"),
        ("<a href='/sale'>a</a>", "display-relative"),
        ("<img src='https://shop.example/a.svg' alt='a'>", "display-image"),
        ("<img src='cid:logo' alt='a'>", "display-cid"),
        ("<img src='https://shop.example/a.png'>", "display-alt"),
        ("<link rel=stylesheet href='https://shop.example/a.css'>", "display-css"),
    ],
)
def test_what_apple_mail_will_not_show_is_named(html: str, wanted: str) -> None:
    assert wanted in {n.id for n in display_notices(dissect(mail(html=html)), "production")}


def test_a_plain_page_is_shown() -> None:
    assert display_notices(dissect(mail()), "production") == []


@settings(max_examples=examples(1500))
@given(st.binary(max_size=600))
def test_any_bytes_can_be_checked(raw: bytes) -> None:
    anatomy = dissect(raw)
    form_notices(anatomy, "x", now=NOW)
    display_notices(anatomy, "x")


@settings(max_examples=examples(1500))
@given(st.text(max_size=400), st.text(max_size=60))
def test_any_page_and_header_can_be_checked(page: str, header: str) -> None:
    anatomy = dissect(
        mail(
            html=page,
            From=header.replace("\r", " ").replace("\n", " "),
            Date=header.replace("\r", " ").replace("\n", " "),
        ).replace(b"utf-8", b"utf-9")
    )
    form_notices(anatomy, "x", now=NOW)
    display_notices(anatomy, "x")
