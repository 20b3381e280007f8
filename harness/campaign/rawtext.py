"""Raw text: a body's decoded text with the raw bytes behind every character.

A place is found in the text and cut out of the raw bytes. What is not cut stays as it was received, whatever its
transfer encoding: soft line breaks, odd escapes and all.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.campaign.place import Branch, Node
from harness.campaign.wire import CRLF, SOFT, Piece, Span, quoted_bytes

_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})|=[ \t]*\r?\n|[ \t]+(?=\r?\n)")
_GROUP = re.compile(rb"(?:[A-Za-z0-9+/=][^A-Za-z0-9+/=]*){4}")
_WIDTH = 54  # new bytes on a base64 line: 72 characters


@dataclass(frozen=True, slots=True)
class RawText:
    """Decoded text; `offsets[n]` is where the raw bytes of character n begin, the last one where all end.

    Of base64 the raw bytes are the decoded ones.
    """

    text: str
    raw: bytes
    offsets: Sequence[int]
    encoding: str
    charset: str
    markup: bool

    def pieces(self, nodes: tuple[Node, ...]) -> tuple[Piece, ...]:
        """Make a tree of places into raw bytes."""
        return tuple(self._pieces(nodes, [0]))

    def _pieces(self, nodes: tuple[Node, ...], at: list[int]) -> Iterator[Piece]:
        for node in nodes:
            if isinstance(node, str):
                start = at[0]
                at[0] += len(node)
                first, last = self.offsets[start], self.offsets[at[0]]
                yield _Slice(self.raw[first:last], first) if self.encoding == "base64" else self.raw[first:last]
            else:
                assert isinstance(node, Branch)  # a raw body has no atoms
                start = at[0]
                inner = tuple(self._pieces(node.inner, at))
                plain = "".join(one for one in node.plain if isinstance(one, str))
                yield Span(node.owner, inner, (self._plain(plain, start, at[0]),))

    def _plain(self, text: str, start: int, end: int) -> bytes:
        """Encode what stands in for a span."""
        seven = self.encoding not in ("8bit", "binary", "quoted-printable", "base64")
        lines = text.replace("\r\n", "\n").replace("\n", "\r\n")
        content = lines.encode("ascii" if seven else self.charset, "xmlcharrefreplace" if self.markup else "replace")
        first = self.offsets[start]
        if self.encoding == "quoted-printable":
            begins = first == 0 or self.raw[first - 1 : first] == b"\n"
            return (b"" if begins else SOFT) + quoted_bytes(content)
        if self.encoding == "base64":
            content += b" " * ((self.offsets[end] - first - len(content)) % 3)
        return content


class _Slice(bytes):
    """Decoded bytes as they stand in a base64 body, with their offset."""

    offset: int

    def __new__(cls, content: bytes, offset: int) -> _Slice:
        made = super().__new__(cls, content)
        made.offset = offset
        return made


class Based:
    """A base64 body in pieces of decoded bytes.

    What stands in for a place is padded with spaces to the place's length modulo three, so that all groups of three
    bytes outside of it keep their four characters, and their line breaks. A group that a place shares with what is
    outside is part of the place.
    """

    def __init__(self, inner: tuple[Piece, ...], body: bytes):
        self.inner = inner
        self._groups = _GROUP.findall(body)
        self._lead = body[: body.find(self._groups[0])] if self._groups else b""

    def runs(self, factors: frozenset[str], owners: tuple[str, ...]) -> Iterator[tuple[bytes, tuple[str, ...]]]:
        """Encode the pieces for a set of factors."""
        if self._lead:
            yield self._lead, owners
        pending: list[tuple[int, int, tuple[str, ...]]] = []  # byte, offset or -1, owners
        for content, offset, within in self._bytes(self.inner, factors, owners):
            at = 0
            if not content and pending:  # a place that shows nothing: the group around it is its own as well
                byte, where, also = pending[-1]
                pending[-1] = byte, where, (*also, *within)
            while at < len(content) and (pending or (len(content) - at < 3)):
                pending.append((content[at], offset + at if offset >= 0 else -1, within))
                at += 1
                if len(pending) == 3:
                    yield self._group(pending)
                    pending = []
            whole = (len(content) - at) // 3 * 3
            if whole and offset >= 0:
                first = (offset + at) // 3
                yield b"".join(self._groups[first : first + whole // 3]), within
            elif whole:
                yield _lines(content[at : at + whole]), within
            pending += [
                (content[n], offset + n if offset >= 0 else -1, within) for n in range(at + whole, len(content))
            ]
        if pending:
            yield self._group(pending)

    def _bytes(
        self, pieces: tuple[Piece, ...], factors: frozenset[str], owners: tuple[str, ...]
    ) -> Iterator[tuple[bytes, int, tuple[str, ...]]]:
        for piece in pieces:
            if isinstance(piece, _Slice):
                yield piece, piece.offset, owners
            elif isinstance(piece, bytes):
                yield piece, -1, owners
            elif isinstance(piece, Span):
                inner = piece.inner if piece.owner in factors else piece.plain
                yield from self._bytes(inner, factors, (*owners, piece.owner))

    def _group(self, pending: list[tuple[int, int, tuple[str, ...]]]) -> tuple[bytes, tuple[str, ...]]:
        """Encode a group that pieces share; one that is as received keeps its characters."""
        first = pending[0][1]
        own = tuple(dict.fromkeys(owner for _, _, owners in pending for owner in owners))
        if (
            first >= 0
            and first % 3 == 0
            and [offset for _, offset, _ in pending] == list(range(first, first + len(pending)))
        ):
            return self._groups[first // 3], own
        return base64.b64encode(bytes(byte for byte, _, _ in pending)), own


def _lines(content: bytes) -> bytes:
    coded = [base64.b64encode(content[at : at + _WIDTH]) for at in range(0, len(content), _WIDTH)]
    return CRLF.join(coded) + CRLF


def read_text(body: bytes, encoding: str, charset: str, markup: bool) -> RawText | None:
    """Decode a body, keeping track of where every character comes from; None where it can't be followed."""
    starts: Sequence[int]
    if encoding == "quoted-printable":
        content, starts = _unquoted(body)
    elif encoding == "base64":
        decoded = _unbased(body)
        if decoded is None:
            return None
        content, starts = decoded, range(len(decoded) + 1)
    elif encoding in ("7bit", "8bit", "binary", ""):
        content, starts = body, range(len(body) + 1)
    else:
        return None
    text, sizes, used = _decoded(content, charset)
    offsets = starts
    if sizes:
        at = 0
        places = [starts[0]]
        for size in sizes:
            at += size
            places.append(starts[at])
        offsets = tuple(places)
    return RawText(text, content if encoding == "base64" else body, offsets, encoding, used, markup)


def _decoded(content: bytes, charset: str) -> tuple[str, list[int], str]:
    """Decode bytes; where the charset does not fit, every byte is a character of its own."""
    name = charset.lower() or "us-ascii"
    if name in ("us-ascii", "ascii", "utf8", "utf-8"):
        text = content.decode("utf-8", "surrogateescape")
        sizes = [] if len(text) == len(content) else [1 if "\udc80" <= c <= "\udcff" else len(c.encode()) for c in text]
        return text, sizes, "utf-8"
    try:
        "a".encode(name)  # a charset that nobody knows fails here, even where there is nothing to decode
        text = content.decode(name)
        sizes = [len(character.encode(name)) for character in text] if len(text) != len(content) else []
        if not sizes or sum(sizes) == len(content):
            return text, sizes, name
    except (LookupError, UnicodeError):
        pass
    return content.decode("latin-1"), [], "latin-1"


def _unquoted(body: bytes) -> tuple[bytes, Sequence[int]]:
    """Decode quoted-printable with the raw offset of every byte; white space before a line break was padding."""
    out = bytearray()
    starts: list[int] = []
    at = 0
    for found in _ESCAPE.finditer(body):
        out += body[at : found.start()]
        starts.extend(range(at, found.start()))
        if found[1]:
            out.append(int(found[1], 16))
            starts.append(found.start())
        at = found.end()
    out += body[at:]
    starts.extend(range(at, len(body) + 1))
    if starts:
        starts[0] = 0  # padding before the first byte goes with it
    return bytes(out), tuple(starts)


def _unbased(body: bytes) -> bytes | None:
    """Decode base64 that has no more in it than groups and line breaks; an empty body has nothing to follow."""
    try:
        content = base64.b64decode(re.sub(rb"[\r\n\t ]", b"", body), validate=True)
    except binascii.Error:
        return None
    return content if content and len(_GROUP.findall(body)) == -(-len(content) // 3) else None
