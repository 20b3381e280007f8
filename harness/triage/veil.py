"""The veil: addresses leave triage only as keyed hashes, unless the user asks for them.

The key is made anew for each output and kept nowhere, so a hash can't be undone by trying addresses, nor joined with
another output. Addresses inside other texts (a reply, a URL, a merged value) are veiled too.
"""

from __future__ import annotations

import hashlib
import re

# Bounded, and no part can match what the next begins with: no backtracking on hostile text.
_ADDRESS = re.compile(r"(?<![\w.%+-])[\w.%+=~-]{1,64}(?:@|%40)([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})")


class Veil:
    """Hides addresses under a key; without a key it lets everything through."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    def address(self, address: str) -> str:
        """Return an address as it may be shown: the hash of it, and its domain."""
        if self._key is None:
            return address
        domain = address.rpartition("@")[2]
        return f"{self._hash(address)}@{domain}"

    def text(self, text: str) -> str:
        """Veil every address in a text."""
        if self._key is None or ("@" not in text and "%40" not in text):
            return text
        return _ADDRESS.sub(lambda m: f"{self._hash(m[0].replace('%40', '@'))}@{m[1]}", text)

    def _hash(self, address: str) -> str:
        return "h-" + hashlib.blake2b(address.strip().lower().encode(), key=self._key or b"", digest_size=6).hexdigest()
