"""The walk: which links of a message are opened to see where they lead, and which are left alone.

Opening a link can do what the link is for. One that unsubscribes would take the seed off the list, so it is never
opened; what it is for is read off its URL, its words and the words beside it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

from harness.check.link import Link
from harness.check.notice import Grade, Notice

# How links that end a subscription are called, by the beginnings of words, in the languages of Apple's larger markets.
_UNSUBSCRIBES = re.compile(
    "|".join(
        (
            r"un-?sub|opt(?:ing)?[-_ ]?out|remove[-_ ]me|stop[-_ ]?(?:mail|receiving|these)|list-?remove",
            r"abmeld|abbestell|austragen|abonnement[-_ ]?(?:beenden|kündigen)",
            r"d[ée]s[-_ ]?inscri|d[ée]s[-_ ]?abonn|r[ée]sili",
            r"dar(?:me|se|te)?[-_ ]de[-_ ]baja|/baja|desuscri|cancel(?:ar)?[-_ ](?:[alst]\w{0,2} )?(?:suscri|inscri)",
            r"cancel(?:ar)?[-_ ](?:[as]\w{0,2} )?assina",
            r"descadastr|remover[-_ ]inscri|disiscri|annulla(?:re)?[-_ ](?:l['’])?iscrizion|cancella(?:mi|rsi|ti)",
            r"afmeld|uitschrijv|avmeld|avregistrer|avprenumerer|avsluta[-_ ]prenum|frameld|meld[-_ ]d[ie]g[-_ ]ud",
            r"peruuta[-_ ]tilau|wypisz|zrezygnuj|anuluj[-_ ]subskr|odhl[áa]si|leiratkoz|dezabon|odjavi",
            r"απεγγραφ|отпис|відпис|abonelikten|aboneliği[-_ ]iptal|berhenti[-_ ]berlangganan|h[uủ]y[-_ ]đăng",
            r"配信(?:を)?(?:停止|解除)|(?:登録|購読)解除|退会|退订|退訂|取消(?:订阅|訂閱)|수신[- ]?거부|구독[- ]?취소",
            r"ยกเลิก|إلغاء الاشتراك|להסיר|הסרה",
        )
    ),
    re.IGNORECASE,
)


def plan_walk(links: Sequence[Link]) -> tuple[list[str], list[Notice]]:
    """Choose the URLs to open, each once and none that unsubscribes; say which are left alone."""
    ending = {_page(link.url) for link in links if link.kind == "list-unsubscribe"}
    opened = [link for link in links if link.kind in ("link", "text") and link.scheme in ("http", "https")]
    left = {
        link.url: None
        for link in opened
        if _page(link.url) in ending or any(map(may_unsubscribe, (link.url, link.text, link.near)))
    }
    urls = [url for url in dict.fromkeys(link.url for link in opened) if url not in left]
    if not left:
        return urls, []
    first, *more = left
    about = f"link {first[:120]}" + (f" and {len(more):,} more" if more else "")
    alone = Notice(
        "link-unsubscribe",
        Grade.NOTE,
        about,
        "not followed: it may end the subscription",
        "its URL, its words or List-Unsubscribe say so; opening it could unsubscribe the seed",
        "Open it by hand with an address that may be taken off the list.",
    )
    return urls, [alone]


def may_unsubscribe(words: str) -> bool:
    """Tell a URL, or words, that may be of a link that ends a subscription."""
    return _UNSUBSCRIBES.search(unquote(words)) is not None


def _page(url: str) -> str:
    """Return what links to one page share: all before the query, where that is more than a host."""
    page = re.split("[?#]", url, maxsplit=1)[0]
    return page if page.count("/") > 3 or (page.count("/") == 3 and not page.endswith("/")) else url
