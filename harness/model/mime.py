"""MIME by offsets: where the fields, parts and bodies of a raw message lie. Nothing is rewritten here."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import getaddresses
from urllib.parse import unquote

DEEPEST = 30  # multiparts within multiparts; what is nested deeper is one opaque part
MOST_PARTS = 1000
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_LATER = re.compile(r"\*0*[1-9]\d*\*$")  # a section of a continued value after the first (RFC 2231 section 4.1)
_PARAMETER = re.compile(r";\s*([^\s=;]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;]*))")


@dataclass(frozen=True, slots=True)
class Field:
    """One header field with its folded lines: the span of all of it, and where its value begins."""

    name: str
    start: int
    value: int
    end: int  # after its line break

    @property
    def key(self) -> str:
        """The name in lower case."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Part:
    """One MIME part: fields, then a body from `body` to `end`.

    Of a multipart's children, `segments` are the spans from one delimiter line to the next.
    """

    start: int
    body: int
    end: int
    fields: tuple[Field, ...]
    kind: str
    parameters: dict[str, str] = field(default_factory=dict)
    encoding: str = "7bit"
    name: str | None = None  # of an attachment
    content_id: str | None = None
    attached: bool = False
    children: tuple[Part, ...] = ()
    segments: tuple[tuple[int, int], ...] = ()

    def walk(self) -> Iterator[Part]:
        """Walk this part and all in it."""
        yield self
        for child in self.children:
            yield from child.walk()


def read_part(raw: bytes, start: int = 0, end: int | None = None, depth: int = 0) -> Part:
    """Read a part and what is in it."""
    stop = len(raw) if end is None else end
    fields, body = read_fields(raw, start, stop)
    values = {one.key: raw[one.value : one.end] for one in reversed(fields)}
    kind, parameters = _typed(values.get("content-type", b"text/plain"))
    disposition, more = _typed(values.get("content-disposition", b""))
    name = more.get("filename") or parameters.get("name")
    identity = values.get("content-id", b"").decode("latin-1").strip().strip("<>") or None
    encoding = values.get("content-transfer-encoding", b"7bit").decode("latin-1").strip().lower()
    children: list[Part] = []
    segments: list[tuple[int, int]] = []
    if kind.startswith("multipart/") and depth < DEEPEST and parameters.get("boundary"):
        segments = _segments(raw, body, stop, parameters["boundary"])
        for first, last in segments:
            inner = raw.find(b"\n", first, last) + 1 or last
            children.append(read_part(raw, inner, _without_break(raw, inner, last), depth + 1))
    attached = disposition == "attachment" or (name is not None and not kind.startswith("text/"))
    return Part(
        start, body, stop, tuple(fields), kind, parameters, encoding, name, identity, attached,
        tuple(children), tuple(segments),
    )  # fmt: skip


def read_fields(raw: bytes, start: int, end: int) -> tuple[list[Field], int]:
    """Read header fields up to the empty line; return them and where the body begins."""
    fields: list[Field] = []
    at = start
    while at < end:
        stop = _line_end(raw, at, end)
        if not raw[at:stop].strip(b"\r\n"):
            return fields, stop
        found = _FIELD.match(raw, at, stop)
        if not found:
            return fields, at  # no field: the body begins without an empty line
        while stop < end and raw[stop : stop + 1] in (b" ", b"\t"):
            stop = _line_end(raw, stop, end)
        fields.append(Field(found[1].decode("ascii"), at, found.end(), stop))
        at = stop
    return fields, end


def _line_end(raw: bytes, at: int, end: int) -> int:
    found = raw.find(b"\n", at, end)
    return end if found < 0 else found + 1


def _without_break(raw: bytes, start: int, end: int) -> int:
    """Leave the line break before a delimiter to the delimiter (RFC 2046 section 5.1.1)."""
    if end > start and raw[end - 1 : end] == b"\n":
        end -= 1
        if end > start and raw[end - 1 : end] == b"\r":
            end -= 1
    return end


def _segments(raw: bytes, start: int, end: int, boundary: str) -> list[tuple[int, int]]:
    """Find the parts of a multipart: each from its delimiter line to the next."""
    mark = b"--" + boundary.encode("latin-1", "replace")
    lines: list[tuple[int, bool]] = []
    at = start
    while len(lines) < MOST_PARTS:
        at = raw.find(mark, at, end)
        if at < 0:
            break
        after = raw[at + len(mark) : _line_end(raw, at, end)]
        last = after.startswith(b"--")
        if (at == start or raw[at - 1 : at] == b"\n") and not (after[2:] if last else after).strip():
            lines.append((at, last))
            if last:
                break
        at += len(mark)
    starts = [offset for offset, last in lines if not last]
    stops = [offset for offset, _ in lines[1:]]
    if lines and not lines[-1][1]:
        stops.append(end)  # the closing delimiter is missing
    return list(zip(starts, stops, strict=False))


def _typed(value: bytes) -> tuple[str, dict[str, str]]:
    text = " ".join(value.decode("latin-1").split())
    parameters: dict[str, str] = {}
    for found in _PARAMETER.finditer(text):
        name = found[1].lower()
        content = re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3]
        if name.endswith("*"):
            content = unquote(content) if _LATER.search(name) else _percent(content)
        name = re.sub(r"\*\d*\*?$", "", name)
        parameters[name] = parameters.get(name, "") + content if "*" in found[1] else content
    for key in parameters.keys() & {"filename", "name"}:
        parameters[key] = readable(_eight_bit(parameters[key]))
    return text.partition(";")[0].strip().lower() or "text/plain", parameters


def _percent(value: str) -> str:
    """Decode an extended value; its first section names the charset (RFC 2231 section 4)."""
    charset, mark, coded = value.partition("'")
    try:
        return unquote(coded.partition("'")[2], charset or "utf-8") if mark else unquote(value)
    except (LookupError, ValueError):
        return unquote(value.rpartition("'")[2])


def _eight_bit(name: str) -> str:
    """Read a name that was written in UTF-8 without any encoding, as many mailers do."""
    try:
        return name.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return name


def readable(value: str) -> str:
    """Decode a header value for people (RFC 2047)."""
    folded = " ".join(value.split())
    try:
        return str(make_header(decode_header(folded)))
    except (LookupError, UnicodeError, ValueError, HeaderParseError):
        return folded


def mailboxes(value: str) -> list[tuple[str, str]]:
    """List (display name, address) of an address field's value, the names still encoded."""
    try:
        return [pair for pair in getaddresses([" ".join(value.split())]) if pair[1]]
    except RecursionError:  # comments within comments without end
        return []


def body_of(raw: bytes, part: Part) -> bytes:
    """Return a part's body without its transfer encoding; as it stands where that is broken."""
    body = raw[part.body : part.end]
    if part.encoding == "base64":
        try:
            return base64.b64decode(body)
        except binascii.Error:
            return body
    return quopri.decodestring(body) if part.encoding == "quoted-printable" else body
