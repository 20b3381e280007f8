"""The files of a workspace as pydantic models: what keys they have, and of what type."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from harness.edge.yamlfile import Document, Place, nearest
from harness.errors import ConfigError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)?")


def seconds(value: Any) -> float:
    """Read a duration: 3, 3s, 15m, 2h."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("a duration such as 3s, 15m or 2h was expected")
    match = _DURATION.fullmatch(str(value).strip())
    if not match:
        raise ValueError(f"{value!r} is no duration; write 3s, 15m or 2h")
    return float(match[1]) * _UNITS[match[2] or "s"]


def ip_address(text: str) -> str:
    """Read an IP address; returns it in its usual form."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is no IP address; write one such as 192.0.2.53 or 2001:db8::53") from None


def dns_name(text: str) -> str:
    """Read a domain name, or a part of one such as a selector; returns it without a last dot."""
    labels = text.removesuffix(".").split(".")
    if len(text) > 253 or not all(re.fullmatch(r"[\w-]{1,63}", label) for label in labels):
        raise ValueError(f"{text!r} is no domain name; write it as it stands in DNS, such as shop.example")
    return ".".join(labels)


def helo_name(text: str) -> str:
    """Read what EHLO is said with: a host name, or an address in brackets (RFC 5321 section 4.1.3)."""
    if re.fullmatch(r"\[(?:IPv6:)?[0-9A-Fa-f:.]{2,45}\]", text):
        return text
    if not text.isascii():
        raise ValueError(f"{text!r} is not ASCII; write the name as DNS has it (xn--…)")
    return dns_name(text)


Duration = Annotated[float, BeforeValidator(seconds)]
IpAddress = Annotated[str, AfterValidator(ip_address)]
DnsName = Annotated[str, AfterValidator(dns_name)]
HeloName = Annotated[str, AfterValidator(helo_name)]
Provider = Literal[
    "acs", "ses", "sendgrid", "mailgun", "postmark", "sparkpost", "mailjet", "brevo", "kumomta", "powermta"
]
Port = Annotated[int, Field(ge=1, le=65535)]


class Strict(BaseModel):
    """A mapping with known keys only, and no silent change of type."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


M = TypeVar("M", bound=Strict)


class MailboxFile(Strict):
    """`mailbox:` of a seed."""

    host: str
    username: str
    password: str
    port: Port = 993
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    folder: str = "INBOX"
    junk: str = "Junk"
    auth: Literal["login", "xoauth2"] = "login"
    ca_file: str | None = None


class SeedFile(Strict):
    """One seed."""

    address: str
    domain: str | None = None
    merge: dict[str, Any] = {}
    mailbox: MailboxFile | None = None


class SegmentFile(Strict):
    """One segment."""

    owner: str
    daily_cap: Annotated[int, Field(ge=1, le=1000)] = 10
    seeds: Annotated[list[SeedFile], Field(min_length=1)]


class SeedsFile(Strict):
    """seeds.yaml."""

    segments: Annotated[dict[str, SegmentFile], Field(min_length=1)]


class PaceFile(Strict):
    """`pace:` of a relay."""

    connections: Annotated[int, Field(ge=1, le=20)] = 1
    gap: Duration = 3.0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    per_hour: Annotated[int, Field(ge=1)] | None = 60
    per_domain_per_hour: Annotated[int, Field(ge=1)] | None = None
    messages_per_connection: Annotated[int, Field(ge=1)] = 15
    avoid_top_of_hour: bool = True
    backoff: Duration = 300.0
    retries: Annotated[int, Field(ge=0, le=2)] = 2


class BounceFile(Strict):
    """One entry of `bounces:`."""

    kind: Literal["imap", "maildir", "mbox", "eml", "events", "webhook"]
    path: str = ""
    provider: Provider | None = None
    host: str = ""
    port: Port = 993
    tls: Literal["starttls", "implicit", "none"] = "implicit"
    username: str = ""
    password: str = ""
    auth: Literal["login", "xoauth2"] = "login"
    folder: str = "INBOX"
    ca_file: str | None = None
    secret: str = ""


class RelayFile(Strict):
    """One relay."""

    kind: Literal["sandbox", "smtp", "lmtp"]
    policy: str = ""
    host: str = ""
    port: Port | None = None
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: str | None = None
    password: str | None = None
    auth: Literal["plain", "login", "scram-sha-256", "xoauth2"] | None = None
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    helo: HeloName | None = None
    source_address: str | None = None
    timeout: Duration = 60.0
    content_timeout: Duration = 600.0
    dsn: bool = True
    answers: Literal["session", "bounces"] = "session"
    settle: Duration = 900.0
    pace: PaceFile = PaceFile()
    headers: dict[str, str] = {}
    bounces: list[BounceFile] = []
    sending_ips: list[IpAddress] = []
    mail_from: DnsName | None = None
    company: str = ""
    contact: str = ""


class RelaysFile(Strict):
    """relay.yaml."""

    default: str
    relays: Annotated[dict[str, RelayFile], Field(min_length=1)]


class PlainFile(Strict):
    """`plain:` of a campaign."""

    subject: str | None = None
    text: str | None = None
    merge: dict[str, Any] = {}
    redirects: dict[str, str] = {}


class AttachmentFile(Strict):
    """One attachment with more than its file name."""

    file: str
    name: str | None = None
    type: str | None = None
    content_id: str | None = None


class DkimFile(Strict):
    """`dkim:` of a campaign; `key` is the path of a PEM file or ${VARIABLE}."""

    domain: str
    selector: str
    key: str
    headers: list[str] | None = None


class CampaignFile(Strict):
    """campaign.yaml; an imported message has `message:` instead of templates."""

    from_: Annotated[str, Field(alias="from")]
    envelope_sender: str
    reply_to: str | None = None
    subject: str = ""
    preheader: str | None = None
    html: str | None = None
    text: str | None = None
    message: str | None = None
    headers: dict[str, str] = {}
    attachments: list[str | AttachmentFile] = []
    transactional: bool = False
    plain: PlainFile = PlainFile()
    profiles: str | None = None
    dkim: DkimFile | None = None


def check(document: Document, model: type[M]) -> M:
    """Hold a document against its model.

    Raises:
        ConfigError: names file, line, what was expected and the nearest known key.
    """
    if document.data is None:
        raise ConfigError(f"{document.name}:1: the file is empty; {_keys(model)}")
    if not isinstance(document.data, dict):
        raise ConfigError(f"{document.name}:1: a mapping was expected; {_keys(model)}")
    try:
        return model.model_validate(document.data)
    except ValidationError as failure:
        # A misspelt key comes first: the key that it leaves missing is only its shadow.
        problems = sorted(failure.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        place, message = _explain(problems[0]["loc"], dict(problems[0]), model, document)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise document.error(place, message + more) from None


def _explain(loc: Place, problem: dict[str, Any], model: type[BaseModel], document: Document) -> tuple[Place, str]:
    """Say one validation problem in a sentence; returns the place to point at."""
    place = _real_place(loc, document.data)
    where = ".".join(str(part) for part in place[:-1])
    inside = f" in {where}" if where else ""
    kind, name = problem["type"], str(loc[-1]) if loc else ""
    if kind == "extra_forbidden":
        return place, f"unknown key {name!r}{inside}{nearest(name, _known(model, place[:-1]))}"
    if kind == "missing":
        return place[:-1], f"key {name!r} is missing{inside or ' in the file'}; {MEANING.get(name, 'it must be given')}"
    dotted = ".".join(str(part) for part in place)
    text = str(problem["msg"]).removeprefix("Value error, ")
    return place, f"{dotted}: {text[0].lower() + text[1:]}"


MEANING = {
    "owner": "say who vouches that these mailboxes are ours (an address); without it nothing is sent",
    "from": "the author that recipients see, such as Shop <news@shop.example>",
    "envelope_sender": "the address that bounces go to, such as bounces@mail.shop.example",
    "default": "name the relay that is used when none is given",
    "kind": "say which kind it is",
    "address": "give the mailbox's address",
    "seeds": "list the mailboxes, {address: …, domain: …, merge: {…}}",
}


def _real_place(loc: Place, data: Any) -> Place:
    """Drop what pydantic adds to a path (names of union members) and the data does not have."""
    place: list[str | int] = []
    for i, part in enumerate(loc):
        if isinstance(data, dict) and part in data:
            data = data[str(part)]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        elif i < len(loc) - 1:
            continue
        place.append(part)
    return tuple(place)


def _known(model: type[BaseModel], place: Place) -> list[str]:
    """Return the keys that a place of the model has."""
    current: Any = model
    for part in place:
        current = _step(current, part)
        if current is None:
            return []
    return _names(current)


def _step(current: Any, part: str | int) -> Any:
    if isinstance(current, type) and issubclass(current, BaseModel):
        for name, info in current.model_fields.items():
            if part in (name, info.alias):
                return _inner(info.annotation)
        return None
    return current.model if isinstance(current, _Items) else None


def _inner(annotation: Any) -> Any:
    """Find the model inside list[...], dict[str, ...] and optional annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _inner(argument)
        if found is not None:
            return _Items(found) if not isinstance(found, _Items) and _is_container(annotation) else found
    return None


class _Items:
    """A container of models: one step of the path is an index or a name."""

    def __init__(self, model: Any) -> None:
        self.model = model


def _is_container(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) in (list, dict)


def _names(current: Any) -> list[str]:
    if isinstance(current, _Items):
        current = current.model
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [info.alias or name for name, info in current.model_fields.items()]
    return []


def _keys(model: type[BaseModel]) -> str:
    return "expected keys: " + ", ".join(_names(model))
