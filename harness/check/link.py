"""Links: one URL of a message, and the host that a browser would take it to. Asks nobody."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

LONGEST_LABEL = 63  # RFC 1035 section 2.3.4; longer ones are no names, and punycode takes quadratic time
WEB = ("http", "https", "ftp", "webcal")
# Scheme and authority; browsers take `\` for `/`, and mail readers `www.` for `http://www.`.
_URL = re.compile(r"(?:([a-z][a-z0-9+.-]*):)?(?:(?:[/\\]{2}|(?=www\.))([^/\\?#]*))?", re.IGNORECASE)
_UNSEEN = re.compile("[\t\r\n]")  # browsers drop these from a URL
_DOT = re.compile("[。｡．]")
_IGNORED = re.compile("[\u00ad\u200b\u2060\ufeff\ufe00-\ufe0f]")  # what UTS #46 maps to nothing
# No name has these; the last turn the writing direction.
_NO_HOST = re.compile(r"[\s\x00-,/:-@\[-^`{-\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Link:
    """One URL of the message: what it is (link, image, text, css, ...), what people read there and right beside it."""

    url: str
    kind: str
    text: str = ""
    near: str = ""

    @property
    def scheme(self) -> str:
        """The scheme, lower case; empty where there is none."""
        return (self._parts[0] or "").lower()

    @property
    def authority(self) -> str:
        """What stands between `//` and the path: user, host and port."""
        return self._parts[1] or ""

    @property
    def web(self) -> bool:
        """It leads to a web server, also where the scheme is left out (`//host/`)."""
        return self.scheme in WEB or (not self.scheme and self._parts[1] is not None)

    @property
    def host(self) -> str:
        """The host as DNS knows it, of a mailto: the domain that gets the mail; empty where there is none."""
        if self.scheme == "mailto":
            address = re.split("[?,]", self.url.partition(":")[2], maxsplit=1)[0]
            return host_name(unquote(address).rpartition("@")[2]) if "@" in unquote(address) else ""
        host = self.authority.rpartition("@")[2]
        if host.startswith("["):
            inner = unquote(host[1:].partition("]")[0]).lower()
            return inner if "]" in host and ":" in inner else ""  # nothing but IPv6 stands in brackets
        return host_name(host.partition(":")[0])

    @property
    def _parts(self) -> tuple[str | None, str | None]:
        found = _URL.match(_UNSEEN.sub("", self.url).lstrip())
        return (found[1], found[2]) if found else (None, None)


def host_name(text: str) -> str:
    """Return a host as DNS knows it.

    Percent signs, wide digits and ideographic dots are read as browsers do (UTS #46), and labels beyond ASCII are
    written as punycode.
    """
    plain = _IGNORED.sub("", unicodedata.normalize("NFKC", unquote(text).lower()))
    return ".".join(_ascii(label) for label in _DOT.sub(".", plain).rstrip(".").split("."))


def _ascii(label: str) -> str:
    if label.isascii() or len(label) > LONGEST_LABEL or _NO_HOST.search(label):
        return label
    try:
        return "xn--" + label.encode("punycode").decode("ascii")
    except UnicodeError:
        return label


def is_host(name: str) -> bool:
    """Tell a name that DNS can be asked for."""
    labels = name.split(".")
    return len(name) <= 253 and all(0 < len(one) <= LONGEST_LABEL for one in labels) and not _NO_HOST.search(name)
