"""A campaign: what production would send, as its files say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attached file; `content_id` makes it inline (cid:)."""

    name: str
    content: bytes = field(repr=False)
    content_type: str = "application/octet-stream"
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class Plain:
    """What the plain state is where the default is not right (campaign.yaml `plain:`)."""

    subject: str | None = None
    text: str | None = None  # the neutral note that the control says
    merge: Mapping[str, object] = field(default_factory=dict)
    redirects: Mapping[str, str] = field(default_factory=dict)  # tracked URL -> where it leads


@dataclass(frozen=True, slots=True)
class Profile:
    """A production recipient's merge row, worn by a seed (the address itself is never kept)."""

    name: str
    merge: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Dkim:
    """How to sign a campaign's final bytes (RFC 6376)."""

    domain: str
    selector: str
    private_key: str = field(repr=False)
    headers: tuple[str, ...] = (
        *("from", "to", "subject", "date", "message-id", "mime-version", "content-type"),
        *("list-unsubscribe", "list-unsubscribe-post"),  # one-click asks for it (RFC 8058 section 4)
    )  # those that a message has


@dataclass(frozen=True, slots=True)
class Campaign:
    """Template sources with headers, sender and assets.

    `files` maps a field (subject, html, text, ...) to the file that it came from, so that an
    error can name file and line. `message` is set for an imported message: then its bytes are
    production, and html/text/subject hold nothing.
    """

    name: str
    sender: str  # the From header's value, "Shop <news@shop.example>"
    envelope_sender: str
    subject: str = ""
    reply_to: str | None = None
    preheader: str | None = None
    html: str | None = None
    text: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    transactional: bool = False
    plain: Plain = Plain()
    profiles: tuple[Profile, ...] = ()
    dkim: Dkim | None = None
    message: bytes | None = field(default=None, repr=False)
    files: Mapping[str, str] = field(default_factory=dict)
    directory: str = ""  # templates may include files of this folder and of none other
    includes: Mapping[str, str] = field(default_factory=dict, repr=False)  # name -> source of those files
