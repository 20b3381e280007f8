"""Transcripts: every line of an SMTP dialogue with its time, secrets struck out, message bytes left out."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

MAX_LINES = 400  # a dialogue has some twenty; a server that talks without end fills no disk
MAX_LINE = 2_000
STRUCK = "***"


class Transcript:
    """The dialogue of one connection, cut into the opening and one piece for each message."""

    def __init__(self, secrets: tuple[str, ...] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._secrets = tuple(form for secret in secrets if len(secret) >= 3 for form in _forms(secret))
        self._lines: list[str] = []
        self._start = clock()

    def note(self, text: str) -> None:
        """Add a line that neither side said."""
        self._add("*", text)

    def sent(self, text: str) -> None:
        """Add a command of ours."""
        self._add(">", text)

    def received(self, raw: bytes) -> None:
        """Add what the server said, line by line, as it came."""
        for line in raw.decode("utf-8", "backslashreplace").splitlines():
            self._add("<", line)

    def content(self, content: bytes) -> None:
        """Add that the message bytes went out; the ledger has them, by their digest."""
        self._add(">", f"({len(content)} message bytes)")

    def take(self) -> str:
        """Return what was said since the last call, and begin anew."""
        text = "\n".join(self._lines)
        self._lines.clear()
        return text

    def strike(self, text: str) -> str:
        """Replace every form of a secret in a text."""
        for secret in self._secrets:
            text = text.replace(secret, STRUCK)
        return text

    def _add(self, side: str, text: str) -> None:
        if len(self._lines) < MAX_LINES:
            shown = self.strike(text)[:MAX_LINE] if self._secrets else text[:MAX_LINE]
            self._lines.append(f"{self._clock() - self._start:8.3f} {side} {shown}")


def _forms(secret: str) -> tuple[str, ...]:
    """Return a secret as it may come back: as it is, in base64, and in base64 behind something else (AUTH PLAIN)."""
    raw = secret.encode()
    forms = [secret, base64.b64encode(raw).decode()]
    for before in range(3):  # three bytes make four characters: what stands before shifts them
        encoded = base64.b64encode(bytes(before) + raw).decode()
        own = encoded[(0, 2, 3)[before] : len(encoded) - (0, 3, 2)[(before + len(raw)) % 3]]
        forms += [own] if len(own) >= 8 else []  # a shorter one stands in innocent words, too
    return tuple(sorted(forms, key=len, reverse=True))
