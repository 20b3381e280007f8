"""What a relay did to a message is said in words, and the factors that it touched are named."""

import base64
import quopri
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.factor import KIND_STAGES, Factor
from harness.model.record import Arrival
from harness.run.arrival import arrival
from tests.shared import examples
from tests.unit.run.builders import NOON

HTML = (
    '<html><body><h1>Hello Ana</h1><p>Forty per cent off.</p><a href="https://shop.example/sale?a=1&amp;b=2">Sale</a>'
    '<a href="https://go.partner.example/x">Partner</a><img src="https://img.shop.example/logo.png"></body></html>\r\n'
)
TEXT = "Hello Ana\r\n\r\nForty per cent off: https://shop.example/sale?a=1&b=2\r\n"


def message(html: str = HTML, text: str = TEXT, headers: str = "", subject: str = "Forty off, Ana",
            message_id: str = "<r7q2-00001@mail.shop.example>", encode: str = "7bit") -> bytes:  # fmt: skip
    bodies = [_encoded(text, encode), _encoded(html, encode)]
    return (
        f"{headers}From: Shop <news@shop.example>\r\nTo: seed-01@seeds.example\r\nSubject: {subject}\r\n"
        f"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nMessage-ID: {message_id}\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encode}\r\n\r\n{bodies[0]}\r\n"
        f"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: {encode}\r\n\r\n{bodies[1]}\r\n"
        "--b--\r\n"
    ).encode()


def _encoded(body: str, encode: str) -> str:
    if encode == "base64":
        return base64.encodebytes(body.encode()).decode().replace("\n", "\r\n")
    if encode == "quoted-printable":
        return quopri.encodestring(body.encode()).decode()
    return body


def factor(name: str, production: str = "") -> Factor:
    kind = name.partition(":")[0]
    return Factor(name, kind, KIND_STAGES[kind], production=production)


FACTORS = [
    factor("subject"),
    factor("from-name"),
    factor("message-id"),
    factor("html"),
    factor("link:https://shop.example/sale?a=1&b=2"),
    factor("link:https://go.partner.example/x"),
    factor("image:https://img.shop.example/logo.png"),
    factor("merge:first_name", "Hello Ana"),
    factor("text:1", "Forty per cent off."),
    factor("header:List-Unsubscribe"),
]


def compare(received: bytes, sent: bytes | None = None) -> Arrival:
    return arrival(sent or message(), received, FACTORS, "INBOX", NOON)


TRACE = (
    "Return-Path: <bounces+x@mail.shop.example>\r\nReceived: from a\r\n\tby b\r\n"
    "Authentication-Results: mx.example; dkim=pass\r\n\theader.d=shop.example\r\n"
)


def test_the_results_of_the_receivers_own_hosts_are_kept_and_no_others() -> None:
    added = (
        b"Authentication-Results: dkim-verifier.icloud.com; dkim=pass\r\n"
        b"Authentication-Results: spf.icloud.com; spf=pass\r\nAuthentication-Results: relay.example; spf=fail\r\n"
    )
    found = compare(added + message())
    assert found.authentication == "dkim-verifier.icloud.com; dkim=pass\nspf.icloud.com; spf=pass"


def test_a_copy_with_trace_headers_only_is_as_it_was_sent() -> None:
    found = compare(message(headers=TRACE))
    assert (found.differences, found.changed_factors) == ((), ())
    assert found.authentication == "mx.example; dkim=pass header.d=shop.example"


@pytest.mark.parametrize("encode", ["base64", "quoted-printable"])
def test_another_transfer_encoding_is_told_but_changes_no_factor(encode: str) -> None:
    found = compare(message(encode=encode))
    assert found.changed_factors == ()
    assert found.differences == (
        f"text/plain: transfer encoding 7bit became {encode}",
        f"text/html: transfer encoding 7bit became {encode}",
    )


def test_tracking_that_rewrites_links_touches_exactly_these_links() -> None:
    tracked = "https://click.esp.example/c/1?u=https%3A%2F%2Fgo.partner.example%2Fx"
    found = compare(message(html=HTML.replace("https://go.partner.example/x", tracked)))
    assert found.changed_factors == ("link:https://go.partner.example/x",)
    assert found.differences == (f"link rewritten: https://go.partner.example/x became {tracked}",)


def test_a_link_that_only_stands_inside_another_is_rewritten() -> None:
    plain = HTML.replace("https://go.partner.example/x", "https://click.esp.example/?https://go.partner.example/x")
    assert "link:https://go.partner.example/x" in compare(message(html=plain)).changed_factors


@pytest.mark.parametrize(
    ("change", "words", "factors"),
    [
        (lambda: message(subject="[News] Forty off, Ana"), "Subject replaced", ("subject",)),
        (lambda: message(message_id="<0102@eu-west-1.amazonses.com>"), "Message-ID replaced", ("message-id",)),
        (lambda: message(headers="X-SES-Outgoing: 2026\r\n"), "headers added: X-Ses-Outgoing", ()),
        (lambda: message(text=TEXT + "--\r\nSent by ESP\r\n"), "text added at the end", ()),
        (lambda: message(html=HTML.replace("</body>", '<img src="https://px.esp.example/o.gif"></body>')),
         "link or image added: https://px.esp.example/o.gif", ()),
        (lambda: message(html=HTML.replace("Hello Ana", "Hello"), text=TEXT.replace("Hello Ana", "Hello")),
         "HTML part changed", ("merge:first_name",)),
        (lambda: message(html=HTML.replace('<img src="https://img.shop.example/logo.png">', "")),
         "link removed: https://img.shop.example/logo.png", ("image:https://img.shop.example/logo.png",)),
        (lambda: message().replace(b"text/html", b"text/plain"), "HTML part is gone", ("html",)),
    ],
)  # fmt: skip
def test_each_change_is_named_with_its_factors(
    change: Callable[[], bytes], words: str, factors: tuple[str, ...]
) -> None:
    found = compare(change())
    assert any(said.startswith(words) for said in found.differences), found.differences
    assert set(factors) <= set(found.changed_factors)
    if not factors:
        assert found.changed_factors == ()


def test_a_header_that_was_removed_takes_its_factor_with_it() -> None:
    found = compare(message(), sent=message(headers="List-Unsubscribe: <https://shop.example/u/1>\r\n"))
    assert "header:List-Unsubscribe" in found.changed_factors
    assert "List-Unsubscribe is gone" in found.differences


def test_an_encoded_subject_with_the_same_words_is_the_same() -> None:
    encoded = "=?utf-8?b?" + base64.b64encode(b"Forty off, Ana").decode() + "?="
    assert compare(message(subject=encoded)).changed_factors == ()


def test_an_attachment_is_compared_by_what_it_holds() -> None:
    def mail(content: bytes) -> bytes:
        return (
            b'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="terms.pdf"\r\n\r\n' + content
        )

    terms = [factor("attachment:terms.pdf")]
    assert arrival(mail(b"a"), mail(b"a"), terms, "INBOX", NOON).changed_factors == ()
    assert arrival(mail(b"a"), mail(b"b"), terms, "INBOX", NOON).changed_factors == ("attachment:terms.pdf",)


def test_words_from_outside_can_not_steer_a_terminal_or_flood_a_report() -> None:
    flood = "".join(f'<a href="https://a{i}.example/{"x" * 300}">' for i in range(100))
    found = compare(message(subject="a\x1b[2Jb", html=HTML.replace("</body>", flood + "</body>")))
    assert len(found.differences) <= 21
    assert all(len(said) < 500 and said.isprintable() for said in found.differences)


@settings(max_examples=examples(500))
@given(st.binary(max_size=400))
def test_any_bytes_can_be_compared(received: bytes) -> None:
    compare(received)
    compare(message() + received)
