"""Form: each thing that can be wrong with a message, and one where nothing is."""

from __future__ import annotations

import base64
import io
import time
import zipfile

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
        (mail(extra=attached("shop.com.zip")), ("form-attachment-kind", "warn")),
        (mail(extra=attached("bill.zip", "text/plain")), ("form-attachment-kind", "warn")),
        (mail(extra=attached("\u202efdp.exe")), ("form-attachment-name", "fail")),
        (mail().replace(b"charset=utf-8", b"charset=utf-9"), ("form-charset", "warn")),
        (mail().replace(b"charset=utf-8", b"charset=undefined"), ("form-charset", "warn")),
        (mail(html="<p>caf\u00e9</p>").replace(b"\xc3\xa9", b"\xe9"), ("form-charset", "warn")),
        (mail(From="=?utf-8?q?ceo=40bank=2Eexample?= <news@shop.example>"), ("form-from-name", "fail")),
        (mail(extra=attached("big.pdf").replace(b"\r\n\r\nx", b"\r\n\r\n" + b"x" * 70 * 300_000)), ("form-size", "fail")),
        (mail(html=HTML.replace("<p>", "<p>" + "<!-- padding -->\r\n" * 7_000)), ("form-html-size", "note")),
    ],
)  # fmt: skip
def test_each_fault_is_named(raw: bytes, wanted: tuple[str, str]) -> None:
    assert wanted in form(raw).items()


@pytest.mark.parametrize(
    "fields",
    [
        'Content-Disposition: attachment; filename="invoice.pdf.exe"',
        'Content-Disposition: attachment; filename="bill.exe. . "',
        'Content-Disposition: attachment; filename="bill.EXE  "',
        'Content-Disposition: attachment; filename="bill\uff0eexe"',
        'Content-Disposition: attachment; filename="bill.e\u200bxe"',
        "Content-Disposition: attachment; filename*=utf-8''bill%2Eexe",
        "Content-Disposition: attachment; filename*=iso-8859-1'en'caf%E9's%20bill%2Eexe",
        "Content-Disposition: attachment; filename*=utf-9'en'bill%2Eexe",
        "Content-Disposition: attachment; filename*=undefined''bill%2Eexe",
        "Content-Disposition: attachment; filename*=bill%2Eexe",
        "Content-Disposition: attachment; filename*0*=utf-8''it; filename*1*='s%2E; filename*2=exe",
        "Content-Disposition: attachment; filename*0=bill.e; filename*1=xe",
        "Content-Disposition: attachment; filename*0*=utf-8''bill%2E; filename*1*=%65xe",
        'Content-Disposition: attachment; filename="=?utf-8?B?YmlsbC5leGU=?="',
        'Content-Disposition: attachment;\r\n filename="=?utf-8?Q?bill=2Ee?=\r\n =?utf-8?Q?xe?="',
        "Content-Disposition: attachment; filename==?utf-8?Q?bill=2Eexe?=",
        "Content-Type: application/octet-stream; name=bill.exe",
        "Content-Type: text/plain; name=bill.exe",
        "Content-Type: application/pdf; name=bill.exe\r\nContent-Disposition: attachment; filename=bill.pdf",
        "Content-Disposition: attachment; filename=bill.exe.zip",
        "Content-Disposition: attachment; filename=bill.js.pdf",
    ],
)
def test_a_refused_kind_is_found_however_its_name_is_written(fields: str) -> None:
    part = f"--b\r\n{fields}\r\n\r\nx\r\n".encode()
    assert form(mail(extra=part))["form-attachment"] == "fail"


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, "MZ")
    field = b'Content-Disposition: attachment; filename="bill.zip"\r\nContent-Transfer-Encoding: base64'
    return b"--b\r\n" + field + b"\r\n\r\n" + base64.encodebytes(packed.getvalue()).replace(b"\n", b"\r\n")


def test_a_program_in_a_zip_is_found_in_its_directory() -> None:
    assert form(mail(extra=zipped("readme.txt", "in/invoice.exe")))["form-attachment"] == "fail"
    assert "form-attachment" not in form(mail(extra=zipped("readme.txt")))
    assert "form-attachment" not in form(mail(extra=zipped().replace(b"UEsF", b"UEsB")))


@pytest.mark.parametrize("ending", ["img", "vhd", "vhdx", "wim", "reg", "iso"])
def test_disk_images_and_the_like_are_refused(ending: str) -> None:
    assert form(mail(extra=attached(f"bill.{ending}")))["form-attachment"] == "fail"


@pytest.mark.parametrize("ending", ["one", "mobileconfig"])
def test_notebooks_and_profiles_are_looked_into(ending: str) -> None:
    assert form(mail(extra=attached(f"bill.{ending}")))["form-attachment-kind"] == "warn"


def test_a_packed_program_is_more_than_an_archive() -> None:
    (found,) = [
        n for n in form_notices(dissect(mail(extra=attached("x.exe.zip"))), "x", now=NOW) if "attachment" in n.id
    ]
    assert (found.grade.value, ".exe" in found.finding) == ("fail", True)


@pytest.mark.parametrize("name", ["shop.com.pdf", "menu.pdf", "v1.2.pdf", "photo.jpg", ".pdf", "pdf", "com.pdf"])
def test_a_document_is_no_program(name: str) -> None:
    assert not {one for one in form(mail(extra=attached(name, "application/pdf"))) if "attachment" in one}


@pytest.mark.parametrize(
    "named", ['; name="page.html"', '; name=page.html\r\nContent-Disposition: inline; filename="page.html"']
)
def test_a_page_that_has_a_name_is_still_the_page(named: str) -> None:
    assert form(mail().replace(b"text/html", b"text/html" + named.encode())) == form(mail())


def test_a_text_that_is_attached_is_no_part_of_the_message() -> None:
    attachment = mail(text="").replace(b"text/html", b"text/html\r\nContent-Disposition: attachment\r\nX-Kind: ")
    assert "form-empty" in form(attachment)


def test_an_encoded_name_with_a_comma_is_one_author() -> None:
    assert "form-from" not in form(mail(From="=?utf-8?q?Shop=2C_Inc=2E?= <news@shop.example>"))


@pytest.mark.parametrize("opened", ["<head>", "<title>", "<style>p{}", "<head><title>Sale", "<body><style>"])
def test_an_element_that_is_never_closed_hides_no_words(opened: str) -> None:
    anatomy = dissect(mail(html=f"<html>{opened}{HTML.removeprefix('<html>')}"))
    assert {"form-unlike", "form-images"}.isdisjoint(n.id for n in form_notices(anatomy, "x", now=NOW))
    unclosed = "display-unclosed" in {n.id for n in display_notices(anatomy, "x")}
    assert unclosed is not opened.endswith("<head>")


def test_a_closed_style_and_title_are_no_words() -> None:
    anatomy = dissect(
        mail(html="<title>One</title><style>two{}</style><textarea>three</textarea><script>four</script>five")
    )
    assert anatomy.words == "three five"
    assert "display-unclosed" not in {n.id for n in display_notices(anatomy, "x")}


def test_cells_and_lines_are_words_of_their_own() -> None:
    page = "<table><tr><td>trail<td>shoes</tr></table>a<br>b<b>o</b>ld<div>tents</div>"
    assert dissect(mail(html=page)).words == "trail shoes a bold tents"


def test_words_of_scripts_without_blanks_are_words() -> None:
    said = (
        "夏のセールは日曜日までです。トレイルシューズもテントも四割引きですので、ぜひこの機会に全商品をご覧ください。"
    )
    wrapped = "\r\n".join(said[at : at + 13] for at in range(0, len(said), 13))
    page = f'<img src="https://shop.example/a.png" alt="a"><p>{said}</p>'
    assert {"form-unlike", "form-images"}.isdisjoint(form(mail(html=page, text=wrapped)))
    assert "form-unlike" in form(mail(html=page, text="まったく別の文章がここに書いてあります"))
    assert "form-images" in form(
        mail(html='<img src="https://shop.example/a.png" alt="a"><p>夏のセール</p>', text="夏のセール")
    )


def test_structured_data_is_no_script() -> None:
    page = HTML.replace("</p>", '</p><script type="application/ld+json">{"@type": "Order"}</script>')
    assert display_notices(dissect(mail(html=page)), "x") == []


def test_what_only_outlook_reads_is_not_judged_by_apple_mail() -> None:
    page = HTML.replace("</p>", '</p><!--[if mso]><v:fill src="a.png"><img src="b.png"><script></script><![endif]-->')
    assert display_notices(dissect(mail(html=page)), "x") == []


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
        ("<a href='//shop.example/sale'>a</a>", "display-relative"),
        ("<a href=''>a</a>", "display-relative"),
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


def test_deep_nesting_is_no_traceback() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3_000))
    assert "form-missing" in form(nested + b"\r\nhi\r\n")


@pytest.mark.parametrize(
    "page",
    [
        "<" * 300_000,
        "<a " * 100_000,
        "<a href='https://shop.example/" * 30_000,
        "<!--" * 100_000,
        "<style>" * 40_000,
        "<div>" * 100_000,
        "<style>" + "url(" * 100_000,
        "<style>" + "@import " * 50_000,
        "<style>" + "/*" * 100_000,
        "<style>" + "url('" * 100_000 + "</style>",
        "<img srcset='" + " " * 200_000 + "'>",
        "<img srcset='" + "a 1x," * 50_000 + "'>",
        "<img srcset='" + " 1" * 100_000 + "'>",
        "<meta http-equiv=refresh content='" + "0" * 200_000 + "'>",
        "<p>" + "www." * 100_000,
        "<p>" + "http://" * 60_000,
        "<a href=x>" * 40_000,
        "&" * 300_000,
        "<p style='" + "url(" * 100_000 + "'>",
    ],
    ids=lambda page: page[:24],
)
def test_a_hostile_page_takes_no_time(page: str) -> None:
    start = time.process_time()
    anatomy = dissect(mail(html=page))
    display_notices(anatomy, "x")
    form_notices(anatomy, "x", now=NOW)
    assert time.process_time() - start < 3
