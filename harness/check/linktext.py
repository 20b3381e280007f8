"""Single links: what is wrong with a URL, or with what people read where it stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator

from harness.check.brands import brand_of, owner_of
from harness.check.hosts import literal
from harness.check.link import Link, host_name, is_host
from harness.check.lookup import Suffixes
from harness.check.notice import Grade, Notice
from harness.model.seed import is_reserved

Leads = Callable[[str], Iterable[str]]  # a URL to those behind it that are known
REFUSED_SCHEMES = ("javascript", "vbscript", "file")
_NAME = r"((?:[\w-]{1,63}\.){1,8}(?:[a-z]{2,24}|[^\W\d_a-z]{2,24}))"  # a top-level domain mixes no scripts
_ADDRESS = re.compile(rf"(?:https?://|(?<![A-Za-z0-9@./_-])(?=www\.)){_NAME}", re.IGNORECASE)
_WHOLE = re.compile(rf"{_NAME}(?:[/?#:]\S*)?", re.IGNORECASE)
# Top-level domains that people know for one, beside those of countries; `Dr.Schmidt` and `Today.Now` end in others.
_KNOWN = frozenset(["com", "net", "org", "edu", "gov", "info", "biz", "shop", "store", "online", "xyz"])
# Endings of files that are top-level domains of countries as well.
_FILES = frozenset(["ai", "cc", "md", "mk", "pl", "ps", "py", "rs", "sh", "so"])


def link_notices(
    links: Iterable[Link], suffixes: Suffixes, own: Collection[str] = (), leads: Leads = lambda url: ()
) -> list[Notice]:
    """Say what single links do wrong: HTTP, a text that names another host, credentials, odd schemes.

    `own` are the sender's registered domains; `leads` says where a tracked link is known to lead.
    """
    urls: dict[tuple[str, str], Link] = {}
    texts: dict[tuple[str, str], Link] = {}
    for link in links:
        urls.setdefault((link.url, link.kind), link)
        if link.kind == "link":
            texts.setdefault((link.url, link.text), link)
    out = [notice for link in urls.values() for notice in _link(link)]
    return out + [notice for link in texts.values() for notice in _text(link, suffixes, own, leads)]


def _link(link: Link) -> Iterator[Notice]:
    about = _about(link)
    scheme = link.scheme
    if scheme == "http":
        yield Notice("link-http", Grade.WARN, about, "not encrypted: http://", link.url[:200], "Link to https://.")
    if scheme in REFUSED_SCHEMES or (scheme == "data" and link.kind == "link"):
        yield Notice(
            "link-scheme",
            Grade.FAIL,
            about,
            f"a {scheme}: link",
            link.url[:120],
            "Take it out; it is refused or disarmed.",
        )
    if "@" in link.authority:
        yield Notice(
            "link-userinfo",
            Grade.FAIL,
            about,
            "a link with a user name before its host (name@host)",
            link.url[:200],
            "Take what stands before the @ out: it is a phishing sign.",
        )
    if _is_web(link) and not _has_host(link):
        what = f"a link to {link.host[:80]!r}, which is no host name" if link.host else "a link without a host"
        yield Notice(
            "link-invalid",
            Grade.FAIL,
            about,
            what,
            link.url[:200],
            "Correct it to https://host/…; a merge field may be empty.",
        )


def _text(link: Link, suffixes: Suffixes, own: Collection[str], leads: Leads) -> Iterator[Notice]:
    """Hold the host that a text names against those that the link leads to.

    Click tracking puts another host between, so that alone is a warning. A name that is imitated by everybody, and is
    neither the sender's nor where the link leads, is how phishing looks.
    """
    if not (_is_web(link) and _has_host(link)):
        return
    named = {suffixes.registrable(host_name(name)): name for name in _named(link.text, suffixes)}
    known = [link.host, *(Link(url, "link").host for url in leads(link.url))] if named else []
    reached = {suffixes.registrable(host) for host in known}
    other = [domain for domain in named if domain not in reached and not _one_brand(domain, reached)]
    if not other:
        return
    domain = next((one for one in other if brand_of(one) and one not in own), other[0])
    deceives = bool(brand_of(domain)) and domain not in own
    yield Notice(
        "link-text",
        Grade.FAIL if deceives else Grade.WARN,
        _about(link),
        f"the text says {named[domain]}, the link leads to {known[-1]}",
        f"{link.text[:120]!r} over {', '.join(known)[:200]}",
        "Let the text say what the link is, or use words; filters take this for phishing.",
    )


def _about(link: Link) -> str:
    return f"{link.kind} {link.url[:120]}"


def _is_web(link: Link) -> bool:
    return link.web or link.scheme in ("http", "https")


def _has_host(link: Link) -> bool:
    return literal(link.host) is not None or is_host(link.host)


def _one_brand(domain: str, others: Iterable[str]) -> bool:
    brand = brand_of(domain)
    return bool(brand) and brand in map(owner_of, others)


def _named(text: str, suffixes: Suffixes) -> Iterator[str]:
    """Find the hosts that a text names for all to see.

    With a scheme or `www.` a name is a host anywhere. Without, the text must be nothing else, and end in a top-level
    domain that is known for one: `terms.pdf`, `main.py` and `Node.js` are files and products.
    """
    for found in _ADDRESS.finditer(text):
        yield found[1]
    whole = _WHOLE.fullmatch(text)
    if whole and _is_known(whole[1].rpartition(".")[2], suffixes):
        yield whole[1]


def _is_known(ending: str, suffixes: Suffixes) -> bool:
    name = ending.lower()
    if is_reserved(f"x.{name}") or name in _KNOWN:
        return ending != "NET"  # ASP.NET
    country = len(name) == 2 or not name.isascii()
    return country and name not in _FILES and suffixes.is_public(host_name(name))
