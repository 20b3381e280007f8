"""The walk: no link is opened that may end a subscription, and what is not opened is said."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.checking import PAGES
from harness.check.anatomy import dissect
from harness.check.walk import names_nobody, plan_walk
from tests.shared import examples
from tests.unit.check.builders import WORDS, mail


def walked(html: str, text: str = "Forty off", **headers: str) -> tuple[set[str], dict[str, str]]:
    urls, notices = plan_walk(dissect(mail(html=html, text=text, **headers)))
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
        '<p><a href="https://shop.example/tents">Tents</a> | <a href="https://shop.example/exit">Unsubscribe</a> | '
        '<a href="https://shop.example/privacy">Privacy</a>. Or unsubscribe <a href="https://shop.example/d">here</a>.'
        '</p><p>Tents</p><p>Shoes</p><p><a href="https://shop.example/shoes">Shoes</a></p>'
    )
    assert walked(page)[0] == {f"https://shop.example/{one}" for one in ("tents", "privacy", "shoes")}


LETTER = f"<p>{WORDS} {WORDS}</p>"
# Before the link, and its own words, in fifty wordings.
FAREWELLS = [
    ("If you no longer wish to receive these emails, ", "click here"),
    ("Not interested anymore? ", "Leave this list"),
    ("", "Take me off this list"),
    ("", "Cancel my subscription"),
    ("Too many mails? ", "Turn off these notifications"),
    ("", "Stop emails like this"),
    ("Se non vuoi più ricevere queste email ", "clicca qui"),
    ("Si vous ne souhaitez plus recevoir nos e-mails, ", "cliquez ici"),
    ("Wenn Sie keine weiteren E-Mails erhalten möchten, ", "klicken Sie hier"),
    ("Si ya no quieres recibir estos correos, ", "haz clic aquí"),
    ("", "Unsubscribe"),
    ("今後メールを受け取りたくない方は", "こちら"),
    ("如果您不想再收到此类邮件，", "请点击这里"),
    ("Als u geen e-mails meer wilt ontvangen, ", "klik hier"),
    ("Don't want these emails? ", "Click here"),
    ("", "Opt me out"),
    ("Jos et halua enää viestejä, ", "klikkaa tästä"),
    ("Had enough of us? ", "Say goodbye"),
    ("This was sent to anna@shop.example. Not you? ", "Click here"),
    ("You get this because you bought something. To hear less from us, ", "go here"),
    ("Zu viele Nachrichten? ", "Hier klicken"),
    ("Sie möchten nichts mehr von uns hören? ", "Hier entlang"),
    ("Vous recevez cette lettre parce que vous êtes client. Pour l'arrêter, ", "suivez ce lien"),
    ("Vous en avez assez ? ", "Stop"),
    ("Para dejar de recibir este boletín, ", "pulsa aquí"),
    ("¿Demasiados mensajes? ", "Aquí"),
    ("Caso não queira mais receber, ", "clique aqui"),
    ("Não quero mais receber esta newsletter: ", "sair"),
    ("Per non ricevere altre comunicazioni, ", "premi qui"),
    ("Ontvang je liever niets meer? ", "Laat het weten"),
    ("Vill du inte ha fler utskick, ", "klicka här"),
    ("Vil du ikke have flere mails, ", "klik her"),
    ("Ønsker du ikke flere nyhetsbrev, ", "trykk her"),
    ("Jeśli nie chcesz otrzymywać wiadomości, ", "kliknij tutaj"),
    ("Nechcete-li dostávat naše zprávy, ", "klikněte zde"),
    ("Ha nem kíván több levelet kapni, ", "kattintson ide"),
    ("Dacă nu mai doriți să primiți mesaje, ", "apăsați aici"),
    ("Ako više ne želite primati poruke, ", "kliknite ovdje"),
    ("Αν δεν θέλετε άλλα μηνύματα, ", "πατήστε εδώ"),
    ("Если вы не хотите получать письма, ", "нажмите здесь"),
    ("Якщо не бажаєте отримувати листи, ", "натисніть тут"),
    ("Bu e-postaları almak istemiyorsanız ", "buraya tıklayın"),
    ("Jika tidak ingin menerima surel lagi, ", "klik di sini"),
    ("Nếu không muốn nhận thư, ", "bấm vào đây"),
    ("더 이상 메일을 원하지 않으시면 ", "여기"),
    ("หากไม่ต้องการรับอีเมล ", "คลิกที่นี่"),
    ("إذا كنت لا تريد تلقي رسائل ", "اضغط هنا"),
    ("אם אינך מעוניין לקבל הודעות ", "לחץ כאן"),
    ("यदि आप ईमेल नहीं चाहते ", "यहाँ क्लिक करें"),
    ("Kama hutaki barua hizi tena, ", "bofya hapa"),
    ("Ef þú vilt ekki fá fleiri bréf, ", "smelltu hér"),
    ("", "Sagul sinut"),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize("url", ["https://go.example/q/17", "https://go.example/?r=a8Xk2", "https://go.example/x"])
@pytest.mark.parametrize(
    "page",
    [
        LETTER + "%s",
        "%s" + LETTER,
        LETTER + "%s" + SALE + LETTER,
        LETTER + '<img src="https://shop.example/a.png" alt="Tents">%s<p>Shop Ltd, 1 High Street</p>',
        "<table><tr><td>" + LETTER + "</td></tr><tr><td>%s</td><td>Imprint</td></tr></table>",
    ],
)
def test_no_wording_of_a_farewell_is_opened(page: str, url: str) -> None:
    for before, words in FAREWELLS:
        farewell = f'<p>{before}<a href="{url}">{words}</a></p>'
        text = f"{WORDS}\r\n\r\n{before}{words}:\r\n{url}\r\n"
        assert url not in walked(page % farewell, text)[0], (before, words)
        assert walked("", text)[0] == set()


def test_a_footer_of_many_languages_is_left_alone_also_where_some_are_not_known() -> None:
    footer = "".join(
        f'<p>{before}<a href="https://go.example/q/{n}">{words}</a></p>' for n, (before, words) in enumerate(FAREWELLS)
    )
    urls, said = walked(LETTER + SALE + footer)
    assert urls == {"https://shop.example/sale"}
    assert said == {"link-unsubscribe": "note"}


def test_a_button_below_a_question_about_the_mailing_is_no_content() -> None:
    page = LETTER + '<p>Too many of these emails?</p><div><a href="https://go.example/q/1">Yes</a></div>'
    assert "https://go.example/q/1" not in walked(page + LETTER + FOOTER)[0]


LOGO = "https://shop.example/logo.png"
FOOTER = (
    '<p>You receive this because you bought something. <a href="https://click.example/c/99">Unsubscribe</a> or '
    '<a href="https://click.example/c/98">change what you get</a>.</p>'
    '<p><a href="https://click.example/c/97">Privacy</a></p>'
)
CAMPAIGN = f"""<html><body>
<div style="display:none">Forty off until Sunday</div>
<a href="https://click.example/c/1"><img src="https://shop.example/logo.png" alt="Shop" width="200"></a>
<table><tr><td><a href="https://click.example/c/2">Tents</a></td><td><a href="https://click.example/c/3">Shoes</a></td></tr></table>
<h1><a href="https://click.example/c/4">Forty off</a></h1>
<p>{WORDS}. <a href="https://click.example/c/5">See the shoes</a></p>
<table><tr><td><a href="https://click.example/c/6"><img src="https://shop.example/a.png" alt="Tent"></a></td></tr>
<tr><td><a href="https://click.example/c/7">The new tent</a></td></tr><tr><td>99 euros</td></tr></table>
<p>{WORDS}</p>
<table><tr><td><a href="https://click.example/c/8"><b>Shop now</b></a></td></tr></table>
{FOOTER}</body></html>"""


def test_the_content_of_a_usual_campaign_is_followed_behind_its_click_tracking() -> None:
    urls, said = walked(CAMPAIGN)
    assert urls == {*(f"https://click.example/c/{n}" for n in range(1, 9)), LOGO}
    assert said == {"link-unsubscribe": "note"}


def test_a_tracked_page_whose_link_for_unsubscribing_is_not_known_is_left_alone() -> None:
    assert walked(CAMPAIGN.replace(FOOTER, '<p>Shop <a href="https://click.example/c/99">ade</a></p>'))[0] == {LOGO}


def test_links_that_name_nobody_are_followed_without_more_ado() -> None:
    urls = [
        "https://www.shop.example",
        "https://www.shop.example/",
        "https://www.shop.example/summer-sale/tents.html?utm_source=news&utm_campaign=summer_2026#top",
        "https://www.shop.example/de-de/Schuhe",
        "https://www.shop.example/%E5%A4%8F%E3%81%AE%E3%82%BB%E3%83%BC%E3%83%AB",
    ]
    page = "".join(f'<p>Have a look at <a href="{url}">our range</a> now.</p>' for url in urls)
    assert walked(page)[0] == set(urls)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/p/17",
        "https://shop.example/a8Xk2",
        "https://shop.example/x",
        "https://shop.example/?id=ana",
        "https://shop.example/?e=ana@shop.example",
        "https://shop.example/sjdkfh",
        "https://shop.example/kAbCd",
        "https://ana@shop.example/",
        "http://[::1",
    ],
)
def test_a_url_that_may_name_its_reader_is_known(url: str) -> None:
    assert not names_nobody(url)


def test_an_opaque_link_to_the_host_of_list_unsubscribe_is_left_alone() -> None:
    page = CAMPAIGN.replace("click.example/c/1", "lists.example/c/1")
    urls, _ = walked(page, List_Unsubscribe="<https://lists.example/u/1>")
    assert "https://lists.example/c/1" not in urls
    assert "https://click.example/c/2" in urls


@settings(max_examples=examples(800))
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_page_can_be_walked(page: str, text: str) -> None:
    walked(f"<a href='https://shop.example/{page}'>{page}</a>{page}", f"{text} https://shop.example/{text}")


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_that_is_made_to_be_slow_is_walked_to_its_end(kind: str) -> None:
    """How long it takes is measured by `python -m benchmarks.checking`."""
    page = f'{SALE}{PAGES[kind](2_000)}<p><a href="https://click.example/t/1">Unsubscribe</a></p>'
    urls, said = walked(page, re.sub("<.*?>", "\n", page))
    assert "https://shop.example/sale" in urls
    assert "https://click.example/t/1" not in urls
    assert said == {"link-unsubscribe": "note"}


def test_one_picture_of_each_host_is_asked_for_unless_its_url_may_name_the_reader() -> None:
    sources = ("shop.example/tent.png", "shop.example/shoe.png", "open.example/o/a8Xk2.gif", "cdn.example/tent.png")
    page = "".join(f'<img src="https://{source}" alt="">' for source in sources)
    assert walked(page)[0] == {"https://shop.example/tent.png", "https://cdn.example/tent.png"}


def test_images_and_other_schemes_are_not_opened() -> None:
    page = '<img src="https://shop.example/a.png"><a href="mailto:a@shop.example">a</a><a href="tel:1">b</a><a href="#c">c</a>'
    assert walked(page) == (set(), {})
