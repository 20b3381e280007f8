"""Lookups: what a name server answered, told apart so that "could not ask" is never taken for "is not there"."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Found(StrEnum):
    """How a question was answered."""

    RECORDS = "records"
    EMPTY = "empty"  # the name exists, without records of this type (NODATA, RFC 2308 section 2.2)
    NO_NAME = "no_name"  # NXDOMAIN
    FAILED = "failed"  # no answer, SERVFAIL, refused, or offline


@dataclass(frozen=True, slots=True)
class Lookup:
    """One answer. TXT records are whole strings; MX records are `preference host`."""

    name: str
    type: str
    state: Found
    records: tuple[str, ...] = ()
    why: str = ""
    asked: bool = True  # False: nobody was asked, for the reason that `why` gives: it holds for many names

    @property
    def absent(self) -> bool:
        """It is known that there is none."""
        return self.state in (Found.EMPTY, Found.NO_NAME)

    @property
    def failed(self) -> bool:
        """Nothing is known."""
        return self.state is Found.FAILED

    @property
    def none(self) -> str:
        """Say in words that there is none, and how one knows."""
        return "no such name (NXDOMAIN)" if self.state is Found.NO_NAME else f"no {self.type} record"
