"""The walk: which links of a message are opened to see where they lead, and which are left alone.

Opening a link can do what the link is for. One that unsubscribes would take the seed off the list, so it is never
opened; what it is for is read off its URL, its words and the words beside it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Walk:
    """The URLs to open, and what is said of those that are not."""

    urls: tuple[str, ...]
    notices: tuple[Notice, ...]


def plan_walk(links: Sequence[Link], most: int) -> Walk:
    """Choose the links to open: each URL once, none that unsubscribes, and at most so many."""
    ending = {_place(link.url) for link in links if link.kind == "list-unsubscribe"}
    urls = dict.fromkeys(
        link.url for link in links if link.kind in ("link", "text") and link.scheme in ("http", "https") and link.host
    )
    left = dict.fromkeys(link.url for link in links if link.url in urls and (_place(link.url) in ending or _ends(link)))
    wanted = [url for url in urls if url not in left]
    notices = []
    if left:
        notices.append(
            Notice(
                "link-unsubscribe",
                Grade.NOTE,
                _some(list(left)),
                f"left alone: {_many(len(left), 'link')} that may end the subscription",
                "opening it would unsubscribe the seed",
                "Open it by hand with an address that may be taken off the list.",
            )
        )
    if len(wanted) > most:
        notices.append(
            Notice(
                "link-unfollowed",
                Grade.NOTE,
                _some(wanted[most:]),
                f"not followed: {_many(len(wanted) - most, 'link')} over the limit of {most}",
                f"{most} of {len(wanted):,} were followed, in the order of the message",
                "Their hosts were looked at; open by hand those whose redirects matter.",
            )
        )
    return Walk(tuple(wanted[:most]), tuple(notices))


def _ends(link: Link) -> bool:
    return any(_UNSUBSCRIBES.search(words) for words in (unquote(link.url), link.text, link.near))


def _place(url: str) -> str:
    """Return what links to one page share: all before the query, where that is more than a host."""
    page = re.split("[?#]", url, maxsplit=1)[0]
    return page if page.count("/") > 3 or (page.count("/") == 3 and not page.endswith("/")) else url


def _some(urls: Sequence[str]) -> str:
    return f"link {urls[0][:120]}" + (f" and {len(urls) - 1:,} more" if len(urls) > 1 else "")


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
