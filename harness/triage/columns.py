"""Columns: what each column of an export is, and which of them are compared between failed and delivered rows.

Knows names and a sample of values, not files. The tables of names are aliases.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

import yaml

from harness.errors import ConfigError
from harness.triage.eventword import UNKNOWN, read_word
from harness.triage.fit import fits

# What a row needs to be counted; every other role is a field that is compared.
NEEDED = (
    "recipient", "recipient_domain", "message_id", "event", "reply", "code", "status", "bounce_category",
    "time", "mx", "severity",
)  # fmt: skip
IGNORED = "ignored"
TITLES = {
    "recipient_domain": "recipient domain",
    "hour": "hour",
    "sending_ip": "sending IP",
    "ip_pool": "IP pool",
    "sending_host": "sending host",
    "envelope_sender": "envelope domain",
    "from": "From domain",
    "subject": "subject",
    "template": "template",
    "version": "template version",
    "offer": "offer",
    "campaign": "campaign",
    "link": "link",
    "link_host": "link host",
    "redirect_host": "redirect host",
    "image": "image",
    "image_host": "image host",
    "attachment": "attachment",
    "reply_to": "Reply-To domain",
    "preheader": "preheader",
}
LIST = "LIST"  # the type of a column whose cells hold several values, blanks between
LONG = 300  # characters: longer values are compared by digest
_URL = re.compile(r"\bhttps?://", re.IGNORECASE)
# Columns whose names begin so tell what became of a message; what else does so shows by its values (`coded.mirrors`).
_OUTCOME = re.compile(
    r"bounc|deliverystatus|dsn|smtp|diagnostic|undeliver|nondeliver|failure|rejection|deferral|delivered|deliverytime|"
    r"lastevent|open(s|ed|count|time|edat)?$|clicks?$|click(ed|count|time|edat)|unsubscribe[ds]?(at)?$|complain|tls"
)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d")


class Form(StrEnum):
    """How a field's value is made from its column."""

    PLAIN = "plain"
    DOMAIN = "domain"  # what stands after the @
    HOST = "host"  # of one URL
    HOSTS = "hosts"  # of every URL in the text, a list
    URL = "url"  # without query and fragment: they hold what is personal
    URLS = "urls"
    LIST = "list"  # entries of a list, a value each
    LONG = "long"  # first words and a digest
    ISO_HOUR = "iso_hour"  # text that begins with an ISO 8601 time
    TYPED_HOUR = "typed_hour"  # a timestamp of the file's own type
    EPOCH_HOUR = "epoch_hour"  # seconds since 1970
    MILLI_HOUR = "milli_hour"
    TEXT_HOUR = "text_hour"  # any other text with hh:mm in it


@dataclass(frozen=True, slots=True)
class Field:
    """Something that may differ between failed and delivered rows. `name` is the role, or merge:<column>."""

    name: str
    form: Form
    column: str  # theirs
    guessed: bool = False  # no name that is known, and none that the user gave: taken for a merged value

    @property
    def title(self) -> str:
        """The name that people read."""
        return TITLES.get(self.name) or self.name.removeprefix("merge:").replace("_", " ")

    @property
    def many(self) -> bool:
        """The value is a list, blanks between."""
        return self.form in (Form.HOSTS, Form.URLS, Form.LIST)


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a table: column -> texts, and the types of those that are no text."""

    columns: tuple[str, ...]
    values: Mapping[str, Sequence[str]]
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layout:
    """How one table is read: their columns by our role, and the fields that it gives."""

    product: str | None
    roles: Mapping[str, tuple[str, ...]]
    fields: tuple[Field, ...]
    ignored: tuple[str, ...] = ()


@cache
def _tables() -> Mapping[str, Any]:
    text = resources.files("harness.triage").joinpath("aliases.yaml").read_text(encoding="utf-8")
    raw = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    def turn(table: Mapping[str, Sequence[str]]) -> dict[str, str]:
        return {name: role for role, names in table.items() for name in names}

    return {
        "columns": {product: turn(table) for product, table in raw["columns"].items()},
        "signs": {product: frozenset(names) for product, names in raw["signs"].items()},
        "wrappings": frozenset(raw["wrappings"]),
        "words": turn(raw["words"]),
        "temporary": raw["temporary"],
        "categories": turn(raw["categories"]),
    }


def words() -> Mapping[str, str]:
    """Return the products' words for what became of a message -> delivered, bounced, deferred, suppressed, sent."""
    table: Mapping[str, str] = _tables()["words"]
    return table


def is_known(name: str) -> bool:
    """Tell a column's name that some product uses for something."""
    return any(fold(name) in table for table in _tables()["columns"].values())


def wrappings() -> frozenset[str]:
    """Return the keys, folded, under which webhooks put every event."""
    names: frozenset[str] = _tables()["wrappings"]
    return names


def temporary(product: str | None) -> tuple[str, ...]:
    """Return the severities at which a product's failure is one attempt, not the end."""
    return tuple(_tables()["temporary"].get(product or "", ()))


def categories() -> Mapping[str, str]:
    """Return the products' own words for a bounce -> our class, for rows that carry no reply text."""
    table: Mapping[str, str] = _tables()["categories"]
    return table


def fold(name: str) -> str:
    """Fold a column's name to what is compared: letters and digits, lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def recognise(columns: Iterable[str]) -> str | None:
    """Name the product whose own column names occur most; None if fewer than two do."""
    names = {fold(column) for column in columns}
    best = max((len(names & signs), product) for product, signs in _tables()["signs"].items())
    return best[1] if best[0] >= 2 else None


def lay_out(sample: Sample, mapped: Mapping[str, str], where: str, *, merge: bool = False) -> Layout:
    """Say what every column of a table is; `mapped` (their name -> ours) decides before any alias.

    A file of merged values (`merge`) names its rows by recipient and message id; every other column of it is a field.
    """
    product = recognise(sample.columns) if not merge else None
    own = _tables()["columns"].get(product or "", {})
    roles: dict[str, list[str]] = {}
    fields: dict[str, Field] = {}
    ignored = []
    for column in sample.columns:
        name = fold(column)
        role = mapped.get(column) or own.get(name) or _generic(name, sample.values.get(column, ()), merge=merge)
        if role == IGNORED or (role is None and not merge and _OUTCOME.match(name)):
            ignored.append(column)
        elif role in NEEDED:
            roles.setdefault(role, []).append(column)
        else:
            for made in _fields(role, column, sample):
                fields.setdefault(made.name, replace(made, guessed=made.guessed and not merge))
    _mend(roles, sample, product)
    for column in () if merge else roles.get("time", ())[:1]:
        hour = _hour(sample.values.get(column, ()), sample.types.get(column, ""))
        if hour:
            fields["hour"] = Field("hour", hour, column)
    return Layout(product, {k: tuple(v) for k, v in roles.items()}, tuple(fields.values()), tuple(ignored))


def _generic(name: str, values: Sequence[str], *, merge: bool) -> str | None:
    """Return what a name means everywhere, if the values bear it out."""
    role: str | None = _tables()["columns"]["generic"].get(name)
    if merge and role in (*NEEDED, IGNORED) and role not in ("recipient", "message_id"):
        return None
    return role if role is None or fits(role, values, is_event) else None


def is_event(word: str) -> bool:
    """Tell a word for what became of a message, or for something else that became of it (an open, a click)."""
    return word.strip().lower() in words() or read_word(word) != UNKNOWN


def check_mapped(mapped: Mapping[str, str], samples: Iterable[Sample]) -> None:
    """Refuse a --map that names no column of any file.

    Raises:
        ConfigError: names the nearest column.
    """
    import difflib

    columns = [column for sample in samples for column in sample.columns]
    for theirs in mapped:
        if theirs not in columns:
            near = difflib.get_close_matches(theirs, columns, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f" (there are {', '.join(columns[:12])})"
            raise ConfigError(f"--map {theirs}={mapped[theirs]}: no file has a column {theirs!r}{hint}")


def _mend(roles: dict[str, list[str]], sample: Sample, product: str | None) -> None:
    """Set right what names alone get wrong: SFMC keys that are addresses, a `domain` without any."""
    if "recipient" not in roles and "message_id" in roles:
        key = roles["message_id"][0]
        filled = [value for value in sample.values.get(key, ()) if value]
        if filled and all("@" in value for value in filled) and product == "Salesforce Marketing Cloud":
            roles["recipient"] = [key]


def _fields(role: str | None, column: str, sample: Sample) -> list[Field]:
    """Make the fields that one column gives."""
    filled = [value for value in sample.values.get(column, ()) if value]
    urls = sum(bool(_URL.search(value)) for value in filled)
    has_urls = bool(filled) and urls * 2 > len(filled)
    several = any(len(_URL.findall(value)) > 1 for value in filled)
    long = any(len(value) > LONG for value in filled)
    name = role or f"merge:{column}"
    if role in ("envelope_sender", "from", "reply_to"):
        return [Field(role, Form.DOMAIN if any("@" in value for value in filled) else Form.PLAIN, column)]
    if role == "redirect":
        form = Form.HOSTS if several else Form.HOST if has_urls else Form.PLAIN
        return [Field("redirect_host", form, column)]
    if role in ("link", "image") and not has_urls:
        return [Field(f"{role}_host", Form.HOST if any("/" in value for value in filled) else Form.PLAIN, column)]
    if has_urls or (long and urls):
        host = f"{role}_host" if role in ("link", "image") else f"{name} host"
        made = [Field(host, Form.HOSTS if several else Form.HOST, column)]
        whole = Form.LONG if long and not has_urls else Form.URLS if several else Form.URL
        return [*made, Field(name, Form.LONG if long and several else whole, column)]
    form = Form.LIST if sample.types.get(column) == LIST else Form.LONG if long else Form.PLAIN
    return [Field(name, form, column, guessed=role is None)]


def _hour(values: Sequence[str], of_type: str) -> Form | None:
    """Say how the hour is read out of a time column; None if no value looks like a time."""
    if of_type.upper().startswith(("TIMESTAMP", "DATETIME")):
        return Form.TYPED_HOUR
    filled = [value for value in values if value]
    if not filled:
        return None
    if all(_ISO.match(value) for value in filled):
        return Form.ISO_HOUR
    if all(re.fullmatch(r"\d{9,10}(\.\d+)?", value) for value in filled):
        return Form.EPOCH_HOUR
    if all(re.fullmatch(r"\d{12,13}", value) for value in filled):
        return Form.MILLI_HOUR
    return Form.TEXT_HOUR if all(re.search(r"\d:\d\d", value) for value in filled) else None
