"""Neutral values: what the plain state shows where the campaign does not say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from harness.campaign.words import word_set
from harness.model.campaign import Campaign

_GREETED = word_set("name fname firstname first given givenname username user fullname nickname recipient customer")
_FAMILY = frozenset(["lname", "lastname", "last", "surname", "familyname"])
_NUMBER = re.compile(r"[^\w\s]{0,3}[A-Z]{0,3} ?\d[\d.,  ]*%?(?: ?[A-Za-z€$£¥]{1,3})?")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ]\d\d:\d\d.*)?"
    rf"|(?:\w{{3,9}},? )?(?:\d{{1,2}}(?:st|nd|rd|th|\.)?,? {_MONTH}|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?),? ?\d{{0,4}}",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?=[^\s]*\d)[\w.~:#+=-]{3,}")


def note(campaign: Campaign) -> str:
    """Return the control's text: a short letter from the same sender that asks for nothing."""
    if campaign.plain.text is not None:
        return campaign.plain.text.strip("\r\n") or "Hello"
    name = sender_name(campaign)
    return f"Hello,\n\nthis is a short note from {name}. There is nothing that you need to do.\n\nKind regards,\n{name}"


def subject(campaign: Campaign) -> str:
    """Return the control's subject."""
    return campaign.plain.subject if campaign.plain.subject is not None else f"A note from {sender_name(campaign)}"


def sender_name(campaign: Campaign) -> str:
    """Return the name that the sender writes under, or the domain where there is none."""
    name, _, address = campaign.sender.rpartition("<")
    name = name.strip().strip('"').strip()
    if name and "{{" not in name and "{%" not in name:
        return name
    return (address or campaign.sender).rstrip("> ").rpartition("@")[2] or "us"


class Neutral:
    """One neutral value for each merge field, the same for every recipient."""

    def __init__(self, plain: Mapping[str, object], rows: Sequence[Mapping[str, object]]):
        self._plain = plain
        self._rows = rows
        self._known: dict[str, object] = {}

    def __call__(self, field: str) -> object:
        """Return the plain value of a field."""
        if field not in self._known:
            self._known[field] = self._choose(field)
        return self._known[field]

    def _choose(self, field: str) -> object:
        for name in (field, field.replace("-", "_")):
            given = look_up(self._plain, name)
            if given is not None and not isinstance(given, Mapping | list):
                return given
        samples = [str(value) for row in self._rows if (value := look_up(row, field)) is not None]
        return _default(field, samples)


def look_up(row: object, path: str) -> object:
    """Follow a dotted path through mappings and lists; in a list its first item stands for all."""
    if isinstance(row, Mapping) and path in row:
        return row[path]
    value = row
    for part in path.split("."):
        if isinstance(value, list | tuple) and not part.isdigit():
            value = value[0] if value else None
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, Mapping) and part in ("key", "value") and value:
            value = next(iter(value if part == "key" else value.values()))
        elif isinstance(value, list | tuple) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _default(field: str, samples: Sequence[str]) -> str:
    """Choose a value that reads well, of the shape that the field has."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])", field.rpartition(".")[2]) if word]
    key = "".join(words).lower()
    sample = samples[0].strip() if samples else ""
    if re.match(r"https?://", sample):
        return _plain_url(samples)
    if sample.lower().startswith("mailto:") or re.fullmatch(r"[^\s@]+@[^\s@]+\.[^\s@]+", sample):
        return "mailto:you@example.com" if sample.lower().startswith("mailto:") else "you@example.com"
    if key in _FAMILY:
        return "friend"
    if key in _GREETED or (words and words[0].lower() in ("first", "given") and key.endswith("name")):
        return "there"
    if _DATE.fullmatch(sample):
        return "today" if re.search("[A-Za-z]", sample) else re.sub(r"\d", "0", sample)
    if _NUMBER.fullmatch(sample) or (_CODE.fullmatch(sample)):
        return (
            re.sub("[A-Za-z]", "x", re.sub(r"\d", "0", sample))
            if _CODE.fullmatch(sample)
            else re.sub(r"\d", "0", sample)
        )
    return " ".join(words).lower() or "order"


def _plain_url(samples: Sequence[str]) -> str:
    """Keep where a URL leads (its host is the link's), drop what is personal in it."""
    parts = urlsplit(samples[0])
    return f"{parts.scheme}://{parts.netloc}/"
