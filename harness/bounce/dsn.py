"""Delivery reports: one mail from the bounce mailbox becomes one answer per recipient.

Reports with status fields (RFC 3464, RFC 6533) are read by their fields, helped out by the text that
goes with them; reports in plain words by their words; everything else is named for what it is.
A report's `Action: delayed` or a 4xx is kept as that: nobody has refused anything yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from harness.bounce.dsnfields import Said, Status, address_of, read_status
from harness.bounce.judged import Around, judge_words
from harness.bounce.mailkind import (
    STATUS_PARTS,
    from_daemon,
    is_challenge,
    is_forwarded,
    is_notification,
    kind_of_letter,
    kind_of_mail,
    may_be_report,
)
from harness.bounce.mailparts import RETURNED, Mail, Part, read_headers, take_apart
from harness.bounce.plainreport import Prose, answers_in, read_prose, says_delay, says_failure, without_chatter
from harness.bounce.reply import find_code, fold
from harness.bounce.rule import Rules
from harness.bounce.rules import RULES
from harness.bounce.wording import STEPS, TWICE
from harness.errors import EventError
from harness.model.answer import Answer, Evidence, Kind, Level, Reading, Source
from harness.model.reply import Step

_HAS_FIELDS = re.compile(r"^[ \t]*(?:final|original)-recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
# A token of ours: run id, trial number, signature. Other Message-IDs are nobody's trial.
_TOKEN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*-\d{5}-[a-z2-7]{16}")
_RECEIVED_FOR = re.compile(r"\bfor <([^<>\s]{3,320})>")
_DATE = re.compile(r"(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d)(?: ([+-])(\d\d)(\d\d))?")
_MONTHS = {"JanFebMarAprMayJunJulAugSepOctNovDec"[at : at + 3]: at // 3 + 1 for at in range(0, 36, 3)}
_HOST = re.compile(r"(?:host|server|to|with) ([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}\.?)(?=[\s\[(:,]|$)")
_NO_REPORT = (Kind.COMPLAINT, Kind.OTHER)
_ACTION_OF = {Kind.DELIVERED: "delivered", Kind.DEFERRED: "delayed"}
_ASKED = 50  # recipients of one report that the text is searched for; fields are read for all
_BESIDE = 6000
_CAUSES = {Kind.AUTO_REPLY: "auto_reply", Kind.COMPLAINT: "complaint"}


def read_mail(raw: bytes, *, rules: Rules = RULES, source: str | None = None) -> list[Answer]:
    """Read one mail: an answer per recipient of a report, or one answer that names what it is instead.

    `source` says where the bytes lie. Any bytes give at least one answer.
    """
    mail = take_apart(raw)
    kind = kind_of_mail(mail)
    answers = [] if kind else _report(mail, rules)
    if not answers:
        answers = [_other(mail, kind or kind_of_letter(mail), rules)]
    return [replace(answer, raw=source) for answer in answers] if source else answers


def _report(mail: Mail, rules: Rules) -> list[Answer]:
    mail = _unpacked(mail)
    status_parts = [part for part in mail.parts if part.kind in STATUS_PARTS]
    if status_parts:
        if is_forwarded(mail, status_parts[0]):
            return []
        status = read_status("\n\n".join(part.text() for part in status_parts))
        if status.recipients:
            return list(_answers(mail, status, status.recipients, rules))
    text = _words(mail)
    if text.lstrip().startswith("{") and is_notification(mail):
        return _notification(text, rules)
    if not may_be_report(mail):
        return []
    fields = read_status(text) if _HAS_FIELDS.search(text) else Status({}, [])
    if fields.recipients:
        return list(_answers(mail, fields, fields.recipients, rules))
    subject = mail.get("subject")
    if not says_failure(text) and not says_failure(subject):
        return []
    prose = read_prose(text, _own_addresses(mail))
    said = prose.recipients or _named_elsewhere(mail, prose)
    if is_challenge(text) and not any(find_code(fold(one.diagnostic)) for one in said):
        return []
    delayed = prose.delayed or says_delay(subject)
    for one in said:
        one.action = "delayed" if delayed else "failed"
    return list(_answers(mail, fields, said, rules, replace(prose, recipients=said)))


def _unpacked(mail: Mail) -> Mail:
    """Take out a report that a mail system passed on whole, as a message within its own."""
    if any(part.kind in STATUS_PARTS for part in mail.parts) or not from_daemon(mail):
        return mail
    for part in mail.parts:
        if part.kind == "message/rfc822" and b"delivery-status" in part.body[:20000].lower():
            inner = take_apart(part.decoded())
            if any(one.kind in STATUS_PARTS for one in inner.parts):
                return Mail(mail.headers, inner.parts)
    return mail


def _words(mail: Mail) -> str:
    """Return the text for people: plain parts before the returned message, else the marked-up one."""
    before: list[Part] = []
    for part in mail.parts:
        if part.kind in RETURNED:
            break
        before.append(part)
    for kinds in (("text/plain", "text"), STATUS_PARTS):
        plain = [part.text() for part in before if part.kind in kinds]
        if any(text.strip() for text in plain):
            return "\n".join(plain)
    return "\n".join(part.text() for part in mail.parts if part.kind == "text/html")


def _returned(mail: Mail, prose: Prose | None) -> dict[str, str]:
    """Return the headers of the message that came back, {} if none of it did."""
    after_status = False
    for part in mail.parts:
        if part.kind in RETURNED:
            return read_headers(part.decoded())
        if after_status and b"\n" in part.body:
            headers = read_headers(part.decoded())
            if headers:
                return headers
        after_status = after_status or part.kind in STATUS_PARTS
    text = prose.returned if prose else ""
    _, _, below = text.partition("\n")
    for block in (below, text):
        headers = read_headers(block.encode("utf-8", "replace"))
        if "message-id" in headers or "to" in headers:
            return headers
    return {}


def _own_addresses(mail: Mail) -> frozenset[str]:
    """Return the addresses that the report itself was sent to and from; they didn't fail."""
    names = (
        "to",
        "from",
        "sender",
        "delivered-to",
        "x-original-to",
        "envelope-to",
        "x-envelope-to",
        "x-rcpt-to",
        "return-path",
    )
    found = {address_of(mail.headers[name]) for name in names if name in mail.headers}
    return frozenset(found - {""})


def _named_elsewhere(mail: Mail, prose: Prose) -> list[Said]:
    """Find recipients that the text doesn't name: in a header of the report, or in the returned message."""
    failed = [address_of(one) for one in mail.headers.get("x-failed-recipients", "").split(",")[:200]]
    if not any(failed):
        failed = [address_of(one) for one in _returned(mail, prose).get("to", "").split(",")[:1]]
    words = " ".join(answers_in(prose.text)[:1]) or without_chatter(prose.text)
    return [Said(recipient=one, diagnostic=words, extra=prose.text) for one in dict.fromkeys(failed) if one]


def _answers(
    mail: Mail, status: Status, recipients: list[Said], rules: Rules, prose: Prose | None = None
) -> Iterator[Answer]:
    """Make the records of a report's recipients."""
    text = _Text(mail, prose)
    original = _returned(mail, prose or text.prose_if_flat())
    message_id = _bare_id(_message_id(mail, status, original))
    envelope_recipient = _envelope_recipient(mail)
    trial = _trial(envelope_recipient, status, original) or _token_in(message_id)
    sent = _time(mail.headers.get("date", ""))
    for said in recipients:
        verdict = judge_words(said, text.around, rules)
        low = f"{verdict.words.lower()} {text.beside(said, len(recipients))}"
        yield Answer(
            kind=Kind.BOUNCE,
            source=Source.DSN,
            reading=_with_apples_tag(verdict.reading, rules),
            recipient=said.recipient,
            original_recipient=said.original or None,
            action=said.action or ("delayed" if says_delay(low) else "failed"),
            step=_step(low),
            time=_time(said.when) or sent,
            remote_mta=said.remote or _remote(verdict.words),
            from_receiver=verdict.from_receiver,
            trial=trial,
            envelope_recipient=envelope_recipient,
            envelope_id=status.fields.get("original-envelope-id") or None,
            message_id=message_id,
            queue_id=status.fields.get("x-postfix-queue-id") or None,
            sent_more_than_once=any(phrase in low for phrase in TWICE),
        )


class _Text:
    """The text that goes with a report's fields: read once, and only if the fields say too little."""

    def __init__(self, mail: Mail, prose: Prose | None) -> None:
        self._mail = mail
        self._prose = prose
        self._asked = 0

    def prose(self) -> Prose:
        """Return the text as a report in words."""
        if self._prose is None:
            self._prose = read_prose(_words(self._mail), _own_addresses(self._mail))
        return self._prose

    def prose_if_flat(self) -> Prose | None:
        """Return it where the returned message can only stand within the text."""
        if any(part.kind in RETURNED for part in self._mail.parts) or len(self._mail.parts) > 2:
            return None
        return self.prose()

    def beside(self, said: Said, recipients: int) -> str:
        """Return the words that may name the command that was answered, in lower case."""
        if recipients == 1:
            return fold(_words(self._mail)[:_BESIDE]).lower()
        if recipients > _ASKED:
            return ""
        around = self.around(said)
        return f"{around.told.diagnostic} {fold(around.told.extra)}".lower()

    def around(self, said: Said) -> Around:
        """Return what the text says of a recipient; of the only one, whatever it calls him."""
        self._asked += 1
        if self._asked > _ASKED:
            return Around(said)
        prose = self.prose()
        alone = len(prose.recipients) < 2
        for one in prose.recipients:
            if one is said or one.recipient == said.recipient:
                return Around(one, prose.text if alone else "")
        return Around(said, prose.text if alone else "")


def _envelope_recipient(mail: Mail) -> str | None:
    """Return the address that the report came to: our VERP address, if we sent with one."""
    names = ("x-original-to", "delivered-to", "envelope-to", "x-envelope-to", "to")
    found = [address_of(mail.headers[name]) for name in names if name in mail.headers]
    for address in found:
        if "+" in address:
            return address
    received = _RECEIVED_FOR.search(mail.headers.get("received", ""))
    if received and "+" in received[1]:
        return received[1].lower()
    return next((address for address in found if address), None)


def _trial(envelope_recipient: str | None, status: Status, original: dict[str, str]) -> str | None:
    """Return our id as it came back: in the VERP address, the envelope id or the returned headers."""
    if original.get("x-retest-id"):
        return original["x-retest-id"].split()[0]
    for address in (envelope_recipient or "", address_of(original.get("return-path", ""))):
        local, at, _ = address.rpartition("@")
        if at and "+" in local:
            return local.rpartition("+")[2] or None
    return status.fields.get("original-envelope-id") or None


def _message_id(mail: Mail, status: Status, original: dict[str, str]) -> str:
    """Return the original's Message-ID: from what came back of it, else as the report refers to it."""
    named = original.get("message-id") or status.fields.get("x-original-message-id")
    return named or mail.headers.get("in-reply-to", "")


def _token_in(message_id: str | None) -> str | None:
    local = (message_id or "").partition("@")[0]
    return local if len(local) < 100 and _TOKEN.fullmatch(local) else None


def _bare_id(value: str) -> str | None:
    value = value.strip()
    if "<" in value:
        value = value.partition("<")[2].partition(">")[0]
    return value.split()[0] if value.split() else None


def _with_apples_tag(reading: Reading, rules: Rules) -> Reading:
    """Show a tag if it is Apple's or nobody has explained it.

    Reports come from all providers, and tallies go by Apple's tags; another provider's known tag has done its
    work in the rule that it decided, and stays in the text.
    """
    known = rules.tags.get(reading.tag or "")
    return replace(reading, tag=None) if known and known.provider != "apple" else reading


def _step(low: str) -> Step | None:
    for step, phrases in STEPS:
        if any(phrase in low for phrase in phrases):
            return Step(step)
    return None


def _remote(words: str) -> str | None:
    found = _HOST.search(words) if "." in words else None
    return found[1].rstrip(".").lower() if found else None


def _time(value: str) -> datetime | None:
    found = _DATE.search(value)
    if found is None:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    if sign and month in _MONTHS:  # the form of RFC 5322 section 3.3, much faster than the library's
        zone = timedelta(hours=int(zone_hours), minutes=int(zone_minutes)) * (-1 if sign == "-" else 1)
        try:
            return (
                datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC)
                - zone
            )
        except (ValueError, OverflowError):
            return None
    try:
        when = parsedate_to_datetime(value)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _notification(text: str, rules: Rules) -> list[Answer]:
    """Read a provider's event that came by mail, as SNS sends it to an address."""
    from harness.bounce.events import read_events

    body = text.strip().partition("\n--\n")[0].strip()
    try:
        answers = read_events(body.encode("utf-8", "replace"), rules=rules)
    except EventError:
        return []
    return [_as_report(answer) for answer in answers if answer.recipient or answer.kind in _NO_REPORT]


def _as_report(answer: Answer) -> Answer:
    """Turn an event that came by mail into what a report would have said."""
    if answer.kind in _NO_REPORT:
        return replace(answer, source=Source.DSN)
    action = answer.action or _ACTION_OF.get(answer.kind, "failed")
    return replace(answer, kind=Kind.BOUNCE, source=Source.DSN, action=action)


def _other(mail: Mail, kind: Kind, rules: Rules) -> Answer:
    """Name a mail that is no bounce."""
    cause = rules.causes[_CAUSES.get(kind, "unknown")]
    return Answer(
        kind=kind,
        source=Source.DSN,
        reading=Reading(None, None, None, "", cause.name, Level.NONE, Evidence.NONE, None, "none"),
        time=_time(mail.headers.get("date", "")),
        trial=_trial(_envelope_recipient(mail), Status({}, []), {}),
        envelope_recipient=_envelope_recipient(mail),
        message_id=_bare_id(mail.headers.get("in-reply-to", "")),
    )
