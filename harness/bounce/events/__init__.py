"""Provider events: bytes of a webhook, a log or an accounting file become answers.

One reader per provider; each knows its own by their shape, so a folder may hold them mixed. Lists,
single objects, objects line by line, CSV with a header line and SNS envelopes are all accepted.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness.bounce.events import acs, brevo, kumomta, mailgun, mailjet, postmark, powermta, sendgrid, ses, sparkpost
from harness.bounce.events.event import Event, Reader, other
from harness.bounce.rule import Rules
from harness.bounce.rules import RULES
from harness.errors import EventError
from harness.model.answer import Answer

# In the order in which shapes are tried: the more telling ones first.
READERS: tuple[Reader, ...] = (ses, mailgun, sparkpost, postmark, sendgrid, brevo, mailjet, kumomta, acs, powermta)
PROVIDERS = {reader.NAME: reader for reader in READERS}
_LISTS = ("items", "events", "results", "Records", "Bounces", "value")  # under which APIs page their events
_MAX_FIELD = 1 << 20


def read_events(
    raw: bytes, provider: str | None = None, *, rules: Rules = RULES, source: str | None = None
) -> list[Answer]:
    """Read the events in some bytes, in their order; several providers may be mixed unless one is named.

    Raises:
        EventError: the bytes are no events of a provider that is known, or not of the one named.
    """
    if provider is not None and provider not in PROVIDERS:
        raise EventError(f"unknown provider {provider!r}; there are {', '.join(sorted(PROVIDERS))}")
    answers: list[Answer] = []
    last: Reader | None = PROVIDERS[provider] if provider else None
    for number, event in enumerate(_events(raw)):
        reader = last if last and last.knows(event) else _reader(event)
        if reader is None or (provider and provider != reader.NAME):
            if provider:  # it was said whose these are: what it doesn't know is another kind of event
                answers.append(other(provider, "", rules))
                continue
            raise EventError(f"event {number + 1}: no provider's shape is known to look like this; name the provider")
        last = reader
        for answer in reader.read(event, rules):
            answers.append(replace(answer, raw=f"{source}#{number + 1}") if source else answer)
    return answers


def looks_like_events(raw: bytes) -> bool:
    """Tell whether bytes begin as JSON or an accounting file does, so that they are worth trying."""
    start = raw[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    return start[:1] in (b"{", b"[") or (start.startswith((b"type,", b'"type"')) and b"rcpt" in start)


def _reader(event: Event) -> Reader | None:
    return next((reader for reader in READERS if reader.knows(event)), None)


def _events(raw: bytes) -> Iterator[dict[str, Any]]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    start = text.lstrip()
    if start[:1] in ("{", "["):
        for value in _json(start):
            yield from _flat(value)
        return
    if looks_like_events(raw):
        yield from _rows(start)
        return
    raise EventError("no events: expected JSON (an object, a list, or one object a line) or CSV with a header line")


def _json(text: str) -> Iterator[Any]:
    """Read one JSON value, or several one after another."""
    decoder = json.JSONDecoder()
    at, end = 0, len(text)
    while at < end:
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as fault:
            line = text.count("\n", 0, at) + 1
            raise EventError(f"line {line}: no JSON ({str(fault)[:60]}); expected an event here") from None
        yield value
        while at < end and text[at] in " \t\r\n,":
            at += 1


def _flat(value: Any) -> Iterator[dict[str, Any]]:
    """Take lists and paged results apart; what is no object is no event."""
    queue = [value]
    while queue:
        value = queue.pop(0) if len(queue) == 1 else queue.pop()
        if isinstance(value, list):
            queue.extend(reversed(value))
        elif isinstance(value, dict):
            pages = [value[key] for key in _LISTS if isinstance(value.get(key), list)]
            if pages and _reader(value) is None:
                queue.extend(reversed(pages))
            else:
                yield value
        else:
            raise EventError(f"no event: expected an object, found {type(value).__name__}")


def _rows(text: str) -> Iterator[dict[str, Any]]:
    """Read CSV; a header line may come again in the middle, for PowerMTA writes one per run."""
    csv.field_size_limit(_MAX_FIELD)
    names: list[str] = []
    try:
        for row in csv.reader(io.StringIO(text.replace("\0", ""))):
            if row and row[0] == "type":
                names = row
            elif row:
                yield dict(zip(names, row, strict=False))
    except csv.Error as fault:
        raise EventError(f"no CSV: {fault}") from None
