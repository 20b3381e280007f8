"""Marking: what stands in a rendering and where, without a change to what is rendered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined, TemplateError

from harness.campaign.level import Level, Merge, Section
from harness.campaign.marking import Marker
from harness.campaign.marks import Marks, read_marked
from harness.campaign.templating import MailEnvironment, render

ROW: dict[str, object] = {
    "first": "Ana", "last": "Weber", "price": 2.5, "vip": True, "title": "", "d": {"a": 1, "b": 2},
    "items": [{"n": "Sock", "p": 2}, {"n": "Hat", "p": 3}], "person": {"city": "Rome", "tags": ["x", "y"]},
}  # fmt: skip


def marked(source: str, **row: object) -> Level:
    values = ROW | row
    marks = Marks()
    constants = frozenset(MailEnvironment({}).globals)
    marker = Marker(marks, lambda name: f"<{name}>", frozenset(values), constants)
    level = read_marked(render(MailEnvironment({"t": source}, marker).get_template("t"), values), marks)
    assert level.production() == render(MailEnvironment({"t": source}).get_template("t"), values)
    return level


def only(level: Level) -> Merge:
    (atom,) = level.atoms.values()
    assert isinstance(atom, Merge)
    return atom


@pytest.mark.parametrize(
    ("source", "fields", "values"),
    [
        ("{{ first }}", ("first",), ("<first>", "Ana")),
        ("{{ first|upper }}", ("first",), ("<FIRST>", "ANA")),
        ("{{ first.upper() }}", ("first",), ("<FIRST>", "ANA")),
        ("{{ person.city }}", ("person.city",), ("<person.city>", "Rome")),
        ("{{ person['city'] }}", ("person.city",), ("<person.city>", "Rome")),
        ("{{ person.tags[1] }}", ("person.tags.1",), ("<person.tags.1>", "y")),
        ("{{ title|default('Dr', true) }}", ("title",), ("<title>", "Dr")),
        ("{{ missing|default('x') }}", ("missing",), ("<missing>", "x")),
        ("{{ (person|default({})).city|default('x', true) }}", ("person.city",), ("<person.city>", "Rome")),
        ("{{ (nobody|default({})).city|default('x', true) }}", ("nobody.city",), ("<nobody.city>", "x")),
        ("{{ '%.2f'|format(price) }}", ("price",), ("<price>", "2.50")),
        ("{{ price * 2 }}", ("price",), ("<price>", "5.0")),
        ("{{ first ~ ' ' ~ last }}", ("first", "last"), ("<first> <last>", "Ana <last>", "<first> Weber", "Ana Weber")),
        ("{{ first if vip else last }}", ("first", "last"), ("<first>", "Ana", "<first>", "Ana")),
        ("{{ 'Dear member' if vip else 'Hello' }}", ("vip",), ("Hello", "Dear member")),
        ("{% set whole = first ~ '!' %}{{ whole }}", ("first",), ("<first>!", "Ana!")),
        ("{% with x = first %}{{ x }}{% endwith %}", ("first",), ("<first>", "Ana")),
        ("{% filter upper %}a {{ first }}{% endfilter %}", ("first",), ("A <FIRST>", "A ANA")),
    ],
)
def test_an_output_is_known_for_every_subset_of_its_fields(
    source: str, fields: tuple[str, ...], values: tuple[str, ...]
) -> None:
    atom = only(marked(source))
    assert atom.fields == fields
    assert atom.values == values


@pytest.mark.parametrize(
    "source", ["{{ 1 + 1 }}", "{{ range(3)|list }}", "{% set a = 'x' %}{{ a }}", "{{ '{' }}{# {{ first }} #}"]
)
def test_what_asks_for_no_field_is_plain_text(source: str) -> None:
    assert marked(source).atoms == {}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{% if vip %}x{% endif %}", "vip"),
        ("{% if not title %}x{% endif %}", "not-title"),
        ("{% if person.city == 'Rome' %}x{% endif %}", "person.city=Rome"),
        ("{% if title %}y{% else %}x{% endif %}", "title/else"),
        ("{% if title %}y{% elif price > 2 %}x{% endif %}", "price>2"),
        ("{% for i in items %}{{ i.n }}{% endfor %}", "items"),
        ("{% for i in items|sort(attribute='n') %}{{ i.n }}{% endfor %}", "items"),
        ("{% for i in items[:1] %}{{ i.n }}{% endfor %}", "items"),
        ("{% for k, v in d.items() %}{{ k }}{% endfor %}", "d"),
    ],
)
def test_conditions_and_loops_are_sections_named_by_what_they_ask_for(source: str, name: str) -> None:
    (atom,) = marked(source).atoms.values()
    assert isinstance(atom, Section)
    assert atom.name == name


def test_items_of_a_loop_have_one_name_for_all_turns() -> None:
    (atom,) = marked("{% for i in items %}{{ i.n }}: {{ i.p }}{% endfor %}").atoms.values()
    assert isinstance(atom, Section)
    assert [merge.fields for merge in atom.inner.merges()] == [("items.n",), ("items.p",)] * 2


def test_a_loop_over_no_field_is_no_section() -> None:
    level = marked("{% for i in range(2) %}{{ i }}{{ first }}{% endfor %}")
    assert [atom.fields for atom in level.merges()] == [("first",), ("first",)]


@given(st.lists(st.sampled_from(["{{ first }}", "{{ last|upper }}", "{% if vip %}", "{% endif %}", "{% for i in items %}", "{% endfor %}",
    "{{ first ~ last }}", "{{ loop.index }}", "<b>", "\n", "{% else %}", "{% set x = first %}", "{{ x|default('') }}"]), max_size=10))  # fmt: skip
def test_without_the_marks_it_is_what_the_template_renders_to(pieces: list[str]) -> None:
    source = "".join(pieces)
    try:
        want = Environment(undefined=StrictUndefined).from_string(source).render(ROW)
    except TemplateError:
        return  # no template at all
    assert marked(source).production() == want
