"""Templates that come from anywhere: they end, they stay in memory, and they reach nothing but their own folder."""

from __future__ import annotations

import time

import pytest

from harness.campaign.expand import expand
from harness.campaign.templating import MailEnvironment, explain, render
from harness.errors import ConfigError
from tests.unit.campaign.builders import letter, segment, shop
from tests.unit.campaign.builders import render as built

BOMBS = (
    "{{ 'a' * 10**9 }}",
    "{{ 'a'.ljust(10**9) }}",
    "{{ 'a'|center(1000000000) }}",
    "{{ 'a'|indent(100000000) }}",
    "{{ '%1000000000d'|format(3) }}",
    "{{ '{:>999999999}'.format('x') }}",
    "{{ '%*d' % (1000000000, 3) }}",
    "{{ [1] * 10**8 }}",
    "{{ 2**999**999 }}",
    "{{ 2**10000000 }}",
    "{{ (['x' * 1000] * 9000)|join('y' * 1000) }}",
    "{{ ('ab' * 1000)|replace('', 'x' * 100000) }}",
    "{% for i in range(10**9) %}{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
    "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set n.x = (n.x, n.x)|join %}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% for x in 'a' * 9000000 %}{% endfor %}",
    "{% for i in range(9000) %}{{ 'abcdefghij' * 1000 }}{% endfor %}",
    "{% include 'body.html.j2' %}",
)


@pytest.mark.parametrize("source", BOMBS)
def test_a_template_that_never_ends_or_fills_the_memory_is_stopped(source: str) -> None:
    start = time.process_time()
    with pytest.raises(ConfigError, match=r"body\.html\.j2") as caught:
        expand(shop(html=source, files={"html": "body.html.j2"}), segment())
    assert "\n" not in str(caught.value)
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "source",
    [
        "{% include '/etc/passwd' %}",
        "{% include '../seeds.yaml' %}",
        "{% import 'os' as os %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ (1|each)[0]._value }}",
        "{{ first_name.format.__globals__ }}",
        "{{ '{0.__class__}'.format(first_name) }}",
        "{{ items.append(1) }}",
        "{{ lipsum() }}",
        "{{ [1, 2]|random }}",
    ],
)
def test_a_template_reaches_nothing_outside(source: str) -> None:
    with pytest.raises(ConfigError):
        expand(shop(html=source), segment())


def test_a_field_that_a_row_lacks_is_undefined_and_no_method() -> None:
    with pytest.raises(ConfigError, match="`items`"):
        letter("<p>{{ order['items'] }}</p>", row={"order": {"total": 1}})


def test_files_of_the_folder_can_be_included_and_their_fields_are_found() -> None:
    made = letter(
        "<p>Dear reader</p>{% include 'foot.html.j2' %}",
        includes={"foot.html.j2": "<i>{{ uid }}</i>"},
        row={"uid": "u-1"},
    )
    assert "merge:uid" in {factor.id for factor in made.factors}
    raw = built(made, [factor.id for factor in made.factors], segment({}).seeds[0])
    assert b"u-1" in raw


def test_an_error_in_a_file_names_its_line_not_that_of_the_harness() -> None:
    source = "one\ntwo\n{{ 1 / 0 }}"
    environment = MailEnvironment({"page": source})
    with pytest.raises(ZeroDivisionError) as caught:
        render(environment.get_template("page"), {})
    assert str(explain(caught.value, "page", "seed-01", {})).startswith("page:3: ")
