"""Places: every form that links, images and copy have in real mail, and what stands there when they are plain."""

from __future__ import annotations

import html
import re

import pytest

from harness.campaign.expand import expand
from harness.model.campaign import Plain
from tests.unit.campaign.builders import closed, ids, letter, render, segment, shop
from tests.unit.campaign.test_expand import body

SEED = segment({}).seeds[0]
COPY = "<p>Dear reader, this is our letter.</p>"


def shown(made: object, names: object) -> str:
    content = body(render(made, names, SEED), "html")  # type: ignore[arg-type]
    assert content is not None
    return content


LINKS = [
    ('<a href="https://a.example/x">go</a>', "https://a.example/x", "go"),
    ("<a href='https://a.example/x'>go</a>", "https://a.example/x", "go"),
    ("<a href=https://a.example/x>go</a>", "https://a.example/x", "go"),
    ('<A class=b HREF = "https://a.example/x" >go</A >', "https://a.example/x", "go"),
    ('<a href="https://a.example/x?a=1&amp;b=2">go</a>', "https://a.example/x?a=1&b=2", "go"),
    ('<a href=" https://a.example/x ">go</a>', "https://a.example/x", "go"),
    ('<a\n href="https://a.example/x"\n>go</a>', "https://a.example/x", "go"),
    ('<a href="mailto:help@a.example?subject=x">go</a>', "mailto:help@a.example?subject=x", "go"),
    ('<map><area shape=rect href="https://a.example/x"></map>', "https://a.example/x", "<map><area shape=rect></map>"),
    ("read https://a.example/x.", "https://a.example/x", "read ."),
    ("(https://a.example/x_(y))", "https://a.example/x_(y)", "()"),
    ("see www.a.example/x now", "www.a.example/x", "see  now"),
    (
        "<!--[if mso]><a href='https://a.example/x'>go</a><![endif]-->",
        "https://a.example/x",
        "<!--[if mso]>go<![endif]-->",
    ),
    (
        '<!--[if mso]><v:roundrect href="https://a.example/x" fill="t"><center>go</center></v:roundrect><![endif]-->',
        "https://a.example/x",
        '<!--[if mso]><v:roundrect fill="t"><center>go</center></v:roundrect><![endif]-->',
    ),
    ('<form action="https://a.example/x"></form>', "https://a.example/x", "<form></form>"),
]


@pytest.mark.parametrize(("markup", "name", "plain"), LINKS, ids=[row[0][:40] for row in LINKS])
def test_every_form_of_a_link_is_found_and_cut(markup: str, name: str, plain: str) -> None:
    made = letter(COPY + markup)
    assert ids(made, "link") == [name]
    everything = {factor.id for factor in made.factors}
    assert shown(made, everything) == COPY + markup
    assert shown(made, everything - {f"link:{name}"}) == COPY + plain


@pytest.mark.parametrize("markup", ['<a href="#top">x</a>', "<a name=x>x</a>", '<a href="javascript:x()">x</a>', "<a href>x</a>",
    '<html xmlns="http://www.w3.org/1999/xhtml">', "<!-- https://a.example/x -->", '<base href="https://a.example/">'])  # fmt: skip
def test_what_leads_nowhere_is_no_link(markup: str) -> None:
    assert ids(letter(COPY + markup), "link") == []


def test_links_to_one_url_are_one_factor_in_all_places_of_both_parts() -> None:
    markup = (
        COPY
        + "<a href=\"https://a.example/x?a&amp;b\">one</a> <a href='https://a.example/x?a&amp;b'>https://a.example/x?a&amp;b</a>"
    )
    made = letter(
        markup, text="Dear reader, this is our letter.\n\nOne ( https://a.example/x?a&b ) or\nhttps://a.example/x?a&b\n"
    )
    assert ids(made, "link") == ["https://a.example/x?a&b"]
    raw = render(made, {f.id for f in made.factors} - {"link:https://a.example/x?a&b"}, SEED)
    assert b"a.example/x" not in raw
    assert (body(raw, "plain") or "").endswith("One or")


IMAGES = [
    ('<img src="https://i.example/a.png" alt="A shoe">', "https://i.example/a.png", "A shoe"),
    ("<img src=https://i.example/a.png>", "https://i.example/a.png", ""),
    ('<img src="cid:logo" alt="">', "cid:logo", ""),
    ("<td background='https://i.example/a.png'>x</td>", "https://i.example/a.png", "<td>x</td>"),
    ('<div style="background:url(https://i.example/a.png) top">x</div>', "https://i.example/a.png", '<div style="background:none top">x</div>'),
    ("<style>p{background-image: url('https://i.example/a.png')}</style>", "https://i.example/a.png", "<style>p{background-image: none}</style>"),
    ('<!--[if mso]><v:fill type="tile" src="https://i.example/a.png" color="#fff"/><![endif]-->', "https://i.example/a.png",
     '<!--[if mso]><v:fill type="tile" color="#fff"/><![endif]-->'),
    ('<!--[if mso]><v:image src="https://i.example/a.png"/><![endif]-->', "https://i.example/a.png", "<!--[if mso]><![endif]-->"),
    ("<picture><source srcset='https://i.example/a.png 2x'></picture>", "https://i.example/a.png", "<picture></picture>"),
]  # fmt: skip


@pytest.mark.parametrize(("markup", "name", "plain"), IMAGES, ids=[row[0][:40] for row in IMAGES])
def test_every_form_of_an_image_is_found_and_cut(markup: str, name: str, plain: str) -> None:
    made = letter(COPY + markup)
    assert ids(made, "image") == [name]
    assert shown(made, {factor.id for factor in made.factors} - {f"image:{name}"}) == COPY + plain


def test_a_srcset_is_cut_candidate_by_candidate() -> None:
    made = letter(
        COPY + '<img src="https://i.example/1.png" srcset="https://i.example/1.png 1x, https://j.example/2.png 2x">'
    )
    assert ids(made, "image") == ["https://i.example/1.png", "https://j.example/2.png"]
    content = shown(made, {factor.id for factor in made.factors} - {"image:https://j.example/2.png"})
    assert "j.example" not in content
    assert 'srcset="https://i.example/1.png 1x,"' in content


PIXELS = [
    '<img src="https://t.example/o.gif?u=1" width="1" height="1">',
    "<img height=1 src='https://t.example/o' width=1 alt=''>",
    '<img src="https://t.example/o?x" style="width:1px;height:1px">',
    '<img src="https://t.example/o" style="display:none">',
    '<img src="https://t.example/collect?v=1&amp;t=event" alt="">',
    '<img src="https://t.example/o" width="0" height="0" border="0">',
]


@pytest.mark.parametrize("markup", PIXELS)
def test_pixels_are_told_from_images(markup: str) -> None:
    made = letter(f"{COPY}{markup}</body>")
    assert len(ids(made, "pixel")) == 1
    assert ids(made, "image") == []


@pytest.mark.parametrize("markup", [
    '<img src="https://i.example/a.png?v=2" width="600" height="200">', '<img src="https://i.example/spacer.gif" width="1" height="20">',
    '<img src="https://i.example/a.png?v=1" alt="A shoe">'])  # fmt: skip
def test_images_are_told_from_pixels(markup: str) -> None:
    made = letter(f"<p>Hello you</p>{markup}{COPY}")
    assert ids(made, "pixel") == []
    assert len(ids(made, "image")) == 1


@pytest.mark.parametrize("start", [
    '<span style="display:none">', '<div style="max-height:0; overflow:hidden">', "<td class='preheader'>", "<div hidden>",
    '<span style="font-size:1px;color:#fff">'])  # fmt: skip
def test_a_hidden_first_text_is_the_preheader(start: str) -> None:
    name = re.findall(r"\w+", start)[0]
    made = letter(f"<body>{start}Ends Sunday</{name}>{COPY}</body>")
    assert "preheader" in {factor.id for factor in made.factors}
    plain = render(made, {factor.id for factor in made.factors} - {"preheader"}, SEED)
    assert b"Ends Sunday" not in plain


def test_hidden_text_after_the_first_words_is_copy() -> None:
    made = letter(f'{COPY}<span style="display:none">More</span>')
    assert "preheader" not in {factor.id for factor in made.factors}


TRACKED = "https://click.esp.example/t?id=9&amp;url=https%3A%2F%2Fshop.example%2Fsale"


def test_a_tracked_link_is_named_by_where_it_leads_and_its_tracker_is_a_factor_of_its_own() -> None:
    made = letter(f'{COPY}<a href="{TRACKED}">Sale</a>')
    assert ids(made, "link") == ["https://shop.example/sale"]
    (redirect,) = [factor for factor in made.factors if factor.kind == "redirect"]
    assert redirect.id == "redirect:click.esp.example"
    assert "link:https://shop.example/sale" in redirect.needs
    direct = shown(made, {factor.id for factor in made.factors} - {redirect.id})
    assert direct == f'{COPY}<a href="https://shop.example/sale">Sale</a>'
    assert made.groups == {"host:shop.example": ("link:https://shop.example/sale",)}


def test_a_campaign_says_where_opaque_redirects_lead() -> None:
    redirects = {"https://click.esp.example/a1": "https://shop.example/sale?u={{ uid }}"}
    made = letter(
        COPY + '<a href="https://click.esp.example/a1?m={{ uid }}">Sale</a>',
        row={"uid": "7"},
        plain=Plain(redirects=redirects),
    )
    assert ids(made, "link") == ["https://shop.example/sale?u={uid}"]
    everything = {factor.id for factor in made.factors}
    direct = shown(made, everything - {"redirect:click.esp.example", "merge:uid"})
    assert 'href="https://shop.example/sale?u=0"' in direct


@pytest.mark.parametrize("url", [
    "https://www.facebook.com/sharer.php?u=https%3A%2F%2Fshop.example", "https://shop.example/login?next=https%3A%2F%2Fother.example",
    "https://shop.example/go?url=https%3A%2F%2Fshop.example%2Fx"])  # fmt: skip
def test_a_url_that_only_carries_another_is_no_redirect(url: str) -> None:
    made = letter(f'{COPY}<a href="{url}">x</a>')
    assert ids(made, "redirect") == []
    assert ids(made, "link") == [url]


def test_a_link_that_a_field_brings_whole_says_where_it_leads() -> None:
    made = letter(COPY + '<a href="{{ pay_url }}">Pay</a>', row={"pay_url": "https://pay.example/r/77"})
    assert ids(made, "link") == ["https://pay.example/{pay_url}"]
    assert list(made.groups) == ["host:pay.example"]
    neutral = shown(made, {factor.id for factor in made.factors} - {"merge:pay_url"})
    assert 'href="https://pay.example/"' in neutral


def test_links_in_a_merge_value_stand_in_it() -> None:
    made = letter(COPY + "<p>{{ intro }}</p>", row={"intro": 'Look <a href="https://a.example">here</a> now'})
    (link,) = [factor for factor in made.factors if factor.kind == "link"]
    assert "merge:intro" in link.needs
    assert link.stage.value == "personalized"


def test_a_macro_with_fields_shows_words_and_no_link_while_it_is_plain() -> None:
    macro = "{% macro button(url, words) %}<a href='{{ url }}'>{{ words }} now</a>{% endmacro %}"
    made = letter(macro + COPY + "<p>{{ button(pay_url, 'Pay') }}</p>", row={"pay_url": "https://pay.example/r/77"})
    (link,) = [factor for factor in made.factors if factor.kind == "link"]
    assert link.id == "link:https://pay.example/r/77"
    everything = {factor.id for factor in made.factors}
    assert "<a href='https://pay.example/r/77'>Pay now</a>" in shown(made, everything)
    assert "<p>Pay now</p>" in shown(made, everything - {link.id})
    assert "<p>Pay now</p>" in shown(made, everything - {link.id, "merge:pay_url"})


def test_copy_changes_in_both_parts_together() -> None:
    markup = "<h1>Spring is here</h1><p>The snow melts slowly now.</p><h2>New shoes arrived</h2><p>They are light and green.</p>"
    markup += (
        "<h2>Small print</h2><p>You get this letter weekly.</p><h2>Our address</h2><p>Mill lane four, Exampleton</p>"
    )
    text = "SPRING IS HERE\nThe snow melts slowly now.\n\n* New shoes arrived *\nThey are light and green.\n\nYou get this letter weekly.\n"
    made = letter(markup, text=text)
    (name,) = [f.id for f in made.factors if f.kind == "text" and "shoes" in f.production]
    raw = render(made, {factor.id for factor in made.factors} - {name}, SEED)
    for part in ("plain", "html"):
        content = (body(raw, part) or "").lower()
        assert "light and green" not in content
        assert "snow melts" in content
        assert "letter weekly" in content


def test_a_page_of_many_paragraphs_has_about_a_dozen_blocks() -> None:
    made = letter("".join(f"<p>Paragraph number {n} has some words</p>" for n in range(200)))
    assert 5 <= len(ids(made, "text")) <= 12


def test_alternative_text_is_copy_of_its_block() -> None:
    made = letter(COPY + '<img src="https://i.example/a.png" alt="A green shoe">')
    assert "A green shoe" not in shown(made, closed(made, ["html"]))
    assert "A green shoe" in shown(made, closed(made, ["html", "text:1"]))


def test_the_note_stands_in_the_html_where_the_first_words_were() -> None:
    made = letter(
        f"<title>Sale</title><table><tr><td>{COPY}</td></tr></table>", plain=Plain(text="A <note>\nof two lines")
    )
    assert "<td><p>A &lt;note&gt;<br>\nof two lines</p></td>" in shown(made, ["html"])


def test_a_page_without_words_still_has_a_control() -> None:
    made = letter('<body><img src="https://i.example/a.png"></body>')
    assert (body(render(made, (), SEED), "plain") or "").startswith("Hello,")
    assert "short note" in shown(made, ["html"])


def test_a_preheader_of_the_campaign_is_put_in_hidden_and_escaped() -> None:
    made = expand(
        shop(html=f"<body>{COPY}</body>", preheader="5 > 4 & {{ first_name }}"),
        segment({"first_name": "<b>", "product": "x", "uid": "u"}),
    )
    content = body(render(made, [f.id for f in made.factors], SEED), "html") or ""
    assert html.escape("5 > 4 & <b>") in content
    assert content.startswith("<body><div class=")


@pytest.mark.parametrize(
    "start", ["<!DOCTYPE html><html><head><title>x</title></head>", "<!doctype html>\n<html>", "<!DOCTYPE html>", ""]
)
def test_a_page_without_a_body_tag_keeps_its_head_first(start: str) -> None:
    made = expand(shop(html=start + COPY, preheader="Ends Sunday"), segment())
    content = body(render(made, [f.id for f in made.factors], segment().seeds[0]), "html") or ""
    assert content.startswith(start + '<div class="preheader"')


def test_text_made_from_html_reads_like_a_letter() -> None:
    made = letter(
        '<h1>Hi&nbsp;you</h1><p>Read <a href="https://a.example/x">our news</a>, please.</p><ul><li>one</li><li>two</li></ul>'
    )
    text = body(render(made, [f.id for f in made.factors], SEED), "plain")
    assert text == "Hi you\n\nRead our news (https://a.example/x), please.\n\n- one\n- two"
