"""Input that is broken, huge or meant to harm: a clear error or a faithful result, in time that grows with its size."""

from __future__ import annotations

import contextlib
import quopri
import time

import pytest

from harness.campaign.expand import expand
from harness.campaign.received import read_received
from harness.errors import ConfigError
from harness.model.campaign import Attachment, Campaign
from tests.unit.campaign.builders import letter, render, segment, shop

SEED = segment({}).seeds[0]
STRESS = {
    "brackets after a URL": "http://a.example/" + ")" * 300_000,
    "many URLs": "http://a.example/x) " * 8_000,
    "titles that are never closed": "<title>" * 40_000,
    "hidden in hidden": "<span hidden>" * 20_000 + "x",
    "many paragraphs": "<p>ab cd ef</p>" * 10_000,
    "stray signs": "<" * 300_000,
    "quotes that are never closed": "<a href=\"x'" * 20_000,
    "links that are never closed": "<a href=http://x.example/>" * 8_000,
    "conditions in conditions": "<!--[if mso]>" * 20_000,
    "a comment that is never closed": "<!-- " * 50_000,
    "white space in a tag": "<a " + " " * 300_000,
    "attributes without value": "<a " + "x " * 60_000,
    "attributes without end": "<a " + "x=\n" * 60_000 + "y",
    "nothing but spaces": "&nbsp;" * 100_000,
    "CSS without end": "<style>" + "-" * 200_000 + "url(x)" * 1000 + "</style>",
    "a srcset without end": "<img srcset='" + "a " * 60_000,
    "NUL and control characters": "<p>a\0b\x01c</p>\x0b\x1b" * 2000,
}


@pytest.mark.parametrize("markup", STRESS.values(), ids=STRESS)
def test_broken_html_is_read_in_linear_time_and_sent_as_it_is(markup: str) -> None:
    start = time.process_time()
    made = letter(markup)
    raw = render(made, [factor.id for factor in made.factors], SEED)
    assert time.process_time() - start < 8
    part = raw.partition(b"text/html")[2].partition(b"\r\n\r\n")[2].partition(b"\r\n--=_")[0]
    assert quopri.decodestring(part).replace(b"\r\n", b"\n") == markup.encode()


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("<p>word</p>" * 2_000_000, "grows beyond"),
        ("{% if uid %}" * 200 + "{% endif %}" * 200, "nested too deeply"),
        ("{% for a in items %}" * 30 + "{% endfor %}" * 30, "nested too deeply"),
        ("a \U000f0001 b", r"U\+F0001"),
        ("a \ud800 b", r"U\+D800"),
    ],
)
def test_what_can_not_be_a_message_is_a_clear_error(markup: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        letter(markup, row={"uid": "1", "items": []})


@pytest.mark.parametrize("value", ["\ud800", "\U000f0000", {"a": ["\U0010fffb"]}])
def test_a_merge_value_that_is_no_text_names_its_seed(value: object) -> None:
    with pytest.raises(ConfigError, match=r"seed-01@seeds\.example"):
        letter("<p>{{ uid }}</p>", row={"uid": value})


def test_a_large_attachment_is_built_and_left_out_quickly() -> None:
    made = letter("<p>Dear reader</p>", attachments=(Attachment("film.mp4", b"\xff" * 15_000_000, "video/mp4"),))
    everything = [factor.id for factor in made.factors]
    start = time.process_time()
    assert len(render(made, everything, SEED)) > 20_000_000
    assert len(render(made, set(everything) - {"attachment:film.mp4"}, SEED)) < 5000
    assert time.process_time() - start < 3


def test_an_imported_message_of_20_megabytes_is_cut_without_touching_its_attachment() -> None:
    lines = b"\r\n".join([b"A" * 76] * 260_000)
    raw = (
        b"From: a@shop.example\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello dear reader\r\n"
        b"--b\r\nContent-Type: video/mp4; name=film.mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + lines
        + b"\r\n--b--\r\n"
    )
    start = time.process_time()
    received = read_received("m.eml", raw)
    made = expand(Campaign("m", "a@shop.example", "a@shop.example", message=received.content), segment({}))
    out = render(made, [factor.id for factor in made.factors], SEED)
    assert time.process_time() - start < 10
    assert lines in out


def test_mixed_line_endings_and_odd_characters_of_a_template_are_one_kind_in_mail() -> None:
    made = expand(shop(html="<p>a\r\nb\nc\rd \u2028 é</p>", subject="x", preheader=None), segment())
    raw = render(made, [factor.id for factor in made.factors], SEED)
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()


@pytest.mark.parametrize("words", [("x" * 400 + " ") * 6 + "end", "é" * 3000, "x" * 3000])
def test_no_header_line_is_longer_than_mail_can_have(words: str) -> None:
    try:
        made = expand(shop(subject=words, headers={"X-Long": words}), segment())
    except ConfigError as error:
        assert str(error).startswith("campaign.yaml: the value of subject")  # noqa: PT017
        assert " " not in words
        return
    raw = render(made, [factor.id for factor in made.factors], segment().seeds[0])
    assert max(map(len, raw.split(b"\r\n"))) <= 998


def test_two_attachments_of_one_name_are_an_error() -> None:
    twice = (Attachment("a.pdf", b"1"), Attachment("a.pdf", b"2"))
    with pytest.raises(ConfigError, match=r"two attachments are called 'a\.pdf'"):
        expand(shop(attachments=twice), segment())


@pytest.mark.parametrize("name", ['a".pdf', "a\r\nX: y.pdf", "a\0.pdf"])
def test_an_attachment_adds_no_header(name: str) -> None:
    with pytest.raises(ConfigError, match="attachment"):
        expand(shop(attachments=(Attachment(name, b"1"),)), segment())


@pytest.mark.parametrize("author", ["(" * 5_000 + "a@shop.example", "=?utf-8?b?a?= <a@shop.example>", "<" * 900])
def test_an_author_field_of_any_kind_is_read_or_refused_in_words(author: str) -> None:
    with contextlib.suppress(ConfigError):
        read_received("m.eml", f"From: {author}\r\n\r\nHello\r\n".encode())
