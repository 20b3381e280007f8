"""Single links: what is wrong with a URL, or with what people read where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from harness.check.hosts import literal
from harness.check.link import Link, host_name, is_host
from harness.check.lookup import Suffixes
from harness.check.notice import Grade, Notice
from harness.model.seed import is_reserved

REFUSED_SCHEMES = ("javascript", "vbscript", "file")
_NAME = r"((?:[\w-]{1,63}\.){1,8}(?:[a-z]{2,24}|[^\W\d_a-z]{2,24}))"  # a top-level domain mixes no scripts
_ADDRESS = re.compile(rf"(?:https?://|(?<![A-Za-z0-9@./_-])(?=www\.)){_NAME}", re.IGNORECASE)
_WHOLE = re.compile(rf"{_NAME}(?:[/?#:]\S*)?", re.IGNORECASE)
# Top-level domains that people know for one, beside those of countries; `Dr.Schmidt` and `Today.Now` end in others.
_KNOWN = frozenset(["com", "net", "org", "edu", "gov", "info", "biz", "shop", "store", "online", "xyz"])
# Endings of files that are top-level domains of countries as well.
_FILES = frozenset(["ai", "cc", "md", "mk", "pl", "ps", "py", "rs", "sh", "so"])


def link_notices(links: Iterable[Link], suffixes: Suffixes) -> list[Notice]:
    """Say what single links do wrong: HTTP, a text that names another host, credentials, odd schemes."""
    once = {(link.url, link.kind): link for link in reversed(list(links))}
    return [notice for link in reversed(once.values()) for notice in _link(link, suffixes)]


def _link(link: Link, suffixes: Suffixes) -> Iterator[Notice]:
    about = f"{link.kind} {link.url[:120]}"
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
    web = link.web or scheme in ("http", "https")
    if web and not literal(link.host) and not is_host(link.host):
        what = f"a link to {link.host[:80]!r}, which is no host name" if link.host else "a link without a host"
        yield Notice(
            "link-invalid",
            Grade.FAIL,
            about,
            what,
            link.url[:200],
            "Correct it to https://host/…; a merge field may be empty.",
        )
    elif web and link.kind == "link":
        other = next((name for name in _named(link.text, suffixes) if not _same(name, link.host, suffixes)), None)
        if other:
            yield Notice(
                "link-text",
                Grade.FAIL,
                about,
                f"the text says {other}, the link leads to {link.host}",
                link.text[:120],
                "Let the text say what the link is, or use words; filters take this for phishing.",
            )


def _same(name: str, host: str, suffixes: Suffixes) -> bool:
    return suffixes.registrable(host_name(name)) == suffixes.registrable(host)


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
