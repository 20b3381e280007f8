"""Real templates, read in place and given headers, merge values and links of their own."""

from __future__ import annotations

import random
import re
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from harness.campaign.compare import difference
from harness.campaign.expand import Expansion, expand
from harness.campaign.naming import aliased
from harness.campaign.syntax.convert import convert
from harness.model.campaign import Attachment, Campaign
from harness.model.seed import Segment
from tests.shared import SHARED, WITHOUT, examples
from tests.unit.campaign.builders import assert_honest, render, segment
from tests.unit.campaign.test_expand import body

pytestmark = pytest.mark.skipif(SHARED is None, reason=WITHOUT)
NAMES = sorted(path.name for path in (SHARED / "data" / "campaigns").iterdir() if path.is_dir()) if SHARED else []


def _value(field: str, number: int) -> object:
    """Give a field a value of the shape that its name promises."""
    name = field.lower()
    if name.endswith("details"):
        return [{"description": f"Trail shoe {n}", "amount": f"${n}9.00"} for n in range(number)]
    if "url" in name or name in ("unsub", "archive", "forward", "update_profile"):
        return f"https://{name.replace('_', '-')}.links.example/{number}?a=1&b={number}"
    return {"name": ("Ana", "Bó")[number % 2]}.get(name, f"{field} {number}")


@cache
def expanded(name: str) -> tuple[Expansion, Campaign, Segment]:
    assert SHARED is not None
    folder = SHARED / "data" / "campaigns" / name
    source = (folder / "content.html").read_text()
    links = iter(range(1000))
    source = re.sub(
        r'href="(?:#|http://|)"', lambda _: f'href="https://shop.example/{next(links)}?u=1&amp;v=2"', source
    )
    text = folder / "content.txt"
    page = convert(source, "content.html", keep_unknown=True)
    letter = convert(text.read_text(), "content.txt", page.syntax, html=False) if text.exists() else None
    fields = dict.fromkeys([*page.fields, *(letter.fields if letter else ())])
    where = segment(*({field: _value(field, number) for field in fields} for number in (1, 2)))
    campaign = Campaign(
        name,
        "Shop <news@shop.example>",
        "bounces@mail.shop.example",
        subject="Grüße from our shop",
        html=page.template,
        text=letter.template if letter else None,
        headers={"List-Unsubscribe": "<https://shop.example/u>", "List-Id": "Shop <news.shop.example>"},
        attachments=(Attachment("terms.pdf", b"%PDF" * 99, "application/pdf"),),
    )
    return expand(campaign, where), campaign, where


@pytest.mark.parametrize("name", NAMES)
def test_production_of_a_real_template_is_what_it_renders_to(name: str) -> None:
    made, campaign, where = expanded(name)
    assert made.notes == () or all("changes nothing" in note for note in made.notes)
    for seed in where.seeds:
        raw = render(made, (factor.id for factor in made.factors), seed)
        assert campaign.html is not None
        environment = Environment()
        environment.filters["capital"] = str
        assert body(raw, "html") == environment.from_string(campaign.html).render(aliased(seed.merge))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=examples(2000) // 7)
@given(chance=st.randoms(use_true_random=False), number=st.integers(0, 1))
def test_variants_of_a_real_template_are_one_change_apart(name: str, chance: random.Random, number: int) -> None:
    made, _, where = expanded(name)
    assert_honest(made, chance, where.seeds[number], most=3)


@pytest.mark.parametrize("name", NAMES)
def test_neighbours_on_the_ladder_of_a_real_template_show_one_change(name: str) -> None:
    made, _, where = expanded(name)
    rungs = made.ladder()
    assert 8 <= len(rungs) <= 120
    for before, after in pairwise(rungs):
        (added,) = after.factors - before.factors
        found = difference(render(made, before.factors, where.seeds[0]), render(made, after.factors, where.seeds[0]))
        kind = added.partition(":")[0]
        assert found.hunks or added not in made.wears(where.seeds[0].address)
        assert len(found.headers) <= (kind in ("subject", "from-name", "header"))
        assert len(found.parts_added) == (kind == "attachment")
        if kind in ("link", "redirect"):
            assert found.links_added or added not in made.wears(where.seeds[0].address)


@pytest.mark.parametrize("name", NAMES)
def test_the_copy_stage_of_a_real_template_keeps_every_word_and_no_link(name: str) -> None:
    made, _, where = expanded(name)
    copy = [factor.id for factor in made.factors if factor.stage.value == "copy"]
    raw = render(made, copy, where.seeds[0])
    shown = body(raw, "html")
    assert shown is not None
    assert "<a " not in re.sub(r"<a(?![^>]*href)[^>]*>|<a[^>]*href=[\"'](?:#|)[\"'][^>]*>", "", shown)
    assert "<img" not in shown
    assert "<style" not in shown
    assert "://" not in re.sub(r"<!--.*?-->|<!DOCTYPE[^>]*>|xmlns[:\w]*=\"[^\"]*\"", "", shown, flags=re.DOTALL)
    text = body(raw, "plain")
    assert text is not None
    assert "://" not in text
    assert len(text.split()) > 40
