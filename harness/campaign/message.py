"""The message: header fields and MIME parts of a campaign as pieces of bytes, in one order for all variants."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from harness.campaign.level import Level
from harness.campaign.place import Branch, Node
from harness.campaign.wire import CRLF, Body, Piece, Slot, Span, base64_lines, header_mode, header_pieces
from harness.campaign.words import word_set
from harness.errors import ConfigError
from harness.model.campaign import Attachment, Campaign
from harness.model.mime import mailboxes

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LONGEST_WORD = 900  # of the 998 that a line can have
_NAME = re.compile(r"[!-9;-~]+")
# These are the harness's own; a campaign that sets them would forge the envelope or break the parts.
OWN = word_set(
    "from to cc bcc sender date message-id subject reply-to mime-version content-type content-transfer- "
    "encoding return-path received dkim-signature resent-to resent-cc resent-bcc resent-from"
)


def check_header(value: str, where: str, name: str, persona: str) -> None:
    """Refuse a header value that would end its line, or that no line can hold.

    Raises:
        ConfigError: it holds a line break, NUL or another control character, or a word without end.
    """
    found = _CONTROL.search(value)
    if found:
        raise ConfigError(
            f"{where}: the value of {name} for {persona} holds a line break or control character"
            f" (U+{ord(found[0]):04X}); take it out of the template or of the merge value"
        )
    longest = max(map(len, value.split(" ")))
    if longest > _LONGEST_WORD and value.isascii():
        raise ConfigError(
            f"{where}: the value of {name} for {persona} has a word of {longest} characters; a header line has room for"
            f" {_LONGEST_WORD} and can only be broken at spaces (RFC 5322 section 2.1.1)"
        )


def check_name(name: str, where: str) -> None:
    """Refuse a header name that is none, or that is not the campaign's to set."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: {name!r} is no header name; use letters, digits and hyphens")
    if name.lower() in OWN:
        raise ConfigError(f"{where}: the header {name} is set by the harness; use the campaign's own key for it")


def addresses(value: str) -> list[str]:
    """List the addresses of a From or Reply-To value."""
    return [address for _, address in mailboxes(value)]


def split_author(level: Level) -> tuple[int, int]:
    """Find the display name of an address: the span with the white space after it."""
    angle = level.text.rfind("<")
    if angle <= 0 or not level.text[:angle].strip():
        return 0, 0
    return 0, angle


class Assembly:
    """Puts one persona's message together; boundaries and encodings are the campaign's."""

    def __init__(self, campaign: Campaign, modes: Mapping[str, str], asked: Sequence[str]):
        self._campaign = campaign
        self._asked = asked
        self._modes = modes
        self._body = Body()
        self._boundary = "=_" + hashlib.sha256(campaign.name.encode()).hexdigest()[:24]

    def message(
        self, heads: Sequence[tuple[str, tuple[Node, ...]]], parts: Mapping[str, tuple[Node, ...]]
    ) -> tuple[Piece, ...]:
        """Build all pieces: header fields in the given order, then the body."""
        made: list[Piece] = []
        for name, nodes in heads:
            made.extend(self._field(name, nodes))
        made.append(b"MIME-Version: 1.0" + CRLF)
        made.extend(self._parts(parts))
        return _merged(made)

    def _field(self, name: str, nodes: tuple[Node, ...]) -> list[Piece]:
        label = f"{name}:".encode("ascii")
        if name in ("To", "Date", "Message-ID"):
            made: list[Piece] = [label + b" ", Slot(name), CRLF]
            return [Span("message-id", tuple(made))] if name == "Message-ID" and "message-id" in self._asked else made
        mode = self._modes.get(name, "raw")
        if name in ("From", "Reply-To"):
            return self._author(label, name, nodes, mode)
        if len(nodes) == 1 and isinstance(nodes[0], Branch) and nodes[0].owner in (f"header:{name}", "reply-to"):
            return [Span(nodes[0].owner, (label, *header_pieces(nodes[0].inner, mode), CRLF))]
        return [label, *header_pieces(nodes, mode), CRLF]

    def _author(self, label: bytes, name: str, nodes: tuple[Node, ...], mode: str) -> list[Piece]:
        """Write an address field: only the display name is ever encoded (RFC 2047 section 5)."""
        own: tuple[Node, ...] = ()
        if nodes and isinstance(nodes[0], Branch) and nodes[0].owner == "from-name":
            words = nodes[0].inner if mode != "words" else _unquoted(nodes[0].inner)
            own, nodes = (Branch("from-name", words),), nodes[1:]
        mode = "raw" if mode == "folded" else mode
        made: list[Piece] = [label, *header_pieces(own, mode)] if own else [label, b" "]
        if own and mode == "words":
            made.append(b" ")
        made += [*header_pieces(nodes, "raw", False), CRLF]
        if name == "Reply-To" and isinstance(nodes[0], Branch) and nodes[0].owner == "reply-to":
            return [Span("reply-to", (label, b" ", *header_pieces(nodes[0].inner, "raw", False), CRLF))]
        return made

    # MIME

    def _parts(self, parts: Mapping[str, tuple[Node, ...]]) -> list[Piece]:
        content = self._alternatives(parts)
        inline = [one for one in self._campaign.attachments if one.content_id]
        attached = [one for one in self._campaign.attachments if not one.content_id]
        for kind, files in (("related", inline), ("mixed", attached)):
            if files:
                content = self._container(kind, content, files)
        return content

    def _alternatives(self, parts: Mapping[str, tuple[Node, ...]]) -> list[Piece]:
        text = self._text("plain", parts["text"])
        if "html" not in parts:
            return text
        mark = f"{self._boundary}.a".encode()
        page: tuple[Piece, ...] = (b"--" + mark + CRLF, *self._text("html", parts["html"]), CRLF)
        return [
            b'Content-Type: multipart/alternative; boundary="' + mark + b'"' + CRLF + CRLF,
            b"--" + mark + CRLF, *text, CRLF,
            Span("html", page),
            b"--" + mark + b"--" + CRLF,
        ]  # fmt: skip

    def _text(self, kind: str, nodes: tuple[Node, ...]) -> list[Piece]:
        head = f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
        return [head.encode(), *self._body.pieces(nodes)]

    def _container(self, kind: str, content: list[Piece], files: Sequence[Attachment]) -> list[Piece]:
        mark = f"{self._boundary}.{kind[0]}".encode()
        head = f'Content-Type: multipart/{kind}; boundary="{mark.decode()}"\r\n\r\n'.encode()
        made: list[Piece] = [head, b"--" + mark + CRLF, *content, CRLF]
        for one in files:
            head = _attachment_head(one, "inline" if one.content_id else "attachment")
            made.append(
                Span(f"attachment:{one.name}", (b"--" + mark + CRLF + head + base64_lines(one.content) + CRLF,))
            )
        return [*made, b"--" + mark + b"--" + CRLF]


def _attachment_head(one: Attachment, disposition: str) -> bytes:
    for value in (one.name, one.content_type, one.content_id or ""):
        if _CONTROL.search(value) or '"' in value:
            raise ConfigError(
                f"attachment {one.name!r}: its name, type and content id can't hold quotes or line breaks"
            )
    name = f'filename="{one.name}"' if one.name.isascii() else "filename*=utf-8''" + _percent(one.name)
    identity = f"Content-ID: <{one.content_id}>\r\n" if one.content_id else ""
    return (
        f"Content-Type: {one.content_type}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: {disposition}; {name}\r\n{identity}\r\n"
    ).encode("ascii")


def _unquoted(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Take the quotes off a display name that goes into encoded words, and the white space at its end."""
    made = tuple(node.replace('"', "") if isinstance(node, str) else node for node in nodes)
    if made and isinstance(made[-1], str):
        return (*made[:-1], made[-1].rstrip()) if made[-1].rstrip() else made[:-1]
    return made


def _percent(text: str) -> str:
    return "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or byte in b"-._" else f"%{byte:02X}"
        for byte in text.encode()
    )


def _merged(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Join neighbouring fixed bytes, so that writing a variant takes fewer steps."""
    made: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, bytes) and made and isinstance(made[-1], bytes):
            made[-1] += piece
        elif piece != b"":
            made.append(piece)
    return tuple(made)


def field_modes(levels: Sequence[Mapping[str, Level]], extra: Mapping[str, str]) -> dict[str, str]:
    """Choose each header field's way of writing, one for all personas and variants."""
    texts: dict[str, list[list[str]]] = {}
    for one in levels:
        for part, level in one.items():
            merges = [max(merge.values, key=len) for merge in level.merges()]
            odd = [value for merge in level.merges() for value in merge.values if not value.isascii()]
            texts.setdefault(part, []).append([level.production(), *merges, *odd[:1], extra.get(part, "")])
    modes: dict[str, str] = {}
    for part, many in texts.items():
        name = {"subject": "Subject", "from": "From", "reply-to": "Reply-To"}.get(part, part.removeprefix("header:"))
        chosen = {header_mode(one) for one in many}
        modes[name] = next(mode for mode in ("words", "folded", "raw") if mode in chosen)
    return modes
