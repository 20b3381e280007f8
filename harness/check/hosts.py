"""Hosts: what stands behind the links, images and senders of a message, and what of it a filter would mind."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote

from harness.check.brands import BRANDS
from harness.check.link import LONGEST_LABEL, Link, host_name, is_host
from harness.check.lookup import Found, Resolver, Suffixes, could_not, retry
from harness.check.notice import Grade, Notice

# Well-known domains where strangers share a name: one abuser spoils it for all.
SHORTENERS = frozenset(
    ["bit.ly", "t.co", "goo.gl", "tinyurl.com", "ow.ly", "is.gd", "buff.ly", "rebrand.ly", "cutt.ly", "t.ly",
     "rb.gy", "shorturl.at", "lnkd.in", "tiny.cc", "s.id", "bl.ink", "short.io", "soo.gd", "v.gd", "adf.ly",
     "shorte.st", "trib.al", "dlvr.it", "db.tt", "qr.ae", "mcaf.ee", "su.pr", "bit.do", "linktr.ee", "urlz.fr"]
)  # fmt: skip
_WILDCARD = re.compile(r"(?:^|\.)(?:nip|sslip|xip|traefik)\.(?:io|me)$")
NULL_MX = ("0 .",)
MAIL_ROLES = frozenset(["from", "sender", "reply-to", "mailto"])  # these need a host that takes mail
# Scripts that are written together (UTS #39, highly restrictive), by the first word of their letters' names.
_TOGETHER = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)
_SCRIPTS = {"IDEOGRAPHIC": "CJK", "HALFWIDTH": "KATAKANA"}
# Letters that look Latin and are not, with what they look like (Unicode TR 39, the ones that occur in spoofs).
_LOOKS = str.maketrans(
    {
        "а": "a", "е": "e", "о": "o", "р": "p", "с": "c", "у": "y", "х": "x", "і": "i", "ј": "j", "ѕ": "s",
        "ԁ": "d", "һ": "h", "ԛ": "q", "ԝ": "w", "в": "b", "к": "k", "м": "m", "н": "h", "т": "t", "г": "r",
        "ℓ": "l", "ӏ": "l", "ο": "o", "α": "a", "ν": "v", "ι": "i", "ρ": "p", "τ": "t", "κ": "k", "ı": "i", "ɡ": "g",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Site:
    """One host of the message and where it stands."""

    host: str
    roles: tuple[str, ...]  # link, image, text, css, reply-to, list-unsubscribe, from, mail_from, redirect, ...


def sites_of(links: Iterable[Link], also: Sequence[tuple[str, str]] = ()) -> list[Site]:
    """Collect the hosts of a message; `also` are (role, host) of senders and redirects."""
    roles: dict[str, dict[str, None]] = {}
    for link in links:
        if link.scheme == "mailto":
            roles.setdefault(link.host, {})[link.kind if link.kind in MAIL_ROLES else "mailto"] = None
        elif link.web:
            roles.setdefault(link.host, {})[link.kind] = None
    for role, host in also:
        roles.setdefault(host_name(host), {})[role] = None
    return [Site(host, tuple(r)) for host, r in roles.items() if literal(host) or is_host(host)]


def literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a host is, in any spelling that browsers take (WHATWG URL section 3.5)."""
    plain = unquote(host.strip("[]"))
    with suppress(ValueError):
        address = ipaddress.ip_address(plain)
        return getattr(address, "ipv4_mapped", None) or address
    pieces = host_name(plain).split(".")
    if not 1 <= len(pieces) <= 4 or not all(re.fullmatch(r"0x[0-9a-f]{0,40}|[0-9]{1,40}", p) for p in pieces):
        return None
    *first, last = [_number(piece) for piece in pieces]
    if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        return None
    return ipaddress.IPv4Address(sum(number << 8 * (3 - n) for n, number in enumerate(first)) + last)


def _number(piece: str) -> int:
    if piece.startswith("0x"):
        return int(piece[2:] or "0", 16)
    return int(piece, 8) if re.fullmatch(r"0[0-7]+", piece) else int(piece)


def skeleton(host: str) -> str:
    """Return what a host looks like: punycode decoded, look-alike letters replaced, accents dropped."""
    text = readable(host)
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return plain.translate(_LOOKS).replace("rn", "m").replace("0", "o").replace("1", "l")


def readable(host: str) -> str:
    """Decode a host's punycode labels."""
    labels = []
    for label in host.lower().split("."):
        try:
            coded = label.startswith("xn--") and len(label) <= LONGEST_LABEL
            labels.append(label[4:].encode("ascii").decode("punycode") if coded else label)
        except (UnicodeError, ValueError):
            labels.append(label)
    return ".".join(labels)


def scripts(text: str) -> set[str]:
    """Name the scripts that a text's letters are of."""
    first = {re.split("[ -]", unicodedata.name(letter, "?"))[0] for letter in text if letter.isalpha()}
    return {_SCRIPTS.get(name, name) for name in first} - {"MODIFIER"}


def _mixed(found: set[str]) -> bool:
    return len(found) > 1 and not any(found <= together for together in _TOGETHER)


def site_notices(site: Site, own: Sequence[str], resolver: Resolver, suffixes: Suffixes) -> list[Notice]:
    """Say what a filter would mind about one host."""
    about = f"{site.host} ({', '.join(site.roles)})"
    if literal(site.host):
        return [
            Notice(
                "host-ip",
                Grade.FAIL,
                about,
                "a link to a bare IP address",
                str(literal(site.host)),
                "Use a host name of your own domain.",
            )
        ]
    registrable = suffixes.registrable(site.host)
    out = look_alike(site.host, registrable, own, about)
    if registrable in SHORTENERS or site.host in SHORTENERS:
        out.append(
            Notice(
                "host-shortener",
                Grade.WARN,
                about,
                "a shared link shortener",
                registrable,
                "Link directly: the shortener's reputation is everybody's.",
            )
        )
    if _WILDCARD.search(site.host):
        out.append(
            Notice(
                "host-wildcard",
                Grade.WARN,
                about,
                "a wildcard DNS name that holds an IP address",
                site.host,
                "Use a host name of your own; such names were refused as HM07.",
            )
        )
    out += _resolves(site, about, resolver)
    return out


def _resolves(site: Site, about: str, resolver: Resolver) -> list[Notice]:
    """Ask for addresses; where a host is only written to, for a mail server first (RFC 5321 section 5.1)."""
    mail = set(site.roles) <= {*MAIL_ROLES, "mail_from"}
    if mail and "mail_from" in site.roles:
        return []  # `sendinghost` asks for all that it needs
    asked = []
    for kind in ("MX", "A", "AAAA") if mail else ("A", "AAAA"):
        asked.append(resolver.ask(site.host, kind))
        if asked[-1].records:
            break
    failed = next((one for one in asked if one.failed), None)
    if asked[-1].records and asked[-1].records != NULL_MX:
        return []
    if failed:
        return [
            Notice("host", Grade.UNKNOWN, about, "the host could not be looked up", could_not(failed), retry(failed))
        ]
    why = "the name does not exist" if asked[0].state is Found.NO_NAME else "the name has no address"
    why = "the domain says that it takes no mail (RFC 7505)" if asked[-1].records else why
    what, grade = ("mail to it goes", Grade.WARN) if mail else (_leads(site.roles), Grade.FAIL)
    return [
        Notice(
            "host-missing",
            grade,
            about,
            f"{what} nowhere: {why}",
            f"{', '.join(one.type for one in asked)} {site.host}: {', '.join(asked[-1].records) or 'none'}",
            "Correct the address, or publish the name." if mail else "Correct the link, or publish the name.",
        )
    ]


def _leads(roles: Sequence[str]) -> str:
    return "an image comes from" if set(roles) == {"image"} else "a link leads"


def look_alike(host: str, registrable: str, own: Sequence[str], about: str) -> list[Notice]:
    """Say whether a host mixes alphabets, or looks like one of our own domains and is not."""
    text = readable(host)
    out = []
    for label in text.split("."):
        found = scripts(label)
        if _mixed(found):
            out.append(
                Notice(
                    "host-mixed",
                    Grade.FAIL,
                    about,
                    f"a name of mixed alphabets: {text}",
                    ", ".join(sorted(found)),
                    "Use a name of one alphabet; this is how names are spoofed.",
                )
            )
    mine, ours = readable(registrable), {readable(domain): domain for domain in own if domain}
    for name, other in ours.items() if mine not in ours else ():
        if skeleton(mine) == skeleton(name):
            out.append(
                Notice(
                    "host-lookalike",
                    Grade.FAIL,
                    about,
                    f"{mine} looks like {name} and is another domain",
                    f"{registrable} and {other}",
                    "Correct the link: filters take it for phishing.",
                )
            )
    label = mine.partition(".")[0]
    imitated = next((brand for brand in BRANDS if label != brand and skeleton(label) == skeleton(brand)), "")
    if imitated and mine not in ours and not out:
        out.append(
            Notice(
                "host-lookalike",
                Grade.FAIL,
                about,
                f"{mine} looks like {imitated} and is another domain",
                registrable,
                "Correct the link: filters take it for phishing.",
            )
        )
    if not out and text != host:
        out.append(Notice("host-idn", Grade.NOTE, about, f"an internationalized name: {text}", host))
    return out
