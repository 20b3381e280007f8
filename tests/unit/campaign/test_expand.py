"""Expansion as a whole: what people and the other rooms rely on."""

from __future__ import annotations

import email
import email.policy
import random
from email.message import EmailMessage
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined

from harness.campaign.expand import Expansion, expand
from harness.errors import ConfigError
from harness.model.campaign import Attachment, Campaign, Plain, Profile
from harness.model.seed import Seed
from harness.model.variant import Identity
from tests.shared import examples
from tests.unit.campaign.builders import (
    MERGES,
    PAGE,
    assert_honest,
    closed,
    identity,
    ids,
    letter,
    render,
    segment,
    shop,
)

SEGMENT = segment()
SEED, OTHER = SEGMENT.seeds
SHOP = expand(shop(), SEGMENT)
EVERYTHING = frozenset(factor.id for factor in SHOP.factors)


def parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def body(raw: bytes, kind: str) -> str | None:
    part = parsed(raw).get_body((kind,))
    if part is None:
        return None
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("seed", SEGMENT.seeds, ids=lambda seed: seed.address)
def test_production_is_exactly_what_the_templates_render_to(seed: Seed) -> None:
    raw = render(expand(shop(preheader=None), SEGMENT), EVERYTHING - {"preheader"}, seed)
    plain = Environment(undefined=StrictUndefined)
    assert body(raw, "html") == plain.from_string(PAGE).render(seed.merge)
    assert parsed(raw)["Subject"] == plain.from_string(shop().subject).render(seed.merge)
    assert parsed(raw)["List-Unsubscribe"] == f"<https://shop.example/u/{seed.merge['uid']}>"


def test_the_control_is_a_neutral_note_and_nothing_of_the_campaign() -> None:
    raw = render(SHOP, (), SEED)
    assert body(raw, "html") is None
    text = body(raw, "plain")
    assert text is not None
    assert text.startswith("Hello,\n\nthis is a short note from Shop.")
    assert parsed(raw)["Subject"] == "A note from Shop"
    for word in (b"Ana", b"Trail", b"http", b"sale", b"terms.pdf", b"List-Unsubscribe"):
        assert word not in raw


def test_a_campaign_says_its_own_plain_words() -> None:
    made = expand(shop(plain=Plain(subject="Your order", text="Only a note.\nBye")), SEGMENT)
    raw = render(made, (), SEED)
    assert parsed(raw)["Subject"] == "Your order"
    assert (body(raw, "plain") or "").strip() == "Only a note.\nBye"


def test_the_ladder_adds_one_factor_a_rung_from_control_to_production() -> None:
    rungs = SHOP.ladder()
    assert rungs[0].variant == "control"
    assert rungs[0].factors == frozenset()
    assert rungs[-1].variant == "production"
    assert rungs[-1].factors == EVERYTHING
    for before, after in pairwise(rungs):
        (added,) = after.factors - before.factors
        assert after.change == f"+{added}"
        assert after.parent == before.variant
        assert after.stage.rank >= before.stage.rank
        assert closed(SHOP, after.factors) == after.factors


@settings(max_examples=examples(2000))
@given(st.randoms(use_true_random=False), st.sampled_from(SEGMENT.seeds))
def test_two_variants_one_factor_apart_differ_only_in_its_places(chance: random.Random, seed: Seed) -> None:
    assert_honest(SHOP, chance, seed, most=3)


FRAGMENTS = (
    "<p>Plain words here for {{ first_name }}.</p>", "<h2>News &amp; more</h2>", "{{ first_name }}", "{{ product|upper }}",
    "{{ first_name ~ ' likes ' ~ product }}", "<a href='https://a.example/{{ uid }}'>one</a>", "<a href=https://b.example>",
    "</a>", "{% if vip %}<p>member {{ product }}</p>{% else %}no{% endif %}", "{% for i in items %}<li>{{ i.n }}</li>{% endfor %}",
    "<img src=cid:logo alt='Logo of {{ product }}'>", '<img src="https://p.example/o?{{ uid }}" width=1 height=1>',
    "<style>a{color:red;background:url(https://c.example/x.png)}</style>", "<!-- {{ uid }} -->", "<td background='//d.example/y.png'>",
    "<!--[if mso]><v:fill src='https://e.example/z.png'/><a href=\"https://a.example/{{ uid }}\">x</a><![endif]-->",
    "see https://f.example/é?q={{ uid }}.", "< stray & broken <", "<a href", "\r\n", "   ", "ünïcödé =3D", "<div style='background:url({{ product }})'>",
    "<area href=https://g.example/map shape=rect>", "<img srcset='https://h.example/1.png 1x, https://h.example/2.png 2x'>",
    '<a href="https://t.example/r?url=https%3A%2F%2Fi.example%2F{{ uid }}&amp;c=1">tracked</a>', "<span style='display:none'>psst {{ product }}</span>",
    "{% if vip %}<a href='https://vip.example'>{% endif %}", "{{ items|length }}", "<b>{{ '%s!'|format(first_name) }}</b>", "<script>x('https://j.example')</script>",
)  # fmt: skip
VALUES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=("Co", "Cs", "Cc")), max_size=12),
    st.sampled_from(["<b>bold</b>", "https://k.example/v?a=1&b=2", "a\"b'c", "", "=?utf-8?q?x?=", '<a href="https://l.example">l</a> x']),
)  # fmt: skip


@st.composite
def campaigns(draw: st.DrawFn) -> tuple[Campaign, dict[str, object]]:
    row: dict[str, object] = {name: draw(VALUES) for name in ("first_name", "product", "uid")}
    row["vip"] = draw(st.booleans())
    row["items"] = [{"n": draw(VALUES)} for _ in range(draw(st.integers(0, 2)))]
    text = "\n\n".join(draw(st.lists(st.sampled_from(FRAGMENTS[:10]), max_size=4))) if draw(st.booleans()) else None
    made = shop(
        html="".join(draw(st.lists(st.sampled_from(FRAGMENTS), max_size=12))),
        text=text,
        subject=draw(st.sampled_from(["Hello", "{{ first_name }}: {{ product }}", "{% if vip %}VIP {% endif %}né"])),
        preheader=draw(st.sampled_from([None, "Psst, {{ first_name }}"])),
    )
    return made, row


@settings(max_examples=examples(2000))
@given(campaigns(), st.randoms(use_true_random=False))
def test_any_campaign_is_honest_and_renders_as_its_templates_do(
    drawn: tuple[Campaign, dict[str, object]], chance: random.Random
) -> None:
    campaign, row = drawn
    where = segment(row, MERGES[0])
    made = expand(campaign, where)
    seed = where.seeds[0]
    names = frozenset(factor.id for factor in made.factors)
    raw = render(made, names, seed)
    assert campaign.html is not None
    if campaign.preheader is None:
        assert body(raw, "html") == Environment().from_string(campaign.html).render(row).replace("\r\n", "\n")
    assert raw.isascii()
    assert all(len(line) < 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert_honest(made, chance, seed, most=4)


@given(st.randoms(use_true_random=False))
def test_a_set_without_a_need_is_no_variant(chance: random.Random) -> None:
    name = chance.choice([factor for factor in SHOP.factors if factor.needs])
    with pytest.raises(ConfigError, match="stands in"):
        render(SHOP, {name.id}, SEED)


def test_an_unknown_factor_is_an_error_and_not_ignored() -> None:
    with pytest.raises(ConfigError, match=r"no factor 'link:nowhere'"):
        render(SHOP, {"link:nowhere"}, SEED)


def test_every_kind_of_factor_is_found() -> None:
    kinds = {factor.kind for factor in SHOP.factors}
    assert kinds >= {"subject", "preheader", "from-name", "text", "html", "link", "merge", "section", "redirect"}
    assert kinds >= {"image", "pixel", "attachment", "header", "style"}


def test_link_hosts_are_groups() -> None:
    assert "link:https://vip.example/x" in SHOP.groups["host:vip.example"]
    assert SHOP.groups["host:shop.example"][:2] == (
        "link:https://shop.example/sale?u={uid}",
        "link:https://shop.example/order",
    )


def test_one_field_in_subject_text_html_url_and_header_is_one_factor_that_changes_everywhere() -> None:
    (name,) = [factor for factor in SHOP.factors if factor.id == "merge:uid"]
    assert {"header:List-Unsubscribe", "link:https://shop.example/sale?u={uid}"} <= name.needs
    before, after = render(SHOP, EVERYTHING - {"merge:uid"}, SEED), render(SHOP, EVERYTHING, SEED)
    assert b"u-1" not in before
    assert after.count(b"u-1") == 7  # header, two text links, sale link twice, tracked link, pixel


def test_a_seed_may_lack_a_section_and_what_stands_in_it() -> None:
    assert "section:vip" in SHOP.wears(SEED.address)
    assert "link:https://vip.example/x" in SHOP.wears(SEED.address)
    assert "link:https://vip.example/x" not in SHOP.wears(OTHER.address)
    assert render(SHOP, EVERYTHING, OTHER) == render(
        SHOP, EVERYTHING - {"section:vip", "link:https://vip.example/x"}, OTHER
    )


def test_a_seed_can_wear_the_values_of_another_seed_or_of_a_profile() -> None:
    failed = Profile("failed-1", {**MERGES[0], "first_name": "Zoë"})
    made = expand(shop(profiles=(failed,)), SEGMENT)
    everything = frozenset(factor.id for factor in made.factors)
    worn = made.message(everything, SEED, identity(SEED), persona="failed-1")
    assert worn.recipient == SEED.address
    assert parsed(worn.content)["Subject"] == "Zoë, 40% off Trail Shoe"
    assert made.values("failed-1")["merge:first_name"] == "Zoë"


def test_trials_differ_in_recipient_token_and_date_only_and_never_in_length() -> None:
    one = SHOP.message(EVERYTHING, SEED, Identity("t0000001", "Fri, 20 Nov 2026 12:00:00 +0000", SEED.address))
    two = SHOP.message(EVERYTHING, SEED, Identity("t0000002", "Sat, 21 Nov 2026 13:01:02 +0000", SEED.address))
    assert one.envelope_sender == "bounces+t0000001@mail.shop.example"
    assert one.message_id == "t0000001@shop.example"
    assert len(one.content) == len(two.content)
    changed = [a for a, b in zip(one.content.split(b"\r\n"), two.content.split(b"\r\n"), strict=True) if a != b]
    assert [line.split(b":")[0] for line in changed] == [b"Date", b"Message-ID"]


@pytest.mark.parametrize(
    ("field", "template"),
    [
        ("subject", "Hi {{ first_name }}"),
        ("sender", "{{ first_name }} <news@shop.example>"),
        ("header", "{{ first_name }}"),
    ],
)
@pytest.mark.parametrize("value", ["x\r\nBcc: all@victims.example", "x\nX-Evil: 1", "x\0y", "x\ry"])
def test_no_merge_value_adds_a_header(field: str, template: str, value: str) -> None:
    changes: dict[str, object] = {"headers": {"X-A": template}} if field == "header" else {field: template}
    with pytest.raises(ConfigError, match=r"campaign.yaml.*seed-01@seeds\.example.*line break"):
        expand(shop(**changes), segment({**MERGES[0], "first_name": value}))


def test_no_merge_value_adds_a_second_author() -> None:
    with pytest.raises(ConfigError, match="one address"):
        expand(
            shop(sender="{{ first_name }} <news@shop.example>"), segment({**MERGES[0], "first_name": "a@b.example, x"})
        )


@pytest.mark.parametrize("name", ["Bcc", "To", "Content-Type", "X-A\r\nBcc", "X A", "Dkim-Signature"])
def test_no_campaign_file_sets_a_header_that_is_not_its_own(name: str) -> None:
    with pytest.raises(ConfigError, match="header"):
        expand(shop(headers={name: "x"}), SEGMENT)


def test_an_undefined_field_names_itself_the_seed_the_line_and_the_nearest_known_one() -> None:
    with pytest.raises(ConfigError) as caught:
        expand(shop(html="<p>\nHi {{ frist_name }}", files={"html": "variants/spring/body.html.j2"}), SEGMENT)
    assert str(caught.value).startswith("variants/spring/body.html.j2:2: the field `frist_name` is not defined")
    assert "did you mean `first_name`" in str(caught.value)
    assert "seed-01@seeds.example" in str(caught.value)


def test_a_template_that_is_no_template_names_file_and_line() -> None:
    with pytest.raises(ConfigError, match=r"body\.html\.j2:2: template syntax: .*endif"):
        expand(shop(html="<p>\n{% if vip %}\n<p>", files={"html": "body.html.j2"}), SEGMENT)


def test_sender_factors_exist_only_when_asked_for() -> None:
    assert not {factor.kind for factor in SHOP.factors} & {"from", "reply-to", "envelope-sender", "message-id", "swap"}
    asked = ("from", "reply-to", "envelope-sender", "message-id", "swap:vip.example>www.vip.example")
    made = expand(shop(reply_to="help@shop.example"), SEGMENT, asked)
    everything = frozenset(factor.id for factor in made.factors)
    assert set(asked) <= everything
    assert made.ladder()[-1].factors == everything
    plain = made.message(everything - set(asked), SEED, identity(SEED))
    assert plain.envelope_sender.endswith("@shop.example")
    assert parsed(plain.content)["From"] == "Shop <bounces@mail.shop.example>"
    assert parsed(plain.content)["Reply-To"] is None
    assert parsed(plain.content)["Message-ID"] is None
    assert "https://www.vip.example/x" in (body(plain.content, "html") or "")
    for name in asked:
        assert_honest(made, random.Random(name), SEED)


def test_a_factor_that_can_not_be_asked_for_is_an_error() -> None:
    with pytest.raises(ConfigError, match="can't be asked for"):
        expand(shop(), SEGMENT, ("dkim",))


def test_an_inline_image_needs_its_attachment() -> None:
    logo = Attachment("logo.png", b"\x89PNG", "image/png", "logo")
    made = letter('<p>Dear reader, look</p><img src="cid:logo" alt="Logo">', attachments=(logo,))
    (image,) = [factor for factor in made.factors if factor.kind == "image"]
    assert image.id == "image:cid:logo"
    assert "attachment:logo.png" in image.needs
    assert ids(made, "attachment") == ["logo.png"]


def test_a_text_campaign_has_no_html_part() -> None:
    made = expand(shop(html=None, text="Hi {{ first_name }},\n\nsee https://shop.example/a\n"), SEGMENT)
    names = frozenset(factor.id for factor in made.factors)
    assert "html" not in names
    assert body(render(made, names, SEED), "plain") == "Hi Ana,\n\nsee https://shop.example/a"


def _ladder_ids(made: Expansion) -> list[str]:
    return [rung.change for rung in made.ladder()]


def test_ids_do_not_depend_on_who_is_in_the_segment() -> None:
    alone = expand(shop(), segment(MERGES[0]))
    assert _ladder_ids(alone) == _ladder_ids(SHOP)
