"""Wire: text to bytes, each piece by itself, so that a change of one moves no byte of another.

Bodies are quoted-printable with a soft line break wherever one piece ends and the next begins: every piece starts at
the beginning of a line, in every variant. Header fields are encoded word by word, folded only where a piece begins.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Protocol

from harness.campaign.place import Branch, Node

CRLF = b"\r\n"
SOFT = b"=\r\n"
LONGEST = 998  # RFC 5322 section 2.1.1
_LONG_HEADER = 900


class Span:
    """A place in bytes: `inner` where its owner is in production, `plain` where not."""

    __slots__ = ("inner", "owner", "plain")

    def __init__(self, owner: str, inner: tuple[Piece, ...], plain: tuple[Piece, ...] = ()):
        self.owner = owner
        self.inner = inner
        self.plain = plain


class Pick:
    """A merge output in bytes, one text for every subset of its owners."""

    __slots__ = ("inner", "joint", "owners", "texts")

    def __init__(self, owners: tuple[str, ...], texts: tuple[bytes, ...], joint: bool, inner: tuple[Piece, ...] = ()):
        self.owners = owners
        self.texts = texts
        self.joint = joint
        self.inner = inner


class Slot:
    """What the trial's identity fills in."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name


class Woven(Protocol):
    """Pieces whose bytes depend on each other where they meet (base64)."""

    inner: tuple[Piece, ...]

    def runs(self, factors: frozenset[str], owners: tuple[str, ...]) -> Iterator[tuple[bytes, tuple[str, ...]]]:
        """Write the pieces for a set of factors."""
        ...


Piece = bytes | Span | Pick | Slot | Woven


def put(pieces: tuple[Piece, ...], factors: frozenset[str], slots: dict[str, bytes], out: list[bytes]) -> None:
    """Write pieces for a set of factors."""
    for piece in pieces:
        if type(piece) is bytes:
            out.append(piece)
        elif type(piece) is Span:
            put(piece.inner if piece.owner in factors else piece.plain, factors, slots, out)
        elif type(piece) is Pick:
            mask = 0
            for bit, owner in enumerate(piece.owners):
                if owner in factors:
                    mask |= 1 << bit
            whole = mask == (1 << len(piece.owners)) - 1
            if whole and piece.inner:
                put(piece.inner, factors, slots, out)
            else:
                out.append(piece.texts[(1 if whole else 0) if piece.joint else mask])
        elif type(piece) is Slot:
            out.append(slots[piece.name])
        else:
            out.extend(run for run, _ in piece.runs(factors, ()))  # type: ignore[union-attr]


Run = tuple[bytes, tuple[str, ...]]


def trace(
    pieces: tuple[Piece, ...], factors: frozenset[str], slots: dict[str, bytes], owners: tuple[str, ...] = ()
) -> Iterator[Run]:
    """Write pieces as `put` does, each run of bytes with the factors in whose places it stands."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece, owners
        elif isinstance(piece, Span):
            inner = piece.inner if piece.owner in factors else piece.plain
            yield from trace(inner, factors, slots, (*owners, piece.owner))
        elif isinstance(piece, Pick):
            within = (*owners, *piece.owners)
            if piece.inner and all(owner in factors for owner in piece.owners):
                yield from trace(piece.inner, factors, slots, within)
            else:
                out: list[bytes] = []
                put((piece,), factors, slots, out)
                yield b"".join(out), within
        elif isinstance(piece, Slot):
            yield slots[piece.name], owners
        else:
            yield from piece.runs(factors, owners)


class Body:
    """Encodes the pieces of one text body; equal pieces are encoded once."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def pieces(self, nodes: tuple[Node, ...]) -> tuple[Piece, ...]:
        """Encode a tree."""
        made: list[Piece] = []
        for node in nodes:
            if isinstance(node, str):
                made.append(self.encode(node))
            elif isinstance(node, Branch):
                made.append(Span(node.owner, self.pieces(node.inner), self.pieces(node.plain)))
            else:
                texts = tuple(self.encode(text) for text in node.texts)
                made.append(Pick(node.owners, texts, node.joint, self.pieces(node.inner)))
        return tuple(made)

    def encode(self, text: str) -> bytes:
        """Encode one piece: it begins and ends at the beginning of a line."""
        made = self._known.get(text)
        if made is None:
            made = self._known[text] = quoted(text)
        return made


def quoted(text: str) -> bytes:
    """Encode text as quoted-printable lines (RFC 2045 section 6.7), ended by a soft break if by no other."""
    return quoted_bytes(text.encode("utf-8", "surrogateescape"))


def quoted_bytes(content: bytes) -> bytes:
    """Encode bytes of any charset as `quoted` does text."""
    if not content:
        return b""
    lines = content.replace(CRLF, b"\n").split(b"\n")
    out = CRLF.join([*map(_line, lines[:-1]), b""])
    return out + _line(lines[-1], soft=True) + SOFT if lines[-1] else out


def _line(content: bytes, soft: bool = False) -> bytes:
    """Encode one line; with `soft` there is room for a soft break at its end."""
    data = binascii.b2a_qp(content, istext=False).replace(b"\n", CRLF)  # istext=False codes a bare CR too
    if data.startswith(b"From "):
        data = b"=46rom " + data[5:]  # a mailbox would change the line
    head, _, tail = data.rpartition(CRLF)
    if len(tail) > 75 and (soft or len(tail) > 76):
        cut = 72
        while b"=" in tail[cut - 2 : cut]:
            cut -= 1
        tail = tail[:cut] + SOFT + tail[cut:]
    return head + CRLF + tail if head else tail


def base64_lines(content: bytes) -> bytes:
    """Encode an attachment (RFC 2045 section 6.8)."""
    return base64.encodebytes(content).replace(b"\n", CRLF)


# Header fields


def header_mode(texts: list[str]) -> str:
    """Choose how a field is written in all variants: `raw`, `folded` at its spaces, or in encoded `words`."""
    if any(not text.isascii() or "=?" in text for text in texts):
        return "words"
    return "raw" if sum(map(len, texts)) < _LONG_HEADER else "folded"


def header_pieces(nodes: tuple[Node, ...], mode: str, lead: bool = True) -> tuple[Piece, ...]:
    """Encode a field's value after `Name:`; with `lead` the first piece stays on the field's first line."""
    made: list[Piece] = [b" "] if lead and mode != "words" else []
    made.extend(_header_nodes(nodes, mode, lead))
    return tuple(made)


def _header_nodes(nodes: tuple[Node, ...], mode: str, lead: bool) -> tuple[Piece, ...]:
    made: list[Piece] = []
    for number, node in enumerate(nodes):
        first = lead and number == 0
        if isinstance(node, str):
            made.append(header_text(node, mode, fold=not first))
        elif isinstance(node, Branch):
            made.append(
                Span(node.owner, _header_nodes(node.inner, mode, first), _header_nodes(node.plain, mode, first))
            )
        else:
            texts = tuple(header_text(text, mode, fold=False) for text in node.texts)
            made.append(Pick(node.owners, texts, node.joint))
    return tuple(made)


def header_text(text: str, mode: str, fold: bool) -> bytes:
    """Encode one piece of a field."""
    if not text:
        return b""
    if mode == "raw":
        return text.encode("ascii")
    if mode == "folded":
        return re.sub(r" (?=\S)", "\r\n ", text).encode("ascii")
    words = [b"=?utf-8?q?" + chunk + b"?=" for chunk in _q_chunks(text)]
    return (b"\r\n " if fold else b" ") + b"\r\n ".join(words)


_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")


def _q_chunks(text: str) -> list[bytes]:
    """Cut text into Q encoded chunks of encoded words of at most 75 characters (RFC 2047 section 2)."""
    chunks = [b""]
    for character in text:
        coded = b"".join(
            b"_" if byte == 32 else bytes((byte,)) if byte in _PLAIN else b"=%02X" % byte
            for byte in character.encode("utf-8", "surrogateescape")
        )
        if len(chunks[-1]) + len(coded) > 62:
            chunks.append(b"")
        chunks[-1] += coded
    return chunks
