"""Hosts: what stands behind the links, images and senders of a message, and what of it a filter would mind."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.check.anatomy import Link
from harness.check.lookup import Found, Resolver, Suffixes, could_not
from harness.check.notice import Grade, Notice

# Well-known domains where strangers share a name: one abuser spoils it for all.
SHORTENERS = frozenset(
    [
        "bit.ly",
        "t.co",
        "goo.gl",
        "tinyurl.com",
        "ow.ly",
        "is.gd",
        "buff.ly",
        "rebrand.ly",
        "cutt.ly",
        "t.ly",
        "rb.gy",
        "shorturl.at",
        "lnkd.in",
        "tiny.cc",
        "s.id",
        "bl.ink",
        "short.io",
        "soo.gd",
        "v.gd",
        "adf.ly",
        "shorte.st",
        "trib.al",
        "dlvr.it",
        "db.tt",
        "qr.ae",
        "mcaf.ee",
        "su.pr",
        "bit.do",
        "linktr.ee",
    ]
)
_WILDCARD = re.compile(r"(?:^|\.)(?:nip|sslip|xip|traefik)\.(?:io|me)$")
_HOST_IN_TEXT = re.compile(r"(?:https?://)?((?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,24})(?:[/?:#]|$)", re.IGNORECASE)
# Letters that look Latin and are not, with what they look like (Unicode TR 39, the ones that occur in spoofs).
_LOOKS = str.maketrans(
    {
        "а": "a", "е": "e", "о": "o", "р": "p", "с": "c", "у": "y", "х": "x", "і": "i", "ј": "j", "ѕ": "s",
        "ԁ": "d", "һ": "h", "ԛ": "q", "ԝ": "w", "в": "b", "к": "k", "м": "m", "н": "h", "т": "t", "г": "r",
        "ℓ": "l", "ο": "o", "α": "a", "ν": "v", "ι": "i", "ρ": "p", "τ": "t", "κ": "k", "ı": "i", "ɡ": "g",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Site:
    """One host of the message and where it stands."""

    host: str
    roles: tuple[str, ...]  # link, image, text, css, from, mail_from, redirect


def sites_of(links: Iterable[Link], also: Sequence[tuple[str, str]] = ()) -> list[Site]:
    """Collect the hosts of a message; `also` are (role, host) of senders and redirects."""
    roles: dict[str, list[str]] = {}
    for role, host in [*((link.kind, link.host) for link in links if link.parts.scheme in ("http", "https")), *also]:
        if host and role not in roles.setdefault(host, []):
            roles[host].append(role)
    return [Site(host, tuple(r)) for host, r in roles.items() if r]


def literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a host is, written plainly, as one number, in octal or in hex."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        pass
    pieces = host.split(".")
    if not 1 <= len(pieces) <= 4 or not all(re.fullmatch(r"0x[0-9a-f]{1,8}|\d{1,12}", p) for p in pieces):
        return None
    numbers = [
        int(p, 16) if p.startswith("0x") else int(p, 8) if re.fullmatch(r"0[0-7]+", p) else int(p) for p in pieces
    ]
    value = 0
    for number in numbers[:-1]:
        if number > 255:
            return None
        value = value << 8 | number
    value = value << 8 * (5 - len(numbers)) | numbers[-1]
    return ipaddress.IPv4Address(value) if value < 2**32 else None


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
            labels.append(label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label)
        except (UnicodeError, ValueError):
            labels.append(label)
    return ".".join(labels)


def scripts(text: str) -> set[str]:
    """Name the alphabets that a text's letters are of."""
    return {unicodedata.name(c, "?").split()[0] for c in text if c.isalpha()}


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
    if set(site.roles) <= {"from", "mail_from"}:
        return []  # those need mail, not a web server; `identity` asks
    four = resolver.ask(site.host, "A")
    six = resolver.ask(site.host, "AAAA") if not four.records else four
    if four.records or six.records:
        return []
    if four.failed or six.failed:
        return [
            Notice(
                "host",
                Grade.UNKNOWN,
                about,
                "the host could not be looked up",
                could_not(four if four.failed else six),
                "Ask again later.",
            )
        ]
    why = "the name does not exist" if four.state is Found.NO_NAME else "the name has no address"
    return [
        Notice(
            "host-missing",
            Grade.FAIL,
            about,
            f"a link leads nowhere: {why}",
            f"A and AAAA {site.host}: none",
            "Correct the link, or publish the name.",
        )
    ]


def look_alike(host: str, registrable: str, own: Sequence[str], about: str) -> list[Notice]:
    """Say whether a host mixes alphabets, or looks like one of our own domains and is not."""
    text = readable(host)
    out = []
    for label in text.split("."):
        found = scripts(label)
        if len(found - {"CJK", "HIRAGANA", "KATAKANA"}) > 1:
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
    mine = readable(registrable)
    for other in dict.fromkeys(own):
        if other and other != registrable and skeleton(mine) == skeleton(other):
            out.append(
                Notice(
                    "host-lookalike",
                    Grade.FAIL,
                    about,
                    f"{mine} looks like {readable(other)} and is another domain",
                    f"{registrable} and {other}",
                    "Correct the link: filters take it for phishing.",
                )
            )
    if not out and text != host:
        out.append(Notice("host-idn", Grade.NOTE, about, f"an internationalized name: {text}", host))
    return out


def link_notices(links: Sequence[Link], suffixes: Suffixes) -> list[Notice]:
    """Say what single links do wrong: HTTP, a text that names another host, credentials, odd schemes."""
    out = []
    seen = set()
    for link in links:
        key = (link.url, link.kind)
        if key in seen:
            continue
        seen.add(key)
        about = f"{link.kind} {link.url[:120]}"
        scheme = link.parts.scheme.lower()
        if scheme == "http":
            out.append(Notice("link-http", Grade.WARN, about, "HTTP, not HTTPS", link.url[:200], "Link to https://."))
        if scheme in ("javascript", "vbscript", "file") or (scheme == "data" and link.kind == "link"):
            out.append(
                Notice(
                    "link-scheme",
                    Grade.FAIL,
                    about,
                    f"a {scheme}: link",
                    link.url[:120],
                    "Take it out; it is refused or disarmed.",
                )
            )
        if "@" in link.parts.netloc:
            out.append(
                Notice(
                    "link-userinfo",
                    Grade.FAIL,
                    about,
                    "a link with a name before @",
                    link.url[:200],
                    "Take what stands before the @ out: it is a phishing sign.",
                )
            )
        if scheme in ("http", "https") and not link.host:
            out.append(
                Notice("link-invalid", Grade.FAIL, about, "a link without a host", link.url[:200], "Correct the link.")
            )
        named = _HOST_IN_TEXT.match(link.text.strip()) if link.kind == "link" and scheme in ("http", "https") else None
        if named and suffixes.registrable(named[1].lower()) != suffixes.registrable(link.host):
            out.append(
                Notice(
                    "link-text",
                    Grade.FAIL,
                    about,
                    f"the text says {named[1]}, the link leads to {link.host}",
                    link.text[:120],
                    "Let the text say what the link is, or use words; filters take this for phishing.",
                )
            )
    return out
