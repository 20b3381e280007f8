"""Fit: does a column hold what its name promises? `code` may be a promotion's, `state` a customer's.

Only names that everybody uses are held against their values; a product's own columns and the user's word are taken
as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

_REPLY = re.compile(
    r"\b[245]\d\d\b|\b[245]\.\d{1,3}\.\d{1,3}\b|reject|refus|denied|mailbox|unknown|quota|policy|spam|block|bounc|"
    r"unavailable|time[d ]?out|greylist|recipient|user|host",
    re.IGNORECASE,
)
_TIME = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}:\d\d|\d{9,13}(?:\.\d+)?$|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}")
_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)+\.?(?:\s*\(.*\))?", re.ASCII)
_SEVERE = re.compile(r"hard|soft|perman|tempor|transient|undetermined|block|fail|none", re.IGNORECASE)
_LIKE: Mapping[str, Callable[[str], object]] = {
    "recipient": lambda value: "@" in value,
    "recipient_domain": lambda value: _HOST.fullmatch(value),
    "reply": _REPLY.search,
    "code": lambda value: re.fullmatch(r"[245]\d\d(?:\.0)?", value),
    "status": lambda value: re.match(r"[245]\.\d", value),
    "time": _TIME.search,
    "mx": lambda value: _HOST.match(value),
    "severity": _SEVERE.search,
}
LEAST = 0.2  # share of the values that must look like it


def fits(role: str, values: Sequence[str], is_event: Callable[[str], bool]) -> bool:
    """Tell whether values are of a role; True where there are none to tell by."""
    filled = [value.strip() for value in values if value and value.strip()]
    like = is_event if role == "event" else _LIKE.get(role)
    if not filled or like is None:
        return True
    return sum(bool(like(value)) for value in filled) >= LEAST * len(filled)
