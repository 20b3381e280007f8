"""The walk: no link is opened that may end a subscription, and what is not opened is said."""

from __future__ import annotations

import pytest

from harness.check.anatomy import dissect
from harness.check.walk import plan_walk
from tests.unit.check.builders import mail


def walked(html: str, text: str = "Forty off", **headers: str) -> tuple[set[str], dict[str, str]]:
    urls, notices = plan_walk(dissect(mail(html=html, text=text, **headers)).links)
    return set(urls), {notice.id: notice.grade.value for notice in notices}


SALE = '<p><a href="https://shop.example/sale">See the range</a></p>'


@pytest.mark.parametrize(
    "footer",
    [
        '<a href="https://shop.example/unsubscribe?id=1">here</a>',
        '<a href="https://click.example/t/1">Unsubscribe</a>',
        '<a href="https://click.example/t/1">Opt-out</a>',
        '<a href="https://click.example/t/1">Newsletter abbestellen</a>',
        '<a href="https://click.example/t/1">Hier abmelden</a>',
        '<a href="https://click.example/t/1">Se d\u00e9sinscrire</a>',
        '<a href="https://click.example/t/1">Darse de baja</a>',
        '<a href="https://click.example/t/1">Cancelar suscripci\u00f3n</a>',
        '<a href="https://click.example/t/1">Annulla l\u2019iscrizione</a>',
        '<a href="https://click.example/t/1">Uitschrijven</a>',
        '<a href="https://click.example/t/1">\u914d\u4fe1\u505c\u6b62\u306f\u3053\u3061\u3089</a>',
        '<a href="https://click.example/t/1">\u041e\u0442\u043f\u0438\u0441\u0430\u0442\u044c\u0441\u044f</a>',
        '<a href="https://click.example/t/1"><img src="https://shop.example/u.png" alt="Unsubscribe"></a>',
        '<p>To unsubscribe, click <a href="https://click.example/t/1">here</a>.</p>',
        '<p>Click <b><a href="https://click.example/t/1">here</a></b> to unsubscribe.</p>',
        '<p>Unsubscribe: https://click.example/t/1</p>',
        '<a href="https://shop.example/d%C3%A9sinscription">x</a>',
    ],
)  # fmt: skip
def test_a_link_that_unsubscribes_is_left_alone_and_that_is_said(footer: str) -> None:
    urls, said = walked(SALE + footer)
    assert urls == {"https://shop.example/sale"}
    assert said == {"link-unsubscribe": "note"}


def test_what_stands_in_list_unsubscribe_is_never_opened() -> None:
    link = '<a href="https://shop.example/u/1?from=body">Preferences</a>'
    urls, said = walked(SALE + link, List_Unsubscribe="<https://shop.example/u/1?from=header>")
    assert urls == {"https://shop.example/sale"}
    assert said == {"link-unsubscribe": "note"}


def test_a_url_that_unsubscribes_in_one_place_is_left_alone_in_all() -> None:
    text = "See https://click.example/t/1"
    assert walked(SALE + '<a href="https://click.example/t/1">Unsubscribe</a>', text)[0] == {
        "https://shop.example/sale"
    }


def test_the_words_of_the_next_sentence_or_link_say_nothing() -> None:
    page = (
        '<p><a href="https://shop.example/a">Tents</a> | <a href="https://shop.example/b">Unsubscribe</a> | '
        '<a href="https://shop.example/c">Privacy</a>. Or unsubscribe <a href="https://shop.example/d">here</a>.</p>'
        '<p>We are sorry to see you unsubscribe.</p><p><a href="https://shop.example/e">Shoes</a></p>'
    )
    assert walked(page)[0] == {"https://shop.example/a", "https://shop.example/c", "https://shop.example/e"}


def test_images_and_other_schemes_are_not_opened() -> None:
    page = '<img src="https://shop.example/a.png"><a href="mailto:a@shop.example">a</a><a href="tel:1">b</a><a href="#c">c</a>'
    assert walked(page) == (set(), {})
