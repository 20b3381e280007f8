"""Replies: what a relay answered in session, as received."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """Where in the dialogue a reply was given (RFC 5321 section 3)."""

    CONNECT = "connect"
    HELO = "helo"
    AUTH = "auth"
    MAIL = "mail_from"
    RCPT = "rcpt_to"
    DATA = "data"
    CONTENT = "end_of_data"


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply: three digits, the lines' text joined by newlines, and the step answered."""

    code: int
    text: str
    step: Step

    @property
    def positive(self) -> bool:
        """2yz (RFC 5321 section 4.2.1)."""
        return self.code // 100 == 2

    @property
    def transient(self) -> bool:
        """4yz."""
        return self.code // 100 == 4

    @property
    def permanent(self) -> bool:
        """5yz."""
        return self.code // 100 == 5
