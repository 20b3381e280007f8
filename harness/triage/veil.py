"""The veil: addresses leave triage only as keyed hashes, unless the user asks for them.

The key is made anew for each output and kept nowhere, so a hash can't be undone by trying addresses, nor joined with
another output. Addresses inside other texts (a reply, a URL, a merged value) are veiled too.
"""

from __future__ import annotations

import hashlib
import re

# An at-sign as it is written in texts, URLs (once or twice encoded), quoted-printable and HTML, between what may be a
# local part and what may be a domain.
_AT = re.compile(
    r"""(?<=[^\s<>()\[\],;:@|/?&\\])(?:[@\uff20]|%(?:25)*40|=40|&\#0*64;|&\#x0*40;|&commat;|[(\[]at[)\]])(?=[\w\[])""",
    re.IGNORECASE,
)
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)*|\[[0-9a-f:.]+\]", re.IGNORECASE)
_LACOL = re.compile(r'"(?:"\\|[^"])+"(?!\\)|[^\s<>()\[\],;:"@|/?&\\]+')  # a local part, read backwards
_LONGEST = 400  # characters of a local part; RFC 5321 allows 64


class Veil:
    """Hides addresses under a key; without a key it lets everything through."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    def address(self, address: str) -> str:
        """Return an address as it may be shown: the hash of it and its domain; all else that names someone hashed."""
        if self._key is None:
            return address
        local, _, domain = address.rpartition("@")
        return self._veiled(local, domain)

    def text(self, text: str) -> str:
        """Veil every address in a text."""
        if self._key is None:
            return text
        out, done = [], 0
        for at in _AT.finditer(text):
            local = _LACOL.match(text[max(done, at.start() - _LONGEST) : at.start()][::-1])
            domain = _DOMAIN.match(text, at.end())
            if at.start() < done or not local or not domain or (at[0] == "=40" and "." not in domain[0]):
                continue
            out += [text[done : at.start() - local.end()], self._veiled(local[0][::-1], domain[0])]
            done = domain.end()
        return "".join([*out, text[done:]])

    def _veiled(self, local: str, domain: str) -> str:
        shown = f"@{domain}" if "." in domain and _DOMAIN.fullmatch(domain) else ""
        whole = f"{local}@{domain}".strip().lower().encode()
        return f"h-{hashlib.blake2b(whole, key=self._key or b'', digest_size=6).hexdigest()}{shown}"
