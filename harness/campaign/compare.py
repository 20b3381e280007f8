"""Compare: what differs between two messages, in bytes and as people read it."""

from __future__ import annotations

import difflib
import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import Message as Mail

from harness.campaign.urls import BARE, bare_end, is_link
from harness.model.tag import Tag, scan

_WIDEST = 400  # characters of a source line that are shown
_MANY = 4_000_000  # pairs of lines up to which the exact comparison is quick


@dataclass(frozen=True, slots=True)
class Hunk:
    """One run of bytes that differs: offsets in both messages, and the bytes."""

    a_start: int
    a_end: int
    b_start: int
    b_end: int
    removed: bytes
    added: bytes


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """One header field that differs, decoded; None where a message has no such field."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Two messages side by side. `text_lines` and `html_lines` are unified diff lines of the decoded source."""

    hunks: tuple[Hunk, ...]
    headers: tuple[HeaderChange, ...]
    text_lines: tuple[str, ...]
    html_lines: tuple[str, ...]
    links_removed: tuple[str, ...]
    links_added: tuple[str, ...]
    parts_removed: tuple[str, ...]
    parts_added: tuple[str, ...]
    sha256_a: str
    sha256_b: str

    @property
    def changed(self) -> int:
        """How many bytes are in hunks, those taken away and those put in."""
        return sum(len(hunk.removed) + len(hunk.added) for hunk in self.hunks)

    @property
    def proof(self) -> str:
        """Say in one line what the comparison of raw bytes found."""
        if not self.hunks:
            return f"0 hunks, 0 bytes; the messages are identical (sha256 {self.sha256_a})"
        count = len(self.hunks)
        return (
            f"{count} hunk{'s' * (count != 1)}, {self.changed} bytes; all other bytes identical"
            f" (sha256 {self.sha256_a}, {self.sha256_b})"
        )

    def text(self, a: str = "before", b: str = "after") -> str:
        """Write the difference as people read it, the proof last; `a` and `b` are what the two are called."""
        lines = [f"--- {a}", f"+++ {b}"]
        for change in self.headers:
            lines += [f"- {change.name}: {change.before}"] if change.before is not None else []
            lines += [f"+ {change.name}: {change.after}"] if change.after is not None else []
        for title, changed in (("text", self.text_lines), ("HTML source", self.html_lines)):
            lines += [f"{title}:", *(_shortened(line) for line in changed)] if changed else []
        for title, gone, come in (
            ("links", self.links_removed, self.links_added),
            ("parts", self.parts_removed, self.parts_added),
        ):
            lines += [f"{title}:"] if gone or come else []
            lines += [f"- {one}" for one in gone] + [f"+ {one}" for one in come]
        return "\n".join([*lines, self.proof])

    def as_object(self) -> dict[str, object]:
        """Return the difference as JSON has it; bytes as text, undecodable ones escaped."""
        return {
            "headers": [{"name": one.name, "before": one.before, "after": one.after} for one in self.headers],
            "text": list(self.text_lines),
            "html": list(self.html_lines),
            "links": {"removed": list(self.links_removed), "added": list(self.links_added)},
            "parts": {"removed": list(self.parts_removed), "added": list(self.parts_added)},
            "hunks": [_hunk_object(hunk) for hunk in self.hunks],
            "bytes": self.changed,
            "sha256": [self.sha256_a, self.sha256_b],
            "proof": self.proof,
        }


def _hunk_object(hunk: Hunk) -> dict[str, object]:
    return {
        "a": [hunk.a_start, hunk.a_end],
        "b": [hunk.b_start, hunk.b_end],
        "removed": hunk.removed.decode("utf-8", "backslashreplace"),
        "added": hunk.added.decode("utf-8", "backslashreplace"),
    }


def _shortened(line: str) -> str:
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"


def difference(a: bytes, b: bytes) -> Difference:
    """Compare two messages byte by byte and part by part."""
    before, after = _Read(a), _Read(b)
    return Difference(
        tuple(hunks(a, b)),
        tuple(_headers(before.mail, after.mail)),
        _unified(before.text, after.text),
        _unified(before.html, after.html),
        tuple(link for link in before.links if link not in after.links),
        tuple(link for link in after.links if link not in before.links),
        tuple(part for part in before.parts if part not in after.parts),
        tuple(part for part in after.parts if part not in before.parts),
        hashlib.sha256(a).hexdigest(),
        hashlib.sha256(b).hexdigest(),
    )


def hunks(a: bytes, b: bytes) -> list[Hunk]:
    """List the runs of bytes that differ; what is between them is identical.

    Lines are compared first, then each run is narrowed to the bytes that differ in it.
    """
    old, new = a.splitlines(keepends=True), b.splitlines(keepends=True)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=len(old) * len(new) > _MANY)
    starts_a, starts_b = _offsets(old), _offsets(new)
    found: list[Hunk] = []
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            continue
        left, right = a[starts_a[i1] : starts_a[i2]], b[starts_b[j1] : starts_b[j2]]
        head = _common(left, right)
        tail = _common(left[head:][::-1], right[head:][::-1])
        found.append(
            Hunk(
                starts_a[i1] + head, starts_a[i2] - tail, starts_b[j1] + head, starts_b[j2] - tail,
                left[head : len(left) - tail], right[head : len(right) - tail],
            )
        )  # fmt: skip
    return found


def _offsets(lines: Sequence[bytes]) -> list[int]:
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    return offsets


def _common(left: bytes, right: bytes) -> int:
    """Count the bytes that both begin with."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[:middle] == right[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class _Read:
    """A message as people read it."""

    def __init__(self, raw: bytes):
        self.mail: Mail = message_from_bytes(raw, policy=policy.compat32)
        self.text = self.html = ""
        self.parts: list[str] = []
        for part in self.mail.walk():
            kind = part.get_content_type()
            name = part.get_filename()
            if name or kind not in ("text/plain", "text/html"):
                if not part.is_multipart():
                    self.parts.append(f"{name or 'unnamed'} ({kind})")
            elif kind == "text/html":
                self.html += _decoded(part)
            else:
                self.text += _decoded(part)
        self.links = list(dict.fromkeys([*_markup_links(self.html), *_bare_links(self.text)]))


def _decoded(part: Mail) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return content.decode("latin-1")


def _markup_links(source: str) -> list[str]:
    found: list[str] = []
    for token in scan(source):
        if isinstance(token, Tag) and not token.closing and (href := token.get("href")):
            url = html.unescape(source[href.value_start : href.value_end].strip())
            if is_link(url):
                found.append(url)
    return found


def _bare_links(text: str) -> list[str]:
    return [text[found.start() : bare_end(text, *found.span())] for found in BARE.finditer(text)]


def _headers(before: Mail, after: Mail) -> list[HeaderChange]:
    names = list(dict.fromkeys([*before.keys(), *after.keys()]))
    changes: list[HeaderChange] = []
    for name in names:
        old, new = _values(before, name), _values(after, name)
        if old != new:
            changes.append(HeaderChange(name, old, new))
    return changes


def _values(mail: Mail, name: str) -> str | None:
    values = mail.get_all(name)
    if values is None:
        return None
    return " | ".join(_readable(str(value)) for value in values)


def _readable(value: str) -> str:
    folded = " ".join(value.split())
    try:
        return str(make_header(decode_header(folded)))
    except (LookupError, UnicodeError, ValueError):
        return folded


def _unified(before: str, after: str) -> tuple[str, ...]:
    if before == after:
        return ()
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=1)
    return tuple(lines)[2:]
